import { type Interval, percentileInterval, resamples, shareInterval, upperShare } from './statistics.ts';

/** Scores of looks against references, and what they say at each threshold. Pure. */

/** `photo`, `clip`: as they are; the others scaled down to make faces small. */
export type Source = 'photo' | 'clip' | 'photo scaled' | 'clip scaled';

/** One look beside one reference. */
export interface Pair {
  /** Who is seen, by the ground truth. */
  readonly seen: string;
  /** Whose reference it is. */
  readonly reference: string;
  readonly score: number;
  readonly heightPx: number;
  readonly source: Source;
}

export const heightBands = [
  { name: '< 24', from: 0, to: 24 },
  { name: '24–40', from: 24, to: 40 },
  { name: '40–80', from: 40, to: 80 },
  { name: '> 80', from: 80, to: Number.POSITIVE_INFINITY },
] as const;

export function isGenuine({ seen, reference }: Pair): boolean {
  return seen === reference;
}

export interface Share {
  readonly count: number;
  readonly of: number;
  readonly share: number;
  /** Clopper and Pearson over pairs, as if they were independent, which they are not. */
  readonly pairs95: Interval;
  /** Percentiles of a bootstrap over people; undefined where nothing was counted, because then every sample counts nothing. */
  readonly people95?: Interval;
}

/** Share of `of` without the bootstrap. */
export function share(count: number, of: number): Share {
  return { count, of, share: of === 0 ? Number.NaN : count / of, pairs95: shareInterval(count, of) };
}

export interface CurvePoint {
  readonly threshold: number;
  /** Share of impostor pairs at or above the threshold. */
  readonly far: number;
  /** Share of genuine pairs below it. */
  readonly frr: number;
}

export interface Rates {
  readonly people: number;
  /** Unordered pairs of different people among the impostor pairs. */
  readonly peoplePairs: number;
  readonly genuine: number;
  readonly impostor: number;
  readonly highestImpostor: number;
  readonly lowestGenuine: number;
  readonly eer: { readonly share: number; readonly threshold: number; readonly people95: Interval };
  readonly threshold: number;
  readonly far: Share;
  readonly frr: Share;
  /** Upper 95 % bound on the share of pairs of people of whom any pair of pictures matches: the rule of three where none did. */
  readonly peoplePairsUpper: number;
  readonly curve: readonly CurvePoint[];
}

const gridStep = 0.01;
const gridFrom = -1;
const gridSize = 201;
const rounds = 1000;

function gridThreshold(index: number): number {
  return Math.round((gridFrom + index * gridStep) * 100) / 100;
}

/** Number of grid thresholds that a score reaches. */
function reached(score: number): number {
  return Math.min(gridSize, Math.max(0, Math.floor((score - gridFrom) / gridStep + 1e-9) + 1));
}

/** Counts of one ordered pair of people. */
interface Cell {
  readonly seen: number;
  readonly reference: number;
  total: number;
  /** How many scores reach each threshold of the grid. */
  readonly atLeast: Float64Array;
}

function cellsOf(pairs: readonly Pair[], people: readonly string[]): readonly Cell[] {
  const cells = new Map<string, Cell>();
  for (const { seen, reference, score } of pairs) {
    const key = `${seen} ${reference}`;
    let cell = cells.get(key);
    if (cell === undefined) {
      cell = {
        seen: people.indexOf(seen),
        reference: people.indexOf(reference),
        total: 0,
        atLeast: new Float64Array(gridSize),
      };
      cells.set(key, cell);
    }
    cell.total += 1;
    const count = reached(score);
    for (let i = 0; i < count; i += 1) cell.atLeast[i] = (cell.atLeast[i] ?? 0) + 1;
  }
  return [...cells.values()];
}

/** FAR and FRR over the grid when each person counts as often as `drawn` says. */
function weighted(
  cells: readonly Cell[],
  drawn: ArrayLike<number>,
): { readonly far: Float64Array; readonly frr: Float64Array } {
  const accepted = new Float64Array(gridSize);
  const matched = new Float64Array(gridSize);
  let impostors = 0;
  let genuine = 0;
  for (const { seen, reference, total, atLeast } of cells) {
    const same = seen === reference;
    const weight = same ? (drawn[seen] ?? 0) : (drawn[seen] ?? 0) * (drawn[reference] ?? 0);
    if (weight === 0) continue;
    if (same) genuine += weight * total;
    else impostors += weight * total;
    const sums = same ? matched : accepted;
    for (let i = 0; i < gridSize; i += 1) sums[i] = (sums[i] ?? 0) + weight * (atLeast[i] ?? 0);
  }
  return {
    far: accepted.map((sum) => sum / impostors),
    frr: matched.map((sum) => 1 - sum / genuine),
  };
}

