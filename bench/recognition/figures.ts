import type { Bodies } from './bodies.ts';
import type { Faces, Found } from './faces.ts';
import { type Embedded, type Look, pairsOf, scoreOf } from './looks.ts';
import type { SceneFigures } from './scenes.ts';
import {
  type CurvePoint,
  type Histogram,
  heightBands,
  histogram,
  isGenuine,
  type Pair,
  type Rates,
  ratesOf,
  type Share,
  share,
} from './scores.ts';
import { median } from './statistics.ts';

/** What a run found, as it is written down: everything, what the docs quote, and what the thresholds are computed from. */

export interface HeightFigures {
  readonly band: string;
  /** As photographed and filmed, or scaled down. */
  readonly scaled: boolean;
  readonly people: number;
  readonly far: Share;
  readonly frr: Share;
}

export interface FoundFigures {
  readonly band: string;
  readonly scaled: boolean;
  readonly found: Share;
}

export interface ModelFigures {
  readonly model: string;
  readonly kind: 'face' | 'appearance';
  /** Every look beside every reference, by what the looks come from. */
  readonly materials: readonly ({ readonly material: string } & Rates)[];
  /** Faces only. */
  readonly heights: readonly HeightFigures[];
}

export interface Figures {
  /** ISO date. */
  readonly date: string;
  readonly machine: string;
  readonly scenes: readonly SceneFigures[];
  readonly models: readonly ModelFigures[];
  readonly found: readonly FoundFigures[];
  /** Detections on the clips as filmed that are nobody's face. */
  readonly extraFaces: number;
  /** Pictures of bodies in which no body was found. */
  readonly unusableBodies: number;
}

/** What `tools/calibrate.ts` computes thresholds from; see there. */
export interface ModelScores {
  readonly model: string;
  readonly kind: 'face' | 'appearance';
  readonly people: number;
  readonly impostor: Histogram;
  readonly genuine: Histogram;
  /** How far each look falls below the median of its track's scores for its own entry. */
  readonly drop: Histogram;
  /** The two people who look most alike; of each of their looks the number of its track, its score for itself and for the other. */
  readonly lookalikes: {
    readonly people: readonly [string, string];
    readonly looks: readonly (readonly [track: number, own: number, other: number])[];
  };
}

export interface CalibrationScores {
  readonly date: string;
  readonly models: readonly ModelScores[];
}

/** Looks that thresholds are computed from: not scaled, of a size that a camera compares, not hidden. */
const calibrated = { face: 40, appearance: 64 } as const;
const wellVisible = 0.9;
/** A track of fewer looks has no median to fall below. */
const leastLooks = 5;

const largestBand = heightBands[heightBands.length - 1]?.name;

function bandOf(heightPx: number): string {
  return heightBands.find(({ from, to }) => heightPx >= from && heightPx < to)?.name ?? '';
}

function isScaled(source: Pair['source']): boolean {
  return source === 'photo scaled' || source === 'clip scaled';
}

function heightsOf(pairs: readonly Pair[], threshold: number): readonly HeightFigures[] {
  return [false, true].flatMap((scaled) =>
    heightBands.flatMap(({ name }): HeightFigures[] => {
      const here = pairs.filter((pair) => isScaled(pair.source) === scaled && bandOf(pair.heightPx) === name);
      // Scaling is for what the material lacks: the few faces that are still large say nothing.
      if (here.length === 0 || (scaled && name === largestBand)) return [];
      const genuine = here.filter(isGenuine);
      const impostors = here.filter((pair) => !isGenuine(pair));
      return [
        {
          band: name,
          scaled,
          people: new Set(here.map(({ seen }) => seen)).size,
          far: share(impostors.filter(({ score }) => score >= threshold).length, impostors.length),
          frr: share(genuine.filter(({ score }) => score < threshold).length, genuine.length),
        },
      ];
    }),
  );
}

export function foundOf(found: readonly Found[]): readonly FoundFigures[] {
  return [false, true].flatMap((scaled) =>
    heightBands.flatMap(({ name }): FoundFigures[] => {
      const faces = found
        .filter(({ source }) => isScaled(source) === scaled)
        .flatMap(({ heights }) => heights)
        .filter(({ heightPx }) => bandOf(heightPx) === name);
      if (faces.length === 0) return [];
      return [{ band: name, scaled, found: share(faces.filter((face) => face.found).length, faces.length) }];
    }),
  );
}

