import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { DataType, InferOptions, Tensor } from '../../src/core/inference.ts';
import { startEmbedded } from '../../src/inference/embedded.ts';
import type { FairLimits } from '../../src/inference/fair-queue.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { fixtureModelRepository } from '../support/fixtures.ts';
import { changeableRepository } from '../support/repository.ts';
import { until } from '../support/until.ts';

const soon = (ctx: { readonly signal: AbortSignal; readonly clock: { mono(): number } }): InferOptions => ({
  signal: ctx.signal,
  deadlineMs: ctx.clock.mono() + 60_000,
  stream: 'test',
});

/** An input for `fixture_embed`: so many rows, all one grey. */
function pixels(rows: number): Tensor {
  return { name: 'input0', datatype: 'FP32', shape: [rows, 3, 112, 112], data: new Float32Array(rows * 37_632).fill(0.5) };
}

describe('embedded engine', () => {
  it('loads a model with its first request and says how long it took', async () => {
    using ctx = testContext();
    await using engine = await startEmbedded({ repository: fixtureModelRepository, threads: 1 }, ctx);
    assert.deepEqual(engine.states(), []);
    const { outputs, queuedMs, computeMs } = await engine.infer('fixture_embed', [pixels(2)], soon(ctx));
    assert.deepEqual(outputs.get('output0')?.shape, [2, 64]);
    assert.ok(queuedMs > 0 && computeMs > 0);
    await engine.load('fixture_face');
    assert.deepEqual(engine.states(), [
      { state: 'ready', model: 'fixture_embed' },
      { state: 'ready', model: 'fixture_face' },
    ]);
    const compute = await ctx.metrics.registry.getSingleMetric('sightline_inference_compute_seconds')?.get();
    assert.ok(compute?.values.some(({ labels, value }) => labels['model'] === 'fixture_embed' && value > 0));
    assert.ok(ctx.lines.some(({ msg, model }) => msg === 'model loaded' && model === 'fixture_face'));
  });

  it('says what is wrong with a model that cannot be loaded, and serves the others', async () => {
    using ctx = testContext();
    await using repository = await changeableRepository();
    const { directory } = repository;
    const config = await readFile(join(directory, 'fixture_face/config.pbtxt'), 'utf8');
    await mkdir(join(directory, 'other/1'), { recursive: true });
    await writeFile(
      join(directory, 'other/config.pbtxt'),
      config
        .replace('name: "fixture_face"', '')
        .replace('dims: [ 10, -1, -1 ]', 'dims: [ 9, -1, -1 ]')
        .replace('"input.1"', '"images"'),
    );
    await writeFile(join(directory, 'other/1/model.onnx'), await readFile(join(directory, 'fixture_face/1/model.onnx')));
    await mkdir(join(directory, 'face_embed_224/1'), { recursive: true });
    await writeFile(join(directory, 'face_embed_224/1/model.onnx'), 'not a network');
    await using engine = await startEmbedded({ repository: directory, threads: 1 }, ctx);
    await assert.rejects(engine.load('other'), {
      code: 'model.invalid',
      message:
        /^other: config\.pbtxt and .*other\/1\/model\.onnx do not agree: the network has no input "images"; it has input\.1; input "input\.1" of the network is not in config\.pbtxt; output "540" has shape \[\?, 10, \?, \?\] in the network, \[\?, 9, \?, \?\] in config\.pbtxt$/,
    });
    await assert.rejects(engine.load('face_embed_224'), {
      code: 'model.invalid',
      message: /onnx runtime cannot load .*face_embed_224/,
    });
    await assert.rejects(engine.load('person_embed'), {
      code: 'model.missing',
      message: /sightline models fetch person_embed/,
    });
    await assert.rejects(engine.load('nobody'), {
      code: 'model.unknown',
      message: /it has centerface, clip_text, clip_visual/,
    });
    const states = new Map(engine.states().map((state) => [state.model, state]));
    assert.equal(states.get('other')?.state, 'unavailable');
    assert.equal(states.get('person_embed')?.state, 'unavailable');
    await assert.rejects(engine.infer('face_embed_224', [pixels(1)], soon(ctx)), { code: 'model.invalid' });
    assert.equal((await engine.infer('fixture_embed', [pixels(1)], soon(ctx))).outputs.get('output0')?.data.length, 64);
  });

  it('tries a model again after a while, so that weights that arrive are found', async () => {
    const clock = new ManualClock();
    using ctx = testContext(clock);
    await using repository = await changeableRepository();
    const weights = join(repository.directory, 'fixture_embed/1/model.onnx');
    const bytes = await readFile(weights);
    await rm(weights);
    await using engine = await startEmbedded({ repository: repository.directory, threads: 1 }, ctx);
    await assert.rejects(engine.load('fixture_embed'), { code: 'model.missing' });
    await writeFile(weights, bytes);
    await assert.rejects(engine.load('fixture_embed'), { code: 'model.missing' });
    await clock.advance(5000);
    await engine.load('fixture_embed');
    assert.deepEqual(engine.states(), [{ state: 'ready', model: 'fixture_embed' }]);
  });

  it('takes weights anew once they were replaced, when it is told to load', async () => {
    using ctx = testContext();
    await using repository = await changeableRepository();
    const weights = join(repository.directory, 'fixture_embed/1/model.onnx');
    await using engine = await startEmbedded({ repository: repository.directory, threads: 1 }, ctx);
    const isNumber = async () => {
      const { outputs } = await engine.infer('fixture_embed', [pixels(1)], soon(ctx));
      return Number.isFinite(outputs.get('output0')?.data[0]);
    };
    assert.deepEqual([await engine.load('fixture_embed'), await engine.load('fixture_embed')], [true, false]);
    assert.equal(await isNumber(), true);
    await copyFile(join(import.meta.dirname, '../fixtures/networks/nan_embed.onnx'), weights);
    assert.equal(await isNumber(), true, 'by itself it keeps what it has');
    assert.equal(await engine.load('fixture_embed'), true);
    assert.equal(await isNumber(), false);
    await rm(weights);
    await assert.rejects(engine.load('fixture_embed'), { code: 'model.missing' });
  });

  it('refuses a request that breaks the contract and stays whole', async () => {
    using ctx = testContext();
    await using repository = await changeableRepository();
    await using engine = await startEmbedded({ repository: repository.directory, threads: 1 }, ctx);
    const bad: Tensor = { ...pixels(1), shape: [1, 3, 112, 111], data: new Float32Array(3 * 112 * 111) };
    await assert.rejects(engine.infer('fixture_embed', [bad], soon(ctx)), {
      code: 'inference.failed',
      message: /not \[\?, 3, 112, 112\]/,
    });
    const good = pixels(2);
    assert.deepEqual((await engine.infer('fixture_embed', [good], soon(ctx))).outputs.get('output0')?.shape, [2, 64]);
    assert.equal(good.data.length, 0, 'the buffer was handed over, not copied');
  });
});