/** Where FAR falls below FRR, linear between thresholds of the grid. */
function equalError({ far, frr }: { readonly far: Float64Array; readonly frr: Float64Array }): {
  readonly share: number;
  readonly threshold: number;
} {
  for (let i = 1; i < gridSize; i += 1) {
    const [far0, far1, frr0, frr1] = [far[i - 1] ?? 1, far[i] ?? 0, frr[i - 1] ?? 0, frr[i] ?? 1];
    if (far1 > frr1) continue;
    const part = far0 - frr0 === far1 - frr1 ? 0 : (far0 - frr0) / (far0 - frr0 - far1 + frr1);
    return {
      share: far0 + part * (far1 - far0),
      threshold: gridFrom + (i - 1 + part) * gridStep,
    };
  }
  return { share: Number.NaN, threshold: Number.NaN };
}

/** `threshold` is on the grid of hundredths. */
export function ratesOf(pairs: readonly Pair[], threshold: number): Rates {
  const people = [...new Set(pairs.flatMap(({ seen, reference }) => [seen, reference]))].toSorted();
  const cells = cellsOf(pairs, people);
  const genuine = pairs.filter(isGenuine);
  const impostors = pairs.filter((pair) => !isGenuine(pair));
  const once = new Uint16Array(people.length).fill(1);
  const whole = weighted(cells, once);
  const at = Math.round((threshold - gridFrom) / gridStep);
  const samples = resamples(people.length, rounds).map((drawn) => {
    const { far, frr } = weighted(cells, drawn);
    return { far: far[at] ?? Number.NaN, frr: frr[at] ?? Number.NaN, eer: equalError({ far, frr }).share };
  });
  const spread = (counted: Share, values: readonly number[]): Share =>
    counted.count === 0 ? counted : { ...counted, people95: percentileInterval(values) };
  const pairOf = ({ seen, reference }: Pair) => [seen, reference].toSorted().join(' ');
  const allPairs = new Set(impostors.map(pairOf));
  const matchedPairs = new Set(impostors.filter(({ score }) => score >= threshold).map(pairOf));
  return {
    people: people.length,
    peoplePairs: allPairs.size,
    genuine: genuine.length,
    impostor: impostors.length,
    highestImpostor: Math.max(...impostors.map(({ score }) => score)),
    lowestGenuine: Math.min(...genuine.map(({ score }) => score)),
    eer: { ...equalError(whole), people95: percentileInterval(samples.map(({ eer }) => eer)) },
    threshold,
    far: spread(
      share(impostors.filter(({ score }) => score >= threshold).length, impostors.length),
      samples.map(({ far }) => far),
    ),
    frr: spread(
      share(genuine.filter(({ score }) => score < threshold).length, genuine.length),
      samples.map(({ frr }) => frr),
    ),
    peoplePairsUpper: upperShare(matchedPairs.size, allPairs.size),
    curve: Array.from({ length: gridSize }, (_, i) => ({
      threshold: gridThreshold(i),
      far: whole.far[i] ?? Number.NaN,
      frr: whole.frr[i] ?? Number.NaN,
    })).filter((point) => point.threshold >= -0.2),
  };
}

/** Counts of values in bins `[n * step, (n + 1) * step)`: enough to count at every threshold that is a multiple of `step`. */
export interface Histogram {
  readonly step: number;
  /** Number of the first bin. */
  readonly first: number;
  readonly counts: readonly number[];
}

export const histogramStep = 0.005;

export function histogram(values: readonly number[]): Histogram {
  const bins = values.map((value) => Math.floor(value / histogramStep + 1e-9));
  const first = Math.min(...bins);
  const counts = new Array<number>(Math.max(...bins) - first + 1).fill(0);
  for (const bin of bins) counts[bin - first] = (counts[bin - first] ?? 0) + 1;
  return { step: histogramStep, first, counts };
}
