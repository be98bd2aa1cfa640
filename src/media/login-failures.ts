import type { Clock } from '../core/clock.ts';
import { networkOf } from '../core/network.ts';

/**
 * Who guesses stream passwords is not answered any more. One entry per address, or per network of an IPv6 address; the table is bounded.
 * Ask after the check: these passwords are random, of 24 characters, and checked by one hash, so a right one needs no protection from
 * guesses, and many who have one share an address with somebody who has not.
 */
export const loginLimits = { failures: 10, windowMs: 60_000, addresses: 4096 } as const;

interface Failures {
  count: number;
  readonly sinceMono: number;
}

export class LoginFailures {
  readonly #clock: Pick<Clock, 'mono'>;
  readonly #of = new Map<string, Failures>();

  constructor(clock: Pick<Clock, 'mono'>) {
    this.#clock = clock;
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#of.size;
  }

  add(address: string): void {
    const key = networkOf(address);
    const known = this.#known(key);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    if (this.#of.size >= loginLimits.addresses) {
      const [oldest] = this.#of.keys();
      if (oldest !== undefined) this.#of.delete(oldest);
    }
    this.#of.set(key, { count: 1, sinceMono: this.#clock.mono() });
  }

  /** Milliseconds until a wrong login of this address is answered as one again; 0 when it is now. */
  blockedMs(address: string): number {
    const known = this.#known(networkOf(address));
    if (known === undefined || known.count < loginLimits.failures) return 0;
    return known.sinceMono + loginLimits.windowMs - this.#clock.mono();
  }

  #known(key: string): Failures | undefined {
    const known = this.#of.get(key);
    if (known === undefined || this.#clock.mono() - known.sinceMono < loginLimits.windowMs) return known;
    this.#of.delete(key);
    return undefined;
  }
}
