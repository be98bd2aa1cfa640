import type { Clock } from '../../src/core/clock.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { Context } from '../../src/core/context.ts';
import { createLogger } from '../../src/core/log.ts';
import { createMetrics } from '../../src/core/metrics.ts';

export interface TestContext extends Context, Disposable {
  /** Every log line so far, parsed. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
}

/** A context for tests: logs are kept, disposal fires the signal. SIGHTLINE_TEST_LOG=1 prints them too. */
export function testContext(clock: Clock = systemClock): TestContext {
  const lines: Record<string, unknown>[] = [];
  const controller = new AbortController();
  const log = createLogger({
    level: 'debug',
    destination: {
      write: (line) => {
        if (process.env['SIGHTLINE_TEST_LOG'] === '1') process.stderr.write(line);
        lines.push(JSON.parse(line));
      },
    },
  });
  return { log, clock, metrics: createMetrics(), signal: controller.signal, lines, [Symbol.dispose]: () => controller.abort() };
}
