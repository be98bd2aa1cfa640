import { z } from 'zod';
import { median, upperShare } from '../bench/recognition/statistics.ts';
import { quantile } from '../bench/support/quantile.ts';

/**
 * The rule by which default thresholds follow from measured scores. Pure; `tools/calibrate.ts` applies it, `bench/recognition.ts`
 * measures the scores.
 *
 * - open: the smallest hundredth at which (a) the upper 95 % bound of the share of impostor pairs at or above it is at most 0.1 %, as if
 *   pairs were independent, and (b) the highest impostor score known, here or in larger collections, stays `gap` below it.
 * - keep: `open` less what nineteen of twenty looks of an unhidden face or body stay within of their track's median: a person whose
 *   looks reach `open` half of the time does not fall below `keep` more often than every twentieth. Never so low that more than
 *   one impostor pair in a hundred reaches it.
 * - margin: two entries nearer than the difference between them wavers from look to look cannot be told apart: what nineteen of
 *   twenty looks of the two most alike people stay within of their track's median difference, looks that reach `open`.
 *
 * All rounded up to hundredths (keep: down), on bins of 0.005.
 */

const mostAccepted = 0.001;
const gap = 0.02;
const within = 0.95;
const keepImpostors = 0.01;

const histogram = z.strictObject({
  step: z.number().positive(),
  first: z.number().int(),
  counts: z.array(z.number().int().min(0)).readonly(),
});

/** The scores of one run of `bench/recognition.ts`, as committed in `bench/recognition.scores.json`. */
export const calibrationScores = z.strictObject({
  date: z.string(),
  models: z.array(
    z.strictObject({
      model: z.string(),
      kind: z.enum(['face', 'appearance']),
      people: z.number().int(),
      impostor: histogram,
      genuine: histogram,
      drop: histogram,
      lookalikes: z.strictObject({
        people: z.tuple([z.string(), z.string()]),
        looks: z.array(z.tuple([z.number().int(), z.number(), z.number()])),
      }),
    }),
  ),
});

type Histogram = z.infer<typeof histogram>;
export type MeasuredScores = z.infer<typeof calibrationScores>['models'][number];

/**
 * Highest score of two different people in collections that are not part of a run: the measurements that came with the test data
 * (its SOURCES.md). Faces: London Set, 102 people, 10 302 pairs. Bodies: six visits, 2 160 pairs; the network behind 224 pixels gives
 * the same vectors (cosine 0.994 and more).
 */
export const highestElsewhere: Readonly<Record<string, number>> = {
  face_embed: 0.457,
  face_embed_224: 0.44,
  person_embed: 0.88,
  person_embed_224: 0.88,
};

export interface DerivedThresholds {
  readonly open: number;
  readonly keep: number;
  readonly margin: number;
}

function total({ counts }: Histogram): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** How many values are `value` or more; exact when it is a multiple of the step. */
export function countFrom({ step, first, counts }: Histogram, value: number): number {
  const bin = Math.round(value / step) - first;
  return counts.slice(Math.max(0, bin)).reduce((sum, count) => sum + count, 0);
}

/** Upper edge of the bin below which `part` of the values lie; the highest for 1. */
export function upperEdge(values: Histogram, part: number): number {
  const wanted = part * total(values);
  let seen = 0;
  let edge = values.first;
  for (const [at, count] of values.counts.entries()) {
    seen += count;
    if (count > 0) edge = values.first + at + 1;
    if (seen >= wanted - 1e-9) break;
  }
  return edge * values.step;
}

function hundredthUp(value: number): number {
  return Math.max(0, Math.ceil(value * 100 - 1e-6)) / 100;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

function deriveMargin(looks: MeasuredScores['lookalikes']['looks'], open: number): number {
  const tracks = Map.groupBy(
    looks.filter(([, own]) => own >= open),
    ([track]) => track,
  );
  const deviations = [...tracks.values()].flatMap((items) => {
    const differences = items.map(([, own, other]) => own - other);
    const middle = median(differences);
    return differences.map((difference) => Math.abs(difference - middle));
  });
  return hundredthUp(quantile(deviations, within));
}

/** Throws when no threshold below 1 is strict enough: too few pairs were seen. */
export function deriveThresholds(scores: MeasuredScores): DerivedThresholds {
  const { model, impostor, drop, lookalikes } = scores;
  const pairs = total(impostor);
  const highest = Math.max(upperEdge(impostor, 1), highestElsewhere[model] ?? -1);
  let open = hundredthUp(highest + gap);
  while (open < 1 && upperShare(countFrom(impostor, open), pairs) > mostAccepted) open = rounded(open + 0.01);
  if (open >= 1)
    throw new Error(`${model}: ${pairs} impostor pairs are too few to bound false accepts to ${100 * mostAccepted} %`);
  const lowestKeep = hundredthUp(upperEdge(impostor, 1 - keepImpostors));
  const keep = rounded(Math.max(lowestKeep, open - hundredthUp(upperEdge(drop, within))));
  return { open, keep: Math.min(open, keep), margin: deriveMargin(lookalikes.looks, open) };
}

const parameters = { open: 'threshold_open', keep: 'threshold_keep', margin: 'threshold_margin' } as const;

function lineOf(key: string): RegExp {
  return new RegExp(`(\\{ key: "${key}" value: \\{ string_value: ")([^"]*)(" \\} \\})`);
}

/** The thresholds that the text of a `config.pbtxt` states; NaN where it states none. */
export function statedThresholds(text: string): DerivedThresholds {
  const read = (key: string) => Number(lineOf(key).exec(text)?.[2] ?? Number.NaN);
  return { open: read(parameters.open), keep: read(parameters.keep), margin: read(parameters.margin) };
}

/** The text with these thresholds and nothing else changed. Throws when it does not state all three. */
export function withThresholds(text: string, thresholds: DerivedThresholds): string {
  let changed = text;
  for (const [name, key] of Object.entries(parameters) as [keyof DerivedThresholds, string][]) {
    if (!lineOf(key).test(changed)) throw new Error(`there is no line { key: "${key}" value: { string_value: "…" } }`);
    changed = changed.replace(lineOf(key), `$1${thresholds[name].toFixed(2)}$3`);
  }
  return changed;
}
