import assert from 'node:assert/strict';
import { test } from 'node:test';
import { analysedRate, type FrameSample, frameRates, samplesOf } from '../../bench/torture/frames.ts';
import { type DoneFault, planTorture } from '../../bench/torture/plan.ts';
import { type HistoryAlert, judge, type ToldMessage } from '../../bench/torture/verdict.ts';
import type { PlantedVisit } from '../../bench/torture/visits.ts';

/** What the torture bench makes of a night: it must be able to find every fault it is there to find. */

function visit(fromMs: number, toMs: number, changes: Partial<PlantedVisit> = {}): PlantedVisit {
  const looksMs = Array.from({ length: Math.floor((toMs - fromMs) / 200) }, (_, at) => fromMs + at * 200);
  return { camera: 'door', person: 'ada', round: 0, fromMs, toMs, looksMs, ...changes };
}

function alert(id: string, firstSeenAt: number, lastSeenAt: number, changes: Partial<HistoryAlert> = {}): HistoryAlert {
  return { id, rule: 'door', person: 'ada', firstSeenAt, lastSeenAt, open: false, ...changes };
}

function told(alert: HistoryAlert, revision = 1, topic: ToldMessage['topic'] = 'live'): ToldMessage {
  return { ...alert, revision, topic };
}

const leaveAfterMs = 10_000;
const first = alert('one', 10_500, 19_000);

test('a visit is told live, late or in history only, by its first message', () => {
  const visits = [visit(10_000, 20_000)];
  const outcome = (messages: readonly ToldMessage[]) =>
    judge({ visits, blind: [], messages, history: [first], leaveAfterMs }).outcomes;
  assert.equal(outcome([told(first), told(first, 2, 'late')]).live, 1);
  assert.equal(outcome([told(first, 1, 'late'), told(first, 2)]).late, 1);
  assert.equal(outcome([]).history, 1);
});

test('a visit without an alert is missed when a second of it lay between kills, and unseen otherwise', () => {
  const visits = [visit(10_000, 12_000)];
  const blindUntil = (toMs: number) => [{ camera: 'door', fromMs: 9000, toMs }];
  const outcomes = (toMs: number) =>
    judge({ visits, blind: blindUntil(toMs), messages: [], history: [], leaveAfterMs }).outcomes;
  assert.equal(outcomes(11_000).missed, 1);
  assert.equal(outcomes(11_100).unseen, 1);
  const twice = [...blindUntil(10_500), { camera: 'door', fromMs: 11_300, toMs: 11_400 }];
  assert.equal(
    judge({ visits, blind: twice, messages: [], history: [], leaveAfterMs }).outcomes.unseen,
    1,
    'no stretch is a second',
  );
});

test('an alert that belongs to nobody there is invented: another person, another camera, another time', () => {
  const visits = [visit(10_000, 20_000)];
  const strangers = [
    alert('a', 10_500, 19_000, { person: 'nora' }),
    alert('b', 10_500, 19_000, { rule: 'yard' }),
    alert('c', 30_000, 31_000),
  ];
  const { invented } = judge({ visits, blind: [], messages: [], history: [first, ...strangers], leaveAfterMs });
  assert.deepEqual(invented, ['a', 'b', 'c']);
});

test('two ids for one visit count, unless the camera was blind for longer than a presence lasts', () => {
  const visits = [visit(10_000, 40_000)];
  const history = [first, alert('two', 33_000, 39_000)];
  const doubles = (blind: { camera: string; fromMs: number; toMs: number }[]) => {
    const verdict = judge({ visits, blind, messages: [], history, leaveAfterMs });
    return [verdict.doubles, verdict.split];
  };
  assert.deepEqual(doubles([]), [1, 0]);
  assert.deepEqual(doubles([{ camera: 'door', fromMs: 20_000, toMs: 28_000 }]), [1, 0]);
  assert.deepEqual(doubles([{ camera: 'door', fromMs: 20_000, toMs: 31_000 }]), [1, 1]);
});

test('one id for two visits is excused only by a kill that hid the end of the first', () => {
  const visits = [visit(10_000, 20_000), visit(36_000, 40_000)];
  const history = [alert('one', 10_500, 39_000)];
  const joined = (blind: { camera: string; fromMs: number; toMs: number }[]) => {
    const verdict = judge({ visits, blind, messages: [], history, leaveAfterMs });
    return [verdict.joined, verdict.undulyJoined];
  };
  assert.deepEqual(joined([]), [1, 1]);
  assert.deepEqual(joined([{ camera: 'door', fromMs: 22_000, toMs: 27_000 }]), [1, 0]);
});

test('repeats, revisions that never came and alerts that history does not know are counted', () => {
  const visits = [visit(10_000, 20_000)];
  const messages = [told(first), told(first), told(first, 3)];
  const verdict = judge({ visits, blind: [], messages, history: [], leaveAfterMs });
  assert.deepEqual([verdict.messages, verdict.repeats, verdict.absentRevisions, verdict.unrecorded], [3, 1, 1, 1]);
});

test('the plan of kills is the same for a seed and keeps its numbers', () => {
  const plan = (seed: number) =>
    planTorture({
      seed,
      lengthMs: 780_000,
      cameras: ['a', 'b', 'c'],
      daemonKills: 5,
      workerKills: 20,
      brokerAway: { fromMs: 60_000, toMs: 660_000 },
    }).faults;
  for (let seed = 0; seed < 50; seed += 1) {
    const faults = plan(seed);
    assert.deepEqual(faults, plan(seed));
    assert.equal(faults.filter(({ what }) => what === 'daemon').length, 5, `seed ${seed}`);
    assert.equal(faults.length, 25);
    for (const [at, fault] of faults.entries()) assert.ok(fault.atMs - (faults[at - 1]?.atMs ?? 0) >= 15_000, `seed ${seed}`);
  }
});

test('frame rates compare the other cameras before and after a kill, where nothing else was killed', () => {
  const at = 100_000;
  // 25 pictures a second; 5 analysed before the kill, 4 after it.
  const samples = Array.from({ length: 61 }, (_, step): FrameSample[] => {
    const atMs = at + (step - 30) * 500;
    const seconds = (atMs - at) / 1000;
    const analysed = 500 + (seconds < 0 ? 5 : 4) * seconds;
    return ['yard', 'door'].map((camera) => ({ atMs, camera, decoded: 2500 + 25 * seconds, analysed }));
  }).flat();
  const killed: DoneFault = { what: 'worker', camera: 'door', wallMs: at };
  const rates = frameRates(samples, [killed], 25);
  assert.deepEqual(
    rates?.effects.map(({ camera }) => camera),
    ['yard'],
  );
  assert.equal(rates?.pooled.toFixed(2), '0.80');
  assert.equal(rates?.picturesPooled.toFixed(2), '1.00');
  assert.equal(frameRates(samples, [killed, { what: 'daemon', wallMs: at + 5000 }], 25), undefined);
  const restarted = samples.map((sample) => (sample.atMs > at + 3000 ? { ...sample, decoded: sample.decoded - 2500 } : sample));
  assert.equal(frameRates(restarted, [killed], 25), undefined);
  assert.equal(analysedRate(samples, 25).toFixed(1), '4.5');
});

test('counts of frames are read from the metrics of a daemon', () => {
  const text = [
    'sightline_camera_frames_decoded{camera="yard"} 250',
    'sightline_camera_frames_detected{camera="yard"} 50',
    'sightline_camera_fps{camera="yard"} 25',
  ].join('\n');
  assert.deepEqual(samplesOf(text, 7), [{ atMs: 7, camera: 'yard', decoded: 250, analysed: 50 }]);
});
