import { seeded } from '../../test/support/seeded.ts';

/** What is done to the program and when; the same for the same seed. Pure. */

export type Fault = { readonly atMs: number } & (
  | { readonly what: 'daemon' }
  | { readonly what: 'worker'; readonly camera: string }
);

/** A kill that was carried out. */
export interface DoneFault {
  readonly what: 'daemon' | 'worker';
  /** Of a worker. */
  readonly camera?: string;
  readonly wallMs: number;
}

export interface TorturePlan {
  /** Media time of the film, in order. */
  readonly faults: readonly Fault[];
  readonly brokerAway: { readonly fromMs: number; readonly toMs: number };
}

export interface PlanOptions {
  readonly seed: number;
  readonly lengthMs: number;
  readonly cameras: readonly string[];
  readonly daemonKills: number;
  readonly workerKills: number;
  readonly brokerAway: TorturePlan['brokerAway'];
}

/** Before the first and after the last fault. */
const quietMs = 15_000;
/** Share of a slot in which its fault may fall; the rest keeps faults apart. */
const spread = 0.5;

/** One fault in each slot of equal length, at a time of chance; daemon kills are spread over the run, workers are drawn. */
export function planTorture(options: PlanOptions): TorturePlan {
  const random = seeded(options.seed);
  const { cameras, daemonKills, workerKills } = options;
  const count = daemonKills + workerKills;
  const slotMs = (options.lengthMs - 2 * quietMs) / count;
  const daemonSlots = new Set(
    Array.from({ length: daemonKills }, (_, at) => Math.floor(((at + random()) * count) / daemonKills)),
  );
  const faults = Array.from({ length: count }, (_, slot): Fault => {
    const atMs = Math.round(quietMs + slotMs * (slot + spread * random()));
    const camera = cameras[Math.floor(random() * cameras.length)] ?? '';
    return daemonSlots.has(slot) ? { atMs, what: 'daemon' } : { atMs, what: 'worker', camera };
  });
  return { faults, brokerAway: options.brokerAway };
}
