import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Tensor } from '../../src/core/inference.ts';
import type { PemTexts } from '../../src/core/pem-files.ts';
import { startTritonEngine, type TritonConfig, type TritonEngine } from '../../src/inference/triton.ts';
import { makeCertificates } from '../support/certificates.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { clientTls, missingTriton, pythonModel, startTriton, type TritonServer } from '../support/triton.ts';
import { ask, doubleBody, doubleConfig, load, modes, row, total } from '../support/triton-double.ts';
import { until } from '../support/until.ts';

/** What servers do wrong, and what the engine makes of it; without faults: test/long/triton-engine.test.ts. */
const skip = await missingTriton();

const soon = { timeoutMs: 30_000 };

/** Requests that went to a server. */
const sentTo = (ctx: TestContext, server: TritonServer) =>
  total(ctx, 'sightline_triton_requests_total', { server: server.url });
/** Requests that a server has answered since it began. */
async function answeredBy(server: TritonServer): Promise<number> {
  const [counts] = await server.client().statistics(soon, 'double');
  return Number(counts?.inferenceStats?.success?.count ?? 0n);
}
const retried = (ctx: TestContext, reason: string) => total(ctx, 'sightline_triton_retries_total', { reason });

describe('Triton servers that fail', { skip }, () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  const started: TritonServer[] = [];
  let well: TritonServer;
  const start = async (repository = directory.path, port?: number, flags: readonly string[] = []): Promise<TritonServer> => {
    const server = await startTriton({ repository, flags, ...(port === undefined ? {} : { port }) });
    started.push(server);
    return server;
  };
  const engineFor = (ctx: TestContext, urls: readonly string[], more: Partial<TritonConfig> = {}) =>
    startTritonEngine({ urls, repository: directory.path, ...more }, ctx);
  const stateOf = (engine: TritonEngine, { url }: TritonServer) => engine.servers().find(({ name }) => name === url)?.state;

  before(async () => {
    directory = await temporaryDirectory();
    await pythonModel(directory.path, 'double', doubleConfig, doubleBody);
    well = await start();
  });
  after(async () => {
    await Promise.all(started.map((server) => server[Symbol.asyncDispose]()));
    await directory?.[Symbol.asyncDispose]();
  });

  const faults = {
    'raises an exception': 'raise RuntimeError("out of memory")',
    'answers a shape that is not its own': `return pb_utils.InferenceResponse([pb_utils.Tensor("out", np.zeros((len(inputs["in"]), 2), np.float32))])`,
    'answers what is not finite': `return pb_utils.InferenceResponse([pb_utils.Tensor("out", np.full((len(inputs["in"]), 1), np.nan, np.float32))])`,
    'says UNAVAILABLE in its own words': `return pb_utils.InferenceResponse([], pb_utils.TritonError("no memory left", pb_utils.TritonError.UNAVAILABLE))`,
  };
  for (const [what, body] of Object.entries(faults)) {
    it(`leaves a server whose model ${what} while another one is well, and takes it back when it is mended`, async () => {
      using ctx = testContext();
      await using sickFolder = await temporaryDirectory();
      await pythonModel(sickFolder.path, 'double', doubleConfig, body);
      const sick = await start(sickFolder.path, undefined, ['--model-control-mode=explicit', '--load-model=*']);
      await using engine = await engineFor(ctx, [sick.url, well.url]);
      await using work = load(engine, ctx);
      await until('the one that fails to be met', async () => (await total(ctx, 'sightline_triton_retries_total')) >= 3);
      const sent = await sentTo(ctx, sick);
      await work.more(100);
      assert.ok((await sentTo(ctx, sick)) - sent <= 20, 'it is tried now and then only');
      assert.equal(stateOf(engine, sick), 'ready', 'the server itself is there');

      await pythonModel(sickFolder.path, 'double', doubleConfig, doubleBody);
      await sick.client().loadModel('double', soon);
      await until('it to be taken back', async () => (await answeredBy(sick)) > 3, 60_000);
      await work.stop();
      assert.equal(work.counts.failed, 0, work.counts.lastFailure);
    });
  }

  it('says what is wrong with the answers of the only server', async () => {
    using ctx = testContext();
    await using engine = await engineFor(ctx, [well.url]);
    const odd = () => ask(engine, ctx, row(1, { mode: modes.wrongShape }));
    await assert.rejects(odd(), {
      code: 'inference.failed',
      message: `double failed on ${well.url}: its answer is not as described: output "out" has shape [1, 2], not [1, 1]`,
    });
    assert.equal(await retried(ctx, 'broken'), 1, 'once more, then no more');
    assert.deepEqual(await ask(engine, ctx, row(2)), [4]);
  });

  describe('with a queue of their own that is full', () => {
    let policy: Awaited<ReturnType<typeof temporaryDirectory>>;
    before(async () => {
      policy = await temporaryDirectory();
      const queue = 'dynamic_batching { default_queue_policy { max_queue_size: 2 } }';
      await pythonModel(policy.path, 'double', `${doubleConfig}\n${queue}`, doubleBody);
    });
    after(() => policy?.[Symbol.asyncDispose]());

    /** Others ask all the time for more than it takes, so that its queue is full; every one for a batch, so that none go together. */
    function crowd(server: TritonServer, pauseMs: number) {
      let over = false;
      const client = server.client();
      const data = Float32Array.from({ length: 24 }, (_, at) => (at % 3 === 1 ? pauseMs : 0));
      const inputs = [{ name: 'in', datatype: 'FP32' as const, shape: [8, 3], data }];
      let refused = 0;
      const loops = Array.from({ length: 8 }, async () => {
        while (!over) await client.infer({ model: 'double', inputs }, soon).catch(() => (refused += 1));
      });
      return {
        full: () => until('the queue of the server to be full', () => refused > 20),
        async [Symbol.asyncDispose]() {
          over = true;
          await Promise.all(loops);
        },
      };
    }

    it('is passed by as long as another one has room', async () => {
      using ctx = testContext();
      const crowded = await start(policy.path);
      await using engine = await engineFor(ctx, [crowded.url, well.url]);
      await engine.load('double');
      await using others = crowd(crowded, 100);
      await others.full();
      await using work = load(engine, ctx);
      await work.more(300);
      await work.stop();
      assert.equal(work.counts.failed, 0, work.counts.lastFailure);
      assert.ok((await retried(ctx, 'queue full')) > 0, 'it was met');
      assert.ok((await sentTo(ctx, crowded)) < (await sentTo(ctx, well)) / 4);
    });

    it('gets a few tries with pauses between, and what cannot be taken is shed', async () => {
      using ctx = testContext();
      const server = await start(policy.path);
      await using engine = await engineFor(ctx, [server.url]);
      await engine.load('double');
      {
        await using others = crowd(server, 400);
        await others.full();
        const outcomes = await Promise.allSettled(
          Array.from({ length: 6 }, (_, at) => ask(engine, ctx, row(at), 20_000, `camera ${at}`)),
        );
        const refused = outcomes.filter(({ status }) => status === 'rejected');
        assert.ok(refused.length > 0, 'some find no room');
        for (const outcome of refused) assert.equal((outcome as PromiseRejectedResult).reason.code, 'inference.overload');
        assert.equal(await total(ctx, 'sightline_inference_shed_total', { reason: 'overload' }), refused.length);
        assert.ok((await sentTo(ctx, server)) <= 4 * 6, 'four tries each');
        assert.equal(engine.states()[0]?.state, 'ready', 'nothing is amiss with it');
      }
      assert.deepEqual(await ask(engine, ctx, row(3)), [6]);
    });
  });

  it('sends nothing again whose deadline has passed', async () => {
    using ctx = testContext();
    const second = await start();
    await using engine = await engineFor(ctx, [well.url, second.url]);
    await engine.load('double');
    await until('both to be known', () => engine.servers().every(({ state }) => state === 'ready'));
    const failed = async () => {
      const all = await Promise.all([well, second].map((server) => server.client().statistics(soon, 'double')));
      return all.reduce((sum, [model]) => sum + Number(model?.inferenceStats?.fail?.count ?? 0n), 0);
    };
    const before = await failed();
    const slow = row(1, { pauseMs: 700, mode: modes.raises });
    await assert.rejects(ask(engine, ctx, slow, 300), { code: 'inference.deadline' });
    await until('the run to have failed', async () => (await failed()) === before + 1);
    assert.deepEqual(await ask(engine, ctx, row(2)), [4]);
    assert.equal((await sentTo(ctx, well)) + (await sentTo(ctx, second)), 2, 'one try of the late one, and the other request');
    assert.equal(await total(ctx, 'sightline_triton_retries_total'), 0);
    assert.equal(await failed(), before + 1);
  });

  it('takes no server that is slow for one that hangs, more than once', async () => {
    using ctx = testContext();
    const slow = await start();
    await using engine = await engineFor(ctx, [slow.url, well.url]);
    await engine.load('double');
    // A run takes longer than what a server may be silent that is not known yet.
    const data = Float32Array.from({ length: 24 }, (_, at) => [at / 3, 2200, modes.well][at % 3] ?? 0);
    const whole = (): Tensor => ({ name: 'in', datatype: 'FP32', shape: [8, 3], data: data.slice() });
    for (let turn = 0; turn < 2; turn += 1)
      assert.deepEqual(await ask(engine, ctx, whole(), 60_000), [0, 2, 4, 6, 8, 10, 12, 14]);
    assert.ok((await retried(ctx, 'left')) <= 2, 'each of them is left once at most');
  });

  it('loses nothing that can wait when the only one is killed and started anew under load', async () => {
    using ctx = testContext();
    const first = await start();
    await using engine = await engineFor(ctx, [first.url]);
    await using work = load(engine, ctx, 8);
    await work.more();
    first.signal('SIGKILL');
    await first.ended;
    await until('the killed one to be left', () => stateOf(engine, first) === 'away');
    const { answered } = work.counts;
    await start(directory.path, first.port);
    await work.more();
    await work.stop();
    assert.ok(work.counts.answered > answered);
    assert.equal(work.counts.failed, 0, work.counts.lastFailure);
  });

  it('answers all that waited for a server, not the newest only, once one is back', async () => {
    using ctx = testContext();
    const server = await start();
    await using engine = await engineFor(ctx, [server.url]);
    await engine.load('double');
    server.signal('SIGSTOP');
    await until('it to be missed', () => stateOf(engine, server) === 'away');
    const sinceMs = ctx.clock.mono();
    const waiting = [1, 2, 3].map((value) => ask(engine, ctx, row(value), 10_000));
    await until('half of their time to be over', () => ctx.clock.mono() > sinceMs + 5500);
    server.signal('SIGCONT');
    assert.deepEqual(await Promise.all(waiting), [[2], [4], [6]]);
  });

  it('loses nothing when one drains under load, not even what it had begun', async () => {
    using ctx = testContext();
    const first = await start();
    const second = await start();
    await using engine = await engineFor(ctx, [first.url, second.url]);
    await engine.load('double');
    await using work = load(engine, ctx);
    await work.more();
    const begun = Array.from({ length: 4 }, (_, at) => ask(engine, ctx, row(at, { pauseMs: 1500 }), 30_000, `slow ${at}`));
    await until('both to have some of it', async () => (await sentTo(ctx, first)) > 0 && (await sentTo(ctx, second)) > 0);
    first.signal('SIGTERM');
    await until('the one that drains to be left', () => stateOf(engine, first) === 'away');
    await work.more();
    assert.deepEqual(await Promise.all(begun), [[0], [2], [4], [6]]);
    await first.ended;
    await work.more();
    await work.stop();
    assert.equal(work.counts.failed, 0, work.counts.lastFailure);
  });
});

