import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { DataType, Tensor } from '../../src/core/inference.ts';
import { TritonClient } from '../../src/inference/triton-client.ts';
import { TritonStatus } from '../../src/inference/triton-failures.ts';
import { joinBytes, splitBytes } from '../../src/inference/triton-wire.ts';
import { makeCertificates } from '../support/certificates.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { clientTls, missingTriton, pythonModel, startTriton, type TritonServer, tritonRepository } from '../support/triton.ts';
import { until } from '../support/until.ts';

const skip = await missingTriton();
const soon = { timeoutMs: 20_000 };
const text = (name: string, value: string): Tensor => ({ name, datatype: 'BYTES', shape: [1], data: joinBytes([value]) });
const int = (name: string, value: number, shape: readonly number[] = [1, 1]): Tensor => ({
  name,
  datatype: 'INT32',
  shape,
  data: Int32Array.of(value),
});

async function collected<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** A model whose outputs are its inputs, one of every data type; `said` holds the request's parameters. */
const mirrorTypes: readonly DataType[] = ['FP32', 'FP16', 'INT32', 'INT64', 'UINT8', 'BOOL', 'BYTES'];
const mirrorConfig = ['input', 'output']
  .map((side) => {
    const tensors = mirrorTypes.map(
      (type) =>
        `{ name: "${side}_${type}" data_type: TYPE_${type === 'BYTES' ? 'STRING' : type} dims: [ -1 ]${side === 'input' ? ' optional: true' : ''} }`,
    );
    if (side === 'output') tensors.push('{ name: "said" data_type: TYPE_STRING dims: [ 1 ] }');
    return `${side} [ ${tensors.join(', ')} ]`;
  })
  .join('\n');
const mirrorBody = `
outputs = [pb_utils.Tensor(name.replace("input", "output"), value) for name, value in inputs.items()]
outputs.append(pb_utils.Tensor("said", np.array([request.parameters().encode()], np.object_)))
return pb_utils.InferenceResponse(outputs)
`;

