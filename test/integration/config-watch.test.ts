import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfigFile } from '../../src/config/load.ts';
import type { ConfigDiff } from '../../src/config/reload.ts';
import type { Config } from '../../src/config/schema.ts';
import { startConfigWatch } from '../../src/config/watch.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { until } from '../support/until.ts';

async function watched(text: string, file = 's.yaml') {
  const directory = await temporaryDirectory();
  const path = join(directory.path, file);
  await writeFile(path, text);
  const ctx = testContext();
  const applied: { next: Config; diff: ConfigDiff }[] = [];
  let failing: Error | undefined;
  const watch = startConfigWatch(
    {
      file: path,
      config: loadConfigFile(path, {}).config,
      load: () => loadConfigFile(path, {}).config,
      apply: (next, diff) => {
        if (failing !== undefined) throw failing;
        applied.push({ next, diff });
      },
    },
    ctx,
  );
  return {
    directory,
    path,
    ctx,
    applied,
    watch,
    failWith: (error: Error | undefined) => {
      failing = error;
    },
    [Symbol.asyncDispose]: async () => {
      await watch[Symbol.asyncDispose]();
      ctx[Symbol.dispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

test('a file that is written anew is loaded and applied', async () => {
  await using it = await watched('logLevel: info');
  await writeFile(it.path, 'logLevel: warn');
  await until('the change is applied', () => it.applied.length === 1);
  assert.equal(it.watch.config.logLevel, 'warn');
  assert.deepEqual(it.applied[0]?.diff.changes, [{ path: 'logLevel', reload: 'live' }]);
  assert.equal(it.watch.last?.state, 'applied');
});

test('a file that is replaced, as editors do, is loaded too', async () => {
  await using it = await watched('logLevel: info');
  for (const level of ['warn', 'error', 'debug']) {
    await writeFile(`${it.path}.tmp`, `logLevel: ${level}`);
    await rename(`${it.path}.tmp`, it.path);
    await until(`${level} is applied`, () => it.watch.config.logLevel === level);
  }
});

test('a link above the file that is switched, as Kubernetes does, is a change', async () => {
  await using it = await watched('logLevel: info');
  const { path } = it.directory;
  for (const level of ['warn', 'error']) {
    await mkdir(join(path, level));
    await writeFile(join(path, level, 's.yaml'), `logLevel: ${level}`);
    await symlink(level, join(path, '..tmp'));
    await rename(join(path, '..tmp'), join(path, '..data'));
    if (level === 'warn') {
      await symlink('..data/s.yaml', join(path, 'link'));
      await rename(join(path, 'link'), it.path);
    }
    await until(`${level} is applied`, () => it.watch.config.logLevel === level);
  }
});

test('a bad file changes nothing, is reported with its issues, and the next good one is taken', async () => {
  await using it = await watched('logLevel: info');
  await writeFile(it.path, 'logLevel: loud');
  await until('the refusal is known', () => it.watch.last?.state === 'refused');
  assert.equal(it.watch.config.logLevel, 'info');
  assert.deepEqual(it.watch.last?.state === 'refused' && it.watch.last.issues, [
    `${it.path}:1:11 logLevel: "loud" is not allowed; expected one of debug, info, warn, error`,
  ]);
  assert.ok(
    it.ctx.lines.some((line) => line['msg'] === 'configuration refused, the old one stays' && line['level'] === 'error'),
  );
  await writeFile(it.path, 'logLevel: warn');
  await until('the good one is applied', () => it.watch.config.logLevel === 'warn');
  assert.match(await it.ctx.metrics.registry.metrics(), /sightline_config_reloads_total\{result="refused"\} 1/);
});

test('a reload on request says what it found, one after the other', async () => {
  await using it = await watched('logLevel: info');
  assert.equal((await it.watch.reload('signal')).state, 'unchanged');
  await rm(it.path);
  assert.equal((await it.watch.reload('signal')).state, 'refused');
  await writeFile(it.path, 'logLevel: warn\nmqtt: { topK: 5 }\ndataDir: /elsewhere');
  const [first, second] = await Promise.all([it.watch.reload('control'), it.watch.reload('control')]);
  assert.equal(first.state, 'applied');
  assert.deepEqual(first.state === 'applied' && first.diff.needsDaemonRestart, ['dataDir']);
  assert.equal(second.state, 'applied', 'what waits for a restart is said again');
  assert.notEqual(it.watch.config.dataDir, '/elsewhere');
  assert.ok(it.ctx.lines.some((line) => line['msg'] === 'changed settings wait for a restart of the daemon'));
});

test('a reload on request says what the watched file changed before it, once, as far as it still holds', async () => {
  await using it = await watched('logLevel: info');
  await writeFile(it.path, 'logLevel: warn\nmqtt: { topK: 5 }');
  await until('the change is applied', () => it.applied.length === 1);
  await writeFile(it.path, 'logLevel: info\nmqtt: { topK: 5 }');
  await until('the other change is applied', () => it.applied.length === 2);
  const by = it.watch.last;
  assert.ok(by?.state === 'applied' && by.taken === undefined, 'nobody asked');
  const signalled = await it.watch.reload('signal');
  assert.ok(signalled.state === 'unchanged' && signalled.taken === undefined, 'a signal has no answer');
  const asked = await it.watch.reload('control');
  const changes = [{ path: 'mqtt.topK', reload: 'live' }];
  assert.deepEqual(asked.state === 'unchanged' && asked.taken, { at: by.at, changes });
  const again = await it.watch.reload('control');
  assert.ok(again.state === 'unchanged' && again.taken === undefined, 'it was told');
});

test('what fails while it is applied leaves the old configuration in force', async () => {
  await using it = await watched('logLevel: info');
  it.failWith(new Error('no room'));
  await writeFile(it.path, 'logLevel: warn');
  const refused = await it.watch.reload('control');
  assert.deepEqual(refused.state === 'refused' && refused.issues, ['no room']);
  assert.equal(it.watch.config.logLevel, 'info');
  it.failWith(undefined);
  assert.equal((await it.watch.reload('control')).state, 'applied');
});

test('a pipe, a folder or something that is no text in place of the file is refused, and nothing waits for it', async () => {
  await using it = await watched('logLevel: info');
  const replacements = [
    { make: (path: string) => execFileSync('mkfifo', [path]), said: /it is not a regular file/ },
    { make: (path: string) => mkdir(path), said: /it is a folder/ },
    {
      make: (path: string) => writeFile(path, Buffer.from('logLevel: warn\nlists: { a: { owner: M\xfcller } }', 'latin1')),
      said: /UTF-8/,
    },
    { make: (path: string) => writeFile(path, ' '.repeat(5_000_000)), said: /is longer than/ },
  ];
  for (const { make, said } of replacements) {
    await rm(it.path, { force: true, recursive: true });
    await make(it.path);
    await until(`refused with ${said}`, () => it.watch.last?.state === 'refused' && said.test(it.watch.last.issues.join()));
  }
  await rm(it.path);
  await writeFile(it.path, 'logLevel: error');
  await until('the good file is applied', () => it.watch.config.logLevel === 'error');
});
