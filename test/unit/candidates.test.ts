import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { configSchema } from '../../src/config/schema.ts';
import type { Crop, Detection, FrameMeta } from '../../src/core/types.ts';
import { createCandidates } from '../../src/tracks/candidates.ts';
import { look, trackEnded } from '../support/sightings.ts';

function crop(quality: number, heightPx: number): Crop {
  const made = look({ at: 0, quality }).crop;
  return { ...made, quality: { ...made.quality, heightPx } };
}

interface Seen {
  readonly label?: string;
  readonly track?: number;
  readonly quality?: number;
  readonly height?: number;
  readonly uncropped?: boolean;
}

function frame(at: number, seen: readonly Seen[], predicted = false): FrameMeta {
  const detections = seen.map(({ label = 'face', track = 1, quality = 0.5, height = 60, uncropped = false }): Detection => {
    const box = { left: 0, top: 0, width: height, height };
    const cut = uncropped ? {} : { crop: crop(quality, height) };
    return { trackId: track, label, model: 'm', score: 0.9, box, ...cut };
  });
  const { time } = look({ at }).frame;
  const size = { width: 1000, height: 1000 };
  return {
    camera: 'lobby',
    epoch: 1,
    sequence: at,
    time,
    ...size,
    predicted,
    detections,
    endedTracks: [],
    stages: { receivedMs: at },
  };
}

function camerasOf(recognise: ('face' | 'appearance')[]) {
  return configSchema.parse({ cameras: { lobby: { source: 'x', recognise } } }).cameras;
}

function candidates(options: { recognise?: ('face' | 'appearance')[]; decided?: () => boolean } = {}) {
  const { recognise = ['face', 'appearance'], decided = () => false } = options;
  return createCandidates({ cameras: camerasOf(recognise), decided });
}

describe('candidates', () => {
  test('are faces as faces and persons by appearance, as the camera recognises', () => {
    const seen = [{ label: 'face' }, { label: 'person', track: 2, height: 200 }, { label: 'car', track: 3, height: 200 }];
    const kinds = (recognise: ('face' | 'appearance')[]) =>
      candidates({ recognise })
        .of(frame(0, seen))
        .map(({ kind, track }) => `${kind} ${track.trackId}`);
    assert.deepEqual(kinds(['face', 'appearance']), ['face 1', 'appearance 2']);
    assert.deepEqual(kinds(['face']), ['face 1']);
    assert.deepEqual(kinds(['appearance']), ['appearance 2']);
  });

  test('are never predictions, detections without crop, too small, too poor, or of an unknown camera', () => {
    const c = candidates();
    assert.deepEqual(c.of(frame(0, [{}], true)), []);
    assert.deepEqual(c.of(frame(0, [{ uncropped: true }])), []);
    assert.deepEqual(c.of(frame(0, [{ height: 23 }])), []);
    assert.deepEqual(c.of(frame(0, [{ label: 'person', height: 63 }])), []);
    assert.deepEqual(c.of(frame(0, [{ quality: 0.01 }])), []);
    assert.equal(c.of(frame(0, [{ height: 24 }])).length, 1);
    c.configure({});
    assert.deepEqual(c.of(frame(1000, [{}])), []);
  });

  test('come with every detected frame up to 15 a second until the track is decided', () => {
    const c = candidates();
    const taken = (fps: number, track: number) =>
      Array.from({ length: fps }, (_, i) => c.of(frame(Math.round((i * 1000) / fps), [{ track }])).length).filter(Boolean)
        .length;
    assert.equal(taken(5, 1), 5);
    assert.equal(taken(15, 2), 15);
    assert.equal(taken(30, 3), 15);
  });

  test('of a decided track come when clearly better or after the refresh', () => {
    const c = candidates({ decided: () => true });
    const taken = (at: number, quality: number) => c.of(frame(at, [{ quality }])).length;
    assert.equal(taken(0, 0.3), 1);
    assert.equal(taken(200, 0.44), 0);
    assert.equal(taken(400, 0.46), 1);
    assert.equal(taken(600, 0.5), 0);
    assert.equal(taken(2399, 0.2), 0);
    assert.equal(taken(2400, 0.2), 1);
    assert.equal(taken(2600, 0.62), 1);
  });

  test('are forgotten with their track', () => {
    const c = candidates();
    c.of(frame(0, [{}, { track: 2 }]));
    assert.equal(c.size, 2);
    c.see([trackEnded(100)]);
    assert.equal(c.size, 1);
  });
});
