import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overlayOf } from '../../src/composition/overlays.ts';
import { liveFrame } from '../../src/core/live-messages.ts';
import { toPts90k } from '../../src/core/media-time.ts';
import type { FrameMeta } from '../../src/core/types.ts';

const frame: FrameMeta = {
  camera: 'lobby',
  epoch: 4,
  sequence: 17,
  time: {
    pts: 1001n,
    timeBase: { numerator: 1, denominator: 30_000 },
    receivedMonoMs: 5,
    cameraTimeMs: 1_700_000_000_123,
    cameraTimeSource: 'rtcp',
    eventTimeMs: 1_700_000_000_000,
  },
  width: 1280,
  height: 720,
  predicted: false,
  detections: [
    { trackId: 3, label: 'face', model: 'yunet', score: 0.876, box: { left: 128, top: 72, width: 64, height: 36 } },
    { trackId: 5, label: 'person', model: 'yolox_nano', score: 0.5, box: { left: -10, top: 0, width: 20, height: 720 } },
  ],
  endedTracks: [],
  stages: { receivedMs: 5 },
};
const lists = {
  banned: { kind: 'watch', severity: 'high', purpose: '', owner: '', maxAge: undefined },
} as const;

test('a frame becomes boxes in fractions with the names known by then, by the 90 kHz time stamp that its video has', () => {
  const overlay = overlayOf(
    frame,
    ({ trackId }) =>
      trackId === 3
        ? { decided: true, text: 'Ada', score: 0.71234, list: 'banned', entryId: 'e1', kind: 'face' }
        : { decided: false, text: '', score: 0 },
    lists,
  );
  assert.deepEqual(overlay, {
    camera: 'lobby',
    epoch: 4,
    pts90k: 3003n,
    time: 1_700_000_000_123,
    predicted: false,
    boxes: [
      {
        track: 3,
        label: 'face',
        box: [0.1, 0.1, 0.05, 0.05],
        score: 0.88,
        match: { entryId: 'e1', name: 'Ada', list: 'banned', kind: 'face', similarity: 0.712 },
        colour: '#e69f00',
        decided: true,
      },
      { track: 5, label: 'person', box: [-0.0078, 0, 0.0156, 1], score: 0.5, colour: '#9a9a9a', decided: false },
    ],
  });
  const { epoch: _epoch, pts90k, ...rest } = overlay;
  assert.ok(liveFrame.safeParse({ type: 'frame', pts: Number(pts90k), ...rest }).success);
});

test('who is to be ignored is drawn as quietly as nobody', () => {
  const known = { decided: true, text: 'Otto', score: 0.7, list: 'staff', entryId: 'e2', kind: 'face' } as const;
  const staff = { kind: 'ignore', severity: 'high', purpose: '', owner: '', maxAge: undefined } as const;
  const [box] = overlayOf(frame, () => known, { staff }).boxes;
  assert.deepEqual([box?.colour, box?.match?.name], ['#9a9a9a', 'Otto']);
});

test('time stamps come to 90 kHz rounded as FFmpeg rescales them: to the nearest, halves away from zero', () => {
  // av_rescale_q(a, b, {1, 90000}) of FFmpeg 8.1 by hand: a * 90000 * num / den, AV_ROUND_NEAR_INF.
  const cases: readonly (readonly [bigint, number, number, bigint])[] = [
    [1n, 1, 90_000, 1n],
    [1n, 1, 60_000, 2n],
    [-1n, 1, 60_000, -2n],
    [1n, 1, 1000, 90n],
    [7n, 1, 12_800, 49n],
    [-7n, 1, 12_800, -49n],
    [1n, 1001, 30_000, 3003n],
  ];
  for (const [pts, numerator, denominator, expected] of cases)
    assert.equal(toPts90k(pts, { numerator, denominator }), expected, `${pts} * ${numerator}/${denominator}`);
});
