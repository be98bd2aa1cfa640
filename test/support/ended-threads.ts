import { subscribe } from 'node:diagnostics_channel';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { until } from './until.ts';

/**
 * Loaded into a program with `node --import`: at SIGUSR2 it ends its thread of the name that the file of orders holds, as a crash of
 * native code there would, were it not to take the process along.
 */
const orders = process.env['SIGHTLINE_TEST_THREAD_TO_END'];
if (orders !== undefined) {
  const threads = new Set<Worker>();
  subscribe('worker_threads', (message) => {
    const { worker } = message as { readonly worker: Worker };
    threads.add(worker);
    worker.once('exit', () => threads.delete(worker));
  });
  process.on('SIGUSR2', () => {
    const name = readFileSync(orders, 'utf8');
    for (const thread of threads) if (thread.threadName === name) void thread.terminate();
    writeFileSync(`${orders}.done`, name);
  });
}

export const endedThreadsModule = import.meta.filename;

/** Ends a thread of a program that was started with this module and `orders`. */
export async function endThread(pid: number, ordersFile: string, name: string): Promise<void> {
  writeFileSync(ordersFile, name);
  process.kill(pid, 'SIGUSR2');
  await until(
    'the thread is ended',
    () => existsSync(`${ordersFile}.done`) && readFileSync(`${ordersFile}.done`, 'utf8') === name,
  );
}
