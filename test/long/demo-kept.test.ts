import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createDemoStage, fixtureScene } from '../support/demo.ts';
import { until } from '../support/until.ts';

/** What `sightline demo` leaves behind: by design with --keep, and when it was killed. On the drawn fixtures. */

const patience = 90_000;

test('a killed demo leaves no process, and its folder goes with the next start; folders of others stay', async () => {
  await using stage = await createDemoStage();
  const scene = await fixtureScene(stage.temporary);
  const killed = stage.start('--scene', scene);
  await killed.said(/^the demo runs$/m);
  await until('all of it runs', () => stage.processes().length >= 3, patience);
  killed.kill('SIGKILL');
  await killed.finished;
  await until('cameras and workers end by themselves', () => stage.processes().length === 0, patience);
  const [folder = ''] = stage.leftovers().filter((name) => name.startsWith('sightline-demo-'));
  assert.ok(folder);
  mkdirSync(join(stage.temporary, 'sightline-demo-other'), { mode: 0o700 });

  const next = stage.start('--scene', scene);
  const [, removed] = await next.said(/^removed what a killed demo had left: (.*)$/m);
  assert.equal(removed, join(stage.temporary, folder));
  await next.said(/^the demo runs$/m);
  // A second one beside it takes nothing away from it.
  const beside = stage.start('--scene', scene);
  await beside.said(/^the demo runs$/m);
  beside.kill('SIGINT');
  const { code, stderr } = await beside.finished;
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /removed/);
  next.kill('SIGHUP');
  assert.equal((await next.finished).code, 0, 'the terminal was closed');
  assert.deepEqual(stage.leftovers().toSorted(), ['scene', 'sightline-demo-other']);
  assert.deepEqual(stage.processes(), []);
});

test('--keep: what stays works with the other commands, and a demo there goes on with it', async () => {
  await using stage = await createDemoStage();
  const scene = await fixtureScene(stage.temporary);
  const keep = join(stage.temporary, 'kept');
  const first = stage.start('--scene', scene, '--keep', keep, '--watch', 'dee');
  await until('somebody is told of', () => first.alerts().length > 0, patience);
  const config = join(keep, 'sightline.yaml');
  const status = await stage.command('status', '--config', config);
  assert.equal(status.code, 0, status.stderr + status.stdout);
  assert.match(status.stdout, /^watchlist: 3 entries, 6 pictures$/m);
  const second = await stage.command('demo', '--scene', scene, '--keep', keep);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /a demo runs on .*kept already: process \d+/);
  const before = readFileSync(join(keep, 'demo.yaml'), 'utf8');
  const alias = join(stage.temporary, 'alias');
  symlinkSync(keep, alias);
  const other = await stage.command('demo', '--scene', scene, '--keep', alias);
  rmSync(alias);
  assert.equal(other.code, 1);
  assert.match(other.stderr, /a demo runs on .*alias already: process \d+/);
  assert.equal(readFileSync(join(keep, 'demo.yaml'), 'utf8'), before, 'what runs there is not disturbed');
  first.kill('SIGTERM');
  const { code, stderr, stdout } = await first.finished;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /alerts?; kept in .*kept: .*sightline run .*kept\/sightline\.yaml goes on with it$/m);
  const [picture = ''] = /(?<=picture=)\S+/.exec(stdout) ?? [];
  assert.deepEqual([...readFileSync(picture).subarray(0, 2)], [0xff, 0xd8], 'a JPEG');
  assert.deepEqual(stage.leftovers().toSorted(), ['kept', 'scene'], 'nothing but what was asked for');
  assert.deepEqual(readdirSync(keep).toSorted(), ['data', 'demo.log', 'demo.yaml', 'pictures', 'sightline.yaml']);

  const history = await stage.command('alerts', 'list', '--config', config);
  assert.match(history.stdout, / high +lobby +\w+ \(watched\) +face /);
  const checked = await stage.command('check', config);
  assert.equal(checked.code, 0, checked.stderr);
  appendFileSync(config, '# my own camera comes here\n');
  const run = stage.start('--scene', scene, '--keep', keep, '--loops', '1');
  const again = await run.finished;
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /^.*kept\/sightline\.yaml was changed since a demo wrote it: it is left as it is$/m);
  assert.match(readFileSync(config, 'utf8'), /my own camera comes here/);
  assert.match(again.stderr, /^ {2}listed +ada, ben, dee$/m);
  // Whoever was in view when the first one ended goes on under the same alert, which is not told again.
  const told = [...first.alerts(), ...run.alerts()].map(({ name }) => name);
  assert.deepEqual([...new Set(told)].toSorted(), ['ada', 'ben', 'dee'], again.stdout);
  assert.ok(
    run.alerts().every(({ name = '' }) => ['ada', 'ben', 'dee'].includes(name)),
    again.stdout,
  );
});
