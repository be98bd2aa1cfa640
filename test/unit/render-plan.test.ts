import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ModelDescription } from '../../src/core/inference.ts';
import type { HardwareClass } from '../../src/core/triton-tools.ts';
import { parseModelConfig } from '../../src/inference/model-config.ts';
import { detectEmbedFiles, embedImageFiles } from '../../src/inference/render-ensembles.ts';
import { planConfig } from '../../src/inference/render-plan.ts';
import { parseTextFormat } from '../../src/inference/text-format.ts';

const hardware = (name: HardwareClass, instances = 1) => ({ hardware: name, instances, engineCache: '/var/cache/engines' });

function described(source: string): ModelDescription {
  const { versions: _, ...config } = parseModelConfig(source, 'config.pbtxt', 'triton');
  return { ...config, name: config.name ?? 'm', version: '1' };
}

const detector = `# A comment that stays.
name: "faces"
backend: "onnxruntime"
max_batch_size: 8
input [ { name: "input.1" data_type: TYPE_FP32 dims: [ 3, -1, -1 ] } ]
output [
  { name: "537" data_type: TYPE_FP32 dims: [ 1, -1, -1 ] },
  { name: "538" data_type: TYPE_FP32 dims: [ 2, -1, -1 ] },
  { name: "539" data_type: TYPE_FP32 dims: [ 2, -1, -1 ] },
  { name: "540" data_type: TYPE_FP32 dims: [ 10, -1, -1 ] }
]
parameters [ { key: "kind" value: { string_value: "centerface" } }, { key: "width" value: { string_value: "960" } } ]
`;
const embedder = (kind: string, extra = '') => `name: "bodies"
max_batch_size: 32
input [ { name: "images" data_type: TYPE_FP32 dims: [ 3, 256, 128 ] } ]
output [ { name: "vector" data_type: TYPE_FP32 dims: [ 512 ] } ]
parameters [ { key: "kind" value: { string_value: "${kind}" } } ]
${extra}`;

/** Only the top-level fields, as `name: text of its line` would be too much. */
const fieldNames = (text: string) => parseTextFormat(text, 'rendered').map(({ name }) => name);

describe('a description for hardware', () => {
  it('keeps what it says and is the same model to us', () => {
    for (const name of ['cpu', 'gpu', 'gpu-tensorrt'] as const) {
      const model = described(detector);
      const text = planConfig(model, detector, 'config.pbtxt', hardware(name, 2));
      assert.ok(text.startsWith(detector.trimEnd()), name);
      assert.match(text, new RegExp(`count: 2 kind: ${name === 'cpu' ? 'KIND_CPU' : 'KIND_GPU'} `), name);
      const { parameters, ...contract } = described(text);
      const { parameters: before, ...wanted } = model;
      assert.deepEqual(contract, wanted, name);
      assert.deepEqual({ ...before, ...parameters }, parameters, name);
    }
  });

  it('adds nothing that the file states already', () => {
    const own = `${detector}
version_policy { latest { num_versions: 2 } }
instance_group [ { count: 3 kind: KIND_CPU } ]
dynamic_batching { max_queue_delay_microseconds: 2000 }
optimization { graph { level: 1 } }
model_warmup [ { name: "mine" } ]
parameters { key: "session.intra_op.allow_spinning" value: { string_value: "1" } }
`;
    for (const name of ['cpu', 'gpu', 'gpu-tensorrt'] as const)
      assert.deepEqual(fieldNames(planConfig(described(own), own, 'config.pbtxt', hardware(name))), fieldNames(own), name);
  });

  it('warms up with the shape that cameras send, and with the largest batch on a GPU', () => {
    const samples = (name: HardwareClass) =>
      [
        ...planConfig(described(detector), detector, 'f', hardware(name)).matchAll(
          /^ {4}batch_size: (\d+)|key: "input.1" .*dims: (.*?) zero/gm,
        ),
      ].map(([, batch, dims]) => batch ?? dims);
    assert.deepEqual(samples('cpu'), ['1', '[ 3, 544, 960 ]']);
    assert.deepEqual(samples('gpu'), ['1', '[ 3, 544, 960 ]', '8', '[ 3, 544, 960 ]']);
  });

  it('serves the version that it was written for, whatever is put beside it', () => {
    const text = planConfig({ ...described(detector), version: '7' }, detector, 'f', hardware('gpu'));
    assert.deepEqual(parseModelConfig(text, 'f', 'triton').versions, [7]);
  });

  it('leaves the warm-up out where a shape cannot be told', () => {
    const text =
      'max_batch_size: 0\ninput { name: "in" data_type: TYPE_FP32 dims: -1 }\noutput { name: "out" data_type: TYPE_FP32 dims: 4 }';
    assert.deepEqual(fieldNames(planConfig(described(text), text, 'f', hardware('gpu'))), [
      'max_batch_size',
      'input',
      'output',
      'version_policy',
      'instance_group',
    ]);
  });

  it('lets TensorRT round detectors, not the vectors that are compared with stored ones', () => {
    const precision = (source: string) =>
      /"precision_mode" value: "(\w+)"/.exec(planConfig(described(source), source, 'f', hardware('gpu-tensorrt')))?.[1];
    assert.equal(precision(detector), 'FP16');
    assert.equal(precision(embedder('person_embedder')), 'FP32');
    assert.equal(precision(embedder('clip_visual')), 'FP32');
  });

  it('builds TensorRT engines once for all batches and sizes', () => {
    const text = planConfig(described(detector), detector, 'f', hardware('gpu-tensorrt'));
    assert.deepEqual(
      [...text.matchAll(/"trt_profile_(\w+)_shapes" value: "(.*?)"/g)].map(([, which, shape]) => `${which} ${shape}`),
      ['min input.1:1x3x32x32', 'opt input.1:8x3x544x960', 'max input.1:8x3x1920x1920'],
    );
    assert.match(text, /"trt_engine_cache_path" value: "\/var\/cache\/engines"/);
  });
});

