import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { DetectedObject } from '../../src/core/models.ts';
import type { Box } from '../../src/core/types.ts';
import { createTracker, type TrackedObject, type Tracker } from '../../src/software-worker/track.ts';
import { missingData, readDataJson } from '../support/data.ts';
import { seeded } from '../support/seeded.ts';

const frame = { width: 1280, height: 720 };

function object(label: string, left: number, top: number, width: number, height: number, score = 0.9): DetectedObject {
  return { label, score, box: { left, top, width, height } };
}

function idOf(objects: readonly TrackedObject[], index = 0): number {
  const found = objects[index];
  assert.ok(found, `object ${index} has a track`);
  return found.trackId;
}

/** Feeds what `scene` shows at each time; gives the ids by name. */
function play(
  tracker: Tracker,
  fps: number,
  seconds: number,
  scene: (s: number) => Readonly<Record<string, DetectedObject>>,
): ReadonlyMap<string, ReadonlySet<number>> {
  const ids = new Map<string, Set<number>>();
  for (let i = 0; i <= seconds * fps; i += 1) {
    const shown = Object.entries(scene(i / fps));
    const seen = tracker.update({
      mediaMs: (i * 1000) / fps,
      model: 'm',
      objects: shown.map(([, shape]) => shape),
      ...frame,
    });
    assert.equal(seen.length, shown.length);
    for (const [n, [name]] of shown.entries()) {
      ids.set(name, (ids.get(name) ?? new Set()).add(idOf(seen, n)));
    }
  }
  return ids;
}