describe('data types in the embedded engine', () => {
  it('go through unchanged, 16-bit floats as their bits', async () => {
    using ctx = testContext();
    await using repository = await changeableRepository();
    const folder = join(repository.directory, 'echo');
    await mkdir(join(folder, '1'), { recursive: true });
    await copyFile(join(import.meta.dirname, '../fixtures/networks/echo.onnx'), join(folder, '1/model.onnx'));
    const kinds = ['fp16', 'int32', 'int64', 'uint8', 'bool'];
    const side = (field: string, end: string) =>
      kinds.map((kind) => `${field} { name: "${kind}${end}" data_type: TYPE_${kind.toUpperCase()} dims: 2 }`).join(' ');
    await writeFile(join(folder, 'config.pbtxt'), `max_batch_size: 4 ${side('input', '')} ${side('output', '_out')}`);
    await using engine = await startEmbedded({ repository: repository.directory, threads: 1 }, ctx);
    const values = {
      fp16: Uint16Array.of(0x3c00, 0xfbff),
      int32: Int32Array.of(-7, 2 ** 31 - 1),
      int64: BigInt64Array.of(-1n, 2n ** 62n),
      uint8: Uint8Array.of(0, 255),
      bool: Uint8Array.of(1, 0),
    };
    const inputs = Object.entries(values).map(
      ([name, data]): Tensor => ({ name, datatype: name.toUpperCase() as DataType, shape: [1, 2], data: data.slice() }),
    );
    const { outputs } = await engine.infer('echo', inputs, soon(ctx));
    for (const [name, data] of Object.entries(values)) {
      const output = outputs.get(`${name}_out`);
      assert.deepEqual([output?.datatype, output?.shape, output?.data], [name.toUpperCase(), [1, 2], data]);
    }
  });

  it('in shared memory are read where they lie and stay there', async () => {
    using ctx = testContext();
    await using engine = await startEmbedded({ repository: fixtureModelRepository, threads: 1 }, ctx);
    const own = pixels(1);
    const shared = { ...own, data: new Float32Array(new SharedArrayBuffer(own.data.byteLength)).fill(0.5) };
    const [first, second] = [
      await engine.infer('fixture_embed', [shared], soon(ctx)),
      await engine.infer('fixture_embed', [own], soon(ctx)),
    ];
    assert.equal(shared.data[0], 0.5);
    assert.equal(own.data.length, 0, 'what was not shared is handed over');
    assert.deepEqual(first.outputs, second.outputs);
  });

  it('keeps to a deadline without end', async () => {
    using ctx = testContext();
    await using repository = await changeableRepository();
    await using engine = await startEmbedded({ repository: repository.directory, threads: 1 }, ctx);
    const endless = { ...soon(ctx), deadlineMs: Number.POSITIVE_INFINITY };
    const asked = [1, 2, 3].map(() => engine.infer('fixture_embed', [pixels(1)], endless));
    assert.equal((await Promise.all(asked)).length, 3);
  });

  it('needs a repository', async () => {
    using ctx = testContext();
    await assert.rejects(startEmbedded({ repository: '/nowhere', threads: 1 }, ctx), {
      code: 'model.missing',
      message: /\/nowhere/,
    });
  });
});

