import { aborted } from './aborted.ts';
import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';

/**
 * Collects what has been started and stops it in reverse, each within its share of the deadline. One that fails or hangs is
 * logged and does not keep the others from stopping.
 */
export class Scope implements AsyncDisposable {
  readonly #parts: { readonly name: string; readonly part: AsyncDisposable | Disposable }[] = [];
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #deadlineMs: number;
  #closing: Promise<void> | undefined;

  constructor(options: { clock: Clock; log: Logger; deadlineMs: number }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#deadlineMs = options.deadlineMs;
  }

  use<T extends AsyncDisposable | Disposable>(name: string, part: T): T {
    this.#parts.push({ name, part });
    return part;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const end = this.#clock.mono() + this.#deadlineMs;
    for (const { name, part } of this.#parts.toReversed()) {
      const left = Math.max(100, end - this.#clock.mono());
      using limit = this.#clock.deadline(left);
      const expired = aborted(limit.signal).then(() => 'expired' as const);
      try {
        const stopping =
          Symbol.asyncDispose in part ? Promise.resolve(part[Symbol.asyncDispose]()) : Promise.resolve(part[Symbol.dispose]());
        if ((await Promise.race([stopping.then(() => 'stopped' as const), expired])) === 'expired') {
          this.#log.error({ part: name }, 'part did not stop in time');
        }
      } catch (error) {
        this.#log.error({ part: name, err: error }, 'part failed to stop');
      }
    }
    this.#parts.length = 0;
  }
}
