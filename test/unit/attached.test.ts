import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
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

describe('what is offered to a container', () => {
  it('is withdrawn before its Welcome, so that it cannot begin again with it', async () => {
    await using directory = await temporaryDirectory();
    using ctx = testContext();
    const [spec] = desiredWorkers(
      configSchema.parse({ cameras: { lobby: { source: 'rtsp://10.0.0.1/', runtime: 'deepstream' } } }).cameras,
    );
    assert.ok(spec !== undefined);
    const launcher = createAttachedLauncher(
      {
        dataDir: directory.path,
        settings: { startTimeout: 60_000 },
        render: async () => [{ server: 'triton:8001', isReady: true, files: new Map([['container.json', '{}']]) }],
        inferenceReady: () => true,
      },
      ctx,
    );
    const isOffered = () => existsSync(join(directory.path, 'deepstream', spec.worker, 'start'));
    let events: WorkerLinkEvents | undefined;
    const offeredAtWelcome: boolean[] = [];
    const life = liveWorker(
      {
        spec,
        capacity: 8,
        launcher,
        timings: { ...defaultTimings, closedGraceMs: 0 },
        link: {
          register: (_worker, _token, given) => {
            events = given;
            return { configure: () => {}, drain: () => false, [Symbol.dispose]: () => {} };
          },
        },
        stop: new AbortController().signal,
        onAttached: () => {},
        onHello: () => void offeredAtWelcome.push(isOffered()),
      },
      ctx,
    );
    await until('it is offered', isOffered);
    events?.hello();
    await until('it is welcome', () => offeredAtWelcome.length > 0);
    events?.closed('the worker closed the connection');
    await life;
    assert.deepEqual(offeredAtWelcome, [false]);
  });
});
