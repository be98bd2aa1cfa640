import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ModelDescription } from '../../src/core/inference.ts';
import { FloodGate } from '../../src/core/log.ts';
import type { ModelConfig, ModelMetadataResponse } from '../../src/gen/inference/grpc_service.ts';
import { createInferenceMetrics } from '../../src/inference/metrics.ts';
import type { TritonClient } from '../../src/inference/triton-client.ts';
import { Lane } from '../../src/inference/triton-lane.ts';
import type { PoolServer, TritonPool } from '../../src/inference/triton-pool.ts';
import type { InferRequest } from '../../src/inference/triton-wire.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';

/**
 * How a server is kept busy and shared, in time that only the test moves: the server is a sum of what was seen of the real one (its
 * batcher puts together what waits, and waits a moment for more). The real one: test/long/triton-engine.test.ts, bench/triton.ts.
 */

const ceiling = 32;
const [runMs, rowMs, batcherMs] = [6, 12.5, 5];
/** Writing and sending a row on the one connection, and an answer's way back. */
const [sendMs, answerMs] = [1, 1];
const deadlineMs = 200;

const model: ModelDescription = {
  name: 'm',
  version: '1',
  maxBatchSize: ceiling,
  inputs: [{ name: 'in', datatype: 'FP32', dims: [1] }],
  outputs: [{ name: 'out', datatype: 'FP32', dims: [1] }],
  parameters: {},
};

/** A lane to one server with so many instances, and what that server has done. */
function house(instances: number) {
  const clock = new ManualClock();
  const ctx = testContext(clock);
  const after = (ms: number, then: () => void) => clock.deadline(ms).signal.addEventListener('abort', then, { once: true });
  const done = { runs: 0, rows: 0, busyMs: 0 };
  const waiting: { readonly rows: number; readonly sinceMs: number; readonly answer: () => void }[] = [];
  let idle = instances;
  let sentMs = 0;
  const serve = (): void => {
    const [oldest] = waiting;
    if (idle === 0 || oldest === undefined) return;
    const pauseMs = oldest.sinceMs + batcherMs - clock.mono();
    if (pauseMs > 1e-6 && waiting.reduce((sum, { rows }) => sum + rows, 0) < ceiling) {
      after(pauseMs, serve);
      return;
    }
    const batch: typeof waiting = [];
    for (let rows = 0; waiting[0] !== undefined && rows + waiting[0].rows <= ceiling; ) {
      rows += waiting[0].rows;
      batch.push(...waiting.splice(0, 1));
    }
    const rows = batch.reduce((sum, request) => sum + request.rows, 0);
    const tookMs = runMs + rowMs * rows;
    done.runs += 1;
    done.rows += rows;
    done.busyMs += tookMs / instances;
    idle -= 1;
    after(tookMs, () => {
      idle += 1;
      for (const { answer } of batch) after(answerMs, answer);
      serve();
    });
    serve();
  };
  const tensors = (name: string) => [{ name, datatype: 'FP32', shape: [-1n, 1n] }];
  const client = {
    modelMetadata: async () =>
      ({ versions: ['1'], inputs: tensors('in'), outputs: tensors('out') }) as unknown as ModelMetadataResponse,
    modelConfig: async () =>
      ({
        maxBatchSize: ceiling,
        input: [],
        output: [],
        instanceGroup: [{ count: instances, gpus: [] }],
      }) as unknown as ModelConfig,
    modelReady: async () => true,
    infer: ({ inputs }: InferRequest) => {
      const rows = inputs[0]?.shape[0] ?? 0;
      const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<TritonClient['infer']>>>();
      const out = { name: 'out', datatype: 'FP32', shape: [rows, 1], data: new Float32Array(rows) } as const;
      const answer = () => resolve({ model: 'm', version: '1', id: '', parameters: {}, outputs: [out] });
      sentMs = Math.max(sentMs, clock.mono()) + sendMs * rows;
      after(sentMs - clock.mono(), () => {
        waiting.push({ rows, sinceMs: clock.mono(), answer });
        serve();
      });
      return promise;
    },
  } as unknown as TritonClient;
  const server = { name: 'a:1', state: 'ready', reason: '', client } as PoolServer;
  const flood = new FloodGate(ctx.log, clock);
  const uncounted = { inc: () => {} };
  const lane = new Lane(model, {
    pool: { servers: [server], lost: () => {}, text: () => '' } as unknown as TritonPool,
    ctx,
    metrics: { ...createInferenceMetrics(ctx.metrics), sent: uncounted, retries: uncounted },
    flood,
    limits: { perStream: 8, total: 128 },
    queueTimeout: false,
    shared: () => undefined,
    answered: () => {},
    depthChanged: () => {},
  });
  const ask = (stream: string, ms: number) => {
    const data = new Float32Array(1);
    const options = { signal: ctx.signal, deadlineMs: clock.mono() + ms, stream };
    return lane.infer([{ name: 'in', datatype: 'FP32', shape: [1, 1], data }], options);
  };
  return {
    clock,
    done,
    ask,
    async start() {
      await clock.advance(1);
      await lane.seats.load();
    },
    [Symbol.dispose]() {
      lane.close();
      flood[Symbol.dispose]();
      ctx[Symbol.dispose]();
    },
  };
}

