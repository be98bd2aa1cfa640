import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, chown, cp, mkdir, readdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { compileCacheFolder } from '../../src/core/compile-cache.ts';
import { temporaryDirectory } from '../support/directory.ts';

const repository = resolve(import.meta.dirname, '../..');
const uid = process.getuid?.();

/** The program without its libraries, in a folder of its own: enough for its help. */
async function installation() {
  const directory = await temporaryDirectory();
  for (const part of ['src', 'package.json']) await cp(join(repository, part), join(directory.path, part), { recursive: true });
  const cache = join(directory.path, '.cache/compile');
  return {
    path: directory.path,
    cache,
    /** Files of the cache. */
    cached: async (folder = cache) =>
      (await readdir(folder, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name)),
    help: async (env: Readonly<Record<string, string>> = {}) => {
      const { NODE_COMPILE_CACHE: _, NODE_DISABLE_COMPILE_CACHE: __, NODE_V8_COVERAGE: ___, ...rest } = process.env;
      const child = spawn(process.execPath, [join(directory.path, 'src/main.ts'), '--help'], {
        env: { ...rest, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [stdout, stderr, code] = await Promise.all([
        buffer(child.stdout),
        buffer(child.stderr),
        new Promise((done) => child.once('exit', done)),
      ]);
      return { code, stdout: String(stdout), stderr: String(stderr) };
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

describe('compiled code', () => {
  it('is kept by one start and used by the next', async () => {
    await using program = await installation();
    const first = await program.help();
    assert.deepEqual([first.code, first.stderr], [0, '']);
    assert.equal((await stat(program.cache)).mode & 0o777, 0o700);
    assert.ok((await program.cached()).length > 0);
    const { stdout, stderr } = await program.help({ NODE_DEBUG_NATIVE: 'COMPILE_CACHE' });
    // Node.js may print it to either.
    assert.match(stdout + stderr, /V8 code cache for ESM \S+src\/program\.ts was accepted/);
    assert.doesNotMatch(stdout + stderr, /was rejected/);
  });

  it('that is damaged is compiled anew', async () => {
    await using program = await installation();
    const whole = await program.help();
    for (const [index, file] of (await program.cached()).entries()) {
      if (index % 3 === 0) await truncate(file, 0);
      else if (index % 3 === 1) await truncate(file, Math.floor((await stat(file)).size / 2));
      else await writeFile(file, 'x'.repeat((await stat(file)).size));
    }
    assert.deepEqual(await program.help(), whole);
  });

  it('is kept where the user wants it, or not at all', async () => {
    await using program = await installation();
    const own = join(program.path, 'own');
    assert.equal((await program.help({ NODE_COMPILE_CACHE: own })).code, 0);
    assert.ok((await program.cached(own)).length > 0);
    assert.equal((await program.help({ NODE_DISABLE_COMPILE_CACHE: '1' })).code, 0);
    assert.equal(await exists(program.cache), false);
  });

  it('is not kept, without a word, where there can be no folder', async () => {
    await using program = await installation();
    await writeFile(join(program.path, '.cache'), '');
    const { code, stderr } = await program.help();
    assert.deepEqual([code, stderr], [0, '']);
  });

  it('is neither read nor written where others may write or own the folder', async () => {
    await using program = await installation();
    await mkdir(program.cache, { recursive: true, mode: 0o700 });
    assert.equal(compileCacheFolder(program.path, uid), program.cache);
    await chmod(program.cache, 0o777);
    assert.equal(compileCacheFolder(program.path, uid), undefined);
    assert.equal((await program.help()).code, 0);
    assert.deepEqual(await program.cached(), []);
    await chmod(program.cache, 0o700);
    if (uid === 0) await chown(program.cache, 4711, 4711);
    assert.equal(compileCacheFolder(program.path, uid === 0 ? 0 : 4711), undefined);
  });

  it('makes no folder in one that belongs to somebody else', async () => {
    await using program = await installation();
    assert.equal(compileCacheFolder(program.path, 4711), undefined);
    assert.equal(await exists(join(program.path, '.cache')), false);
  });
});
