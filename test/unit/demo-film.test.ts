import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cast, members, truth, visits } from '../support/demo-film.ts';

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