describe('Triton client', { skip }, () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let server: TritonServer;

  before(async () => {
    directory = await temporaryDirectory();
    await tritonRepository(directory.path, ['slow', 'failing', 'countdown']);
    await pythonModel(directory.path, 'mirror', mirrorConfig, mirrorBody);
    server = await startTriton({
      repository: directory.path,
      flags: ['--model-control-mode=explicit', '--load-model=*'],
    });
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    await directory?.[Symbol.asyncDispose]();
  });

  it('reads health, metadata, configuration and statistics', async () => {
    const client = server.client();
    assert.equal(await client.live(soon), true);
    assert.equal(await client.ready(soon), true);
    const { name, version, extensions } = await client.metadata(soon);
    assert.equal(name, 'triton');
    assert.match(version, /^\d+\.\d+\.\d+$/);
    assert.ok(extensions.includes('statistics'));
    assert.equal(await client.modelReady('slow', '1', soon), true);
    assert.equal(await client.modelReady('no_such_model', '', soon), false);
    const metadata = await client.modelMetadata('slow', '', soon);
    assert.deepEqual(metadata.versions, ['1']);
    assert.deepEqual(metadata.inputs, [{ name: 'sleep_ms', datatype: 'INT32', shape: [-1n, 1n] }]);
    const config = await client.modelConfig('slow', '', soon);
    assert.equal(config.maxBatchSize, 1);
    assert.equal(config.schedulingChoice?.$case, 'dynamicBatching');
    assert.ok(config.schedulingChoice?.$case === 'dynamicBatching');
    assert.equal(config.schedulingChoice.value.defaultQueuePolicy?.maxQueueSize, 4);
    assert.equal((await client.modelConfig('countdown', '', soon)).modelTransactionPolicy?.decoupled, true);
    await client.infer({ model: 'slow', inputs: [int('sleep_ms', 1)] }, soon);
    const [statistics] = await client.statistics(soon, 'slow');
    assert.ok(statistics !== undefined && statistics.executionCount >= 1n);
    assert.ok((statistics.inferenceStats?.computeInfer?.ns ?? 0n) > 1_000_000n);
    assert.ok((await client.statistics(soon)).length >= 4);
  });

  it('carries every data type both ways, with the request’s parameters and its trace', async () => {
    const shapes: Readonly<Record<DataType, Tensor['data']>> = {
      FP32: Float32Array.of(0.5, -1e30),
      FP16: Uint16Array.of(0x3800, 0xfbff),
      INT32: Int32Array.of(-7, 2 ** 31 - 1),
      INT64: BigInt64Array.of(-(2n ** 63n), 5n),
      UINT8: Uint8Array.of(0, 255),
      BOOL: Uint8Array.of(1, 0),
      BYTES: joinBytes(['', 'grün']),
    };
    const inputs = mirrorTypes.map((datatype) => ({
      name: `input_${datatype}`,
      datatype,
      shape: [2],
      data: shapes[datatype],
    }));
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const answer = await server.client().infer(
      {
        model: 'mirror',
        version: '1',
        id: 'mine',
        inputs,
        parameters: { camera: 'lobby', number: -3n, weight: 0.25, live: true },
      },
      { ...soon, traceparent },
    );
    assert.equal(answer.id, 'mine');
    for (const datatype of mirrorTypes) {
      const output = answer.outputs.find(({ name }) => name === `output_${datatype}`);
      assert.deepEqual(output?.data, shapes[datatype], datatype);
      assert.deepEqual(output?.shape, [2]);
    }
    const [said] = splitBytes(answer.outputs.find(({ name }) => name === 'said')?.data ?? new Uint8Array(0)) ?? [];
    assert.deepEqual(JSON.parse(Buffer.from(said ?? []).toString()), {
      camera: 'lobby',
      number: -3,
      weight: 0.25,
      live: true,
      traceparent,
    });
  });

  it('asks for some of the outputs only', async () => {
    const inputs: Tensor[] = [{ name: 'input_UINT8', datatype: 'UINT8', shape: [3], data: Uint8Array.of(1, 2, 3) }];
    const { outputs } = await server.client().infer({ model: 'mirror', inputs, outputs: ['output_UINT8'] }, soon);
    assert.deepEqual(
      outputs.map(({ name }) => name),
      ['output_UINT8'],
    );
  });

  it('carries a message of 100 MB both ways, and refuses one above its receive limit', async () => {
    const data = new Uint8Array(100_000_000).map((_, index) => index % 251);
    const request = {
      model: 'mirror',
      inputs: [{ name: 'input_UINT8', datatype: 'UINT8' as const, shape: [data.length], data }],
    };
    const { outputs } = await server.client().infer(request, { timeoutMs: 60_000 });
    const back = outputs.find(({ name }) => name === 'output_UINT8')?.data;
    assert.ok(back instanceof Uint8Array && Buffer.from(back.buffer).equals(Buffer.from(data.buffer)));
    const strict = server.client({ receiveLimit: 2 ** 20 });
    await assert.rejects(strict.infer(request, { timeoutMs: 60_000 }), (error) => {
      assert.ok(error instanceof TritonStatus);
      assert.equal(error.status, 8);
      return true;
    });
  });

  it('rejects with the server’s own words', async () => {
    const client = server.client();
    await assert.rejects(client.infer({ model: 'nobody', inputs: [] }, soon), /not found: .*unknown model/);
    await assert.rejects(client.infer({ model: 'failing', inputs: [text('how', 'UNAVAILABLE')] }, soon), {
      status: 14,
      text: /failing on demand/,
    });
    await assert.rejects(client.infer({ model: 'failing', inputs: [text('how', 'exception')] }, soon), { status: 13 });
    await assert.rejects(client.infer({ model: 'slow', inputs: [int('wrong', 1)] }, soon), { status: 3 });
  });

  it('gives up at its deadline and when it is told to', async () => {
    const client = server.client();
    const request = { model: 'slow', inputs: [int('sleep_ms', 400)] };
    await assert.rejects(client.infer(request, { timeoutMs: 50 }), { status: 4 });
    const stop = new AbortController();
    const given = client.infer(request, { ...soon, signal: stop.signal });
    stop.abort();
    await assert.rejects(given, { name: 'AbortError' });
    await assert.rejects(client.infer(request, { ...soon, signal: stop.signal }), { name: 'AbortError' });
  });

  it('reads the answers of a decoupled model until the last', async () => {
    const client = server.client();
    const from = (count: number): Tensor => int('from', count, [1]);
    const left: number[] = [];
    for await (const { outputs } of client.inferStream({ model: 'countdown', inputs: [from(5)] }, soon)) {
      left.push(Number(outputs[0]?.data[0]));
    }
    assert.deepEqual(left, [4, 3, 2, 1, 0]);
    const none = await collected(client.inferStream({ model: 'countdown', inputs: [from(0)] }, soon));
    assert.deepEqual(none, []);
    const [only, ...more] = await collected(client.inferStream({ model: 'failing', inputs: [text('how', 'ok')] }, soon));
    assert.deepEqual([only?.outputs[0]?.data, more], [joinBytes(['ok']), []], 'an ordinary model answers once');
    for await (const _ of client.inferStream({ model: 'countdown', inputs: [from(1_000_000)] }, soon)) break;
    await assert.rejects(client.infer({ model: 'countdown', inputs: [from(1)] }, soon), { status: 12 });
    const unknown = client.inferStream({ model: 'nobody', inputs: [] }, soon);
    await assert.rejects(collected(unknown), /unknown model/);
    const stop = new AbortController();
    const endless = client.inferStream(
      { model: 'countdown', inputs: [from(1_000_000), int('pause_ms', 5, [1])] },
      {
        ...soon,
        signal: stop.signal,
      },
    );
    await endless.next();
    stop.abort();
    await assert.rejects(collected(endless), { name: 'AbortError' });
  });

  it('unloads and loads models, with another configuration when asked', async () => {
    const client = server.client();
    await client.unloadModel('failing', soon);
    const state = async () => (await client.repositoryIndex(soon)).find(({ name }) => name === 'failing');
    await until('failing to be unloaded', async () => (await state())?.reason === 'unloaded');
    await assert.rejects(client.infer({ model: 'failing', inputs: [text('how', 'ok')] }, soon), { status: 5 });
    const config = await client.modelConfig('slow', '', soon);
    assert.equal(config.maxBatchSize, 1);
    await client.loadModel('slow', soon, {
      config: JSON.stringify({
        backend: 'python',
        max_batch_size: 3,
        input: [{ name: 'sleep_ms', data_type: 'TYPE_INT32', dims: [1] }],
        output: [{ name: 'slept_ms', data_type: 'TYPE_INT32', dims: [1] }],
      }),
    });
    assert.equal((await client.modelConfig('slow', '', soon)).maxBatchSize, 3);
    await client.loadModel('failing', soon);
    assert.equal((await state())?.state, 'READY');
    await assert.rejects(client.loadModel('nobody', soon), /failed to poll from model repository/);
    const names = (await client.repositoryIndex(soon, true)).map(({ name }) => name);
    assert.deepEqual(names.sort(), ['countdown', 'failing', 'mirror', 'slow']);
  });

  it('reads tensors from system shared memory', async () => {
    const client = server.client();
    const key = `/sightline-test-${process.pid}`;
    const file = `/dev/shm${key}`;
    const descriptor = openSync(file, 'w+');
    try {
      ftruncateSync(descriptor, 8192);
      writeSync(descriptor, Uint8Array.of(3, 1, 4), 0, 3, 4096);
      await client.registerSharedMemory('region', key, 8192, soon);
      assert.deepEqual(await client.sharedMemoryStatus(soon), [{ name: 'region', key, offset: 0n, byteSize: 8192n }]);
      await assert.rejects(client.registerSharedMemory('region', key, 8192, soon), { status: 6 });
      const shared = { region: 'region', offset: 4096, byteSize: 3 };
      const input = { name: 'input_UINT8', datatype: 'UINT8' as const, shape: [3], data: new Uint8Array(0), shared };
      const { outputs } = await client.infer({ model: 'mirror', inputs: [input] }, soon);
      assert.deepEqual(outputs.find(({ name }) => name === 'output_UINT8')?.data, Uint8Array.of(3, 1, 4));
      await until('the region to be free', () =>
        client.unregisterSharedMemory('region', soon).then(
          () => true,
          () => false,
        ),
      );
      assert.deepEqual(await client.sharedMemoryStatus(soon), []);
      await assert.rejects(client.infer({ model: 'mirror', inputs: [input] }, soon), { status: 5 });
      await assert.rejects(client.registerSharedMemory('gone', '/no-such-key', 4096, soon), { status: 13 });
    } finally {
      closeSync(descriptor);
      rmSync(file, { force: true });
    }
  });
});

