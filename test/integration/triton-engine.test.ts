import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import { after, before, describe, it } from 'node:test';
import { startTritonEngine, type TritonEngine } from '../../src/inference/triton.ts';
import { grpcCodes } from '../../src/inference/triton-failures.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
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
    await using work = load(engine, ctx);
    await work.more(300);
    await work.stop();
    assert.equal(work.counts.failed, 0, work.counts.lastFailure);
    assert.ok(sick.asked >= 3 && sick.asked <= 20, `${sick.asked} calls to it`);
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
    await using work = load(engine, ctx);
    await work.more(500);
    await work.stop();
    assert.equal(work.counts.failed, 0, work.counts.lastFailure);
    assert.ok(sick.asked <= 20, `${sick.asked} calls to it`);
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
      await assert.rejects(ask(engine, ctx, row(1), 600), words);
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
});