export function faceFigures({ looks, references }: Faces, model: string, threshold: number): ModelFigures {
  const pairs = pairsOf(looks, references, model);
  const of = (source: Pair['source']) => pairs.filter((pair) => pair.source === source);
  return {
    model,
    kind: 'face',
    materials: [
      { material: 'photos', ...ratesOf(of('photo'), threshold) },
      { material: 'face-frames', ...ratesOf(of('clip'), threshold) },
    ],
    heights: heightsOf(pairs, threshold),
  };
}

export function bodyFigures({ looks, references }: Bodies, model: string, threshold: number): ModelFigures {
  const pairs = pairsOf(looks, references, model);
  return {
    model,
    kind: 'appearance',
    materials: [{ material: 'body-frames', ...ratesOf(pairs, threshold) }],
    heights: [],
  };
}

/** Best score of a look for a person, as the watchlist gives it. */
function bestScore(look: Look, person: string, references: readonly Embedded[], model: string): number | undefined {
  const own = references.filter((reference) => reference.person === person);
  return own.length === 0 ? undefined : Math.max(...own.map((reference) => scoreOf(look, reference, model)));
}

/** Values by track, of tracks that are long enough. */
function byTrack(values: readonly { readonly track: string; readonly value: number }[]): readonly (readonly number[])[] {
  const tracks = Map.groupBy(values, ({ track }) => track);
  return [...tracks.values()].map((items) => items.map(({ value }) => value)).filter((items) => items.length >= leastLooks);
}

function thousandth(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** The two people with references whose looks score highest for each other, by their median. */
function mostAlike(pairs: readonly Pair[], references: readonly Embedded[]): readonly [string, string] {
  const enrolled = new Set(references.map(({ person }) => person));
  const groups = Map.groupBy(
    pairs.filter((pair) => !isGenuine(pair) && enrolled.has(pair.seen)),
    ({ seen, reference }) => [seen, reference].toSorted().join(' '),
  );
  const ranked = [...groups.values()].toSorted(
    (a, b) => median(b.map(({ score }) => score)) - median(a.map(({ score }) => score)),
  );
  const first = ranked[0]?.[0];
  if (first === undefined) throw new Error('nobody of whom there are references is seen beside another');
  return [first.seen, first.reference];
}

export function calibrationScores(
  looks: readonly Look[],
  references: readonly Embedded[],
  model: string,
  kind: 'face' | 'appearance',
): ModelScores {
  const usable = looks.filter(
    ({ source, heightPx, visible }) => !isScaled(source) && heightPx >= calibrated[kind] && visible >= wellVisible,
  );
  const pairs = pairsOf(usable, references, model);
  const fair = usable.filter(({ easy }) => !easy);
  const scored = fair.flatMap((look) => {
    const value = bestScore(look, look.person, references, model);
    return value === undefined ? [] : [{ track: look.track, value }];
  });
  const drop = byTrack(scored).flatMap((scores) => scores.map((score) => Math.max(0, median(scores) - score)));
  const people = mostAlike(pairs, references);
  const tracks = [...new Set(fair.map(({ track }) => track))];
  const alike = fair
    .filter(({ person }) => people.includes(person))
    .map((look) => {
      const other = people[0] === look.person ? people[1] : people[0];
      const own = bestScore(look, look.person, references, model) ?? Number.NaN;
      return [
        tracks.indexOf(look.track),
        thousandth(own),
        thousandth(bestScore(look, other, references, model) ?? Number.NaN),
      ] as const;
    });
  const scores = (genuine: boolean) => pairs.filter((pair) => isGenuine(pair) === genuine).map(({ score }) => score);
  return {
    model,
    kind,
    people: new Set(pairs.flatMap(({ seen, reference }) => [seen, reference])).size,
    impostor: histogram(scores(false)),
    genuine: histogram(scores(true)),
    drop: histogram(drop),
    lookalikes: { people, looks: alike },
  };
}

/** Thresholds that the committed copy keeps of a curve. */
export const quotedThresholds: readonly number[] = Array.from(
  { length: 16 },
  (_, i) => Math.round((0.2 + 0.05 * i) * 100) / 100,
);

function quoted(curve: readonly CurvePoint[]): readonly CurvePoint[] {
  return curve.filter(({ threshold }) => quotedThresholds.includes(threshold));
}

function rounded(value: unknown): unknown {
  if (typeof value === 'number')
    return Number.isInteger(value) || !Number.isFinite(value) ? value : Number(value.toPrecision(4));
  if (Array.isArray(value)) return value.map(rounded);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, rounded(item)]));
}

/** The copy that is committed: curves at the quoted thresholds, four digits. */
export function compact(figures: Figures): Figures {
  const models = figures.models.map((model) => ({
    ...model,
    materials: model.materials.map((material) => ({ ...material, curve: quoted(material.curve) })),
  }));
  return rounded({ ...figures, models }) as Figures;
}
