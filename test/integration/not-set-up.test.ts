import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { commands } from '../../src/cli/commands.ts';
import { temporaryDirectory } from '../support/directory.ts';

const repository = resolve(import.meta.dirname, '../..');
/** Node.js looks for packages in every folder above as well: none may be there. */
const needed = ['src', 'package.json'];

test('in a copy that was not set up every command says so and ends', async () => {
  await using copy = await temporaryDirectory();
  for (const part of needed) await cp(join(repository, part), join(copy.path, part), { recursive: true });
  for (const name of Object.keys(commands)) {
    const child = spawn(process.execPath, [join(copy.path, 'src/main.ts'), name], { stdio: ['ignore', 'ignore', 'pipe'] });
    const [said, code] = await Promise.all([text(child.stderr), new Promise((done) => child.once('exit', done))]);
    assert.equal(code, 1, `${name}: ${said}`);
    assert.match(
      said,
      new RegExp(`^sightline ${name}: a part of what set-up installs is missing: .*\nset it up: make setup;.*\n$`),
    );
  }
});
