import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseModelConfig } from '../../src/inference/model-config.ts';
import { describeModel, listModels, requireWeights } from '../../src/inference/repository.ts';
import { shippedRepository } from '../support/repository.ts';

const minimal = `
max_batch_size: 8
input [ { name: "in" data_type: TYPE_FP32 dims: [ 3, -1, -1 ] } ]
output [ { name: "out" data_type: TYPE_INT32 dims: 4 dims: 2 } ]
`;

describe('model configuration', () => {
  it('gives tensors, batch ceiling, parameters and file name', () => {
    const config = parseModelConfig(
      `name: "m" backend: "onnxruntime" default_model_filename: "net.onnx"
       version_policy: { specific { versions: [ 1, 3 ] } }
       ${minimal}
       parameters { key: "kind" value: { string_value: "centerface" } }
       parameters: [ { key: "width", value { string_value: "640" } }, { key: "empty" } ]`,
      'config.pbtxt',
    );
    assert.deepEqual(config, {
      name: 'm',
      maxBatchSize: 8,
      inputs: [{ name: 'in', datatype: 'FP32', dims: [3, -1, -1] }],
      outputs: [{ name: 'out', datatype: 'INT32', dims: [4, 2] }],
      parameters: { kind: 'centerface', width: '640', empty: '' },
      fileName: 'net.onnx',
      versions: [1, 3],
    });
  });

  const refused: readonly (readonly [string, string, RegExp])[] = [
    [
      'an unknown field',
      `${minimal}\nmax_batchsize: 1`,
      /config\.pbtxt:6: max_batchsize is not a field of a model configuration/,
    ],
    ['no input', 'output { name: "o" data_type: TYPE_FP32 dims: 1 }', /no input is described/],
    ['no output', 'input { name: "o" data_type: TYPE_FP32 dims: 1 }', /no output is described/],
    [
      'an unknown data type',
      minimal.replace('TYPE_INT32', 'TYPE_INT33'),
      /config\.pbtxt:4: data_type of output "out" is not one of TYPE_FP32/,
    ],
    [
      'a size of nothing',
      minimal.replace('3, -1', '0, -1'),
      /config\.pbtxt:3: dims of input "in" are sizes of 1 or more, or -1/,
    ],
    ['a size that is no number', minimal.replace('3, -1', 'three, -1'), /config\.pbtxt:3: a whole number is expected/],
    ['a tensor without a name', minimal.replace('name: "in"', ''), /config\.pbtxt:3: input has no name/],
    ['a tensor named twice', `${minimal} input { name: "in" data_type: TYPE_FP32 dims: 1 }`, /input "in" is given twice/],
    ['a field given twice', `${minimal} max_batch_size: 1`, /max_batch_size is given twice/],
    [
      'two files of labels',
      `${minimal} output { name: "a" data_type: TYPE_FP32 dims: 1 label_filename: "a" }
       output { name: "b" data_type: TYPE_FP32 dims: 1 label_filename: "b" }`,
      /config\.pbtxt:6: label_filename differs from "a" of an earlier output/,
    ],
    ['a parameter given twice', `${minimal} parameters [ { key: "a" }, { key: "a" } ]`, /parameter "a" is given twice/],
    [
      'another backend',
      `${minimal} platform: "tensorrt_plan"`,
      /platform "tensorrt_plan" needs a Triton server; the embedded engine runs "onnxruntime_onnx"/,
    ],
    ['an ensemble', `${minimal} ensemble_scheduling { }`, /ensemble_scheduling is not supported/],
    ['decoupled answers', `${minimal} model_transaction_policy { decoupled: True }`, /decoupled models are not supported/],
    ['reshape', minimal.replace('dims: 4', 'reshape { shape: [ ] } dims: 4'), /reshape of "out" is not supported/],
    ['a negative batch', minimal.replace('8', '-8'), /max_batch_size is negative/],
  ];
  for (const [what, source, message] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => parseModelConfig(source, 'config.pbtxt'), { code: 'model.invalid', message });
    });
  }
});

