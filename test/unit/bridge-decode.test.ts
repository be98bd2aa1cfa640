import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFrameDecoder, decodeStats, decodeStatus } from '../../src/bridge/decode.ts';
import {
  CameraTimeSource,
  Frame,
  GpuStats,
  ModelStats,
  SourceState,
  SourceStatus,
  WorkerStats,
} from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { ManualClock } from '../support/clock.ts';

function wireFrame(change: Partial<Frame> = {}): Frame {
  return {
    ...Frame.create(),
    camera: 'lobby',
    epoch: 3,
    sequence: 1n,
    pts: 90_000n,
    timeBaseNum: 1,
    timeBaseDen: 90_000,
    receivedMonoUs: 900_000n,
    cameraTimeUs: 1_700_000_000_000_000n,
    cameraTimeSource: CameraTimeSource.RTCP,
    width: 640,
    height: 360,
    objects: [
      {
        trackId: 7,
        label: 'face',
        model: 'centerface',
        score: 0.9,
        box: { left: 10, top: 20, width: 30, height: 40 },
        landmarks: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        personTrackId: 0,
        crop: undefined,
      },
    ],
    ...change,
  };
}

function decodeOne(frame: Frame) {
  return createFrameDecoder(new ManualClock()).decode(frame);
}

test('frame decoder: anchors event time at the first frame of an epoch and follows media time from there', () => {
  const clock = new ManualClock({ wall: 1_000_000, mono: 1000 });
  const decoder = createFrameDecoder(clock);
  const first = decoder.decode(wireFrame());
  const second = decoder.decode(wireFrame({ sequence: 2n, pts: 90_000n + 45_000n }));
  const reopened = decoder.decode(wireFrame({ epoch: 4, pts: 0n }));
  assert.ok('frame' in first && 'frame' in second && 'frame' in reopened);
  assert.equal(first.frame.time.eventTimeMs, 999_900, 'received 100 ms ago');
  assert.equal(second.frame.time.eventTimeMs - first.frame.time.eventTimeMs, 500);
  assert.equal(reopened.frame.time.eventTimeMs, 999_900, 'a new epoch has its own anchor');
});

test('frame decoder: refuses times that no calendar can show, and goes on unharmed', () => {
  const decoder = createFrameDecoder(new ManualClock());
  const first = decoder.decode(wireFrame({ live: true }));
  for (const change of [{ pts: 2n ** 63n - 1n }, { pts: -(2n ** 63n) }, { cameraTimeUs: 2n ** 63n - 1n }])
    assert.ok('refused' in decoder.decode(wireFrame({ live: true, ...change })), Object.keys(change).join());
  const next = decoder.decode(wireFrame({ live: true, pts: 90_000n + 90n }));
  assert.ok('frame' in first && 'frame' in next);
  assert.ok(Math.abs(next.frame.time.eventTimeMs - first.frame.time.eventTimeMs) < 2);
});

/** Event times of a source whose clock ticks `rate` times as fast as ours, with what the wall clock said at each frame. */
async function played(
  frames: number,
  everyMs: number,
  { rate = 1, live = true, jitterMs = 0, step = 0 }: { rate?: number; live?: boolean; jitterMs?: number; step?: number } = {},
) {
  const clock = new ManualClock();
  const begunMs = clock.mono();
  const decoder = createFrameDecoder(clock);
  const times: { readonly wallMs: number; readonly eventMs: number }[] = [];
  for (let index = 0; index < frames; index += 1) {
    if (step !== 0 && index === frames / 2) clock.jump(step);
    await clock.advance(index * everyMs + (index % 5) * jitterMs - (clock.mono() - begunMs));
    const pts = BigInt(Math.round(index * everyMs * rate * 90));
    const receivedMonoUs = BigInt(Math.round(clock.mono() * 1000));
    const decoded = decoder.decode(wireFrame({ live, pts, sequence: BigInt(index), receivedMonoUs, objects: [] }));
    assert.ok('frame' in decoded);
    times.push({ wallMs: clock.now(), eventMs: decoded.frame.time.eventTimeMs });
  }
  return times;
}

function assertGrows(times: readonly { readonly eventMs: number }[]): void {
  for (const [index, { eventMs }] of times.entries())
    assert.ok(index === 0 || eventMs > (times[index - 1]?.eventMs ?? 0), `frame ${index}`);
}

for (const rate of [1.0001, 0.9999]) {
  test(`frame decoder: event time of a camera whose clock runs ${rate} times as fast stays with ours for ten days`, async () => {
    const times = await played(10 * 24 * 360, 10_000, { rate, jitterMs: 30 });
    const worst = Math.max(...times.slice(-5000).map(({ wallMs, eventMs }) => Math.abs(wallMs - eventMs)));
    assert.ok(worst < 1000, `${worst} ms`);
    assertGrows(times);
  });
}

for (const rate of [0.97, 0.996, 1.01, 1.03]) {
  test(`frame decoder: event time of a camera that counts frames, ${rate} times as fast, stays with ours`, async () => {
    const times = await played(6 * 3600, 1000, { rate, jitterMs: 30 });
    const worst = Math.max(...times.map(({ wallMs, eventMs }) => Math.abs(wallMs - eventMs)));
    assert.ok(worst < 5000, `${worst} ms`);
    assertGrows(times);
  });
}

test('frame decoder: a wall clock that is set does not make event time jump', async () => {
  for (const step of [3_600_000, -3_600_000]) {
    const times = await played(2000, 40, { step });
    assertGrows(times);
    for (const [index, { eventMs }] of times.slice(1).entries())
      assert.ok(Math.abs(eventMs - (times[index]?.eventMs ?? 0) - 40) <= 0.05, `frame ${index}`);
  }
});

