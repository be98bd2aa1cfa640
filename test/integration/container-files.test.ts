import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { readContainerTemplates } from '../../src/workers/container-templates.ts';
import { type ContainerInput, renderContainer } from '../../src/workers/render.ts';
import { containerCases } from '../support/containers.ts';
import { missingTool } from '../support/data.ts';

/** The settings of nvinferserver, read by protobuf's own reader of its text format against the names that DeepStream knows. */

const folder = resolve(import.meta.dirname, '../../deepstream/standin/inference');
const message = 'standin.inference.PluginControl';
const templates = readContainerTemplates();
const cases = await containerCases();

function protoc(how: 'encode' | 'decode', input: string | Buffer): Buffer {
  return execFileSync('protoc', [`--${how}=${message}`, `--proto_path=${folder}`, 'settings.proto'], { input, stdio: 'pipe' });
}

describe('settings of nvinferserver', { skip: missingTool(spawnSync('protoc', ['--version']).status === 0, 'protoc') }, () => {
  for (const [name, input] of Object.entries(cases)) {
    it(`are read as they were meant: ${name}`, () => {
      const files = renderContainer(input, templates);
      for (const { model, outputs, labels, minScore, ...detector } of input.detectors) {
        const read = protoc('decode', protoc('encode', files.get(`infer-${model}.txt`) ?? '')).toString();
        const quoted = (key: string) =>
          // protoc writes what is not ASCII as octal escapes; JSON's escapes of the rest are the same.
          [...read.matchAll(new RegExp(`\\b${key}: (".*")`, 'g'))].map(([, text = '']) => JSON.parse(text));
        const numbers = (key: string) =>
          [...read.matchAll(new RegExp(`\\b${key}: (\\S+)`, 'g'))].map(([, text]) => Number(text));
        assert.deepEqual(quoted('model_name'), [model]);
        assert.deepEqual(quoted('name'), [detector.input.name, ...outputs]);
        assert.deepEqual(quoted('tensor_name'), [detector.input.name]);
        assert.deepEqual(numbers('dims'), detector.input.dims);
        // A face's class is behind those of all others.
        const behind = detector.kind === 'centerface' ? Math.max(...input.detectors.map((other) => other.labels.length)) : 0;
        assert.deepEqual(numbers('num_detected_classes'), [behind + labels.length]);
        assert.deepEqual(numbers('channel_offsets'), detector.offsets);
        assert.ok(Math.abs((numbers('scale_factor')[0] ?? 0) - detector.scale) < 1e-8);
        assert.deepEqual([...numbers('threshold'), ...numbers('confidence_threshold')], [minScore]);
        assert.deepEqual(numbers('iou_threshold'), detector.suppression === undefined ? [] : [detector.suppression.iou]);
        assert.equal(read.includes('enable_cuda_buffer_sharing: true'), input.cudaBufferSharing);
        assert.equal(read.includes('output_tensor_meta: true'), detector.kind === 'centerface');
      }
    });
  }

  it('are refused by that reader where a name is not of DeepStream', () => {
    const changed = templates.infer.replace('max_batch_size', 'batch_size_max');
    const files = renderContainer(cases['faces-and-people'] as ContainerInput, { ...templates, infer: changed });
    assert.throws(() => protoc('encode', files.get('infer-centerface.txt') ?? ''), /batch_size_max/);
  });
});