describe('tracker', () => {
  it('reports an object at its first sighting, at the detected box', () => {
    const face = object('face', 100, 100, 40, 50, 0.31);
    const [seen] = createTracker().update({ mediaMs: 0, model: 'centerface', objects: [face], ...frame });
    assert.deepEqual(seen, { ...face, trackId: 1, model: 'centerface', predicted: false });
  });

  for (const fps of [2, 5, 15]) {
    it(`keeps one track for a walker and one for the walker's face at ${fps} frames a second`, () => {
      // 1.5 m/s with a body of 1.7 m and 400 px: 350 px/s; the face is 50 px high.
      const tracker = createTracker();
      const ids = play(tracker, fps, 3, (s) => ({
        person: object('person', 50 + 350 * s, 100, 140, 400),
        ...(fps > 2 ? { face: object('face', 100 + 350 * s, 110, 40, 50) } : {}),
      }));
      assert.equal(ids.get('person')?.size, 1);
      if (fps > 2) assert.equal(ids.get('face')?.size, 1);
    });

    it(`does not swap two people who walk through each other at ${fps} frames a second`, () => {
      const ids = play(createTracker(), fps, 4, (s) => ({
        east: object('person', 100 + 200 * s, 200, 120, 360),
        west: object('person', 1000 - 200 * s, 220, 120, 350),
      }));
      assert.equal(ids.get('east')?.size, 1);
      assert.equal(ids.get('west')?.size, 1);
      assert.notDeepEqual(ids.get('east'), ids.get('west'));
    });
  }

  it('does not swap two faces of one speed that pass at different heights', () => {
    const ids = play(createTracker(), 5, 4, (s) => ({
      east: object('face', 100 + 150 * s, 200, 60, 80),
      west: object('face', 700 - 150 * s, 215, 62, 82),
    }));
    assert.equal(ids.get('east')?.size, 1);
    assert.equal(ids.get('west')?.size, 1);
  });

  for (const fps of [5, 15]) {
    it(`follows a face that stands, walks off and turns round at ${fps} frames a second`, () => {
      const heightPx = 50;
      let left = 300;
      const speedAt = (s: number) => {
        if (s < 2) return 0;
        return s < 3.5 ? Math.min(1, (s - 2) / 0.6) : -Math.min(1, (s - 3.5) / 0.6);
      };
      const ids = play(createTracker(), fps, 5, (s) => {
        left += (speedAt(s) * 6 * heightPx) / fps;
        return { face: object('face', left, 200, 40, heightPx) };
      });
      assert.equal(ids.get('face')?.size, 1);
    });
  }

  it('gives a face that jumps a new track', () => {
    const tracker = createTracker();
    const first = idOf(tracker.update({ mediaMs: 0, model: 'm', objects: [object('face', 100, 100, 40, 50)], ...frame }));
    const jumped = idOf(tracker.update({ mediaMs: 200, model: 'm', objects: [object('face', 400, 100, 40, 50)], ...frame }));
    assert.notEqual(jumped, first);
  });

  it('gives a face that is three heights away half a second later a new track', () => {
    const tracker = createTracker();
    const first = idOf(tracker.update({ mediaMs: 0, model: 'm', objects: [object('face', 100, 100, 40, 50)], ...frame }));
    const jumped = idOf(tracker.update({ mediaMs: 500, model: 'm', objects: [object('face', 250, 100, 40, 50)], ...frame }));
    assert.notEqual(jumped, first);
  });

  it('allows no more motion between two frames when there are more frames', () => {
    const tracker = createTracker();
    const near = object('face', 145, 100, 40, 50);
    const first = idOf(tracker.update({ mediaMs: 0, model: 'm', objects: [object('face', 100, 100, 40, 50)], ...frame }));
    assert.notEqual(idOf(tracker.update({ mediaMs: 40, model: 'm', objects: [near], ...frame })), first);
    const slower = createTracker();
    const begun = idOf(slower.update({ mediaMs: 0, model: 'm', objects: [object('face', 100, 100, 40, 50)], ...frame }));
    assert.equal(idOf(slower.update({ mediaMs: 200, model: 'm', objects: [near], ...frame })), begun);
  });

  it('never joins objects of different labels or detectors', () => {
    const tracker = createTracker();
    const box = [100, 100, 60, 80] as const;
    const ids = [
      idOf(tracker.update({ mediaMs: 0, model: 'a', objects: [object('face', ...box)], ...frame })),
      idOf(tracker.update({ mediaMs: 0, model: 'b', objects: [object('face', ...box)], ...frame })),
      idOf(tracker.update({ mediaMs: 0, model: 'c', objects: [object('person', ...box)], ...frame })),
      idOf(tracker.update({ mediaMs: 200, model: 'c', objects: [object('dog', ...box)], ...frame })),
    ];
    assert.equal(new Set(ids).size, 4);
    assert.equal(idOf(tracker.update({ mediaMs: 200, model: 'a', objects: [object('face', ...box)], ...frame })), ids[0]);
  });

  it('prefers strong detections and gives weak ones what is left', () => {
    const tracker = createTracker();
    const first = idOf(tracker.update({ mediaMs: 0, model: 'm', objects: [object('person', 100, 100, 100, 300)], ...frame }));
    const seen = tracker.update({
      mediaMs: 200,
      model: 'm',
      objects: [object('person', 100, 100, 100, 300, 0.3), object('person', 110, 100, 100, 300, 0.9)],
      ...frame,
    });
    assert.notEqual(idOf(seen, 0), first);
    assert.equal(idOf(seen, 1), first);
    const weak = tracker.update({ mediaMs: 400, model: 'm', objects: [object('person', 112, 100, 100, 300, 0.2)], ...frame });
    assert.equal(idOf(weak), first);
  });

  it('begins no track below the score that a model needs to begin one, and continues one there', () => {
    const tracker = createTracker({ beginScore: (model) => (model === 'm' ? 0.5 : 0) });
    const weak = object('person', 100, 100, 100, 300, 0.4);
    assert.deepEqual(tracker.update({ mediaMs: 0, model: 'm', objects: [weak], ...frame }), []);
    assert.equal(tracker.update({ mediaMs: 0, model: 'other', objects: [weak], ...frame }).length, 1);
    const id = idOf(tracker.update({ mediaMs: 200, model: 'm', objects: [{ ...weak, score: 0.6 }], ...frame }));
    assert.equal(idOf(tracker.update({ mediaMs: 400, model: 'm', objects: [weak], ...frame })), id);
  });

  it('finds a track again within a second and ends it after', () => {
    const tracker = createTracker();
    const standing = object('face', 100, 100, 60, 80);
    const look = (mediaMs: number, objects: readonly DetectedObject[]) =>
      tracker.update({ mediaMs, model: 'm', objects, ...frame });
    const id = idOf(look(0, [standing]));
    for (const mediaMs of [200, 400, 600, 800]) look(mediaMs, []);
    assert.equal(idOf(look(1000, [standing])), id);
    assert.deepEqual(tracker.takeEnded(), []);
    for (const mediaMs of [1200, 1400, 1600, 1800, 2000]) look(mediaMs, []);
    assert.deepEqual(tracker.takeEnded(), []);
    look(2200, []);
    assert.deepEqual(tracker.takeEnded(), [id]);
    assert.deepEqual(tracker.takeEnded(), []);
    assert.notEqual(idOf(look(2400, [standing])), id);
  });

  it('keeps a standing object through one miss however seldom its detector looks', () => {
    const tracker = createTracker();
    const standing = object('face', 100, 100, 60, 80);
    const look = (mediaMs: number, objects: readonly DetectedObject[]) =>
      tracker.update({ mediaMs, model: 'm', objects, ...frame });
    const id = idOf(look(0, [standing]));
    look(5000, []);
    assert.equal(idOf(look(10_000, [standing])), id);
    assert.notEqual(idOf(look(15_000, [object('face', 200, 100, 60, 80)])), id, 'after a pause only what stayed goes on');
  });

  it('leaves the tracks of a detector alone that did not look', () => {
    const tracker = createTracker();
    const id = idOf(tracker.update({ mediaMs: 0, model: 'slow', objects: [object('person', 100, 100, 100, 300)], ...frame }));
    for (let mediaMs = 0; mediaMs <= 1900; mediaMs += 100) tracker.update({ mediaMs, model: 'fast', objects: [], ...frame });
    assert.deepEqual(tracker.takeEnded(), []);
    const again = tracker.update({ mediaMs: 2000, model: 'slow', objects: [object('person', 104, 100, 100, 300)], ...frame });
    assert.equal(idOf(again), id);
  });

  it('keeps one track for somebody who walks in from the edge and grows in the frame', () => {
    const tracker = createTracker();
    const id = idOf(tracker.update({ mediaMs: 0, model: 'm', objects: [object('person', 219, 586, 168, 134)], ...frame }));
    const next = tracker.update({ mediaMs: 500, model: 'm', objects: [object('person', 310, 415, 176, 305)], ...frame });
    assert.equal(idOf(next), id);
  });

  it('predicts boxes between detections, marked, inside the frame and without landmarks', () => {
    const tracker = createTracker();
    const point = { x: 0, y: 0 };
    const at = (s: number): DetectedObject => ({
      ...object('face', 1100 + 200 * s, 100, 60, 80),
      landmarks: [point, point, point, point, point],
    });
    for (let i = 0; i < 10; i += 1) tracker.update({ mediaMs: i * 66, model: 'm', objects: [at((i * 66) / 1000)], ...frame });
    const [predicted] = tracker.predict(9 * 66 + 33);
    assert.ok(predicted);
    assert.equal(predicted.predicted, true);
    assert.equal(predicted.landmarks, undefined);
    const expected = 1100 + (200 * (9 * 66 + 33)) / 1000;
    assert.ok(Math.abs(predicted.box.left - expected) < 3, `${predicted.box.left} is near ${expected}`);
    const [late] = tracker.predict(9 * 66 + 150);
    assert.ok(late && late.box.left + late.box.width <= frame.width);
  });

  it('predicts nothing of a track that was missed at the last look', () => {
    const tracker = createTracker();
    tracker.update({ mediaMs: 0, model: 'm', objects: [object('face', 100, 100, 60, 80)], ...frame });
    tracker.update({ mediaMs: 200, model: 'm', objects: [], ...frame });
    assert.deepEqual(tracker.predict(250), []);
  });

  it('joins each of two faces in one person box to that person and keeps both tracks', () => {
    const tracker = createTracker();
    const ids = new Set<number>();
    for (const mediaMs of [0, 200, 400]) {
      const [person] = tracker.update({ mediaMs, model: 'p', objects: [object('person', 100, 100, 300, 500)], ...frame });
      const faces = tracker.update({
        mediaMs,
        model: 'f',
        objects: [object('face', 150, 120, 60, 80), object('face', 280, 125, 60, 80)],
        ...frame,
      });
      for (const face of faces) {
        ids.add(face.trackId);
        assert.equal(face.personTrackId, person?.trackId);
      }
    }
    assert.equal(ids.size, 2);
  });

  it('joins faces to the person whose head they are, not to one whose chest they cover', () => {
    const tracker = createTracker();
    const persons = tracker.update({
      mediaMs: 0,
      model: 'p',
      objects: [
        object('person', 100, 100, 200, 550),
        object('person', 160, 260, 180, 450),
        object('person', 600, 100, 200, 550),
      ],
      ...frame,
    });
    const faces = tracker.update({
      mediaMs: 0,
      model: 'f',
      objects: [object('face', 170, 120, 60, 80), object('face', 220, 280, 60, 80), object('face', 1000, 300, 60, 80)],
      ...frame,
    });
    assert.deepEqual(
      faces.map((face) => face.personTrackId),
      [persons[0]?.trackId, persons[1]?.trackId, undefined],
    );
  });

  it('leaves a face with its person while two persons claim it nearly alike', () => {
    const tracker = createTracker();
    const joined = [145, 152, 158, 152].map((left, i) => {
      const mediaMs = i * 200;
      const objects = [object('person', 100, 100, 140, 500), object('person', 120, 100, 140, 500)];
      const persons = tracker.update({ mediaMs, model: 'p', objects, ...frame });
      const [face] = tracker.update({ mediaMs, model: 'f', objects: [object('face', left, 120, 50, 70)], ...frame });
      return persons.findIndex(({ trackId }) => trackId === face?.personTrackId);
    });
    assert.deepEqual(joined, [0, 0, 0, 0]);
  });

  it('never uses an id twice, answers each detection at most once, in order', () => {
    const boxes = fc.record({
      left: fc.integer({ min: 0, max: 1200 }),
      top: fc.integer({ min: 0, max: 600 }),
      size: fc.integer({ min: 8, max: 400 }),
      score: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(
        fc.array(fc.record({ pauseMs: fc.integer({ min: 0, max: 3000 }), boxes: fc.array(boxes, { maxLength: 12 }) }), {
          maxLength: 20,
        }),
        (looks) => {
          const tracker = createTracker();
          const over = new Set<number>();
          let mediaMs = 0;
          for (const look of looks) {
            mediaMs += look.pauseMs;
            const objects = look.boxes.map((b) => object('face', b.left, b.top, b.size, b.size, b.score));
            const seen = tracker.update({ mediaMs, model: 'm', objects, ...frame });
            assert.deepEqual(
              seen.map(({ box }) => box),
              objects.map(({ box }) => box),
            );
            assert.equal(new Set(seen.map(({ trackId }) => trackId)).size, seen.length);
            for (const { trackId } of seen) assert.ok(!over.has(trackId));
            for (const id of tracker.takeEnded()) over.add(id);
            for (const { box } of tracker.predict(mediaMs + 50)) {
              assert.ok(
                box.left >= 0 &&
                  box.top >= 0 &&
                  box.left + box.width <= frame.width + 1e-6 &&
                  box.top + box.height <= frame.height + 1e-6,
              );
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

interface TruthFrame {
  readonly i: number;
  readonly faces?: readonly TruthObject[];
  readonly persons?: readonly TruthObject[];
}

interface TruthObject {
  readonly id: string;
  readonly box: readonly [number, number, number, number];
  readonly visible?: number;
}

interface Truth {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly frames: readonly TruthFrame[];
}

interface Score {
  /** Changes of id while the same person was seen less than a second before. */
  readonly switches: number;
  /** Tracks that went from one person to another. */
  readonly merges: number;
}

function scoreTracks(
  truth: Truth,
  fps: number,
  phase: number,
  noise?: { readonly jitter: number; readonly misses: number },
): Score {
  const tracker = createTracker();
  const random = seeded(fps * 100 + phase * 10);
  const last = new Map<string, { readonly trackId: number; readonly ms: number }>();
  const owner = new Map<number, string>();
  let switches = 0;
  let merges = 0;
  let dueMs = (phase * 1000) / fps;
  for (const { i, faces = [], persons = [] } of truth.frames) {
    const mediaMs = (i * 1000) / truth.fps;
    if (mediaMs + 0.01 < dueMs) continue;
    dueMs += 1000 / fps;
    for (const [label, shown] of [
      ['person', persons],
      ['face', faces],
    ] as const) {
      const found = shown.filter(({ visible = 1 }) => visible >= 0.3 && (noise === undefined || random() >= noise.misses));
      const tremble = (box: Box): Box => {
        const shift = () => (noise === undefined ? 0 : (random() - 0.5) * 2 * noise.jitter * box.height);
        return { left: box.left + shift(), top: box.top + shift(), width: box.width + shift(), height: box.height + shift() };
      };
      const objects = found.map(({ box: [left, top, width, height] }) => ({
        label,
        score: 0.9,
        box: tremble({ left, top, width, height }),
      }));
      const seen = tracker.update({ mediaMs, model: label, objects, width: truth.width, height: truth.height });
      for (const [n, { trackId }] of seen.entries()) {
        const name = `${label} ${found[n]?.id}`;
        const before = last.get(name);
        if (before !== undefined && before.trackId !== trackId && mediaMs - before.ms <= 1000) switches += 1;
        if ((owner.get(trackId) ?? name) !== name) merges += 1;
        last.set(name, { trackId, ms: mediaMs });
        owner.set(trackId, name);
      }
    }
  }
  return { switches, merges };
}

describe('tracker on ground truth', () => {
  for (const clip of [
    'real_classroom',
    'real_headpose_m',
    'real_tilt_m',
    'real_visits_a',
    'real_worker',
    'synth_crowd_a',
    'synth_shots_a',
  ]) {
    const file = `clips/${clip}.gt.json`;
    it(`keeps every id and merges nobody in ${clip} at 2, 5 and 15 frames a second`, { skip: missingData(file) }, () => {
      const truth = readDataJson(file) as Truth;
      for (const fps of [2, 5, 15]) {
        for (const phase of [0, 0.3, 0.7]) {
          assert.deepEqual(scoreTracks(truth, fps, phase), { switches: 0, merges: 0 }, `${fps} fps, phase ${phase}`);
        }
      }
    });

    it(`keeps every id in ${clip} at 5 frames a second when boxes tremble and every tenth is missed`, {
      skip: missingData(file),
    }, () => {
      const truth = readDataJson(file) as Truth;
      for (const phase of [0, 0.3, 0.7]) {
        assert.deepEqual(
          scoreTracks(truth, 5, phase, { jitter: 0.02, misses: 0.1 }),
          { switches: 0, merges: 0 },
          `phase ${phase}`,
        );
      }
    });
  }
});
