/** At most `limit` holders at a time, first come first served; the limit may change while it runs. */
export interface Slots {
  /** Rejects with the signal's reason when it fires first. */
  take(signal: AbortSignal): Promise<Disposable>;
  resize(limit: number): void;
  readonly waiting: number;
}

export function createSlots(limit: number): Slots {
  let most = limit;
  let held = 0;
  const line = new Set<() => void>();

  function admit(): void {
    for (const enter of line) {
      if (held >= most) return;
      line.delete(enter);
      held += 1;
      enter();
    }
  }

  return {
    take: async (signal) => {
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const leave = () => {
        if (line.delete(resolve)) reject(signal.reason);
      };
      line.add(resolve);
      signal.addEventListener('abort', leave, { once: true });
      admit();
      try {
        await promise;
      } finally {
        signal.removeEventListener('abort', leave);
      }
      let given = false;
      return {
        [Symbol.dispose]: () => {
          if (given) return;
          given = true;
          held -= 1;
          admit();
        },
      };
    },
    resize: (next) => {
      most = next;
      admit();
    },
    get waiting() {
      return line.size;
    },
  };
}
