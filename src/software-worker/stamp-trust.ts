/**
 * Whether the time stamps of a live source can be lived by, pure. One that begins a new time line now and then is believed; one that
 * does it again and again would begin an epoch each time, and nothing seen in one adds up with what is seen in the next.
 */
export interface StampTrust {
  readonly trusted: boolean;
  /** `sound`: the frame's time stamp goes on from the one before. */
  add(frame: { readonly monoMs: number; readonly sound: boolean }): void;
}

const jumpLimit = 3;
const withinMs = 60_000;
/** So long without a jump they are believed again. */
const soundMs = 30_000;

export function createStampTrust(): StampTrust {
  let jumps: readonly number[] = [];
  let soundSinceMs = 0;
  let trusted = true;

  return {
    get trusted() {
      return trusted;
    },
    add: ({ monoMs, sound }) => {
      if (!sound) {
        jumps = [...jumps.filter((at) => monoMs - at < withinMs), monoMs].slice(-jumpLimit);
        soundSinceMs = monoMs;
        if (jumps.length === jumpLimit) trusted = false;
      } else if (!trusted && monoMs - soundSinceMs >= soundMs) {
        trusted = true;
        jumps = [];
      }
    },
  };
}