describe('ensembles', () => {
  const model = (source: string) => described(source);
  const textOf = (files: ReturnType<typeof embedImageFiles>, path: string) => {
    const content = files.find((file) => file.path === path)?.content;
    assert.ok(content !== undefined && 'text' in content, path);
    return content.text;
  };

  it('name their steps by the embedder’s own tensors', () => {
    const files = embedImageFiles(model(embedder('person_embedder')), hardware('cpu'), 'python');
    const text = textOf(files, 'embed_image/config.pbtxt');
    assert.match(
      text,
      /model_name: "bodies"[\s\S]*input_map \{ key: "images" value: "input" \}[\s\S]*key: "vector" value: "embedding"/,
    );
    assert.match(text, /name: "embedding" data_type: TYPE_FP32 dims: \[ 512 \]/);
    assert.equal(described(textOf(files, 'embed_image_decode/config.pbtxt')).parameters['input_width'], '128');
  });

  it('are refused in words for models that see something else', () => {
    const faces = embedder('face_embedder');
    const refused = (what: () => unknown, words: RegExp) => assert.throws(what, { code: 'model.invalid', message: words });
    refused(() => embedImageFiles(model(faces), hardware('cpu'), 'python'), /bodies does not suit: .*--detect-embed/);
    refused(
      () => embedImageFiles(model(detector), hardware('cpu'), 'python'),
      /faces does not suit: .*person_embedder or clip_visual/,
    );
    refused(() => detectEmbedFiles(model(faces), model(faces), hardware('cpu')), /bodies .*kind centerface/);
    refused(() => detectEmbedFiles(model(detector), model(embedder('clip_visual')), hardware('cpu')), /bodies .*five points/);
    const free = embedder('person_embedder').replace('3, 256, 128', '3, -1, -1');
    refused(() => embedImageFiles(model(free), hardware('cpu'), 'python'), /"images" is not that/);
  });

  it('with DALI: no parameter becomes code that is not numbers', () => {
    const dali = (extra: string) =>
      textOf(embedImageFiles(model(embedder('clip_visual', extra)), hardware('gpu'), 'dali'), 'embed_image_decode/1/dali.py');
    assert.match(dali('parameters { key: "mean" value: { string_value: "0.5, 1/2, 0.5" } }'), /in \[0\.5, 1\/2, 0\.5\]\]/);
    assert.throws(() => dali('parameters { key: "mean" value: { string_value: "1]; import os; [1" } }'), {
      code: 'model.invalid',
      message: /parameter mean says "1\]; import os; \[1"; allowed are numbers/,
    });
  });
});
