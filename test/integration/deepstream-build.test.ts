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
    await cp(join(folder, 'nvml-stub/nvml.h'), join(headers, 'nvml.h'));
    const build = join(directory.path, 'build');
    await run('meson', ['setup', build, folder, `-Dsdk_headers=${headers}`, `-Dnvml_headers=${headers}`]);
    const compile = async () => await run('ninja', ['-C', build, 'app/libcontract.a', 'app/libnvml_contract_cuda.a']);
    await compile();
    for (const [name, ours, other, said] of [
      ['nvdsmeta.h', 'guint64 object_id;', 'guint32 object_id;', 'NvDsObjectMeta.object_id'],
      ['nvml.h', 'unsigned long long used;', 'unsigned int used;', 'nvmlMemory_t.used'],
    ] as const) {
      const file = join(headers, name);
      const text = await readFile(file, 'utf8');
      await writeFile(file, text.replace(ours, other));
      await assert.rejects(compile(), (error: { readonly stdout?: string }) => {
        assert.ok(error.stdout?.includes(`static assertion failed: ${said}`), error.stdout);
        return true;
      });
      await writeFile(file, text);
    }
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

  it('looks in its own check for every property that it sets of an element, and for no other', () => {
    const needs = readFileSync(join(folder, 'app/element_needs.cpp'), 'utf8');
    const known = new Set([...needs.matchAll(/\{"([\w-]+)", Kind::\w+\}/g)].map(([, name]) => name));
    const set = sources(join(folder, 'app'))
      .filter((path) => !path.includes('/tests/'))
      .flatMap((path) => {
        const text = readFileSync(path, 'utf8').replaceAll(/\/\/.*$/gm, '');
        const calls = text.matchAll(/\b(?:g_object_set|gst_util_set_object_arg)\(([^;]*)\);/g);
        // Each name stands behind a comma, and its value is no text of that form.
        return [...calls].flatMap(([, args = '']) => [...args.matchAll(/,\s*"([a-z][a-z0-9-]*)",/g)].map(([, name]) => name));
      });
    assert.ok(new Set(set).size > 40, `${new Set(set).size} properties`);
    assert.deepEqual(
      [...new Set(set)].filter((name) => !known.has(name)),
      [],
    );
    assert.deepEqual(
      [...known].filter((name) => !set.includes(name)),
      [],
    );
  });

  it('names in the contract all that the program uses of DeepStream', () => {
    const contracts = ['contract.cpp', 'nvml_contract.cpp'].map((name) => join(folder, 'app', name));
    const contract = new Set(contracts.flatMap((path) => code(readFileSync(path, 'utf8')).match(/\w+/g) ?? []));
    const used = sources(join(folder, 'app'))
      .filter((path) => !contracts.includes(path))
      .flatMap((path) => {
        const names = code(readFileSync(path, 'utf8')).match(
          /\b(?:Nv[A-Z]|NVDS|NVBUF|nvds_|gst_nv|gst_buffer_get_nvds|GST_NV|nvml[A-Z]|NVML_)\w*/g,
        );
        return (names ?? []).map((name) => `${name} in ${path.slice(root.length + 1)}`);
      });
    const missing = used.filter((use) => !contract.has(use.split(' ')[0] ?? ''));
    assert.deepEqual([...new Set(missing)], []);
  });
});
