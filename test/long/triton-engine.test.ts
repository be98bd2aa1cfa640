import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Context } from '../../src/core/context.ts';
import type { InferenceEngine, Tensor } from '../../src/core/inference.ts';
import { tensorMemory } from '../../src/core/tensor-memory.ts';
import { startEmbedded } from '../../src/inference/embedded.ts';
import { FallbackEngine } from '../../src/inference/fallback.ts';
import { startTritonEngine, type TritonConfig, type TritonEngine } from '../../src/inference/triton.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { freePort } from '../support/port.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { missingTriton, pythonModel, startTriton, type TritonServer, tritonRepository } from '../support/triton.ts';
import { ask, doubleBody, doubleConfig, load, modes, row, total, within } from '../support/triton-double.ts';
import { until } from '../support/until.ts';

const skip = await missingTriton();

describe('Triton engine', { skip }, () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  const servers: TritonServer[] = [];
  const start = async (port?: number, flags: readonly string[] = []) => {
    const server = await startTriton({ repository: directory.path, flags, ...(port === undefined ? {} : { port }) });
    servers.push(server);
    return server;
  };
  const engineFor = (ctx: Context, urls: readonly string[], more: Partial<TritonConfig> = {}) =>
    startTritonEngine({ urls, repository: directory.path, ...more }, ctx);
  const stateOf = (engine: TritonEngine, port: number) => engine.servers().find(({ name }) => name.endsWith(`:${port}`))?.state;

  before(async () => {
    directory = await temporaryDirectory();
    await pythonModel(directory.path, 'double', doubleConfig, doubleBody);
  });
  after(async () => {
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    await directory?.[Symbol.asyncDispose]();
  });

  describe('with one server', () => {
    let server: TritonServer;
    before(async () => {
      server = await start(undefined, ['--model-control-mode=explicit', '--load-model=*']);
    });

    it('answers, splits what is larger than a batch, and puts together what waits', async () => {
      using ctx = testContext();
      await using engine = await engineFor(ctx, [server.url]);
      assert.equal(await engine.load('double'), true);
      assert.equal(await engine.load('double'), false);
      assert.deepEqual(engine.states(), [{ state: 'ready', model: 'double' }]);
      const twenty = Float32Array.from({ length: 60 }, (_, at) => (at % 3 === 0 ? at / 3 : 0));
      const set: Tensor = { name: 'in', datatype: 'FP32', shape: [20, 3], data: twenty };
      assert.deepEqual(
        await ask(engine, ctx, set),
        Array.from({ length: 20 }, (_, at) => 2 * at),
      );
      const client = server.client();
      const runs = async () => Number((await client.statistics({ timeoutMs: 10_000 }, 'double'))[0]?.executionCount ?? 0n);
      const before = await runs();
      const first = ask(engine, ctx, row(0, { pauseMs: 300 }));
      const others = Array.from({ length: 32 }, (_, at) => ask(engine, ctx, row(at), 20_000, `camera ${at % 8}`));
      assert.deepEqual((await Promise.all([first, ...others])).flat(), [0, ...Array.from({ length: 32 }, (_, at) => 2 * at)]);
      const used = (await runs()) - before;
      assert.ok(used <= 6, `${used} runs for 33 requests`);
    });

    it('carries the trace of a request and fails only the guilty one of a batch', async () => {
      using ctx = testContext();
      await using engine = await engineFor(ctx, [server.url]);
      await engine.load('double');
      const blocker = ask(engine, ctx, row(1, { pauseMs: 200 }));
      const good = [ask(engine, ctx, row(2)), ask(engine, ctx, row(3))];
      const bad = ask(engine, ctx, row(4, { mode: modes.raises }), 20_000, 'guilty');
      bad.catch(() => {});
      assert.deepEqual(await blocker, [2]);
      assert.deepEqual(await Promise.all(good), [[4], [6]]);
      await assert.rejects(bad, { code: 'inference.failed', message: /double failed on .*failing on demand/ });
      await assert.rejects(ask(engine, ctx, row(4, { mode: modes.wrongShape })), {
        code: 'inference.failed',
        message: /"out" has shape \[1, 2\], not \[1, 1\]/,
      });
      assert.deepEqual(await ask(engine, ctx, row(5)), [10]);
      await assert.rejects(
        engine.infer('double', [{ ...row(1), datatype: 'INT32' }], within(ctx, 5000)),
        /is INT32, not FP32/,
        'refused before it is sent',
      );
    });

    it('names every difference between what is served and what is needed', async () => {
      using ctx = testContext();
      await using other = await temporaryDirectory();
      await pythonModel(
        other.path,
        'double',
        `max_batch_size: 16
         input [ { name: "in" data_type: TYPE_FP16 dims: [ 4 ] }, { name: "more" data_type: TYPE_FP32 dims: [ 1 ] } ]
         output [ { name: "out" data_type: TYPE_FP32 dims: [ 2 ] } ]`,
        'return None',
      );
      await using engine = await engineFor(ctx, [server.url], { repository: other.path });
      await assert.rejects(engine.load('double'), (error: Error) => {
        for (const words of [
          'input "in" is FP32 on the server, FP16 in config.pbtxt',
          'input "in" has shape [?, 3] on the server, [?, 4] in config.pbtxt',
          'the server has no input "more"; it has in',
          'output "out" has shape [?, 1] on the server, [?, 2] in config.pbtxt',
        ])
          assert.ok(error.message.includes(words), `${words}\n${error.message}`);
        return true;
      });
      const [state] = engine.states();
      assert.ok(state?.state === 'unavailable' && state.reason.includes('"more"'));
    });

    it('sheds in turn what cannot be answered in time, and answers the rest', async () => {
      using ctx = testContext();
      await using engine = await engineFor(ctx, [server.url], { limits: { perStream: 2, total: 100 } });
      await engine.load('double');
      const first = ask(engine, ctx, row(0, { pauseMs: 500 }));
      const big = { ...row(1), shape: [8, 3], data: new Float32Array(24) };
      // Fills what may be under way; what comes next waits.
      const running = ['gate', 'door', 'yard'].map((stream) => ask(engine, ctx, big, 20_000, stream));
      await until('requests under way', async () => (await total(ctx, 'sightline_inference_queue_depth')) <= 1);
      const lent = row(0);
      const memory = tensorMemory(lent.data.byteLength);
      const oldest = { ...lent, data: new Float32Array(memory.buffer, memory.byteOffset, lent.data.length) };
      const outcomes = await Promise.allSettled(
        Array.from({ length: 5 }, (_, at) => ask(engine, ctx, at === 0 ? oldest : row(at), 20_000, 'hall')),
      );
      assert.equal(tensorMemory(memory.byteLength).buffer, memory.buffer, 'memory of what was shed is lent again');
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['rejected', 'rejected', 'rejected', 'fulfilled', 'fulfilled'],
      );
      assert.equal((outcomes[0] as PromiseRejectedResult).reason.code, 'inference.overload');
      assert.equal(await total(ctx, 'sightline_inference_shed_total', { reason: 'overload' }), 3);
      await Promise.all([first, ...running]);
    });

    it('goes on answering in time when it is asked for four times what the server can do', async () => {
      using ctx = testContext();
      await using engine = await engineFor(ctx, [server.url]);
      await engine.load('double');
      // A run takes more than half of the time that a request has: one that has waited cannot make it any more.
      const [pauseMs, budgetMs, seconds, cameras] = [120, 200, 4, 8];
      const possible = (1000 * seconds) / pauseMs;
      const beginMs = ctx.clock.mono();
      const everyMs = pauseMs / 4;
      const outcomes: Promise<boolean>[] = [];
      for (let at = 0; at * everyMs < 1000 * seconds; at += 1) {
        const pause = beginMs + at * everyMs - ctx.clock.mono();
        if (pause > 0) await ctx.clock.sleep(pause, ctx.signal);
        const answer = ask(engine, ctx, row(at, { pauseMs }), budgetMs, `camera ${at % cameras}`);
        outcomes.push(
          answer.then(
            () => true,
            () => false,
          ),
        );
      }
      const inTime = (await Promise.all(outcomes)).filter((one) => one).length;
      assert.ok(inTime >= possible / 3, `${inTime} of ${Math.floor(possible)} that are possible`);
    });

    it('gives up a request at its deadline and when it is told to', async () => {
      using ctx = testContext();
      await using engine = await engineFor(ctx, [server.url]);
      await engine.load('double');
      await assert.rejects(ask(engine, ctx, row(1, { pauseMs: 400 }), 100), { code: 'inference.deadline' });
      const stop = new AbortController();
      const given = engine.infer('double', [row(1, { pauseMs: 400 })], { ...within(ctx, 5000), signal: stop.signal });
      setImmediate(() => stop.abort());
      await assert.rejects(given, { name: 'AbortError' });
      assert.deepEqual(await ask(engine, ctx, row(2)), [4]);
    });

    it('waits for a model that is unloaded and loaded under load', async () => {
      using ctx = testContext();
      await using engine = await engineFor(ctx, [server.url]);
      await using work = load(engine, ctx);
      await work.more();
      const client = server.client();
      await client.unloadModel('double', { timeoutMs: 10_000 });
      await until('the model to be away', () => engine.states()[0]?.state !== 'ready');
      await client.loadModel('double', { timeoutMs: 30_000 });
      await work.more();
      await work.stop();
      assert.equal(work.counts.failed, 0, work.counts.lastFailure);
    });

    it('says so when a model’s process has ended, and goes on when it is loaded anew', async () => {
      using ctx = testContext();
      await using engine = await engineFor(ctx, [server.url]);
      await engine.load('double');
      await assert.rejects(ask(engine, ctx, row(1, { mode: modes.dies })), { code: 'inference.failed' });
      const client = server.client();
      await client.unloadModel('double', { timeoutMs: 20_000 });
      await until('the model to be loaded anew', () =>
        client.loadModel('double', { timeoutMs: 20_000 }).then(
          () => true,
          () => false,
        ),
      );
      assert.deepEqual(await ask(engine, ctx, row(4)), [8]);
    });

    it('describes by the server what its own repository does not have', async () => {
      using ctx = testContext();
      await using empty = await temporaryDirectory();
      await using engine = await engineFor(ctx, [server.url], { repository: empty.path });
      const { maxBatchSize, inputs, outputs, version } = await engine.describe('double');
      assert.deepEqual(
        { maxBatchSize, inputs, outputs, version },
        {
          maxBatchSize: 8,
          inputs: [{ name: 'in', datatype: 'FP32', dims: [3] }],
          outputs: [{ name: 'out', datatype: 'FP32', dims: [1] }],
          version: '1',
        },
      );
      await assert.rejects(engine.describe('nobody'), { code: 'model.unknown' });
    });
  });

  describe('with servers that come and go', () => {
    it('starts without a server, says why nothing runs, and begins when one is ready', async () => {
      using ctx = testContext();
      const port = await freePort();
      await using engine = await engineFor(ctx, [`127.0.0.1:${port}`]);
      await assert.rejects(engine.load('double'), { code: 'inference.unavailable', message: /127\.0\.0\.1:\d+ is away/ });
      await assert.rejects(ask(engine, ctx, row(1), 200), { code: 'inference.unavailable' });
      const hurried = { ...within(ctx, 120_000), impatient: true };
      await assert.rejects(engine.infer('double', [row(1)], hurried), { code: 'inference.unavailable' });
      const waiting = ask(engine, ctx, row(3), 120_000);
      await start(port);
      assert.deepEqual(await waiting, [6]);
    });

    it('loses no request to a server that is killed and started anew under load', async () => {
      using ctx = testContext();
      const first = await start();
      const second = await start();
      await using engine = await engineFor(ctx, [first.url, second.url]);
      await using work = load(engine, ctx);
      await work.more();
      first.signal('SIGKILL');
      await first.ended;
      await until('the killed one to be left', () => stateOf(engine, first.port) === 'away');
      await work.more();
      await start(first.port);
      await until('the new one to be taken', () => stateOf(engine, first.port) === 'ready');
      await work.more();
      second.signal('SIGTERM');
      await until('the one that drains to be left', () => stateOf(engine, second.port) === 'away');
      await work.more();
      await work.stop();
      assert.equal(work.counts.failed, 0, work.counts.lastFailure);
      assert.ok(engine.deaths >= 2);
    });

    it('leaves a server that hangs and takes it back', async () => {
      using ctx = testContext();
      const first = await start();
      const second = await start();
      await using engine = await engineFor(ctx, [first.url, second.url]);
      await using work = load(engine, ctx);
      await work.more();
      first.signal('SIGSTOP');
      await until('the one that hangs to be left', () => stateOf(engine, first.port) === 'away');
      await work.more();
      first.signal('SIGCONT');
      await until('it to be taken back', () => stateOf(engine, first.port) === 'ready');
      await work.more();
      await work.stop();
      assert.equal(work.counts.failed, 0, work.counts.lastFailure);
    });

    it('says of a request to the only server, which hangs, that there was none', async () => {
      using ctx = testContext();
      const server = await start();
      await using engine = await engineFor(ctx, [server.url]);
      await engine.load('double');
      server.signal('SIGSTOP');
      await assert.rejects(ask(engine, ctx, row(1), 5000), { code: 'inference.unavailable', message: /is away/ });
      server.signal('SIGCONT');
      assert.deepEqual(await ask(engine, ctx, row(2)), [4]);
    });

    it('gives a model that hangs to the fallback, and takes it back when it answers again', async () => {
      using ctx = testContext();
      const server = await start();
      const answers = new Map([['out', { name: 'out', datatype: 'FP32', shape: [1], data: Float32Array.of(-1) } as const]]);
      const standIn: InferenceEngine = {
        name: 'embedded',
        infer: async () => ({ outputs: answers, queuedMs: 0, computeMs: 0 }),
        describe: () => assert.fail('not asked'),
        load: async () => true,
        states: () => [{ state: 'ready', model: 'double' }],
        deaths: 0,
        [Symbol.asyncDispose]: async () => {},
      };
      await using engine = new FallbackEngine(await engineFor(ctx, [server.url]), async () => standIn, ctx);
      const value = async () =>
        Number((await engine.infer('double', [row(3)], within(ctx, 30_000))).outputs.get('out')?.data[0]);
      assert.equal(await value(), 6);
      // Around the engine: its model is busy for long.
      const stuck = server
        .client()
        .infer({ model: 'double', inputs: [row(0, { pauseMs: 8000 })] }, { timeoutMs: 40_000 })
        .catch(() => {});
      await until('the stand-in to answer', async () => (await value()) === -1);
      await stuck;
      await until('the server to answer', async () => (await value()) === 6, 60_000);
    });

    it('leaves a server whose model hangs while the server says that it is ready', async () => {
      using ctx = testContext();
      const first = await start();
      const second = await start();
      await using engine = await engineFor(ctx, [first.url, second.url]);
      await using work = load(engine, ctx, 6);
      await work.more();
      // Around the engine: the model of the first is busy for long.
      const stuck = first
        .client()
        .infer({ model: 'double', inputs: [row(0, { pauseMs: 90_000 })] }, { timeoutMs: 100_000 })
        .catch(() => {});
      await until(
        'the model that hangs to be left',
        async () => (await total(ctx, 'sightline_triton_retries_total', { reason: 'left' })) > 0,
        60_000,
      );
      await work.more();
      await work.stop();
      assert.equal(work.counts.failed, 0, work.counts.lastFailure);
      assert.equal(stateOf(engine, first.port), 'ready');
      first.signal('SIGKILL');
      await stuck;
    });

    it('gives a slow server less', async () => {
      using ctx = testContext();
      const server = await start();
      await using proxy = await startTcpProxy(server.port);
      await using engine = await engineFor(ctx, [server.url, `127.0.0.1:${proxy.port}`]);
      proxy.delayMs = 300;
      await engine.load('double');
      await using work = load(engine, ctx, 6);
      await work.more(200);
      await work.stop();
      assert.equal(work.counts.failed, 0, work.counts.lastFailure);
      const shares = await ctx.metrics.registry.getSingleMetric('sightline_triton_requests_total')?.get();
      const share = (port: number) =>
        shares?.values.find(({ labels }) => String(labels['server']).endsWith(`:${port}`))?.value ?? 0;
      assert.ok(share(server.port) > 2 * share(proxy.port), `${share(server.port)} and ${share(proxy.port)}`);
    });

    it('follows a name to its addresses', async () => {
      using ctx = testContext();
      const server = await start();
      await using engine = await engineFor(ctx, [`triton.test:${server.port}`], {
        resolve: async () => ['127.0.0.1', '::1'],
      });
      assert.deepEqual(engine.servers(), [{ name: `127.0.0.1:${server.port}`, state: 'ready', reason: '' }]);
      assert.deepEqual(await ask(engine, ctx, row(1)), [2]);
    });

    it('waits for no name, says which leads nowhere, and takes it when it does', async () => {
      using ctx = testContext();
      const server = await start();
      const answer = Promise.withResolvers<readonly string[]>();
      await using engine = await engineFor(ctx, [`slow.test:${server.port}`, `gone.test:${server.port}`], {
        resolve: (host) => (host === 'slow.test' ? answer.promise : Promise.reject(new Error('no such name'))),
      });
      assert.deepEqual(
        new Map(engine.servers().map(({ name, state, reason }) => [name, `${state}: ${reason}`])),
        new Map([
          ['slow.test', 'away: slow.test is still being looked up'],
          ['gone.test', 'away: no such name'],
        ]),
      );
      answer.resolve(['127.0.0.1']);
      assert.deepEqual(await ask(engine, ctx, row(1)), [2]);
      assert.deepEqual(
        engine.servers().map(({ name }) => name),
        [`127.0.0.1:${server.port}`, 'gone.test'],
      );
    });
  });
});

