import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ModelDescription, Tensor } from '../../src/core/inference.ts';
import { FloodGate } from '../../src/core/log.ts';
import { tensorMemory } from '../../src/core/tensor-memory.ts';
import type { ModelConfig, ModelMetadataResponse } from '../../src/gen/inference/grpc_service.ts';
import { createInferenceMetrics } from '../../src/inference/metrics.ts';
import type { TritonClient } from '../../src/inference/triton-client.ts';
import { grpcCodes, TritonStatus } from '../../src/inference/triton-failures.ts';
import { Lane } from '../../src/inference/triton-lane.ts';
import { inferInParts } from '../../src/inference/triton-parts.ts';
import type { PoolServer, TritonPool } from '../../src/inference/triton-pool.ts';
import type { InferRequest } from '../../src/inference/triton-wire.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';

/**
 * How a server is kept busy and shared, in time that only the test moves: the server is a sum of what was seen of the real one (its
 * batcher puts together what waits, and waits a moment for more). The real one: test/long/triton-engine.test.ts, bench/triton.ts.
 */

const mostRows = 32;
const [runMs, rowMs, batcherMs] = [6, 12.5, 5];
/** Writing and sending a row on the one connection, and an answer's way back. */
const [sendMs, answerMs] = [1, 1];
const deadlineMs = 200;

const model: ModelDescription = {
  name: 'm',
  version: '1',
  maxBatchSize: mostRows,
  inputs: [{ name: 'in', datatype: 'FP32', dims: [1] }],
  outputs: [{ name: 'out', datatype: 'FP32', dims: [1] }],
  parameters: {},
};

interface Machine {
  readonly instances: number;
  readonly ceiling?: number;
}

/** A server that answers with what it was asked, and what it has done. */
function simulate(clock: ManualClock, name: string, { instances, ceiling = mostRows }: Machine) {
  const after = (ms: number, then: () => void) => clock.deadline(ms).signal.addEventListener('abort', then, { once: true });
  const done = { runs: 0, rows: 0, busyMs: 0 };
  /** Requests that begin with such a value are never answered; with the others the first fails. */
  const [hangs, fails] = [new Set<number>(), new Set<number>()];
  const held: (() => void)[] = [];
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
    infer: ({ inputs }: InferRequest, { signal }: { readonly signal?: AbortSignal }) => {
      const rows = inputs[0]?.shape[0] ?? 0;
      const values = Float32Array.from(inputs[0]?.data ?? [], Number).slice(0, rows);
      const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<TritonClient['infer']>>>();
      if (rows > ceiling)
        return Promise.reject(new TritonStatus(grpcCodes.invalidArgument, `batch-size must be <= ${ceiling}`));
      const [first = 0] = values;
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      const out = { name: 'out', datatype: 'FP32', shape: [rows, 1], data: values } as const;
      const answer = () => {
        if (fails.delete(first)) reject(new TritonStatus(grpcCodes.internal, 'it broke'));
        else resolve({ model: 'm', version: '1', id: '', parameters: {}, outputs: [out] });
      };
      if (hangs.has(first)) {
        held.push(answer);
        return promise;
      }
      sentMs = Math.max(sentMs, clock.mono()) + sendMs * rows;
      after(sentMs - clock.mono(), () => {
        waiting.push({ rows, sinceMs: clock.mono(), answer });
        serve();
      });
      return promise;
    },
  } as unknown as TritonClient;
  return {
    done,
    hangs,
    /** Answers what hangs. */
    release: () => {
      for (const answer of held.splice(0)) answer();
    },
    fails,
    client,
    seen: { name, state: 'ready', reason: '', client } as PoolServer & { state: PoolServer['state'] },
  };
}