test('frame decoder: the event time of a file is its media time at any speed', async () => {
  const times = await played(1000, 4, { rate: 10, live: false });
  assert.equal((times.at(-1)?.eventMs ?? 0) - (times[0]?.eventMs ?? 0), 999 * 40);
});

test('frame decoder: keeps labels, points and clocks', () => {
  const decoded = decodeOne(wireFrame());
  assert.ok('frame' in decoded);
  const [face] = decoded.frame.detections;
  assert.deepEqual(face?.landmarks?.[4], { x: 9, y: 10 });
  assert.equal(face?.personTrackId, undefined);
  assert.equal(decoded.frame.time.cameraTimeSource, 'rtcp');
  assert.equal(decoded.frame.time.cameraTimeMs, 1_700_000_000_000);
});

for (const [what, change] of [
  ['a box that is not a number', { box: { left: Number.NaN, top: 0, width: 1, height: 1 } }],
  ['a box without size', { box: { left: 0, top: 0, width: 0, height: 1 } }],
  ['a missing box', { box: undefined }],
  ['nine landmark numbers', { landmarks: [1, 2, 3, 4, 5, 6, 7, 8, 9] }],
  ['a score above one', { score: 1.5 }],
  ['a track id of zero', { trackId: 0 }],
  ['an endless label', { label: 'x'.repeat(65) }],
] as const) {
  test(`frame decoder: refuses ${what}`, () => {
    const [object] = wireFrame().objects;
    assert.ok(object);
    const decoded = decodeOne(
      wireFrame({
        objects: [{ ...object, ...change, landmarks: 'landmarks' in change ? [...change.landmarks] : object.landmarks }],
      }),
    );
    assert.ok('refused' in decoded, 'must be refused');
  });
}

test('frame decoder: refuses a time base of zero', () => {
  assert.ok('refused' in decodeOne(wireFrame({ timeBaseDen: 0 })));
});

test('source status: says each state in words and knows when the next attempt is', () => {
  const away = decodeStatus(
    { ...SourceStatus.create(), camera: 'lobby', state: SourceState.AWAY, reason: 'no answer', retryInMs: 2000 },
    5000,
  );
  assert.deepEqual(away, { state: 'away', since: 5000, reason: 'no answer', retryAt: 7000 });
  const failed = { ...SourceStatus.create(), camera: 'lobby', state: SourceState.FAILED, reason: 'no such model' };
  assert.deepEqual(decodeStatus({ ...failed, retryInMs: 300_000 }, 5000), {
    state: 'failed',
    since: 5000,
    reason: 'no such model; tried again every 5 min',
  });
  assert.equal(decodeStatus({ ...SourceStatus.create(), state: SourceState.UNSPECIFIED }, 0), undefined);
  const long = decodeStatus({ ...SourceStatus.create(), state: SourceState.ENDED, reason: 'r'.repeat(1e6) }, 0);
  assert.deepEqual(long, { state: 'ended', since: 0, reason: `${'r'.repeat(1000)}…` });
});

test('worker stats: models that no worker has are not taken, and what fails is said in few words', () => {
  const of = (...models: readonly string[]) =>
    decodeStats({
      ...WorkerStats.create(),
      models: models.map((model) => ({ ...ModelStats.create(), model, failing: 'f'.repeat(2000) })),
    });
  assert.equal(of('centerface')?.models[0]?.failing, `${'f'.repeat(1000)}…`);
  assert.equal(of(''), undefined);
  assert.equal(of('m'.repeat(65)), undefined);
  assert.equal(of(...Array.from({ length: 65 }, (_, index) => `model ${index}`)), undefined);
});

test('worker stats: a card has a name, and what its driver does not tell stays away', () => {
  const card = { ...GpuStats.create(), uuid: 'GPU-57a4d1a0', name: 'NVIDIA L4', encoderPercent: 0 };
  const of = (gpu: GpuStats) => decodeStats({ ...WorkerStats.create(), gpu, inferQueue: 3 });
  assert.deepEqual(of(card)?.gpu, { ...card, decoderPercent: undefined });
  assert.equal(of({ ...card, utilizationPercent: 100 })?.gpu?.utilizationPercent, 100);
  const names = [{ uuid: '' }, { name: '' }, { uuid: 'u'.repeat(97) }, { name: 'n'.repeat(97) }];
  const shares = [{ utilizationPercent: 101 }, { decoderPercent: 2 ** 32 - 1 }, { encoderPercent: 101 }];
  for (const bad of [...names, ...shares]) {
    const taken = of({ ...card, ...bad });
    assert.deepEqual([taken?.gpu, taken?.inferQueue], [undefined, 3], 'the worker is not its card');
  }
});

test('worker stats: round trips are numbers, of models and servers with names', () => {
  const good = { model: 'centerface', server: '10.0.0.7:8001', answers: 3n, roundTripSeconds: 0.5 };
  const of = (...served: readonly (typeof good)[]) => decodeStats({ ...WorkerStats.create(), served: [...served] })?.served;
  assert.deepEqual(of(good), [good]);
  for (const bad of [{ roundTripSeconds: Number.NaN }, { roundTripSeconds: -1 }, { model: '' }, { server: 's'.repeat(1001) }])
    assert.equal(of({ ...good, ...bad }), undefined);
  assert.equal(of(...new Array<typeof good>(1025).fill(good)), undefined);
});
