import { setTimeout as wait } from 'node:timers/promises';

/** Polls until `check` gives something other than undefined or false; fails with `what` after `timeoutMs`, which a machine busy with other tests must never need. Never sleep for a fixed time instead. */
export async function until<T>(
  what: string,
  check: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 60_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  while (true) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`still waiting after ${timeoutMs} ms: ${what}`);
    await wait(10);
  }
}

/** A pause that is meant: what is looked at is that nothing, or something else, happens within it. What is waited for is `until`'s. */
export async function pause(ms: number): Promise<void> {
  await wait(ms);
}