/** An engine whose runs end when the test says so, on a clock that moves when the test says so. */
async function held(limits?: FairLimits) {
  const clock = new ManualClock();
  const ctx = testContext(clock);
  const repository = await mkdtemp(join(tmpdir(), 'sightline-held-'));
  for (const model of ['m', 'broken']) {
    await mkdir(join(repository, model, '1'), { recursive: true });
    await writeFile(
      join(repository, model, 'config.pbtxt'),
      'max_batch_size: 8 input { name: "in" data_type: TYPE_FP32 dims: 1 } output { name: "out" data_type: TYPE_FP32 dims: 1 }',
    );
    await writeFile(join(repository, model, '1/model.onnx'), '');
  }
  const threadModule = new URL('../support/held-inference-thread.ts', import.meta.url);
  const engine = await startEmbedded({ repository, threads: 1, threadModule, ...(limits ? { limits } : {}) }, ctx);
  const channel = new BroadcastChannel('held-inference');
  const begun: number[] = [];
  channel.onmessage = (event) => {
    begun.push(Number((event as MessageEvent).data));
  };
  const ask = (value: number, over: Partial<InferOptions> = {}) => {
    const input: Tensor = { name: 'in', datatype: 'FP32', shape: [1, 1], data: Float32Array.of(value) };
    const answer = engine
      .infer('m', [input], { ...soon(ctx), ...over })
      .then(({ outputs }) => Number(outputs.get('out')?.data[0]));
    answer.catch(() => {});
    return answer;
  };
  const count = async (metric: string, labels: Readonly<Record<string, string>> = {}) => {
    const found = await ctx.metrics.registry.getSingleMetric(metric)?.get();
    const entries = Object.entries(labels);
    return found?.values.find((value) => entries.every(([key, text]) => value.labels[key] === text))?.value ?? 0;
  };
  return {
    clock,
    ctx,
    engine,
    ask,
    begun,
    count,
    /** Lets the running request end once it has begun. */
    go: async (runs: number) => {
      await until(`run ${runs}`, () => begun.length >= runs);
      channel.postMessage('go');
    },
    [Symbol.asyncDispose]: async () => {
      channel.postMessage('go');
      await engine[Symbol.asyncDispose]();
      channel.close();
      ctx[Symbol.dispose]();
      await rm(repository, { recursive: true, force: true });
    },
  };
}

