import type { Clock } from './clock.ts';

const linesASecond = 200;

/** What of a worker goes into the log, however much it says: 200 lines of a second. */
export class LineRate {
  readonly #clock: Pick<Clock, 'mono'>;
  #second = 0;
  #lines = 0;

  constructor(clock: Pick<Clock, 'mono'>) {
    this.#clock = clock;
  }

  /** Whether one more is taken. */
  take(): boolean {
    const second = Math.floor(this.#clock.mono() / 1000);
    if (second !== this.#second) this.#lines = 0;
    this.#second = second;
    this.#lines += 1;
    return this.#lines <= linesASecond;
  }
}