/** A lane to one server with so many instances, or to several. */
function house(instances: number, machines: readonly Machine[] = [{ instances }]) {
  const clock = new ManualClock();
  const ctx = testContext(clock);
  const servers = machines.map((machine, at) => simulate(clock, `${'ab'[at]}:1`, machine));
  const flood = new FloodGate(ctx.log, clock);
  const uncounted = { inc: () => {} };
  const lane = new Lane(model, {
    pool: { servers: servers.map(({ seen }) => seen), lost: () => {}, text: () => '' } as unknown as TritonPool,
    ctx,
    metrics: { ...createInferenceMetrics(ctx.metrics), sent: uncounted, retries: uncounted },
    flood,
    limits: { perStream: 8, total: 128 },
    queueTimeout: false,
    shared: () => undefined,
    answered: () => {},
    depthChanged: () => {},
  });
  const within = (ms: number, stream: string) => ({ signal: ctx.signal, deadlineMs: clock.mono() + ms, stream });
  const ask = (stream: string, ms: number, data = new Float32Array(1), rows = 1, impatient = false) =>
    lane.infer([{ name: 'in', datatype: 'FP32', shape: [rows, data.length / rows], data }], {
      ...within(ms, stream),
      impatient,
    });
  /** The values of the answer to a request of so many rows, which hold 0, 1, 2. */
  const askRows = async (rows: number, ms: number) => {
    const data = Float32Array.from({ length: rows }, (_, at) => at);
    const input: Tensor = { name: 'in', datatype: 'FP32', shape: [rows, 1], data };
    const { outputs } = await inferInParts(lane, [input], within(ms, 'recognition'), { atOnce: 8, sinceMs: clock.mono() });
    return [...(outputs.get('out')?.data ?? [])];
  };
  const [first] = servers;
  assert.ok(first !== undefined);
  return {
    clock,
    ctx,
    lane,
    servers,
    first,
    done: first.done,
    ask,
    askRows,
    async counted(name: string) {
      const metric = await ctx.metrics.registry.getSingleMetric(`sightline_inference_${name}_total`)?.get();
      return metric?.values.reduce((sum, { value }) => sum + value, 0);
    },
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

  const rising = (rows: number) => Array.from({ length: rows }, (_, at) => at);

  for (const ceiling of [1, 2]) {
    it(`answers a request of 32 rows by a server that takes ${ceiling} at a time`, async () => {
      using it = house(1, [{ instances: 1, ceiling }]);
      await it.start();
      const answer = it.askRows(32, 20_000);
      await it.clock.advance(20_000);
      assert.deepEqual(await answer, rising(32));
    });
  }

  it('lets no part of a request give way to another one, however long it waits', async () => {
    using it = house(1, [{ instances: 1, ceiling: 2 }]);
    await it.start();
    // Eight parts take 250 ms and their way: the last ones wait for more than half of the time.
    const answer = it.askRows(16, 310);
    await it.clock.advance(0);
    await it.clock.advance(310);
    assert.deepEqual(await answer, rising(16));
  });

  it('says of requests to the only server, whose model hangs, that there is none, whether under way or waiting', async () => {
    using it = house(1);
    await it.start();
    it.first.hangs.add(7);
    using _ = it.clock.every(250, () => it.lane.seats.tick());
    const underWay = assert.rejects(it.ask('gate', 3000, Float32Array.of(7)), {
      code: 'inference.unavailable',
      message: /a:1: it does not answer/,
    });
    await it.clock.advance(2000);
    const waiting = assert.rejects(it.ask('gate', 500), { code: 'inference.unavailable' });
    await it.clock.advance(2000);
    await Promise.all([underWay, waiting]);
  });

  it('lets nobody wait who would not while the only server hangs, and answers again with it', async () => {
    using it = house(1);
    await it.start();
    using _ = it.clock.every(250, () => it.lane.seats.tick());
    const answer = it.ask('gate', 500);
    await it.clock.advance(0);
    await it.clock.advance(500);
    await answer;
    it.first.hangs.add(7);
    const impatient = (value: number) => it.ask('gate', 60_000, Float32Array.of(value), 1, true);
    const refused = (asked: Promise<unknown>) =>
      assert.rejects(asked, { code: 'inference.unavailable', message: /a:1: it does not answer/ });
    const underWay = refused(impatient(7));
    await it.clock.advance(2000);
    await underWay;
    const next = refused(impatient(1));
    await it.clock.advance(0);
    await next;
    assert.equal(await it.counted('shed'), 1, 'only one of them was never sent');
    it.first.release();
    await it.clock.advance(0);
    const again = impatient(1);
    await it.clock.advance(0);
    await it.clock.advance(500);
    await again;
  });

  it('says of requests that miss their deadline under way where they were, in one line a second', async () => {
    using it = house(1);
    await it.start();
    it.first.hangs.add(7);
    const asked = ['gate', 'door', 'yard'].map((stream) =>
      assert.rejects(it.ask(stream, 500, Float32Array.of(7)), { code: 'inference.deadline' }),
    );
    await it.clock.advance(0);
    await it.clock.advance(2000);
    await Promise.all(asked);
    const lines = it.ctx.lines.filter(({ msg }) => msg === 'inference request not answered in time');
    assert.partialDeepStrictEqual(lines, [
      { level: 'warn', model: 'm', server: 'a:1', stream: 'gate' },
      { level: 'warn', model: 'm', server: 'a:1', count: 2 },
    ]);
    assert.equal(lines.length, 2);
  });

  it('says once in an outage that requests are shed, and counts each', async () => {
    using it = house(1);
    await it.start();
    const lines = () => it.ctx.lines.filter(({ msg }) => msg === 'inference request shed');
    const outage = async () => {
      it.first.seen.state = 'away';
      // An hour, with pauses in which a flood would be over.
      for (let asked = 0; asked < 60; asked += 1) {
        const refused = assert.rejects(it.ask('gate', 500), { code: 'inference.unavailable' });
        await it.clock.advance(0);
        await it.clock.advance(60_000);
        await refused;
      }
      it.first.seen.state = 'ready';
      const answer = it.ask('gate', 500);
      await it.clock.advance(0);
      await it.clock.advance(500);
      await answer;
    };
    await outage();
    assert.partialDeepStrictEqual(lines(), [{ level: 'warn', model: 'm', stream: 'gate', reason: 'no server' }]);
    assert.equal(lines().length, 1);
    assert.equal(await it.counted('shed'), 60);
    await outage();
    assert.equal(lines().length, 2, 'the next outage is another one');
  });

  it('makes a request anew, of fewer rows, when the server that took as many is gone', async () => {
    using it = house(1, [
      { instances: 1, ceiling: 8 },
      { instances: 1, ceiling: 4 },
    ]);
    const [large, small] = it.servers;
    assert.ok(large !== undefined && small !== undefined);
    small.seen.state = 'away';
    await it.start();
    // Its room is taken, so that the request waits.
    large.hangs.add(7);
    const full = Float32Array.from({ length: 8 }, () => 7);
    const stuck = ['gate', 'door'].map((stream) => it.ask(stream, 30_000, full, 8).catch(() => {}));
    await it.clock.advance(1);
    const answer = it.askRows(16, 20_000);
    await it.clock.advance(1);
    small.seen.state = 'ready';
    it.lane.seats.serverChanged(small.seen, false);
    it.lane.seats.check();
    await it.clock.advance(1);
    assert.equal(small.done.rows, 0, 'it does not get what is too large for it');
    large.seen.state = 'away';
    it.lane.seats.serverChanged(large.seen, false);
    await it.clock.advance(5000);
    assert.deepEqual(await answer, rising(16));
    it.lane.close();
    await Promise.all(stuck);
  });

  it('counts what failed at a server and then waited too long as a failure, and does not lend its memory again', async () => {
    using it = house(1);
    await it.start();
    it.first.hangs.add(7);
    it.first.fails.add(3);
    const stuck = it.ask('gate', 1400, Float32Array.of(7)).catch(() => {});
    await it.clock.advance(1);
    const { buffer, byteOffset } = tensorMemory(4);
    const data = new Float32Array(buffer, byteOffset, 1).fill(3);
    const late = assert.rejects(it.ask('gate', 1000, data), { code: 'inference.deadline' });
    await it.clock.advance(0);
    await it.clock.advance(1200);
    await late;
    assert.equal(await it.counted('failures'), 1);
    assert.equal(await it.counted('shed'), 0);
    assert.notEqual(tensorMemory(4).buffer, buffer);
    await it.clock.advance(1000);
    await stuck;
  });

  it('says nothing of a server that is asked what it serves while the lane is closed', async () => {
    using it = house(1);
    it.first.client.modelReady = (_model, _version, { signal }) =>
      new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(new Error('given up')), { once: true }));
    const loading = assert.rejects(it.start(), { code: 'inference.closed' });
    await it.clock.advance(10);
    it.lane.close();
    await loading;
    await it.clock.advance(10);
    assert.deepEqual(it.ctx.lines, []);
  });
});
