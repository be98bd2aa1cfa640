import type { Clock } from '../core/clock.ts';

/**
 * Bounds the memory that one answer of a source takes. FFmpeg reads the body of an RTSP answer, or a part of what comes over HTTP, into a
 * buffer as large as the sender names, before anybody sees a byte of it, and has no option that limits it. So the memory of the process
 * is looked at while a source gives nothing: where it has grown too far, the sources that gave nothing meanwhile are interrupted one
 * after another until the one is found whose end frees it.
 */
export interface MemoryWatch {
  /** `interrupt` must make what FFmpeg does for this source return soon. */
  add(clock: Clock, interrupt: () => void): WatchedSource;
}

export interface WatchedSource extends Disposable {
  /** It has been interrupted; `settle` is due. */
  readonly suspected: boolean;
  /** It is open: from now on only what `asked` asks for counts, and it is given time to pause. */
  opened(): void;
  /** A packet is waited for. */
  asked(): void;
  /** That wait is over. */
  heard(): void;
  /** After what was interrupted has returned and freed what it held: whether the memory was its. It is watched no further. */
  settle(): boolean;
}

/** An answer of a camera has kilobytes; a key frame of 8K a few megabytes. */
export const greedyBytes = 128 * 2 ** 20;
/** As long as this an open source may say nothing while memory grows for another reason: a model is loaded. */
const pauseMs = 1000;
/** A network of 1 Gbit/s brings 6 MB meanwhile. */
const everyMs = 50;

interface Entry {
  readonly interrupt: () => void;
  baseBytes: number;
  quietSinceMs: number;
  patienceMs: number;
  /** FFmpeg is at work for it, without a break since the last look. */
  busy: boolean;
  asked: boolean;
}

/** `rss`: resident memory of the process in bytes. */
export function createMemoryWatch(rss: () => number): MemoryWatch {
  const entries = new Set<Entry>();
  let suspect: Entry | undefined;
  let peakBytes = 0;
  let ticking: Disposable | undefined;

  function tick(nowMs: number): void {
    const bytes = rss();
    if (suspect !== undefined) {
      peakBytes = Math.max(peakBytes, bytes);
      return;
    }
    for (const entry of entries) {
      if (!entry.busy || bytes < entry.baseBytes) entry.baseBytes = bytes;
      if (!entry.busy) entry.quietSinceMs = nowMs;
      entry.busy = entry.asked;
      if (bytes - entry.baseBytes <= greedyBytes || nowMs - entry.quietSinceMs < entry.patienceMs) continue;
      suspect = entry;
      peakBytes = bytes;
      entry.interrupt();
      return;
    }
  }

  function remove(entry: Entry): void {
    entries.delete(entry);
    if (suspect === entry) suspect = undefined;
    if (entries.size > 0) return;
    ticking?.[Symbol.dispose]();
    ticking = undefined;
  }

  return {
    add: (clock, interrupt) => {
      const entry: Entry = {
        interrupt,
        baseBytes: rss(),
        quietSinceMs: clock.mono(),
        patienceMs: 0,
        busy: true,
        asked: true,
      };
      const rest = () => {
        entry.asked = false;
        entry.busy = false;
      };
      entries.add(entry);
      ticking ??= clock.every(everyMs, () => tick(clock.mono()));
      return {
        get suspected() {
          return suspect === entry;
        },
        opened: () => {
          entry.patienceMs = pauseMs;
          rest();
        },
        asked: () => {
          entry.asked = true;
        },
        heard: rest,
        settle: () => {
          const freed = peakBytes - rss();
          remove(entry);
          return freed > greedyBytes / 2;
        },
        [Symbol.dispose]: () => remove(entry),
      };
    },
  };
}
