import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { configSchema } from '../../src/config/schema.ts';
import { createAttachedLauncher } from '../../src/workers/attached.ts';
import { liveWorker, type WorkerLinkEvents } from '../../src/workers/life.ts';
import { desiredWorkers } from '../../src/workers/plan.ts';
import { defaultTimings } from '../../src/workers/supervisor.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { until } from '../support/until.ts';

/** What a container that somebody else starts finds in its folder, and when. Containers that live are in the integration tests. */

const [spec] = desiredWorkers(
  configSchema.parse({ cameras: { lobby: { source: 'rtsp://10.0.0.1/', runtime: 'deepstream' } } }).cameras,
);
assert.ok(spec !== undefined);
const { worker } = spec;

/** A launcher and workers in memory that take what it offers. */
async function startPlace(...servers: readonly [string, ...string[]]) {
  const directory = await temporaryDirectory();
  const ctx = testContext();
  const choiceOf = (server: string) => ({ server, isReady: true, files: new Map([['container.json', server]]) });
  const [first, ...others] = servers;
  const launcher = createAttachedLauncher(
    {
      dataDir: directory.path,
      settings: { startTimeout: 60_000 },
      render: async () => [choiceOf(first), ...others.map(choiceOf)],
      inferenceReady: () => true,
    },
    ctx,
  );
  const settings = join(directory.path, 'deepstream', worker);
  const isOffered = () => existsSync(join(settings, 'start'));

  /** A life from offer to end; says what was so at its Welcome. */
  async function live(ends: (events: WorkerLinkEvents) => void): Promise<{ server: string; isOffered: boolean }> {
    assert.ok(spec !== undefined);
    const introduced = Promise.withResolvers<WorkerLinkEvents>();
    const welcome = Promise.withResolvers<boolean>();
    const life = liveWorker(
      {
        spec,
        capacity: 8,
        launcher,
        timings: { ...defaultTimings, closedGraceMs: 0 },
        link: {
          register: (_worker, _token, events) => {
            introduced.resolve(events);
            return { configure: () => {}, drain: () => false, [Symbol.dispose]: () => {} };
          },
        },
        stop: new AbortController().signal,
        onAttached: () => {},
        onHello: () => welcome.resolve(isOffered()),
      },
      ctx,
    );
    const events = await introduced.promise;
    await until('it is offered', isOffered);
    const server = await readFile(join(settings, 'container.json'), 'utf8');
    events.hello();
    const offered = await welcome.promise;
    ends(events);
    events.closed('the worker closed the connection');
    await life;
    return { server, isOffered: offered };
  }

  return {
    launcher,
    live,
    [Symbol.asyncDispose]: async () => {
      ctx[Symbol.dispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

const byItself = (events: WorkerLinkEvents) => events.drained();

describe('what is offered to a container', () => {
  it('is withdrawn before its Welcome, so that it cannot begin again with it', async () => {
    await using place = await startPlace('triton:8001');
    assert.equal((await place.live(() => {})).isOffered, false);
  });

  it('names another Triton server after an end by itself, and the first again for a worker that was forgotten between', async () => {
    await using place = await startPlace('first:8001', 'second:8001');
    assert.equal((await place.live(byItself)).server, 'first:8001');
    assert.equal((await place.live(() => {})).server, 'second:8001');
    assert.equal((await place.live(byItself)).server, 'second:8001');
    assert.equal((await place.live(byItself)).server, 'first:8001');
    place.launcher.forget?.(worker);
    assert.equal((await place.live(() => {})).server, 'first:8001');
  });
});