/** What a server has done within so many seconds, of which the first two do not count. */
async function within(it: ReturnType<typeof house>, seconds: number) {
  await it.clock.advance(2000);
  const before = { ...it.done };
  await it.clock.advance(1000 * seconds);
  const { runs, rows, busyMs } = it.done;
  return { runs: runs - before.runs, rows: rows - before.rows, busy: (busyMs - before.busyMs) / (1000 * seconds) };
}

/** Answers in time of each camera, when they ask for so many a second all together; each asks at its pace, from `phase` of it on. */
async function overload(instances: number, rate: number, phase: (camera: number) => number, cameras = 8, seconds = 8) {
  using it = house(instances);
  await it.start();
  const periodMs = (1000 * cameras) / rate;
  const inTime = new Array<number>(cameras).fill(0);
  const beginMs = it.clock.mono();
  const stop = new AbortController();
  const run = async (_: unknown, camera: number) => {
    await it.clock.sleep(periodMs * phase(camera), stop.signal);
    while (!stop.signal.aborted) {
      const counts = it.clock.mono() - beginMs >= 2000;
      it.ask(`camera ${camera}`, deadlineMs).then(
        () => {
          if (counts && !stop.signal.aborted) inTime[camera] = (inTime[camera] ?? 0) + 1;
        },
        () => {},
      );
      await it.clock.sleep(periodMs, stop.signal);
    }
  };
  const asking = Promise.allSettled(inTime.map(run));
  await within(it, seconds);
  stop.abort();
  await asking;
  const goodput = inTime.reduce((sum, count) => sum + count, 0) / seconds;
  const apart = Math.max(...inTime.map((count) => Math.abs(count * cameras - goodput * seconds))) / (goodput * seconds);
  return { goodput, apart, inTime };
}

describe('a lane to a Triton server', () => {
  for (const instances of [1, 2]) {
    it(`keeps ${instances} of its instances busy with 32 crops under way, eight or more a run`, async () => {
      using it = house(instances);
      await it.start();
      let over = false;
      const loops = Array.from({ length: 32 }, async (_, at) => {
        while (!over) await it.ask(`camera ${at % 8}`, 60_000);
      });
      const { runs, rows, busy } = await within(it, 20);
      assert.ok(busy > 0.97, `busy ${busy.toFixed(2)}`);
      assert.ok(runs <= rows / 8, `${runs} runs of ${rows} rows`);
      over = true;
      await it.clock.advance(2000);
      await Promise.all(loops);
    });
  }

  const phases: readonly (readonly [string, (camera: number) => number])[] = [
    ['in turn', (camera) => camera / 8],
    ['together', () => 0],
    ['at any time', (camera) => (camera * 0.618) % 1],
  ];
  for (const [how, phase] of phases) {
    it(`answers as many in time at four times its capacity as at once, evenly, when cameras ask ${how}`, async () => {
      for (const instances of [1, 2]) {
        const capacity = 70 * instances;
        const once = await overload(instances, capacity, phase);
        for (const factor of [1.5, 3, 4]) {
          const { goodput, apart, inTime } = await overload(instances, factor * capacity, phase);
          const of = `${factor}x, ${instances}: ${goodput.toFixed(1)} of ${once.goodput.toFixed(1)} at once, ${inTime.join(' ')}`;
          assert.ok(goodput >= 0.9 * once.goodput && goodput >= 0.8 * capacity, of);
          assert.ok(apart <= 0.1, of);
        }
      }
    });
  }
});
