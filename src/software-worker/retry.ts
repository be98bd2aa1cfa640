import { Backoff } from '../core/backoff.ts';
import { isSightlineError } from '../core/errors.ts';

/** A wrong password is not tried often: cameras lock accounts. */
const authRetryMs = 30_000;
const delays = { firstMs: 500, maxMs: 30_000 } as const;

/** When a source that failed, main or substream, is opened again. */
export interface SourceRetry {
  /** Milliseconds to wait after this error; grows with every call. */
  next(error: unknown): number;
  /** The source was well for a while: the next delay is the first again. */
  reset(): void;
}

export function createSourceRetry(): SourceRetry {
  const backoff = new Backoff(delays);
  return {
    next: (error) => {
      const delayMs = backoff.next();
      return isSightlineError(error, 'source.auth') ? Math.max(authRetryMs, delayMs) : delayMs;
    },
    reset: () => backoff.reset(),
  };
}
