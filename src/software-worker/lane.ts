/**
 * Frames of one camera on their way through detection, in order. Frames without detection wait behind the one that is being
 * looked at, so that everything leaves in the order of capture. Live: a newer frame that is due takes over from one that still
 * waits, which then leaves with predictions only. Paced (files at full speed): nothing is taken over, `push` waits for room.
 */
export interface LaneItem {
  /** Detectors that shall look at this frame; a frame that loses its turn loses all of them. */
  due: readonly number[];
  /** Gives up what only detection needs (pixels). */
  release(): void;
}

export interface Lane<T extends LaneItem> {
  /** Rejects with what `work` threw. */
  push(item: T): Promise<void>;
  /** Everything pushed has been worked on; rejects with what `work` threw. */
  idle(): Promise<void>;
  readonly depth: number;
}

export interface LaneOptions<T> {
  readonly paced: boolean;
  /** Paced: frames that may wait. Live: frames (without pixels, all but a few) that may wait before the oldest is lost. */
  readonly limit: number;
  work(item: T): Promise<void>;
  /** A frame that was due lost its turn to a newer one, for which the detectors `twice` were due as well: they look once less. */
  onTakenOver(item: T, twice: readonly number[]): void;
  /** A frame was lost altogether. */
  onLost(item: T): void;
}

export function createLane<T extends LaneItem>(options: LaneOptions<T>): Lane<T> {
  const waiting: T[] = [];
  let working: Promise<void> | undefined;
  let failure: { readonly error: unknown } | undefined;
  let room = Promise.withResolvers<void>();

  async function work(): Promise<void> {
    try {
      while (failure === undefined) {
        const item = waiting.shift();
        if (item === undefined) return;
        try {
          await options.work(item);
        } finally {
          item.release();
        }
        room.resolve();
        room = Promise.withResolvers();
      }
    } catch (error) {
      failure = { error };
      for (const item of waiting.splice(0)) item.release();
    } finally {
      working = undefined;
      room.resolve();
      room = Promise.withResolvers();
    }
  }

  function takeOver(newer: T): void {
    if (newer.due.length === 0) return;
    const older = waiting.find((item) => item.due.length > 0);
    if (older === undefined) return;
    const twice = older.due.filter((index) => newer.due.includes(index));
    newer.due = [...new Set([...older.due, ...newer.due])].sort((a, b) => a - b);
    older.due = [];
    older.release();
    options.onTakenOver(older, twice);
  }

  function rethrow(): void {
    if (failure !== undefined) throw failure.error;
  }

  return {
    push: async (item) => {
      if (failure !== undefined) {
        item.release();
        throw failure.error;
      }
      if (!options.paced) takeOver(item);
      waiting.push(item);
      if (!options.paced && waiting.length > options.limit) {
        const oldest = waiting.shift();
        if (oldest !== undefined) {
          oldest.release();
          options.onLost(oldest);
        }
      }
      working ??= work();
      while (options.paced && waiting.length >= options.limit && failure === undefined) await room.promise;
      rethrow();
    },
    idle: async () => {
      while (working !== undefined) await working;
      rethrow();
    },
    get depth() {
      return waiting.length;
    },
  };
}
