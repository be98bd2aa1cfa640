import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ModelDescription } from '../../src/core/inference.ts';
import { ModelConfig, ModelMetadataResponse } from '../../src/gen/inference/grpc_service.ts';
import { answerProblems, describeServed, servedContract } from '../../src/inference/triton-contract.ts';

const model: ModelDescription = {
  name: 'm',
  version: '2',
  maxBatchSize: 8,
  inputs: [{ name: 'in', datatype: 'FP32', dims: [3, -1, 640] }],
  outputs: [{ name: 'out', datatype: 'FP32', dims: [-1, 4] }],
  parameters: {},
};
const tensor = (name: string, datatype: string, shape: readonly number[]) => ({ name, datatype, shape: shape.map(BigInt) });
const empty = { metadata: ModelMetadataResponse.decode(new Uint8Array(0)), config: ModelConfig.decode(new Uint8Array(0)) };
const served = {
  metadata: {
    ...empty.metadata,
    name: 'm',
    versions: ['1', '2'],
    inputs: [tensor('in', 'FP32', [-1, 3, -1, -1])],
    outputs: [tensor('out', 'FP32', [-1, 100, 4])],
  },
  config: { ...empty.config, name: 'm', maxBatchSize: 8 },
};

describe('what a server serves', () => {
  it('agrees when it takes all that is sent and answers within what is expected', () => {
    assert.deepEqual(servedContract(model, served.metadata, served.config), {
      differences: [],
      warnings: [],
      maxBatchSize: 8,
      instances: 1,
    });
  });

  it('is named difference by difference', () => {
    const { differences } = servedContract(
      model,
      {
        ...served.metadata,
        versions: ['3'],
        inputs: [tensor('in', 'FP16', [3, 480, 640]), tensor('extra', 'FP32', [1])],
        outputs: [tensor('other', 'FP32', [-1, 100, 4])],
      },
      { ...served.config, maxBatchSize: 0, modelTransactionPolicy: { decoupled: true } },
    );
    assert.deepEqual(differences, [
      'version 2 is not served; served are 3',
      'max_batch_size is 0 on the server, 8 in config.pbtxt: one has a batch axis',
      'the server’s model is decoupled: it gives any number of answers to a request',
      'input "in" is FP16 on the server, FP32 in config.pbtxt',
      'input "in" has shape [3, 480, 640] on the server, [?, 3, ?, 640] in config.pbtxt',
      'the server has no output "out"; it has other',
      'the server wants an input "extra", which is not in config.pbtxt',
    ]);
  });

  it('is named in few words, whatever a server says of itself', () => {
    const names = Array.from({ length: 10_000 }, (_, at) => `${at}`.repeat(200));
    const { differences } = servedContract(
      { ...model, version: '9' },
      {
        ...served.metadata,
        versions: names,
        inputs: names.map((name) => tensor(name, 'FP32', [1])),
        outputs: [tensor('out', 'x'.repeat(10_000), new Array(10_000).fill(7))],
      },
      served.config,
    );
    assert.equal(differences.length, 5);
    assert.match(differences[0] ?? '', /^version 9 is not served; served are 0{100}…, .* and 9992 more$/);
    for (const difference of differences) assert.ok(difference.length < 1100, `${difference.length}: ${difference}`);
  });

  it('may be narrower in answers and wider in requests, not the other way round', () => {
    const narrow = { ...served.metadata, inputs: [tensor('in', 'FP32', [-1, 3, 640, 640])] };
    assert.match(servedContract(model, narrow, served.config).differences.join(), /input "in" has shape \[\?, 3, 640, 640\]/);
    const wide = { ...served.metadata, outputs: [tensor('out', 'FP32', [-1, 100, -1])] };
    assert.match(servedContract(model, wide, served.config).differences.join(), /output "out" has shape \[\?, 100, \?\]/);
  });

  it('cuts batches to its own ceiling and warns of that, and of a queue policy', () => {
    const batching = {
      preferredBatchSize: [],
      maxQueueDelayMicroseconds: 0n,
      priorityLevels: 0n,
      defaultQueuePolicy: { defaultTimeoutMicroseconds: 0n, allowTimeoutOverride: false, maxQueueSize: 4 },
    };
    const { differences, warnings, maxBatchSize, instances } = servedContract(model, served.metadata, {
      ...served.config,
      maxBatchSize: 4,
      instanceGroup: [{ name: '', count: 2, gpus: [0, 1] }],
      schedulingChoice: { $case: 'dynamicBatching', value: batching },
    });
    assert.deepEqual([differences, maxBatchSize, instances], [[], 4, 4]);
    assert.match(warnings[0] ?? '', /max_batch_size is 4 on the server, 8/);
    assert.match(warnings[1] ?? '', /queue policy/);
  });

  it('need not be asked for its optional inputs', () => {
    const metadata = { ...served.metadata, inputs: [...served.metadata.inputs, tensor('mask', 'BOOL', [-1, 1])] };
    const optional = { name: 'mask', dataType: 1 as const, dims: [1n], optional: true };
    assert.deepEqual(servedContract(model, metadata, { ...served.config, input: [optional] }).differences, []);
    assert.equal(servedContract(model, metadata, served.config).differences.length, 1);
  });

  it('describes a model that only it has', () => {
    const config = {
      ...served.config,
      input: [{ name: 'in', dataType: 11 as const, dims: [3n, -1n], optional: false }],
      output: [{ name: 'out', dataType: 13 as const, dims: [1n], labelFilename: '' }],
      parameters: { kind: { stringValue: 'clip' } },
    };
    assert.deepEqual(describeServed({ ...served.metadata, versions: ['9', '10'] }, config), {
      name: 'm',
      version: '10',
      maxBatchSize: 8,
      inputs: [{ name: 'in', datatype: 'FP32', dims: [3, -1] }],
      outputs: [{ name: 'out', datatype: 'BYTES', dims: [1] }],
      parameters: { kind: 'clip' },
    });
    const odd = { ...config, output: [{ name: 'out', dataType: 12 as const, dims: [1n], labelFilename: '' }] };
    assert.equal(describeServed(served.metadata, odd), undefined, 'FP64 is not read');
  });
});

describe('an answer', () => {
  it('is held against the contract', () => {
    const outputs = (shape: readonly number[], datatype: 'FP32' | 'FP16' = 'FP32') => new Map([['out', { datatype, shape }]]);
    assert.deepEqual(answerProblems(model, 2, outputs([2, 7, 4])), []);
    assert.deepEqual(answerProblems(model, 2, outputs([1, 7, 4])), ['output "out" has shape [1, 7, 4], not [2, ?, 4]']);
    assert.deepEqual(answerProblems(model, 2, outputs([2, 7, 4], 'FP16')), ['output "out" is FP16, not FP32']);
    assert.deepEqual(answerProblems(model, 2, new Map()), ['output "out" is missing']);
  });
});
