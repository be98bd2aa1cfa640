import type { Context } from '../core/context.ts';
import type { PartState } from '../core/control.ts';
import { errorText } from '../core/errors.ts';
import { FloodGate } from '../core/log.ts';
import { LatestByKey } from '../core/queue.ts';
import type { Candidate, TrackKey } from '../core/types.ts';
import { recognise, type Stages } from '../pipeline.ts';

/** The slow loop as a running thing: candidates wait in it, one per track, and it can be asked whether it is through. */
export interface SlowLoop extends AsyncDisposable {
  readonly stages: Stages;
  /** Resolves when nothing waits and nothing is under way, after `withinMs` at the latest. */
  idle(withinMs: number): Promise<void>;
  /** Not ready while its last batch failed or hangs. */
  part(): PartState;
}

/** Tracks that may wait at once; beyond it the one that waits longest is dropped and offers another crop later. */
const tracksWaiting = 512;
/** Crops that nothing can embed at the moment are tried again no sooner. */
const tryAgainMs = 250;
/** The deadline of an embedding is 2 s, a search takes milliseconds; what takes this long hangs. */
const hangsAfterMs = 30_000;
/** Half of the deadline: a batch that takes longer is made of fewer crops, or a slow network would be too late for all of them. */
const batchWithinMs = 1000;
/** While nothing is known of the network's pace. */
const firstBatch = 4;

export function startSlowLoop(
  { batchSize, ...parts }: Omit<Stages, 'waiting' | 'now' | 'batchDone' | 'batchSize'> & { readonly batchSize: number },
  ctx: Context,
): SlowLoop {
  const dropped = ctx.metrics.counter('sightline_candidates_dropped_total', 'Crops that were not embedded', ['reason']);
  const depth = ctx.metrics.gauge('sightline_candidates_waiting', 'Tracks with a crop that waits for its embedding');
  const last = ctx.metrics.gauge(
    'sightline_recognition_last_seconds',
    'When the slow loop last finished a batch, seconds since 1970',
  );
  /** Nothing can embed at the moment: of each track the best crop waits, not the newest. */
  let later = false;
  const waiting = new LatestByKey<TrackKey, Candidate>(
    tracksWaiting,
    ({ track }) => track.camera,
    (_key, _candidate, reason) => dropped.inc({ reason }),
    (kept, newer) => later && kept.crop.quality.overall >= newer.crop.quality.overall,
  );
  const failures = ctx.metrics.counter('sightline_recognition_failures_total', 'Batches of crops that failed as a whole');
  const flood = new FloodGate(ctx.log, ctx.clock);
  const stop = new AbortController();
  let busy = false;
  let beganMs = 0;
  let failure: string | undefined;
  let idle: (() => void)[] = [];
  let most = Math.min(batchSize, firstBatch);

  const stages: Stages = {
    ...parts,
    waiting,
    now: ctx.clock,
    batchSize: () => most,
    embed: async (batch, signal) => {
      busy = true;
      beganMs = ctx.clock.mono();
      depth.set(waiting.depth);
      const embeddings = await parts.embed(batch, signal);
      later = embeddings.includes('later');
      const tookMs = ctx.clock.mono() - beganMs;
      // What was refused at once, or waited for a server, says nothing of the pace.
      const tells = !later && (tookMs > batchWithinMs || embeddings.some((embedding) => embedding !== undefined));
      if (tells) most = cropsWithin(batchWithinMs, batch.length, tookMs, batchSize);
      // They are offered again at once; whatever cannot run them may say so at once as well.
      if (later) await ctx.clock.sleep(Math.max(0, beganMs + tryAgainMs - ctx.clock.mono()), stop.signal);
      return embeddings;
    },
    batchDone: (error) => {
      busy = false;
      failure = error === undefined ? undefined : errorText(error);
      if (error !== undefined) {
        failures.inc();
        flood.warn('a batch of crops was not recognised', { err: error });
      }
      depth.set(waiting.depth);
      last.set(ctx.clock.now() / 1000);
      if (waiting.depth > 0) return;
      for (const resolve of idle) resolve();
      idle = [];
    },
  };
  const running = recognise(stages, stop.signal);

  return {
    stages,
    idle: async (withinMs) => {
      if (!busy && waiting.depth === 0) return;
      using limit = ctx.clock.deadline(withinMs);
      await new Promise<void>((resolve) => {
        idle.push(resolve);
        limit.signal.addEventListener('abort', () => resolve(), { once: true });
      });
    },
    part: () => {
      const hangs = busy && ctx.clock.mono() - beganMs >= hangsAfterMs;
      const reason = hangs ? `a batch of crops has been under way for more than ${hangsAfterMs / 1000} s` : failure;
      return { name: 'recognition', ready: reason === undefined, ...(reason === undefined ? {} : { reason }) };
    },
    [Symbol.asyncDispose]: async () => {
      waiting.close();
      await running;
      stop.abort();
      flood[Symbol.dispose]();
    },
  };
}

/** How many crops fit into a time, when so many took so long; one at least. */
function cropsWithin(withinMs: number, crops: number, tookMs: number, most: number): number {
  return Math.max(1, Math.min(most, Math.floor((withinMs * crops) / Math.max(1, tookMs))));
}
