import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDemoStage } from '../support/demo.ts';
import { cast, members, truth, visits } from '../support/demo-film.ts';

/**
 * The demo as it is shipped: its film, its networks, its configuration. Every visit of a listed character alerts once; the look-alike,
 * the ignored one, the hidden one and the strangers never.
 */

test('the scene has what the tour promises', () => {
  const roles = cast.map(({ role }) => role).toSorted();
  for (const [role, count] of [
    ['listed', 2],
    ['lookalike', 1],
    ['ignored', 1],
    ['hidden', 1],
  ] as const)
    assert.equal(roles.filter((one) => one === role).length, count, role);
  assert.deepEqual(Object.keys(members('listed')).toSorted(), truth.watchlist.toSorted());
  assert.ok(visits.length >= 3, 'somebody comes back');
});

test('one loop over RTSP: every listed visit alerts once, the look-alike and the ignored are explained', async () => {
  await using stage = await createDemoStage();
  const demo = stage.start('--loops', '1');
  const { code, stderr } = await demo.finished;
  assert.equal(code, 0, stderr);
  const told = demo.alerts();
  assert.deepEqual(
    told.map(({ name }) => name),
    visits.toSorted((a, b) => a.from - b.from).map(({ id }) => id),
    stderr,
  );
  for (const { similarity, needs, told_after_s: toldAfter } of told) {
    assert.ok(Number(similarity) >= Number(needs), `${similarity} is enough`);
    assert.ok(Number(toldAfter) < 3, `told after ${toldAfter} s, while in view`);
  }
  const [ignored = ''] = Object.keys(members('ignored'));
  assert.match(stderr, new RegExp(`^not told: ${ignored} on lobby is on the ignore list staff$`, 'm'));
  assert.equal(stderr.match(/^not told: somebody who looks like /gm)?.length, 1, stderr);
  const alike = /^not told: somebody who looks like ada on lobby, best similarity (0\.\d\d), needs (0\.\d\d)$/m.exec(stderr);
  assert.ok(alike, stderr);
  assert.ok(Number(alike[1]) < Number(alike[2]) - 0.02, 'with a margin');
  assert.doesNotMatch(stderr, /^warning: .* (is away|is failed|cannot be reached|does not answer)/m);
  assert.deepEqual(stage.leftovers(), []);
  assert.deepEqual(stage.processes(), []);
});
