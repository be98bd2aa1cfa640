import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { mainFile } from '../support/cli.ts';
import { missingTool } from '../support/data.ts';
import { createDemoStage, fixtureScene } from '../support/demo.ts';
import { installedProgram } from '../support/programs.ts';

/** Demos beside each other, and commands beside commands. */

test('of several demos the newest lists somebody and is named; terminals that ask at once leave every photo there once', async () => {
  await using stage = await createDemoStage();
  const scene = await fixtureScene(stage.temporary);
  const older = stage.start('--scene', scene);
  await older.said(/^the demo runs$/m);
  const newer = stage.start('--scene', scene);
  const [, data = ''] = await newer.said(/ status --data (\S+)$/m);
  const asked = await Promise.all([1, 2, 3].map(() => stage.command('demo', '--watch', 'dee')));
  for (const { code, stderr } of asked) {
    assert.equal(code, 0, stderr);
    const where = `\\(several demos run; in that of process ${newer.pid}\\)`;
    assert.match(stderr, new RegExp(`^dee is listed (now; wait for the next visit|already) ${where}$`, 'm'));
  }
  const status = await stage.command('status', '--data', data);
  assert.match(status.stdout, /^watchlist: 3 entries, 6 pictures$/m, status.stderr);
});

test('a demo that runs in another container with the same directory for temporary files is left alone', {
  skip: missingTool(process.getuid?.() === 0 && installedProgram('unshare'), 'unshare as root'),
}, async (t) => {
  await using stage = await createDemoStage();
  const scene = await fixtureScene(stage.temporary);
  const demo = stage.start('--scene', scene);
  await demo.said(/^the demo runs$/m);
  const before = stage.leftovers();
  // Ends at the directory it cannot use, after it has looked for what dead demos have left.
  const command = [process.execPath, mainFile, 'demo', '--scene', scene, '--keep', join(scene, 'photos')];
  const { status, stderr } = spawnSync('unshare', ['-pf', '--mount-proc', ...command], {
    env: { ...process.env, ...stage.environment },
    encoding: 'utf8',
  });
  if (/unshare failed|unshare: .*(not permitted|denied)/i.test(stderr)) {
    t.skip('process namespaces are not allowed here');
    return;
  }
  assert.equal(status, 1, stderr);
  assert.match(stderr, /photos is not empty and not of an earlier demo/);
  assert.doesNotMatch(stderr, /removed/);
  assert.deepEqual(stage.leftovers(), before);
  demo.kill('SIGINT');
  assert.equal((await demo.finished).code, 0);
});
