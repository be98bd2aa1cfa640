/**
 * How long somebody who guesses has to wait. Pure: times are the caller's, milliseconds of any one clock.
 *
 * Each place (address) and each user has its own count of failures. Beyond a few the next attempt has to wait, each time twice as long.
 * A user's own places, from which they have logged in before, are counted by themselves: whoever guesses at a user from elsewhere, or at other
 * users from the same place, does not lock them out. An attempt counts as failed from its beginning, so that many at once are not free.
 */

export interface ThrottlePolicy {
  /** Failures that cost nothing. */
  readonly free: number;
  readonly firstMs: number;
  readonly maxMs: number;
  /** A count is forgotten this long after the last failure. */
  readonly forgetMs: number;
}

export interface Throttle {
  /** Milliseconds until the next attempt is let through; 0: now. */
  waitMs(key: string, now: number): number;
  /** An attempt begins: it counts as failed. */
  begin(key: string, now: number): void;
  /** It succeeded: everything before is forgiven. */
  forgive(key: string): void;
  /** It came to no answer: it does not count. */
  takeBack(key: string): void;
  readonly size: number;
  /** Keys that were forgotten early, for want of room. */
  readonly evicted: number;
}

interface Count {
  failures: number;
  lastAt: number;
}

export function createThrottle(policy: ThrottlePolicy, capacity: number): Throttle {
  /** In the order of their last failure. */
  const counts = new Map<string, Count>();
  let evicted = 0;

  function recent(key: string, now: number): Count | undefined {
    const count = counts.get(key);
    if (count === undefined || now - count.lastAt < policy.forgetMs) return count;
    counts.delete(key);
    return undefined;
  }

  return {
    waitMs: (key, now) => {
      const count = recent(key, now);
      if (count === undefined || count.failures < policy.free) return 0;
      const delay = Math.min(policy.maxMs, policy.firstMs * 2 ** Math.min(30, count.failures - policy.free));
      return Math.max(0, count.lastAt + delay - now);
    },
    begin: (key, now) => {
      const failures = (recent(key, now)?.failures ?? 0) + 1;
      counts.delete(key);
      counts.set(key, { failures, lastAt: now });
      if (counts.size <= capacity) return;
      const [oldest] = counts.keys();
      if (oldest !== undefined) counts.delete(oldest);
      evicted += 1;
    },
    forgive: (key) => void counts.delete(key),
    takeBack: (key) => {
      const count = counts.get(key);
      if (count === undefined) return;
      count.failures -= 1;
      if (count.failures <= 0) counts.delete(key);
    },
    get size() {
      return counts.size;
    },
    get evicted() {
      return evicted;
    },
  };
}

const minute = 60_000;
const ofPlace: ThrottlePolicy = { free: 5, firstMs: 1000, maxMs: 15 * minute, forgetMs: 60 * minute };
/** From everywhere together: it slows a guess that comes from many places, and must not shut a user out for long. */
const ofUser: ThrottlePolicy = { free: 20, firstMs: 1000, maxMs: minute / 2, forgetMs: 60 * minute };
const capacity = 10_000;
/** Remembered of one user. */
const maxOwnPlaces = 16;

export interface LoginAttempt {
  succeed(): void;
  /** It was not decided, for want of time or of the store. */
  takeBack(): void;
}

export interface LoginThrottle {
  /** The attempt, or the milliseconds to wait for one. `isKnown`: there is such a user; names that are none share their room. */
  attempt(
    login: { readonly user: string; readonly isKnown: boolean; readonly place: string },
    now: number,
  ): LoginAttempt | number;
  readonly evicted: number;
}

export function createLoginThrottle(): LoginThrottle {
  const places = createThrottle(ofPlace, capacity);
  const ownPlaces = createThrottle(ofPlace, capacity);
  const users = createThrottle(ofUser, capacity);
  /** Apart, so that names made up by the thousand do not push the count of a real user out. */
  const strangers = createThrottle(ofUser, capacity);
  const own = new Map<string, string[]>();

  return {
    attempt: ({ user, isKnown, place }, now) => {
      const isOwn = own.get(user)?.includes(place) === true;
      const keys: readonly (readonly [Throttle, string])[] = isOwn
        ? [[ownPlaces, `${user}\n${place}`]]
        : [
            [places, place],
            [isKnown ? users : strangers, user],
          ];
      const wait = Math.max(...keys.map(([throttle, key]) => throttle.waitMs(key, now)));
      if (wait > 0) return wait;
      for (const [throttle, key] of keys) throttle.begin(key, now);
      return {
        succeed: () => {
          // Of the place only this attempt: who has one account must not wash off guesses at others with it.
          for (const [throttle, key] of keys) {
            if (throttle === places) throttle.takeBack(key);
            else throttle.forgive(key);
          }
          const known = (own.get(user) ?? []).filter((other) => other !== place);
          own.set(user, [...known, place].slice(-maxOwnPlaces));
        },
        takeBack: () => {
          for (const [throttle, key] of keys) throttle.takeBack(key);
        },
      };
    },
    get evicted() {
      return places.evicted + ownPlaces.evicted + users.evicted + strangers.evicted;
    },
  };
}