describe('model repository', () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sightline-repository-'));
    await mkdir(join(directory, 'empty'));
    await writeFile(join(directory, 'README'), '');
    for (const [model, versions] of [
      ['alpha', ['1', '2', '10', '03', 'x']],
      ['beta', []],
    ] as const) {
      await mkdir(join(directory, model));
      await writeFile(join(directory, model, 'config.pbtxt'), minimal);
      for (const version of versions) await mkdir(join(directory, model, version));
      for (const version of versions.slice(0, 2)) await writeFile(join(directory, model, version, 'model.onnx'), 'x');
    }
  });
  after(() => rm(directory, { recursive: true, force: true }));

  it('lists the folders that hold a configuration', async () => {
    assert.deepEqual(await listModels(directory), ['alpha', 'beta']);
  });

  it('takes the highest version that has weights, by number', async () => {
    const alpha = await describeModel(directory, 'alpha');
    assert.equal(alpha.version, '2');
    assert.equal(requireWeights(directory, alpha), join(directory, 'alpha/2/model.onnx'));
    await writeFile(join(directory, 'alpha/10/model.onnx'), 'x');
    assert.equal((await describeModel(directory, 'alpha')).version, '10');
  });

  it('describes a model without weights and says how to get them when they are needed', async () => {
    const beta = await describeModel(directory, 'beta');
    assert.equal(beta.weights, undefined);
    assert.throws(() => requireWeights(directory, beta), {
      code: 'model.missing',
      message: /beta has no weights at .*beta\/1\/model\.onnx; get them with "sightline models fetch beta"/,
    });
  });

  it('names the models there are when asked for another', async () => {
    await assert.rejects(describeModel(directory, 'gamma'), { code: 'model.unknown', message: /it has alpha, beta$/ });
    await assert.rejects(describeModel(directory, '../alpha'), { code: 'model.unknown' });
  });

  it('says so when there is no repository', async () => {
    await assert.rejects(listModels(join(directory, 'nowhere')), { code: 'model.missing', message: /no model repository at/ });
  });

  it('refuses a name that differs from the folder, as a server would', async () => {
    await writeFile(join(directory, 'empty', 'config.pbtxt'), `name: "full" ${minimal}`);
    await assert.rejects(describeModel(directory, 'empty'), {
      code: 'model.invalid',
      message: /name "full" differs from its folder "empty"/,
    });
    await rm(join(directory, 'empty', 'config.pbtxt'));
  });

  it('reads the names of classes from the label file of an output', async () => {
    const config = (name: string) => minimal.replace('dims: 4', `label_filename: "${name}" dims: 4`);
    const file = join(directory, 'beta', 'config.pbtxt');
    await writeFile(join(directory, 'beta', 'labels.txt'), 'person\r\ntraffic light\r\n\r\n');
    await writeFile(file, config('labels.txt'));
    assert.deepEqual((await describeModel(directory, 'beta')).labels, ['person', 'traffic light']);
    await writeFile(join(directory, 'beta', 'labels.txt'), 'person\n\ncar\n');
    await assert.rejects(describeModel(directory, 'beta'), {
      code: 'model.invalid',
      message: /labels\.txt:2: a class has no name/,
    });
    for (const [name, message] of [
      ['names.txt', /cannot read .*names\.txt, the label_filename of beta/],
      ['../labels.txt', /config\.pbtxt:4: label_filename "\.\.\/labels\.txt" is not the name of a file beside config\.pbtxt/],
    ] as const) {
      await writeFile(file, config(name));
      await assert.rejects(describeModel(directory, 'beta'), { code: 'model.invalid', message });
    }
    await writeFile(file, minimal);
  });

  it('reads every shipped description', async () => {
    const models = await listModels(shippedRepository);
    assert.ok(models.includes('centerface') && models.includes('clip_visual'));
    for (const model of models) assert.equal((await describeModel(shippedRepository, model)).name, model);
  });
});
