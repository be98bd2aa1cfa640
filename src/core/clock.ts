import { setTimeout as wait } from 'node:timers/promises';

/** Time as rooms see it; the only timers in the tree. Tests replace it (`test/support/clock.ts`). */
export interface Clock {
  /** Wall clock, milliseconds since 1970: schedules and time stamps for people. */
  now(): number;
  /** CLOCK_MONOTONIC, milliseconds, common to all processes of this host: durations and deadlines. */
  mono(): number;
  /** Resolves after `ms`; rejects with AbortError as soon as the signal fires. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Calls `task` every `ms` until the returned handle is disposed. A task that is still running skips its turn. */
  every(ms: number, task: () => void | Promise<void>): Disposable;
  /** A signal that fires after `ms` or with its parent; dispose it to free the timer. */
  deadline(ms: number, parent?: AbortSignal): { readonly signal: AbortSignal } & Disposable;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  mono: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  sleep: async (ms, signal) => {
    await wait(ms, undefined, { signal });
  },
  every: (ms, task) => {
    let busy = false;
    const timer = setInterval(() => {
      if (busy) return;
      const running = task();
      if (running === undefined) return;
      busy = true;
      void running.finally(() => {
        busy = false;
      });
    }, ms);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  },
  deadline: (ms, parent) => {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(new DOMException('deadline passed', 'TimeoutError')), ms);
    const follow = () => controller.abort(parent?.reason);
    if (parent?.aborted) follow();
    else parent?.addEventListener('abort', follow, { once: true });
    return {
      signal: controller.signal,
      [Symbol.dispose]: () => {
        clearTimeout(timer);
        parent?.removeEventListener('abort', follow);
      },
    };
  },
};