describe('Triton client over TLS', { skip }, () => {
  it('trusts the authority it was given, shows its own certificate, and says what is wrong with others', async () => {
    await using certificates = await makeCertificates();
    await using others = await makeCertificates();
    await using directory = await temporaryDirectory();
    const { ca, cert, key } = await clientTls(certificates);
    const strange = await clientTls(others);
    await using server = await startTriton({ repository: directory.path, certificates });
    const named = { ...server.address, host: 'localhost' };
    assert.equal(await server.client().ready(soon), true);
    const wrong = server.client({ tls: { ca: strange.ca, cert, key } });
    await assert.rejects(wrong.ready(soon), { status: 14, text: /certificate/ });
    const anonymous = server.client({ tls: { ca } });
    await assert.rejects(anonymous.ready(soon), { status: 14 });
    const stranger = server.client({
      tls: { ...strange, ca },
    });
    await assert.rejects(stranger.ready(soon), { status: 14 });
    using byName = new TritonClient(named, { tls: { ca, cert, key } });
    assert.equal(await byName.ready(soon), true, 'by the name in its certificate, at its address');
    using byOther = new TritonClient({ ...named, host: 'elsewhere.test' }, { tls: { ca, cert, key } });
    await assert.rejects(byOther.ready(soon), { status: 14, text: /elsewhere\.test/ });
  });
});

describe('Triton client over IPv6', { skip }, () => {
  it('reaches a server at [::1]', async () => {
    await using directory = await temporaryDirectory();
    await using server = await startTriton({ repository: directory.path, host: '::1' });
    assert.equal(server.url, `[::1]:${server.port}`);
    assert.equal(await server.client().ready(soon), true);
  });
});
