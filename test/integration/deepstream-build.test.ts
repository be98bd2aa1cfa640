import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { installedProgram } from '../support/programs.ts';
import { missingStandin, testStandin } from '../support/standin.ts';

/** The C++ of deepstream/: it builds without a warning, its own tests hold, and the contract names all that the program uses. */

const root = resolve(import.meta.dirname, '../..');
const folder = join(root, 'deepstream');
const run = promisify(execFile);
const skipFormat = missingTool(installedProgram('clang-format'), 'clang-format');

function sources(under: string): string[] {
  return readdirSync(under, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(cpp|h)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/\/deepstream\/build[^/]*\//.test(path));
}

/** Not code: comments, texts, and names of the SDK's files. */
function code(text: string): string {
  return text
    .replace(/\/\/.*$/gm, '')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*#include.*$/gm, '')
    .replace(/"(?:[^"\\\n]|\\.)*"/g, '""');
}

describe('deepstream/', () => {
  it('builds against the stand-in, and its tests hold', { skip: missingStandin(), timeout: 600_000 }, async () => {
    await testStandin();
  });

  it('compiles the contract against headers from elsewhere, and stops at one that differs', {
    skip: missingStandin(),
  }, async () => {
    await using directory = await temporaryDirectory();
    const headers = join(directory.path, 'headers');
    await cp(join(folder, 'standin/include'), headers, { recursive: true });
    const compile = async (name: string): Promise<void> => {
      const build = join(directory.path, name);
      await run('meson', ['setup', build, folder, `-Dsdk_headers=${headers}`]);
      await run('ninja', ['-C', build, 'app/libcontract.a']);
    };
    await compile('same');
    const meta = join(headers, 'nvdsmeta.h');
    const text = await readFile(meta, 'utf8');
    await writeFile(meta, text.replace('guint64 object_id;', 'guint32 object_id;'));
    await assert.rejects(compile('other'), (error: { readonly stdout?: string }) => {
      assert.match(error.stdout ?? '', /static assertion failed: NvDsObjectMeta\.object_id/);
      return true;
    });
  });

  it('is as clang-format writes it', { skip: skipFormat }, async () => {
    const said = await run('clang-format', ['--dry-run', '-Werror', ...sources(folder)], { maxBuffer: 64 << 20 }).then(
      () => '',
      (error: { readonly stderr?: string }) => error.stderr ?? 'clang-format failed',
    );
    const unformatted = new Set(said.match(/^\S+(?=:\d+:\d+: error)/gm));
    assert.deepEqual([...unformatted], [], 'clang-format -i changes these files');
    assert.equal(said, '');
  });

  it('names in the contract all that the program uses of DeepStream', () => {
    const contract = new Set(code(readFileSync(join(folder, 'app/contract.cpp'), 'utf8')).match(/\w+/g));
    const used = sources(join(folder, 'app'))
      .filter((path) => !path.endsWith('/contract.cpp'))
      .flatMap((path) => {
        const names = code(readFileSync(path, 'utf8')).match(
          /\b(?:Nv[A-Z]|NVDS|NVBUF|nvds_|gst_nv|gst_buffer_get_nvds|GST_NV)\w*/g,
        );
        return (names ?? []).map((name) => `${name} in ${path.slice(root.length + 1)}`);
      });
    const missing = used.filter((use) => !contract.has(use.split(' ')[0] ?? ''));
    assert.deepEqual([...new Set(missing)], []);
  });
});
