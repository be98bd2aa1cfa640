import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { missingStandin } from '../support/standin.ts';

/** The program, its parsers and the stand-in built with sanitizers: the files below hold, and nothing is told. Other tests of them run without. */

const root = resolve(import.meta.dirname, '../..');
const files = [
  'test/integration/deepstream-build.test.ts',
  'test/integration/deepstream-app.test.ts',
  'test/long/deepstream-program.test.ts',
  'test/long/fuzz-deepstream.test.ts',
];

describe('the C++ of deepstream/ with sanitizers', { skip: missingStandin() }, () => {
  for (const [sanitizer, name] of [
    ['address', 'of addresses, leaks and undefined behaviour'],
    ['thread', 'of threads'],
  ] as const)
    it(`has nothing to tell to that ${name}`, { timeout: 3_000_000 }, async () => {
      const args = ['tools/test.ts', ...files, '--concurrency', '1', '--test-ms', '1200000', '--file-ms', '2400000'];
      const child = spawn(process.execPath, args.with(0, join(root, 'tools/test.ts')), {
        cwd: root,
        stdio: ['ignore', 'inherit', 'inherit'],
        env: { ...process.env, SIGHTLINE_SANITIZE: sanitizer, SIGHTLINE_FUZZ_ROUNDS: '50000' },
      });
      const [code] = (await once(child, 'close')) as [number | null];
      assert.equal(code, 0);
    });
});