describe('Triton engine with networks', { skip }, () => {
  it('gives what the embedded engine gives, also through shared memory', async () => {
    using ctx = testContext();
    await using directory = await temporaryDirectory();
    await tritonRepository(directory.path, ['face_embed_224_512']);
    await using server = await startTriton({ repository: directory.path });
    await using embedded = await startEmbedded({ repository: directory.path, threads: 1 }, ctx);
    const pixels = Float32Array.from({ length: 3 * 3 * 224 * 224 }, (_, at) => ((at * 37) % 255) / 127.5 - 1);
    const description = await embedded.describe('face_embed_224_512');
    const [input] = description.inputs;
    const [output] = description.outputs;
    assert.ok(input !== undefined && output !== undefined);
    const crops = (): Tensor => ({ name: input.name, datatype: 'FP32', shape: [3, 3, 224, 224], data: pixels.slice() });
    const wanted = (await embedded.infer('face_embed_224_512', [crops()], within(ctx, 60_000))).outputs.get(output.name);
    for (const sharedMemory of [false, true]) {
      await using engine = await startTritonEngine({ urls: [server.url], repository: directory.path, sharedMemory }, ctx);
      // The first of a size finds its region not yet registered.
      for (let turn = 0; turn < 3; turn += 1) {
        const { outputs } = await engine.infer('face_embed_224_512', [crops()], within(ctx, 60_000));
        const found = outputs.get(output.name);
        assert.deepEqual(found?.shape, wanted?.shape);
        assert.ok(found?.data instanceof Float32Array);
        const far = Math.max(...found.data.map((value, at) => Math.abs(value - Number(wanted?.data[at]))));
        assert.ok(far < 1e-3, `${far}`);
      }
      const regions = await server.client().sharedMemoryStatus({ timeoutMs: 10_000 });
      assert.equal(regions.length, sharedMemory ? 1 : 0);
    }
    assert.deepEqual(await server.client().sharedMemoryStatus({ timeoutMs: 10_000 }), [], 'no region is left behind');
  });
});
