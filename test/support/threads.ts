import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';

/** Runs `run` with the list of the worker threads that have been started since, in order, so that a test can end one of them. */
export async function watchingThreads<T>(run: (threads: readonly Worker[]) => Promise<T>): Promise<T> {
  const threads: Worker[] = [];
  const see = (message: unknown) => threads.push((message as { readonly worker: Worker }).worker);
  subscribe('worker_threads', see);
  try {
    return await run(threads);
  } finally {
    unsubscribe('worker_threads', see);
  }
}

/** The worker threads that were started while `run` ran. */
export function threadsOf<T>(run: () => Promise<T>): Promise<{ readonly result: T; readonly threads: readonly Worker[] }> {
  return watchingThreads(async (threads) => ({ result: await run(), threads }));
}