describe('Triton engine over IPv6', { skip }, () => {
  it('asks a server at [::1], by its address and by a name that has only that', async () => {
    using ctx = testContext();
    await using directory = await temporaryDirectory();
    await pythonModel(directory.path, 'double', doubleConfig, doubleBody);
    await using server = await startTriton({ repository: directory.path, host: '::1' });
    for (const url of [server.url, `six.test:${server.port}`]) {
      await using engine = await startTritonEngine(
        { urls: [url], repository: directory.path, resolve: async () => ['::1'] },
        ctx,
      );
      assert.deepEqual(engine.servers(), [{ name: `[::1]:${server.port}`, state: 'ready', reason: '' }]);
      assert.deepEqual(await ask(engine, ctx, row(4)), [8]);
    }
  });
});

describe('Triton engine over TLS', { skip }, () => {
  it('says why there is no connection, and does not change its words from try to try', async () => {
    await using certificates = await makeCertificates();
    await using others = await makeCertificates();
    await using directory = await temporaryDirectory();
    const { ca, cert, key } = await clientTls(certificates);
    const strange = await clientTls(others);
    await using server = await startTriton({ repository: directory.path, certificates });
    await using plain = await startTriton({ repository: directory.path });
    await pythonModel(directory.path, 'double', doubleConfig, doubleBody);
    const closed =
      /^the connection was closed at once: the server may want TLS \(grpcs:\/\/\) or a certificate that it trusts \(inference\.certFile\), or this is not its gRPC port$/;
    const cases: readonly (readonly [url: string, tls: PemTexts | undefined, reason: RegExp])[] = [
      [
        `grpcs://localhost:${server.port}`,
        { ca: strange.ca, cert, key },
        /^TLS failed: no known authority has signed the server's certificate; inference\.caFile must hold the one that did$/,
      ],
      [
        `grpcs://elsewhere.test:${server.port}`,
        { ca, cert, key },
        /^TLS failed: the server's certificate is for DNS:localhost, IP Address:127\.0\.0\.1, not for elsewhere\.test, which inference\.url names$/,
      ],
      [`grpcs://localhost:${server.port}`, { ca }, closed],
      [`grpcs://localhost:${server.port}`, { ...strange, ca }, closed],
      [`localhost:${server.port}`, undefined, closed],
      [
        `grpcs://localhost:${plain.port}`,
        { ca },
        /^TLS failed: what answers does not speak TLS; without it inference\.url has no grpcs:\/\/$/,
      ],
    ];
    for (const [url, tls, reason] of cases) {
      using ctx = testContext();
      await using engine = await startTritonEngine(
        {
          urls: [url],
          repository: directory.path,
          ...(tls === undefined ? {} : { tls: async () => tls }),
          resolve: async () => ['127.0.0.1'],
        },
        ctx,
      );
      const [first] = engine.servers();
      assert.ok(first?.state === 'away' && reason.test(first.reason), `${url}: ${first?.reason}`);
      // It is asked again and again meanwhile.
      await assert.rejects(ask(engine, ctx, row(1), 1000), { code: 'inference.unavailable' });
      assert.deepEqual(engine.servers(), [first]);
    }
  });
});
