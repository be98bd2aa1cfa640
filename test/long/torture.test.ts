import assert from 'node:assert/strict';
import { test } from 'node:test';
import { torture } from '../../bench/torture/run.ts';
import { tableOf } from '../../bench/torture/table.ts';
import { hasMosquitto } from '../support/broker.ts';
import { missingTool } from '../support/data.ts';

/** The torture of `bench/torture.ts`, three minutes of it; its table is printed. What is a matter of speed stays there. */

test('daemon and workers are killed and the broker is away: every visit is told once, late or live, and nobody else', {
  skip: missingTool(hasMosquitto, 'mosquitto'),
}, async () => {
  const result = await torture({
    rounds: 3,
    cameras: ['cam1', 'cam2', 'cam3'],
    seed: 5,
    daemonKills: 2,
    workerKills: 5,
    brokerAway: { fromMs: 20_000, toMs: 120_000 },
    progress: () => {},
  });
  console.log(tableOf(result));
  const { verdict } = result;
  assert.equal(verdict.planted, 72);
  assert.ok(verdict.tellable >= 60, `${verdict.tellable} could be told`);
  assert.equal(verdict.outcomes.missed, 0, 'none is missed');
  assert.ok(verdict.outcomes.live > 0 && verdict.outcomes.late > 0, 'some live, some late');
  assert.deepEqual(verdict.invented, []);
  assert.equal(verdict.doubles - verdict.split, 0, 'none under two ids');
  assert.equal(verdict.undulyJoined, 0, 'none under the id of another visit');
  assert.equal(verdict.unrecorded, 0, 'history knows all that was told');
  assert.equal(verdict.unclosed, 0);
  assert.equal(verdict.absentRevisions, 0, 'no message was lost');
  assert.equal(result.daemonStarts, 3);
});