describe('embedded engine under load', () => {
  it('runs one request at a time, streams in turn, live before background', async () => {
    await using test = await held();
    const asked = [
      test.ask(1, { stream: 'a' }),
      test.ask(2, { stream: 'enrolment', priority: 'background' }),
      test.ask(3, { stream: 'a' }),
      test.ask(4, { stream: 'a' }),
      test.ask(5, { stream: 'b' }),
    ];
    for (let run = 1; run <= 5; run += 1) {
      await test.go(run);
      assert.equal(test.begun.length, run);
    }
    assert.deepEqual(await Promise.all(asked), [1, 2, 3, 4, 5]);
    assert.deepEqual(test.begun, [1, 5, 3, 4, 2], 'b has had nothing when a has had its first');
    assert.equal(await test.count('sightline_inference_requests_total', { model: 'm' }), 5);
    assert.equal(await test.count('sightline_inference_queue_depth'), 0);
  });

  it('sheds a request at its deadline, while another one still runs', async () => {
    await using test = await held();
    const running = test.ask(1, { deadlineMs: test.clock.mono() + 10 });
    const late = test.ask(2, { deadlineMs: test.clock.mono() + 100 });
    await until('the first run', () => test.begun.length === 1);
    await test.clock.advance(100);
    await assert.rejects(late, { code: 'inference.deadline', message: /a request to m of test/ });
    assert.equal(await test.count('sightline_inference_shed_total', { reason: 'deadline' }), 1);
    await assert.rejects(test.ask(3, { deadlineMs: test.clock.mono() }), { code: 'inference.deadline' });
    await test.go(1);
    assert.equal(await running, 1, 'what has begun is answered');
    assert.deepEqual(test.begun, [1]);
  });

  it('lets an aborted request go at once, waiting or running', async () => {
    await using test = await held();
    const [first, second] = [new AbortController(), new AbortController()];
    const running = test.ask(1, { signal: first.signal });
    const waiting = test.ask(2, { signal: second.signal });
    await until('the first run', () => test.begun.length === 1);
    second.abort();
    first.abort();
    await assert.rejects(waiting, { name: 'AbortError' });
    await assert.rejects(running, { name: 'AbortError' });
    await assert.rejects(test.ask(3, { signal: first.signal }), { name: 'AbortError' });
    await test.go(1);
    const next = test.ask(4);
    await test.go(2);
    assert.equal(await next, 4);
    assert.deepEqual(test.begun, [1, 4]);
  });

  it('sheds the oldest of the busiest stream when too many wait', async () => {
    await using test = await held({ perStream: 3, total: 4 });
    void test.ask(1, { stream: 'a' });
    await until('the first run', () => test.begun.length === 1);
    const asked = [2, 3, 4].map((value) => test.ask(value, { stream: 'b' }));
    void test.ask(5, { stream: 'c' });
    void test.ask(6, { stream: 'd' });
    await assert.rejects(asked[0] ?? Promise.resolve(), { code: 'inference.overload' });
    void test.ask(7, { stream: 'b' });
    void test.ask(8, { stream: 'b' });
    await assert.rejects(asked[1] ?? Promise.resolve(), { code: 'inference.overload' });
    await assert.rejects(asked[2] ?? Promise.resolve(), { code: 'inference.overload' });
    assert.equal(await test.count('sightline_inference_shed_total', { reason: 'overload' }), 3);
    assert.equal(await test.count('sightline_inference_queue_depth'), 4);
  });

  it('survives the death of its thread: the running request fails, the waiting one is served', async () => {
    await using test = await held();
    const fatal = test.ask(-1);
    const waiting = test.ask(7);
    await assert.rejects(fatal, { code: 'thread.exited' });
    assert.deepEqual(test.engine.states(), [
      { state: 'unavailable', model: 'm', reason: 'the inference thread is being restarted' },
    ]);
    await until('the second thread', async () => {
      await test.clock.advance(50);
      return test.begun.length === 1;
    });
    await test.go(1);
    assert.equal(await waiting, 7);
    assert.deepEqual(test.engine.states(), [{ state: 'ready', model: 'm' }]);
    assert.equal(await test.count('sightline_inference_thread_deaths_total'), 1);
  });

  it('says once when the inputs are read no more: at once unless they run, else after the run, even one given up', async () => {
    await using test = await held({ perStream: 3, total: 3 });
    const said = new Map<number, number>();
    const released = (value: number) => () => void said.set(value, (said.get(value) ?? 0) + 1);
    const ask = (value: number, over: Partial<InferOptions> = {}) => test.ask(value, { released: released(value), ...over });
    const givenUp = new AbortController();
    const running = ask(1, { signal: givenUp.signal });
    await until('the first run', () => test.begun.length === 1);
    givenUp.abort();
    await assert.rejects(running, { name: 'AbortError' });
    assert.equal(said.get(1), undefined, 'the thread may still read it');

    const waiting = new AbortController();
    const refused: [number, Promise<unknown>, string | RegExp][] = [
      [2, ask(2, { signal: givenUp.signal }), 'aborted before'],
      [3, ask(3, { deadlineMs: test.clock.mono() }), 'late before'],
      [4, ask(4, { signal: waiting.signal }), 'aborted while it waits'],
      [5, ask(5, { deadlineMs: test.clock.mono() + 100, stream: 'b' }), 'late while it waits'],
    ];
    waiting.abort();
    await test.clock.advance(100);
    for (const value of [6, 7, 8, 9]) refused.push([value, ask(value), 'too many']);
    for (const [value, answer, why] of refused.filter(([value]) => value < 7)) {
      await assert.rejects(answer, String(why));
      assert.equal(said.get(value), 1, String(why));
    }
    assert.deepEqual([...said.keys()], [2, 3, 4, 5, 6]);
    await test.go(1);
    await test.go(2);
    assert.equal(await refused.find(([value]) => value === 7)?.[1], 7);
    assert.deepEqual([said.get(1), said.get(7)], [1, 1]);
    for (const run of [3, 4]) await test.go(run);

    const tensor = { name: 'in', datatype: 'FP32', shape: [1, 1], data: new Float32Array(1) } as const;
    for (const [value, model] of [10, 11].map((number) => [number, 'broken'] as const)) {
      // The second one meets the failure that is remembered.
      const failing = test.engine.infer(model, [tensor], { ...soon(test.ctx), released: released(value), stream: 'a' });
      await assert.rejects(failing, /no such network/);
      assert.equal(said.get(value), 1);
    }
    const fatal = ask(-1);
    await assert.rejects(fatal, { code: 'thread.exited' });
    assert.equal(said.get(-1), 1, 'a thread that has ended reads nothing');
    const left = ask(12);
    await test.engine[Symbol.asyncDispose]();
    await assert.rejects(left, { code: 'inference.closed' });
    await assert.rejects(ask(13), { code: 'inference.closed' });
    assert.ok(
      [...said.values()].every((times) => times === 1),
      'never twice',
    );
    assert.deepEqual(
      [...said.keys()].sort((a, b) => a - b),
      [-1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
    );
  });

  it('closes: what runs is answered, what waits is refused, twice is once', async () => {
    await using test = await held();
    const running = test.ask(1);
    const waiting = test.ask(2);
    await until('the first run', () => test.begun.length === 1);
    const closing = test.engine[Symbol.asyncDispose]();
    await assert.rejects(waiting, { code: 'inference.closed' });
    await test.go(1);
    assert.equal(await running, 1);
    await closing;
    await test.engine[Symbol.asyncDispose]();
    await assert.rejects(test.ask(3), { code: 'inference.closed' });
  });
});
