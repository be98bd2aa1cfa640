import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFrameDecoder, decodeStatus } from '../../src/bridge/decode.ts';
import { CameraTimeSource, Frame, SourceState, SourceStatus } from '../../src/gen/sightline/bridge/v1/bridge.ts';
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
});
