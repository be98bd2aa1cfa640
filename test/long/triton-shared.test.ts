import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Context } from '../../src/core/context.ts';
import type { Tensor } from '../../src/core/inference.ts';
import { startTritonEngine, type TritonEngine } from '../../src/inference/triton.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { missingTriton, pythonModel, startTriton, type TritonServer } from '../support/triton.ts';
import { within } from '../support/triton-double.ts';
import { until } from '../support/until.ts';

/** Tensors in shared memory with a real server. Every answer says what the server has read. */

const skip = await missingTriton();
const soon = { timeoutMs: 10_000 };
const rowNumbers = 300_000;
/** Each row answers its first, its middle and its last number; the first is how long it takes, which `began` witnesses. */
const config = `
max_batch_size: 4
input [ { name: "in" data_type: TYPE_FP32 dims: [ ${rowNumbers} ] } ]
output [ { name: "out" data_type: TYPE_FP32 dims: [ 3 ] } ]
`;
const body = (began: string) => `
rows = inputs["in"]
if rows[:, 0].max() > 0:
    open("${began}", "w").close()
time.sleep(float(rows[:, 0].max()) / 1000)
return pb_utils.InferenceResponse([pb_utils.Tensor("out", rows[:, [0, ${rowNumbers / 2}, ${rowNumbers - 1}]])])
`;

async function answersRight(engine: TritonEngine, ctx: Context, value: number, pauseMs = 0): Promise<void> {
  const data = new Float32Array(rowNumbers).fill(value);
  data[0] = pauseMs;
  const input: Tensor = { name: 'in', datatype: 'FP32', shape: [1, rowNumbers], data };
  const { outputs } = await engine.infer('ends', [input], within(ctx, 60_000));
  assert.deepEqual(outputs.get('out')?.data, Float32Array.of(pauseMs, value, value));
}

describe('Tensors in shared memory with Triton', { skip }, () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  const servers: TritonServer[] = [];
  const start = async (port?: number) => {
    const server = await startTriton({ repository: directory.path, ...(port === undefined ? {} : { port }) });
    servers.push(server);
    return server;
  };
  const began = () => join(directory.path, 'ends/began');
  const engineFor = (server: TritonServer, ctx: Context) =>
    startTritonEngine({ urls: [server.url], repository: directory.path, sharedMemory: true }, ctx);
  const regionsOf = (server: TritonServer) => server.client().sharedMemoryStatus(soon);
  /** Asks until its tensors go through shared memory, and then some. */
  const warmed = async (engine: TritonEngine, ctx: Context, server: TritonServer) => {
    const region = await until('a region', async () => {
      await answersRight(engine, ctx, 1);
      return (await regionsOf(server))[0];
    });
    for (let value = 2; value < 12; value += 1) await answersRight(engine, ctx, value);
    return region;
  };

  before(async () => {
    directory = await temporaryDirectory();
    await pythonModel(directory.path, 'ends', config, body(began()));
  });
  after(async () => {
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    await directory?.[Symbol.asyncDispose]();
  });

  it('reads what is written to files that have no name any more, and what a later start writes', async () => {
    using ctx = testContext();
    const server = await start();
    const keys = new Set<string>();
    for (let turn = 0; turn < 2; turn += 1) {
      await using engine = await engineFor(server, ctx);
      const { key } = await warmed(engine, ctx, server);
      assert.equal(existsSync(`/dev/shm${key}`), false);
      keys.add(key);
    }
    assert.equal(keys.size, 2);
    assert.deepEqual(await regionsOf(server), []);
  });

  it('takes back the region from a server that still reads it', async () => {
    using ctx = testContext();
    const server = await start();
    const engine = await engineFor(server, ctx);
    await warmed(engine, ctx, server);
    const unanswered = answersRight(engine, ctx, 5, 700);
    unanswered.catch(() => {});
    await until('the request to run', () => existsSync(began()));
    await engine[Symbol.asyncDispose]();
    await assert.rejects(unanswered);
    assert.deepEqual(await regionsOf(server), []);
  });

  it('goes on with a server that hung and with one that was killed and started anew', async () => {
    using ctx = testContext();
    const server = await start();
    await using engine = await engineFor(server, ctx);
    const state = (wanted: string) => until(`the server to be ${wanted}`, () => engine.servers()[0]?.state === wanted, 60_000);
    const { key } = await warmed(engine, ctx, server);
    server.signal('SIGSTOP');
    await state('away');
    server.signal('SIGCONT');
    await state('ready');
    assert.equal((await warmed(engine, ctx, server)).key, key);
    assert.equal((await regionsOf(server)).length, 1);
    server.signal('SIGKILL');
    await server.ended;
    await state('away');
    const other = await start(server.port);
    assert.notEqual((await warmed(engine, ctx, other)).key, key);
    assert.equal((await regionsOf(other)).length, 1);
  });
});
