/**
 * Units of a live source that are read and not yet decoded, in order. A source goes on without us: where decoding is slower, what waits
 * here is what everything said of the camera is late by. Late for a moment is made up for by decoding (a group of pictures sent at once, a
 * network or a machine that stood still); late for longer is not, and units are skipped until there is a key picture that is not late.
 * Ages are by our own clock from reading on: neither the clock of a camera nor its drift counts. Pure.
 */
export interface Backlog<T extends BacklogUnit> {
  push(unit: T): void;
  /** The oldest, undefined when there is none; `skipped`: it is not to be decoded. */
  take(nowMs: number): { readonly unit: T; readonly skipped: boolean } | undefined;
  /** No more is to be read until something was taken. */
  readonly full: boolean;
  /** Takes everything that waits. */
  clear(): readonly T[];
}

export interface BacklogUnit {
  readonly key: boolean;
  readonly bytes: number;
  /** Our monotonic clock when it was read. */
  readonly readMs: number;
}

/** A unit that waited longer is late. */
const lateMs = 2000;
/** Late for so long without a break: decoding does not make up for it. */
const patienceMs = 2000;
/** A key picture that waited longer is no place to go on from: the next units would be late at once. */
const soonMs = 1000;
/** What is beyond stays with the sender: whoever takes does not come at all, as while a detector is loaded. */
const most = { ms: 5000, bytes: 32 * 1024 * 1024 } as const;
/** A source whose key pictures cannot be told, or that sent one and never again, would not come back. */
const leastKeys = 2;

export function createBacklog<T extends BacklogUnit>(): Backlog<T> {
  let waiting: T[] = [];
  let bytes = 0;
  let keys = 0;
  let lateSinceMs: number | undefined;
  let skipping = false;

  function isFull(): boolean {
    const [oldest] = waiting;
    const newest = waiting.at(-1);
    if (oldest === undefined || newest === undefined) return false;
    return bytes >= most.bytes || newest.readMs - oldest.readMs >= most.ms;
  }

  return {
    push: (unit) => {
      waiting.push(unit);
      bytes += unit.bytes;
      if (unit.key) keys += 1;
    },
    take: (nowMs) => {
      const full = isFull();
      const unit = waiting.shift();
      if (unit === undefined) return undefined;
      bytes -= unit.bytes;
      const waitedMs = nowMs - unit.readMs;
      // Behind a full backlog more waits, of which nobody knows how old it is.
      if (waitedMs > lateMs || full) lateSinceMs ??= nowMs;
      else lateSinceMs = undefined;
      if (lateSinceMs !== undefined && nowMs - lateSinceMs >= patienceMs && keys >= leastKeys) skipping = true;
      if (skipping && unit.key && waitedMs <= soonMs && !full && !waiting.some(({ key }) => key)) skipping = false;
      return { unit, skipped: skipping };
    },
    get full() {
      return isFull();
    },
    clear: () => {
      const all = waiting;
      waiting = [];
      bytes = 0;
      return all;
    },
  };
}
