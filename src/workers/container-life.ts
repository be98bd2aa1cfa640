import { constants } from 'node:os';
import { aborted } from '../core/aborted.ts';
import type { Context } from '../core/context.ts';
import { errorText, isSightlineError } from '../core/errors.ts';
import { shortId } from './container-spec.ts';
import type { ContainerFacts, DockerEngine } from './docker-engine.ts';
import { exitFor, type LaunchedWorker, type WorkerExit } from './launcher.ts';
import { relayWorkerOutput } from './output.ts';

/** One container from its start, or from being adopted, to its end: what it prints, and why it ended. */

export interface FollowOptions {
  readonly docker: DockerEngine;
  readonly id: string;
  readonly worker: string;
  /** What it was given, for the words when it took more. */
  readonly memoryMegabytes: number;
  /** Starts it, after its output is read and before its end is waited for; absent: it runs. */
  readonly start?: () => Promise<void>;
}

/** Of its output, by one connection to the engine. */
interface Reading {
  readonly over: Promise<void>;
  isOver: boolean;
}

const engineEveryMs = 500;
/** Of a container that has ended: to read what it said last. */
const lastWordsMs = 500;

/** A container that has ended is removed before that is told. */
export async function followContainer(options: FollowOptions, ctx: Context): Promise<LaunchedWorker> {
  const { docker, id, worker } = options;
  const { clock } = ctx;
  const log = ctx.log.child({ worker, container: shortId(id) });
  const givenUp = new AbortController();
  const gone = Promise.withResolvers<WorkerExit>();
  let lastWords: string | undefined;

  async function read(): Promise<Reading> {
    const { stdout, stderr, over } = await docker.output(id);
    const onError = (words: string) => {
      lastWords = words;
    };
    relayWorkerOutput({ worker, stdout, stderr, onError }, { ...ctx, log });
    const reading: Reading = { over, isOver: false };
    void over.then(() => {
      reading.isOver = true;
    });
    return reading;
  }

  /** Through whatever becomes of the engine meanwhile. */
  async function watch(output: Reading): Promise<WorkerExit> {
    let reading = output;
    let isAway = false;
    while (!givenUp.signal.aborted) {
      const round = new AbortController();
      const waited = docker.wait(id, AbortSignal.any([round.signal, givenUp.signal])).catch(() => {});
      await Promise.race([waited, reading.over]);
      round.abort();
      try {
        const facts = await docker.facts(id);
        isAway = false;
        if (facts === undefined) return exitFor('worker.crashed', 'its container was removed');
        if (!facts.running) {
          using limit = clock.deadline(lastWordsMs);
          await Promise.race([reading.over, aborted(limit.signal)]);
          await docker
            .remove(id)
            .catch((error: unknown) => log.warn({ reason: errorText(error) }, 'container was not removed'));
          return exitOf(facts, options.memoryMegabytes, lastWords);
        }
        // The engine began anew under a container that went on.
        if (reading.isOver) reading = await read();
      } catch (error) {
        if (!isAway) log.warn({ reason: errorText(error) }, 'nothing is known of a container until its engine answers');
        isAway = true;
      }
      await clock.sleep(engineEveryMs, givenUp.signal).catch(() => {});
    }
    return gone.promise;
  }

  const reading = await read();
  await options.start?.();
  const pid = (await docker.facts(id))?.pid ?? 0;
  return {
    pid,
    exited: Promise.race([watch(reading), gone.promise]),
    signal: (name) => {
      docker.kill(id, name).catch((error: unknown) => {
        log.warn({ reason: errorText(error) }, 'container cannot be told to end');
        if (!isSightlineError(error, 'container.engine')) return;
        givenUp.abort();
        gone.resolve(exitFor('container.engine', errorText(error)));
      });
    },
    rssBytes: async () => {
      try {
        return await docker.memoryBytes(id);
      } catch (error) {
        // Said already.
        if (isSightlineError(error, 'container.engine')) return undefined;
        throw error;
      }
    },
  };
}

/** Of the init process, where there is nothing to start, and of the loader, where the program lacks a library. */
const notFound = 127;

/** Codes above 128 are a shell's way to name a signal, which the engine shares. */
export function exitOf(
  { exitCode, outOfMemory }: Pick<ContainerFacts, 'exitCode' | 'outOfMemory'>,
  memoryMegabytes: number,
  lastWords: string | undefined,
): WorkerExit {
  if (outOfMemory)
    return exitFor(
      'container.memory',
      `it took more than its ${memoryMegabytes} MB of memory and was ended (deepstream.memoryMegabytes)`,
    );
  if (exitCode === notFound)
    return exitFor(
      'container.image',
      `the image does not hold the program sightline-bridge, or a library that it needs (exit code ${notFound})`,
    );
  const signal = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)?.[0];
  return { code: exitCode, signal, ...(lastWords === undefined ? {} : { lastWords }) };
}
