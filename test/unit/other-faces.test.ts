import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Box, Crop, Detection, FrameMeta } from '../../src/core/types.ts';
import { createCandidates } from '../../src/tracks/candidates.ts';
import { createOtherFaces } from '../../src/tracks/other-faces.ts';

const quality = { heightPx: 80, sharpness: 200, rollDegrees: 0, yaw: 0, visible: 1, score: 0.9, overall: 0.6 };

function cropOf(rect: Box, box: Box, scale = 1): Crop {
  return { jpeg: new Uint8Array(), rect, width: rect.width * scale, height: rect.height * scale, box, quality };
}

function detection(trackId: number, box: Box, more: Partial<Detection> = {}): Detection {
  return { trackId, label: 'face', model: 'test', score: 0.9, box, ...more };
}

function frame(atMs: number, detections: readonly Detection[], more: Partial<FrameMeta> = {}): FrameMeta {
  const time = {
    pts: BigInt(atMs),
    timeBase: { numerator: 1, denominator: 1000 },
    receivedMonoMs: atMs,
    cameraTimeMs: atMs,
    cameraTimeSource: 'arrival',
    eventTimeMs: atMs,
  } as const;
  const stages = { receivedMs: atMs };
  const size = { width: 640, height: 360 };
  return {
    camera: 'lobby',
    epoch: 1,
    sequence: atMs,
    time,
    ...size,
    predicted: false,
    detections,
    endedTracks: [],
    stages,
    ...more,
  };
}

const mine: Box = { left: 100, top: 100, width: 40, height: 50 };
const near: Box = { left: 160, top: 100, width: 40, height: 50 };
const rect: Box = { left: 80, top: 80, width: 100, height: 100 };
const crop = cropOf(rect, { left: 20, top: 20, width: 40, height: 50 });

test('a face beside the own one is found in pixels of the crop, larger than its box and cut at the edge', () => {
  const faces = createOtherFaces();
  const own = detection(1, mine);
  const now = frame(1000, [own, detection(2, near)]);
  faces.see(now);
  const found = faces.in(now, own, crop);
  assert.deepEqual(found?.own, { left: 20, top: 20, width: 40, height: 50 });
  // 160 - 80 - 0.2 * 40 = 72; to the edge of the crop.
  assert.deepEqual(found?.others, [{ left: 72, top: 10, width: 28, height: 70 }]);
  const halved = faces.in(now, own, cropOf(rect, crop.box, 0.5));
  assert.deepEqual(halved?.others, [{ left: 36, top: 5, width: 14, height: 35 }]);
});

test('nobody else in the crop: nothing to do', () => {
  const faces = createOtherFaces();
  const own = detection(1, mine);
  // Another network saw the same face, and somebody else stands far away.
  const twice = detection(9, { ...mine, left: 104 });
  const now = frame(1000, [own, twice, detection(2, { ...near, left: 500 })]);
  faces.see(now);
  assert.equal(faces.in(now, own, crop), undefined);
});

test('in the picture of a person every face is hidden but the own one, known or not', () => {
  const faces = createOtherFaces();
  const body = detection(50, { left: 80, top: 80, width: 100, height: 250 }, { label: 'person' });
  const of = (personTrackId: number | undefined) => detection(2, near, personTrackId === undefined ? {} : { personTrackId });
  const now = frame(1000, [body, detection(1, mine, { personTrackId: 50 }), of(51)]);
  faces.see(now);
  assert.deepEqual(faces.in(now, body, crop)?.others.length, 1);
  assert.ok(faces.in(now, body, crop)?.own);
  faces.see(frame(1040, [body, detection(1, mine, { personTrackId: 50 }), of(50)]));
  const both = faces.in(frame(1040, []), body, crop);
  assert.deepEqual([both?.others.length, both?.own], [2, undefined], 'two faces in one body: nobody knows whose it is');
});

test('a face of the last moment counts, wider the longer ago, until its track ends or the source is opened again', () => {
  const faces = createOtherFaces();
  const own = detection(1, mine);
  faces.see(frame(1000, [own, detection(2, near)]));
  const later = frame(1600, [own]);
  faces.see(later);
  const [wider] = faces.in(later, own, crop)?.others ?? [];
  assert.deepEqual(wider, { left: 60, top: 0, width: 40, height: 95 });
  const track = { camera: 'lobby', epoch: 1, trackId: 2 };
  const summary = { firstSeenMs: 0, lastSeenMs: 0, frames: 1, crops: 0, bestHeightPx: 0, bestQuality: 0 };
  faces.see(frame(1700, [own, detection(3, near)]));
  faces.ended([{ kind: 'ended', track, label: 'face', eventTimeMs: 1700, summary }]);
  assert.equal(faces.in(frame(1700, []), own, crop)?.others.length, 1, 'another track of the same name is another one');
  assert.equal(faces.in(frame(2800, [own], { epoch: 2 }), own, crop), undefined);
  faces.see(frame(2800, [own]));
  assert.equal(faces.in(frame(2800, [own]), own, crop), undefined, 'a second later it is forgotten');
});

test('candidates carry the faces of others, also those that only predictions name', () => {
  const camera = {
    recognise: ['face'],
    crops: { minFaceHeight: 20, minBodyHeight: 60, refresh: 1000, betterBy: 0.1 },
  } as never;
  const candidates = createCandidates({ cameras: { lobby: camera }, decided: () => false });
  candidates.of(frame(960, [detection(2, near)], { predicted: true }));
  const [found] = candidates.of(frame(1000, [detection(1, mine, { crop })]));
  assert.equal(found?.faces?.others.length, 1);
  const [alone] = createCandidates({ cameras: { lobby: camera }, decided: () => false }).of(
    frame(1000, [detection(1, mine, { crop })]),
  );
  assert.ok(alone !== undefined && !('faces' in alone));
});
