import type { Clock } from '../core/clock.ts';

/**
 * Whether somebody watches: true with the first one, false only a while after the last, so that a client who comes back at once finds
 * the encoder running.
 */
export interface Wanted extends Disposable {
  readonly now: boolean;
  /** How many watch by one way. */
  set(way: string, count: number): void;
}

const lingerMs = 2000;

export function createWanted(onChange: (wanted: boolean) => void, clock: Clock): Wanted {
  const counts = new Map<string, number>();
  let now = false;
  let lingering: ReturnType<Clock['deadline']> | undefined;

  function stay(): void {
    lingering?.[Symbol.dispose]();
    lingering = undefined;
  }

  function leave(): void {
    if (lingering !== undefined) return;
    const waiting = clock.deadline(lingerMs);
    lingering = waiting;
    waiting.signal.addEventListener(
      'abort',
      () => {
        if (lingering !== waiting) return;
        stay();
        now = false;
        onChange(false);
      },
      { once: true },
    );
  }

  return {
    get now() {
      return now;
    },
    set: (way, count) => {
      counts.set(way, count);
      if (counts.values().some((one) => one > 0)) {
        stay();
        if (now) return;
        now = true;
        onChange(true);
      } else if (now) leave();
    },
    [Symbol.dispose]: stay,
  };
}
