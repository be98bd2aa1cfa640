import { SightlineError } from '../core/errors.ts';

/** Lets one change happen at a time, in the order in which they were asked for. */
export interface Turns {
  take<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when all that was asked for so far has happened or failed. */
  idle(): Promise<void>;
}

/** A photo takes about as long. */
const retryAfterS = 2;

/** More than `limit` that wait are refused with `watchlist.busy`; `what` names them. */
export function createTurns(limit: number, what = 'changes of the watchlist'): Turns {
  let line: Promise<void> = Promise.resolve();
  let waiting = 0;
  return {
    take: (work) => {
      if (waiting >= limit) {
        return Promise.reject(
          new SightlineError('watchlist.busy', `${limit} ${what} are waiting already; try again when they are done`, {
            details: { limit, retryAfterS },
          }),
        );
      }
      waiting += 1;
      const turn = line.then(work).finally(() => {
        waiting -= 1;
      });
      line = turn.then(
        () => undefined,
        () => undefined,
      );
      return turn;
    },
    idle: () => line,
  };
}
