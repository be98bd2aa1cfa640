import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Detection, FrameMeta, TrackChange } from '../../src/core/types.ts';
import { createTracks } from '../../src/tracks/tracks.ts';
import { begin, look } from '../support/sightings.ts';

interface Options {
  readonly camera?: string;
  readonly epoch?: number;
  readonly predicted?: boolean;
  readonly ended?: readonly number[];
}

function detection(trackId: number, more: Partial<Detection> = {}): Detection {
  const box = { left: 0, top: 0, width: 40, height: 50 };
  return { trackId, label: 'face', model: 'centerface', score: 0.9, box, ...more };
}

function frame(at: number, detections: readonly Detection[], options: Options = {}): FrameMeta {
  const { camera = 'lobby', epoch = 1, predicted = false, ended = [] } = options;
  const { time } = look({ at }).frame;
  const stages = { receivedMs: at };
  return { camera, epoch, sequence: at, time, width: 1000, height: 800, predicted, detections, endedTracks: ended, stages };
}

function story(changes: readonly TrackChange[]): string[] {
  return changes.map(({ kind, track, eventTimeMs }) => `${kind} ${track.epoch}/${track.trackId} ${eventTimeMs - begin}`);
}

describe('tracks', () => {
  test('begin with the first detection, move with each, end by the word of the worker with what was seen of them', () => {
    const tracks = createTracks();
    const { crop } = look({ at: 0, quality: 0.4 });
    assert.deepEqual(story(tracks.update(frame(0, [detection(1, { personTrackId: 9 })]))), ['began 1/1 0', 'moved 1/1 0']);
    const [moved] = tracks.update(frame(200, [detection(1, { crop, personTrackId: 9 })]));
    assert.ok(moved?.kind === 'moved');
    assert.deepEqual(moved.frame, { width: 1000, height: 800 });
    assert.equal(moved.personTrackId, 9);
    const [ended] = tracks.update(frame(1400, [], { ended: [1] }));
    assert.ok(ended?.kind === 'ended');
    assert.deepEqual(ended.summary, {
      firstSeenMs: begin,
      lastSeenMs: begin + 200,
      frames: 2,
      crops: 1,
      bestHeightPx: 50,
      bestQuality: 0.4,
    });
    assert.equal(tracks.size, 0);
    assert.deepEqual(tracks.update(frame(1600, [], { ended: [1] })), []);
  });

  test('are not moved by predictions, but live on through them', () => {
    const tracks = createTracks({ silenceMs: 1000 });
    tracks.update(frame(0, [detection(1)]));
    for (let at = 100; at <= 3000; at += 100) {
      assert.deepEqual(tracks.update(frame(at, [detection(1), detection(2)], { predicted: true })), []);
    }
    assert.deepEqual(story(tracks.update(frame(3900, []))), []);
    const [ended] = tracks.update(frame(4000, []));
    assert.ok(ended?.kind === 'ended');
    assert.equal(ended.summary.lastSeenMs, begin);
  });

  test('end when no frame of their own camera names them for a while', () => {
    const tracks = createTracks();
    tracks.update(frame(0, [detection(1)]));
    tracks.update(frame(60_000, [detection(1)], { camera: 'yard' }));
    assert.equal(tracks.size, 2);
    assert.deepEqual(story(tracks.update(frame(5000, []))), ['ended 1/1 5000']);
  });

  test('end with their epoch; frames of an old epoch change nothing', () => {
    const tracks = createTracks();
    tracks.update(frame(0, [detection(1), detection(2)]));
    assert.deepEqual(story(tracks.update(frame(1000, [detection(1)], { epoch: 2 }))), [
      'ended 1/1 0',
      'ended 1/2 0',
      'began 2/1 1000',
      'moved 2/1 1000',
    ]);
    assert.deepEqual(tracks.update(frame(1100, [detection(3)], { epoch: 1 })), []);
    assert.equal(tracks.size, 1);
  });

  test('end with their camera', () => {
    const tracks = createTracks();
    tracks.update(frame(0, [detection(1)]));
    assert.deepEqual(story(tracks.endCamera('lobby')), ['ended 1/1 0']);
    assert.deepEqual(tracks.endCamera('lobby'), []);
  });

  test('are bounded per camera: the one seen least recently gives way', () => {
    const tracks = createTracks({ perCamera: 2 });
    tracks.update(frame(0, [detection(1)]));
    tracks.update(frame(10, [detection(2)]));
    tracks.update(frame(20, [detection(1)]));
    assert.deepEqual(story(tracks.update(frame(30, [detection(3)]))), ['ended 1/2 30', 'began 1/3 30', 'moved 1/3 30']);
    assert.equal(tracks.size, 2);
  });
});
