import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import { after, before, describe, it } from 'node:test';
import { startTritonEngine, type TritonEngine } from '../../src/inference/triton.ts';
import { grpcCodes } from '../../src/inference/triton-failures.ts';
import { serversAt } from '../../src/inference/triton-names.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { freePort } from '../support/port.ts';
import { pythonModel } from '../support/triton.ts';
import { ask, doubleBody, doubleConfig, load, row, total } from '../support/triton-double.ts';
import { type Behaviour, doubles, startTritonStandIn, type TritonStandIn } from '../support/triton-stand-in.ts';
import { until } from '../support/until.ts';

/**
 * What the engine makes of things that a real Triton does not do on demand. The real server: test/long/triton-engine.test.ts and
 * triton-faults.test.ts.
 */
describe('Triton engine', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  before(async () => {
    directory = await temporaryDirectory();
    await pythonModel(directory.path, 'double', doubleConfig, doubleBody);
  });
  after(() => directory?.[Symbol.asyncDispose]());

  const engineFor = (ctx: TestContext, ...servers: readonly TritonStandIn[]) =>
    startTritonEngine({ urls: servers.map(({ url }) => url), repository: directory.path }, ctx);
  const stateOf = (engine: TritonEngine, { url }: TritonStandIn) => engine.servers().find(({ name }) => name === url)?.state;
  /** So many calls to a server that is left alone, the longer it takes the more. */
  const few = (ctx: TestContext, beganMs: number) => 20 + (5 * (ctx.clock.mono() - beganMs)) / 1000;
  const retried = (ctx: TestContext, reason: string) => total(ctx, 'sightline_triton_retries_total', { reason });

  const { NGHTTP2_REFUSED_STREAM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL } = constants;
  const endings: Readonly<Record<string, Behaviour>> = {
    'is refused as a stream': { reset: NGHTTP2_REFUSED_STREAM },
    'is reset for an internal error': { reset: NGHTTP2_INTERNAL_ERROR },
    'is reset as cancelled': { reset: NGHTTP2_CANCEL },
    'is answered as cancelled': { status: grpcCodes.cancelled },
  };
  for (const [how, ending] of Object.entries(endings)) {
    it(`asks once more when one call ${how}, and takes the server for no other than it was`, async () => {
      using ctx = testContext();
      await using server = await startTritonStandIn();
      await using engine = await engineFor(ctx, server);
      await engine.load('double');
      server.behave = () => (server.asked === 1 ? ending : doubles);
      assert.deepEqual(await ask(engine, ctx, row(3)), [6]);
      assert.equal(server.asked, 2);
      assert.equal(await retried(ctx, 'reset'), 1);
      assert.equal(engine.deaths, 0);
      assert.ok(!ctx.lines.some(({ msg }) => msg === 'triton server is away'), 'the server was there all the time');
    });
  }

  it('leaves a server for a model all of whose calls are reset, and asks the other one', async () => {
    using ctx = testContext();
    await using sick = await startTritonStandIn();
    await using well = await startTritonStandIn();
    sick.behave = () => ({ reset: NGHTTP2_INTERNAL_ERROR });
    await using engine = await engineFor(ctx, sick, well);
    const beganMs = ctx.clock.mono();
    await using work = load(engine, ctx);
    await work.more(300);
    await work.stop();
    assert.equal(work.counts.failed, 0, work.counts.lastFailure);
    assert.ok(sick.asked >= 3 && sick.asked <= few(ctx, beganMs), `${sick.asked} calls to it`);
    assert.equal(stateOf(engine, sick), 'ready', 'the server itself is there');
    assert.equal(engine.deaths, 0);
  });

  it('leaves a server for a model all of whose calls end the connection, and asks it seldom', async () => {
    using ctx = testContext();
    await using sick = await startTritonStandIn();
    sick.behave = () => 'cuts';
    await using engine = await engineFor(ctx, sick);
    const beganMs = ctx.clock.mono();
    // Each lasts as long as its tries do: without pauses they are over at once.
    for (let value = 0; value < 3; value += 1)
      await assert.rejects(ask(engine, ctx, row(value), 1000), /could run double|can run double/);
    await until('it is left alone', () => engine.states().some(({ state }) => state === 'unavailable'));
    const seconds = (ctx.clock.mono() - beganMs) / 1000;
    const most = 4 + 5 * seconds;
    assert.ok(sick.asked <= most, `${sick.asked} calls within ${seconds.toFixed(1)} s`);
    assert.match(JSON.stringify(engine.states()), /connection lost/);

    sick.behave = () => doubles;
    assert.deepEqual(await ask(engine, ctx, row(4)), [8]);
  });

  it('loses nothing to a server that ends every connection while there is another', async () => {
    using ctx = testContext();
    await using sick = await startTritonStandIn();
    await using well = await startTritonStandIn();
    sick.behave = () => 'cuts';
    await using engine = await engineFor(ctx, sick, well);
    const beganMs = ctx.clock.mono();
    await using work = load(engine, ctx);
    await work.more(500);
    await work.stop();
    assert.equal(work.counts.failed, 0, work.counts.lastFailure);
    assert.ok(sick.asked <= few(ctx, beganMs), `${sick.asked} calls to it`);
  });

  const nonsense: readonly (readonly [string, Uint8Array | 'hangs', RegExp])[] = [
    ['cannot be read', Buffer.alloc(1000, 0xff), /the server's answer cannot be read: /],
    ['is long', Buffer.alloc(5_000_000), /the server's answer cannot be read: it has 5000000 bytes/],
    ['does not come', 'hangs', /it has not said yet what it serves/],
  ];
  for (const [what, said, words] of nonsense)
    it(`says so when what a server says of a model ${what}`, async () => {
      using ctx = testContext();
      await using server = await startTritonStandIn();
      server.describes = (method) => (method === 'ModelMetadata' ? said : undefined);
      await using engine = await engineFor(ctx, server);
      await assert.rejects(ask(engine, ctx, row(1), said === 'hangs' ? 600 : 3000), words);
      server.describes = () => undefined;
      assert.deepEqual(await ask(engine, ctx, row(1)), [2]);
    });

  it('says so when what a server says of itself cannot be read', async () => {
    using ctx = testContext();
    await using server = await startTritonStandIn();
    server.describes = (method) => (method === 'ServerReady' ? Buffer.alloc(100, 0xff) : undefined);
    await using engine = await engineFor(ctx, server);
    assert.match(engine.servers()[0]?.reason ?? '', /the server's answer cannot be read/);
  });

  const nan: Behaviour = { values: (rows) => rows.map(() => Number.NaN) };
  const left = (ctx: TestContext) => ctx.lines.filter(({ msg }) => msg === 'triton server cannot run a model');

  it('leaves a server that alone answers what is not finite, and takes it back when it is mended', async () => {
    using ctx = testContext();
    await using sick = await startTritonStandIn();
    await using well = await startTritonStandIn();
    sick.behave = () => nan;
    await using engine = await engineFor(ctx, sick, well);
    const beganMs = ctx.clock.mono();
    const work = load(engine, ctx);
    const [{ server, reason } = assert.fail('not left')] = await until(
      'it to be left',
      () => left(ctx).length > 0 && left(ctx),
    );
    assert.deepEqual([server, reason], [sick.url, 'its answer has values that are not finite']);
    await work.more(300);
    await work.stop();
    assert.equal(work.counts.failed, 0, work.counts.lastFailure);
    assert.ok(sick.asked >= 3 && sick.asked <= few(ctx, beganMs), `${sick.asked} calls to it`);
    assert.ok((await retried(ctx, 'not finite')) >= sick.asked, 'all of them were answered by the other one');

    sick.behave = () => doubles;
    const before = sick.asked;
    await using mended = load(engine, ctx);
    await until('it to be taken back', () => sick.asked > before + 20);
    await mended.stop();
    assert.equal(mended.counts.failed, 0, mended.counts.lastFailure);
  });

  it('leaves none for what is not finite when all of them say so, and asks no other one for a while', async () => {
    using ctx = testContext();
    await using first = await startTritonStandIn();
    await using second = await startTritonStandIn();
    const odd: Behaviour = { values: (rows) => rows.map((row) => (row === 7 ? Number.POSITIVE_INFINITY : 2 * row)) };
    for (const server of [first, second]) server.behave = () => odd;
    await using engine = await engineFor(ctx, first, second);
    await engine.load('double');
    await until('both to be known', () => ctx.lines.filter(({ msg }) => msg === 'model is served').length === 2);
    for (let turn = 0; turn < 10; turn += 1) {
      assert.deepEqual(await ask(engine, ctx, row(7)), [Number.POSITIVE_INFINITY]);
      assert.deepEqual(await ask(engine, ctx, row(turn)), [turn === 7 ? Number.POSITIVE_INFINITY : 2 * turn]);
    }
    assert.equal(first.asked + second.asked, 21, 'one was asked for once more');
    assert.deepEqual(left(ctx), []);
  });

  it('sends again of requests that went together what is not finite, and gives the only server’s answers as they are', async () => {
    using ctx = testContext();
    await using server = await startTritonStandIn();
    const odd: Behaviour = { values: (rows) => rows.map((row) => (row === 3 ? Number.NaN : 2 * row)) };
    server.behave = () => odd;
    await using engine = await engineFor(ctx, server);
    await engine.load('double');
    const asked = [1, 2, 3, 4].map((value) => ask(engine, ctx, row(value), 20_000, `camera ${value}`));
    assert.deepEqual(await Promise.all(asked), [[2], [4], [Number.NaN], [8]]);
    assert.equal(await total(ctx, 'sightline_triton_retries_total'), 0);
    await using well = await startTritonStandIn();
    await using both = await engineFor(ctx, server, well);
    await both.load('double');
    await until('both to be known', () => ctx.lines.filter(({ msg }) => msg === 'model is served').length === 3);
    for (let turn = 0; (await retried(ctx, 'not finite')) === 0 && turn < 100; turn += 1) {
      const together = [1, 2, 3, 4].map((value) => ask(both, ctx, row(value), 20_000, `camera ${value}`));
      assert.deepEqual(await Promise.all(together), [[2], [4], [6], [8]]);
    }
    assert.equal(await retried(ctx, 'not finite'), 1, 'the one row, and no other');
  });

  const named = (ctx: TestContext, port: number) =>
    startTritonEngine(
      { urls: [`both.test:${port}`], repository: directory.path, resolve: async () => ['::1', '127.0.0.1'] },
      ctx,
    );

  it('finds a server that is there by the IPv6 address of its name alone', async () => {
    using ctx = testContext();
    await using server = await startTritonStandIn('::1');
    await using engine = await named(ctx, server.port);
    assert.deepEqual(await ask(engine, ctx, row(4)), [8]);
    await until('the other address to be left', () => engine.servers().length === 1);
    assert.deepEqual(engine.servers(), [{ name: server.url, state: 'ready', reason: '' }]);
    assert.equal(engine.deaths, 0);
  });

  it('takes a name with both for one server, by IPv4, and goes over to IPv6 when that is gone', async () => {
    using ctx = testContext();
    const four = await startTritonStandIn();
    await using six = await startTritonStandIn('::1', four.port);
    await using engine = await named(ctx, four.port);
    assert.deepEqual(engine.servers(), [{ name: four.url, state: 'ready', reason: '' }]);
    assert.deepEqual(await ask(engine, ctx, row(4)), [8]);
    assert.deepEqual([four.asked, six.asked, engine.deaths], [1, 0, 0]);
    await four[Symbol.asyncDispose]();
    assert.deepEqual(await ask(engine, ctx, row(5)), [10]);
    await until('the first address to be left', () => stateOf(engine, four) === undefined);
    assert.deepEqual([stateOf(engine, six), engine.deaths], ['ready', 1]);
  });

  it('says of a name whose server is away what is wrong at each of its addresses', async () => {
    using ctx = testContext();
    const port = await freePort();
    await using engine = await named(ctx, port);
    assert.deepEqual(
      engine.servers().map(({ name, state, reason }) => [name, state, reason]),
      [
        [`127.0.0.1:${port}`, 'away', `connect ECONNREFUSED 127.0.0.1:${port}`],
        [`[::1]:${port}`, 'away', `connect ECONNREFUSED ::1:${port}`],
      ],
    );
  });

  it('and its commands choose the same addresses of a name', async () => {
    const addresses = async ({ port }: { readonly port: number }) => {
      const url = { host: 'both.test', port, tls: false };
      return (await serversAt(url, async () => ['::1', '127.0.0.1'])).map(({ ip }) => ip);
    };
    await using six = await startTritonStandIn('::1');
    assert.deepEqual(await addresses(six), ['::1']);
    await using _four = await startTritonStandIn('127.0.0.1', six.port);
    assert.deepEqual(await addresses(six), ['127.0.0.1']);
    assert.deepEqual(await addresses({ port: await freePort() }), ['127.0.0.1', '::1']);
  });
});
