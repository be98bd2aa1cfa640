import type { Clock } from '../../src/core/clock.ts';

interface Waiting {
  readonly at: number;
  readonly wake: () => void;
}

/** A clock that moves only when told. `advance` lets everything that became due run before it returns. */
export class ManualClock implements Clock {
  #mono: number;
  #wall: number;
  readonly #waiting = new Set<Waiting>();

  constructor(options: { wall?: number; mono?: number } = {}) {
    this.#wall = options.wall ?? Date.UTC(2026, 0, 1);
    this.#mono = options.mono ?? 1000;
  }

  now(): number {
    return this.#wall;
  }

  mono(): number {
    return this.#mono;
  }

  /** Moves the wall clock alone, as an operator or NTP would. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  async advance(ms: number): Promise<void> {
    const end = this.#mono + ms;
    while (true) {
      const next = [...this.#waiting].filter((item) => item.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#move(next.at);
      this.#waiting.delete(next);
      next.wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#move(end);
    await new Promise((resolve) => setImmediate(resolve));
  }

  #move(to: number): void {
    this.#wall += to - this.#mono;
    this.#mono = to;
  }

  #at(ms: number, wake: () => void): Disposable {
    const item = { at: this.#mono + ms, wake };
    this.#waiting.add(item);
    return { [Symbol.dispose]: () => void this.#waiting.delete(item) };
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(new DOMException('aborted', 'AbortError'));
        return;
      }
      const timer = this.#at(ms, resolve);
      signal.addEventListener(
        'abort',
        () => {
          timer[Symbol.dispose]();
          reject(new DOMException('aborted', 'AbortError'));
        },
        { once: true },
      );
    });
  }

  every(ms: number, task: () => void | Promise<void>): Disposable {
    let timer: Disposable;
    let busy = false;
    const again = () => {
      timer = this.#at(ms, () => {
        again();
        if (busy) return;
        const running = task();
        if (running === undefined) return;
        busy = true;
        void running.finally(() => {
          busy = false;
        });
      });
    };
    again();
    return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
  }

  deadline(ms: number, parent?: AbortSignal): { readonly signal: AbortSignal } & Disposable {
    const controller = new AbortController();
    const timer = this.#at(ms, () => controller.abort(new DOMException('deadline passed', 'TimeoutError')));
    const follow = () => controller.abort(parent?.reason);
    if (parent?.aborted) follow();
    else parent?.addEventListener('abort', follow, { once: true });
    return {
      signal: controller.signal,
      [Symbol.dispose]: () => {
        timer[Symbol.dispose]();
        parent?.removeEventListener('abort', follow);
      },
    };
  }
}
