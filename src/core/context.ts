import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

/** What every room receives beside its configuration. A fifth field needs a written reason. */
export interface Context {
  readonly log: Logger;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Fires when the process stops; everything that waits takes it. */
  readonly signal: AbortSignal;
}

/** The same context with more labels on its log lines. */
export function childContext(ctx: Context, labels: Readonly<Record<string, string | number>>): Context {
  return { ...ctx, log: ctx.log.child(labels) };
}
