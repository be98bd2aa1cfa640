import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Frame, Object as Seen } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { type Card, startCard } from '../support/card.ts';
import { readClip } from '../support/clips.ts';
import { missingEngine } from '../support/docker.ts';
import { missingModels } from '../support/repository.ts';
import { missingStandin } from '../support/standin.ts';
import { missingTriton } from '../support/triton.ts';
import { containerFrames, softwareFrames, watched } from '../support/worker-frames.ts';

const skip = missingEngine() || missingStandin() || missingModels('centerface', 'yolox_nano') || (await missingTriton());

/** Scores differ a little between scalers; who is that near to the least score may be there or not. */
const scoreSlack = 0.05;
const detect = [
  { model: 'centerface', fps: 30 },
  { model: 'yolox_nano', fps: 30, classes: ['person'] },
];

interface Agreement {
  /** Frames that both looked at. */
  readonly frames: number;
  readonly objects: number;
  /** IoU of each object with the other worker's nearest of its kind, ascending. */
  readonly overlaps: readonly number[];
  /** Largest distance of a landmark, of each face, descending; pixels of the source. */
  readonly distances: readonly number[];
}

function iou(a: Seen['box'], b: Seen['box']): number {
  if (a === undefined || b === undefined) return 0;
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  const both = Math.max(0, width) * Math.max(0, height);
  return both / (a.width * a.height + b.width * b.height - both);
}

/** By media time, which both count from their first frame. */
function byTime(frames: readonly Frame[]): ReadonlyMap<number, Frame> {
  const ms = ({ pts, timeBaseNum, timeBaseDen }: Frame) => (Number(pts) * timeBaseNum * 1000) / timeBaseDen;
  const [first] = frames;
  assert.ok(first);
  return new Map(frames.map((frame) => [Math.round(ms(frame) - ms(first)), frame]));
}

function compare(ours: readonly Frame[], theirs: readonly Frame[], leastScores: Readonly<Record<string, number>>): Agreement {
  const others = byTime(theirs);
  const overlaps: number[] = [];
  const distances: number[] = [];
  let frames = 0;
  for (const [ms, frame] of byTime(ours)) {
    const other = others.get(ms);
    if (other === undefined || frame.predicted || other.predicted) continue;
    frames += 1;
    for (const object of frame.objects) {
      if (object.score < (leastScores[object.model] ?? 0) + scoreSlack) continue;
      const [found]: readonly { readonly one: Seen; readonly overlap: number }[] = other.objects
        .filter(({ label }) => label === object.label)
        .map((one) => ({ one, overlap: iou(object.box, one.box) }))
        .toSorted((a, b) => b.overlap - a.overlap);
      overlaps.push(found?.overlap ?? 0);
      if (found === undefined || object.landmarks.length === 0) continue;
      assert.equal(found.one.landmarks.length, 10);
      const apart = (at: number) => (object.landmarks[at] ?? Number.NaN) - (found.one.landmarks[at] ?? Number.NaN);
      distances.push(Math.max(...[0, 2, 4, 6, 8].map((at) => Math.hypot(apart(at), apart(at + 1)))));
    }
  }
  return {
    frames,
    objects: overlaps.length,
    overlaps: overlaps.toSorted((a, b) => a - b),
    distances: distances.toSorted((a, b) => b - a),
  };
}

describe('boxes of a container beside those of a software worker, same clip and same networks', { skip }, () => {
  let card: Card;
  before(async () => {
    card = await startCard();
  });
  after(() => card?.[Symbol.asyncDispose]());

  for (const name of ['real_tilt_m', 'real_classroom', 'neg_carpark', 'synth_crowd_a']) {
    test(`${name}: IoU of 0.9 or more for 99 of 100, landmarks within 2 px`, async () => {
      const clip = readClip(name);
      const camera = { source: clip.path, detect, motion: { enabled: false } };
      const software = await softwareFrames(watched(card, 'software', camera));
      const container = await containerFrames(watched(card, 'deepstream', camera));
      for (const [who, ours, theirs] of [
        ['software', software, container],
        ['container', container, software],
      ] as const) {
        const found = compare(ours, theirs, { centerface: 0.5, yolox_nano: 0.35 });
        const near = found.overlaps.filter((overlap) => overlap >= 0.9).length;
        console.log(
          JSON.stringify({
            name,
            who,
            software: software.length,
            container: container.length,
            frames: found.frames,
            objects: found.objects,
            near,
            share: near / found.objects,
            lowest: found.overlaps.slice(0, 8),
            distances: found.distances.slice(0, 5),
          }),
        );
      }
    });
  }
});
