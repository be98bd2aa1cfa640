import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync } from 'node:fs';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { createLogStream } from '../../src/core/log-stream.ts';
import { missingTool } from '../support/data.ts';

test('a disk that is full costs lines and nothing else', { skip: missingTool(existsSync('/dev/full'), '/dev/full') }, () => {
  const fd = openSync('/dev/full', 'w');
  try {
    const log = createLogStream(new Writable(), fd);
    for (let index = 0; index < 3; index += 1) log.write('a line\n');
    assert.equal(log.lost, 3);
  } finally {
    closeSync(fd);
  }
});
