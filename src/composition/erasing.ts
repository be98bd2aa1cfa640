import { doubtOf, judgeClock, startClockTrust } from '../core/clock-trust.ts';
import type { Context } from '../core/context.ts';
import type { PartState } from '../core/control.ts';
import { errorText } from '../core/errors.ts';
import type { ClockStore } from '../core/store.ts';

/** Says whether what is too old may be erased now (`core/clock-trust.ts`), to the watchlist and to retention. */
export interface Erasing extends Disposable {
  allowed(): boolean;
  /** Not ready while the wall clock is not believed; nothing otherwise. */
  parts(): readonly PartState[];
}

const keepEveryMs = 10 * 60_000;
const dayMs = 86_400_000;
const hourMs = 3_600_000;

function longSpanText(ms: number): string {
  return ms >= 2 * dayMs ? `${Math.round(ms / dayMs)} days` : `${(ms / hourMs).toFixed(1)} hours`;
}

export async function startErasing(store: ClockStore, ctx: Context): Promise<Erasing> {
  const { clock, log } = ctx;
  const reading = () => ({ wall: clock.now(), mono: clock.mono() });
  let trust = startClockTrust(reading(), await store.trusted());
  let said = false;

  function doubt() {
    const now = reading();
    trust = judgeClock(trust, now);
    const found = doubtOf(trust, now);
    if (found !== undefined && !said) {
      const hours = { aheadHours: Math.round(found.aheadMs / hourMs), waitHours: Math.round(found.leftMs / hourMs) };
      log.error(hours, 'wall clock leapt ahead, nothing is erased for its age until it has stood by that');
    }
    if (found === undefined && said) log.info('wall clock is believed again, what is too old is erased');
    said = found !== undefined;
    return found;
  }

  async function keep(): Promise<void> {
    if (doubt() !== undefined) return;
    try {
      await store.trust(clock.now());
    } catch (error) {
      log.warn({ reason: errorText(error) }, 'time could not be kept in the store');
    }
  }

  await keep();
  const timer = clock.every(keepEveryMs, keep);
  return {
    allowed: () => doubt() === undefined,
    parts: () => {
      const found = doubt();
      if (found === undefined) return [];
      const reason = `the wall clock leapt ahead by ${longSpanText(found.aheadMs)}; nothing is erased for its age for another ${longSpanText(found.leftMs)} unless it comes back`;
      return [{ name: 'clock', ready: false, reason }];
    },
    [Symbol.dispose]: () => timer[Symbol.dispose](),
  };
}
