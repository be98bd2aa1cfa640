import type { Context } from '../core/context.ts';
import { errorText, isAbort } from '../core/errors.ts';
import { type InferenceEngine, isShed, type ModelState } from '../core/inference.ts';
import type { Detector } from '../core/models.ts';
import { redact } from '../core/redact.ts';
import type { ModelStats } from '../gen/sightline/bridge/v1/bridge.ts';

/** What the detectors of this process did, by model, since they were made. */
export interface ModelCounts {
  /** The same detector, counted. */
  counted(detector: Detector): Detector;
  /** Of the models that are in use. */
  stats(inUse: ReadonlySet<string>): ModelStats[];
}

/** What fails is compared with its file so often at most. */
const mendEveryMs = 5000;
/** A failure that no later look has borne out says nothing about the model any more: its cameras may be away for hours. */
const evidenceMs = 300_000;

interface Counts {
  requests: number;
  failures: number;
  computeMs: number;
  /** Why the latest look failed, and when; undefined when it did not. */
  failing: { readonly reason: string; readonly atMs: number } | undefined;
}

export function createModelCounts(engine: Pick<InferenceEngine, 'load' | 'states'>, ctx: Context): ModelCounts {
  const models = new Map<string, Counts>();
  const mendedMs = new Map<string, number>();

  /** What fails may have been replaced meanwhile. The engine says itself what it cannot load. */
  async function mend(model: string): Promise<void> {
    const nowMs = ctx.clock.mono();
    if (nowMs < (mendedMs.get(model) ?? Number.NEGATIVE_INFINITY) + mendEveryMs) return;
    mendedMs.set(model, nowMs);
    await engine.load(model).catch(() => {});
  }

  /** Why a model cannot be used now; empty when it can. */
  function failing({ failing: latest }: Counts, state: ModelState | undefined): string {
    if (latest !== undefined && ctx.clock.mono() < latest.atMs + evidenceMs) return latest.reason;
    return state?.state === 'unavailable' ? redact(state.reason) : '';
  }

  return {
    counted: (detector) => {
      const counts: Counts = { requests: 0, failures: 0, computeMs: 0, failing: undefined };
      models.set(detector.model, counts);
      return {
        model: detector.model,
        labels: detector.labels,
        landmarks: detector.landmarks,
        contentSize: (source, width) => detector.contentSize(source, width),
        detect: async (image, source, request) => {
          const begun = ctx.clock.mono();
          counts.requests += 1;
          try {
            const found = await detector.detect(image, source, request);
            counts.failing = undefined;
            return found;
          } catch (error) {
            counts.failures += 1;
            if (!isAbort(error) && !isShed(error)) {
              counts.failing = { reason: redact(errorText(error)), atMs: ctx.clock.mono() };
              void mend(detector.model);
            }
            throw error;
          } finally {
            counts.computeMs += ctx.clock.mono() - begun;
          }
        },
      };
    },
    stats: (inUse) => {
      const states = new Map(engine.states().map((state) => [state.model, state]));
      return [...models]
        .filter(([model]) => inUse.has(model))
        .map(([model, counts]) => {
          const state = states.get(model);
          return {
            model,
            requests: BigInt(counts.requests),
            failures: BigInt(counts.failures),
            computeMsTotal: counts.computeMs,
            failing: failing(counts, state),
            fallback: state?.state === 'ready' && state.reason !== undefined,
          };
        });
    },
  };
}
