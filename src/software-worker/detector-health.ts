import type { ErrorCode } from '../core/errors.ts';

/** Which detectors of a camera work, by what came of their latest runs; runs that were given up for lack of time say nothing. Pure. */
export interface DetectorHealth {
  worked(model: string): void;
  failed(model: string, code: ErrorCode, nowMs: number): void;
  /** Its latest run gave something, or there was none. */
  works(model: string): boolean;
  /** Detectors that have given nothing for some time, each with the code of its latest error. */
  failing(nowMs: number): readonly FailingDetector[];
}

export interface FailingDetector {
  readonly model: string;
  readonly code: ErrorCode;
}

/** A detector that failed for a moment, because its thread died or its weights were being replaced, is no news. */
const steadyMs = 3000;
const leastFailures = 2;

interface Runs {
  code: ErrorCode;
  /** In a row, and when they began. */
  failures: number;
  failingSinceMs: number;
  lastFailureMs: number;
  failing: boolean;
}

export function createDetectorHealth(): DetectorHealth {
  /** Of those that have ever failed. */
  const runs = new Map<string, Runs>();

  function judge(known: Runs, nowMs: number): boolean {
    const steady = nowMs - (known.failures > 0 ? known.failingSinceMs : known.lastFailureMs) >= steadyMs;
    if (!steady) return known.failing;
    return known.failing ? known.failures > 0 : known.failures >= leastFailures;
  }

  return {
    worked: (model) => {
      const known = runs.get(model);
      if (known !== undefined) known.failures = 0;
    },
    failed: (model, code, nowMs) => {
      const known = runs.get(model) ?? { code, failures: 0, failingSinceMs: nowMs, lastFailureMs: nowMs, failing: false };
      if (known.failures === 0) known.failingSinceMs = nowMs;
      known.failures += 1;
      known.lastFailureMs = nowMs;
      known.code = code;
      runs.set(model, known);
    },
    works: (model) => (runs.get(model)?.failures ?? 0) === 0,
    failing: (nowMs) => {
      for (const known of runs.values()) known.failing = judge(known, nowMs);
      return [...runs].filter(([, { failing }]) => failing).map(([model, { code }]) => ({ model, code }));
    },
  };
}
