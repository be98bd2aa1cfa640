import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import type { ModelDescription } from '../../src/core/inference.ts';
import { describeModel } from '../../src/inference/repository.ts';
import { planDetector } from '../../src/models/detector-plan.ts';
import { Parameters } from '../../src/models/parameters.ts';
import { readPixelFormat } from '../../src/models/pixels.ts';
import { readContainerTemplates } from '../../src/workers/container-templates.ts';
import { type ContainerDetector, type ContainerInput, renderContainer, trackerPresets } from '../../src/workers/render.ts';
import { containerCases, containerFixtures, describedYolo } from '../support/containers.ts';
import { shippedRepository } from '../support/repository.ts';

const frame = { width: 1920, height: 1080 };
const templates = readContainerTemplates();
const cases = await containerCases();
const some = cases['faces-and-people'] as ContainerInput;
const [face, person] = some.detectors as readonly [ContainerDetector, ContainerDetector];

describe('the files of a container', () => {
  for (const [name, input] of Object.entries(cases)) {
    it(`are those in test/fixtures/deepstream/${name}`, () => {
      const folder = join(containerFixtures, name);
      const wanted = readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), 'utf8')] as const);
      assert.deepEqual(new Map([...renderContainer(input, templates)].sort()), new Map(wanted.sort()));
    });
  }

  it('give faces a class that no other detector has, since nvtracker knows objects by it', () => {
    const container = (...detectors: readonly ContainerDetector[]) => {
      const files = renderContainer({ ...some, detectors }, templates);
      const { detectors: told } = JSON.parse(files.get('container.json') ?? '');
      return told.map(({ model, labels }: { model: string; labels: readonly string[] }) => {
        const count = /num_detected_classes: (\d+)/.exec(files.get(`infer-${model}.txt`) ?? '')?.[1];
        assert.deepEqual([Number(count), files.get(`labels-${model}.txt`)], [labels.length, `${labels.join('\n')}\n`]);
        return labels;
      });
    };
    const two = { ...person, labels: ['person', 'dog'] };
    assert.deepEqual(container(face), [['face']]);
    assert.deepEqual(container(face, two, { ...face, model: 'other' }), [
      ['-', '-', 'face'],
      ['person', 'dog'],
      ['-', '-', '-', 'face'],
    ]);
  });

  it('name parsers that are in the library', () => {
    const exports = readFileSync(join(import.meta.dirname, '../../deepstream/parsers/exports.cpp'), 'utf8');
    const kinds = [...exports.matchAll(/\((SightlineParse\w+_)##ID/g)].map(([, name]) => name ?? '');
    const ids = [...exports.matchAll(/^SIGHTLINE_DETECTOR\((\d+)\)$/gm)].map(([, id]) => Number(id));
    const most = Array.from({ length: ids.length }, (_, index) => ({ ...person, model: `model-${index}` }));
    const named = (inputs: readonly ContainerInput[]) =>
      inputs.flatMap((input) =>
        [...renderContainer(input, templates).values()].flatMap(
          (text) => /custom_parse_bbox_func: "(\w+)"/.exec(text)?.[1] ?? [],
        ),
      );
    // One for each detector of a container, by its number; and as many as one may have.
    const people = named([{ ...some, detectors: most }]);
    assert.deepEqual(
      people,
      ids.map((id) => `SightlineParseYoloEnd2end_${id}`),
    );
    assert.throws(() => named([{ ...some, detectors: [...most, { ...person, model: 'more' }] }]), /allowed is 1 to 8/);
    const rendered = named(Object.values(cases)).map((name) => name.replace(/\d+$/, ''));
    assert.deepEqual(new Set(rendered), new Set(kinds));
  });

  it('have no media socket where there is no media door', () => {
    const json = (input: ContainerInput) => JSON.parse(renderContainer(input, templates).get('container.json') ?? '');
    assert.equal(json(some).media, '/run/sightline/media.sock');
    assert.equal('media' in json({ ...some, media: false }), false);
  });

  it('ask for no more pictures at once than there are cameras or the model takes', () => {
    const batch = (input: ContainerInput) =>
      /max_batch_size: (\d+)/.exec(renderContainer(input, templates).get('infer-centerface.txt') ?? '')?.[1];
    const cameras = Array.from({ length: 12 }, (_, index) => `c${index}`);
    assert.equal(batch({ ...some, cameras: ['one'] }), '1');
    assert.equal(batch({ ...some, cameras }), '8');
    assert.equal(batch({ ...some, cameras, detectors: [{ ...face, maxBatchSize: 0 }] }), '1');
  });

  it('have the tracker that was asked for, as YAML of OpenCV', () => {
    for (const tracker of trackerPresets) {
      const text = renderContainer({ ...some, tracker }, templates).get('tracker.yml') ?? '';
      assert.ok(text.startsWith('%YAML:1.0\n'), tracker);
      // That line is OpenCV's own; the rest is YAML.
      const { TargetManagement, DataAssociator, StateEstimator, VisualTracker } = parse(text.slice(text.indexOf('\n')));
      assert.equal(TargetManagement.probationAge, 0, 'a detection is an object at once');
      assert.equal(DataAssociator.checkClassMatch, 1);
      assert.deepEqual(
        [StateEstimator?.stateEstimatorType, VisualTracker?.visualTrackerType],
        { iou: [undefined, undefined], nvsort: [2, undefined], nvdcf: [1, 1] }[tracker],
      );
    }
  });

  it('are refused with the value and what is allowed where one could not stand in them', () => {
    const detector = (over: Partial<ContainerDetector>) => ({ detectors: [{ ...person, ...over }] });
    const input = (over: Partial<ContainerDetector['input']>) => detector({ input: { ...person.input, ...over } });
    const inject = 'x" } custom_lib { path: "/tmp/x.so';
    const wrong: readonly [Partial<ContainerInput>, RegExp][] = [
      [{ worker: '../x' }, /^worker is "\.\.\/x"; allowed is a name/],
      [{ gpu: 0.5 }, /^gpu is "0\.5"; allowed is a whole number from 0 to 63/],
      [{ frame: { width: 1920, height: 0 } }, /^frame height is "0"; allowed is 64 to 8192/],
      [{ cameras: [] }, /^cameras is "0"; allowed is 1 to 64/],
      [{ cameras: ['lobby', 'lobby'] }, /^cameras is "lobby"; allowed is each once/],
      [{ cameras: ['lobby"'] }, /^camera is "lobby\\""; allowed is a name/],
      [{ detectors: [] }, /^detectors is "0"; allowed is 1 to 8/],
      [{ detectors: [face, face] }, /^detectors is "centerface"; allowed is each once/],
      [{ triton: { host: inject, port: 8001, tls: false } }, /^Triton host is "x/],
      [{ triton: { host: 'user:password@triton', port: 8001, tls: false } }, /^Triton host is/],
      [{ triton: { host: 'triton', port: 0, tls: false } }, /^Triton port is "0"; allowed is 1 to 65535/],
      [{ triton: { host: 'triton', port: 8001, tls: true } }, /allowed is grpc:\/\//],
      [detector({ model: inject }), /^model is/],
      [detector({ model: '..' }), /^model is "\.\."/],
      [detector({ outputs: ['boxes\n}'] }), /^tensor of yolox_nano is "boxes\\n}"; allowed is printable/],
      [detector({ outputs: [] }), /^outputs of yolox_nano is "empty"; allowed is one or more/],
      [input({ name: 'a\u0000' }), /^tensor of yolox_nano is/],
      [input({ dims: [3, -1, -1] }), /^dim of yolox_nano is "-1"; allowed is 1 to 8192/],
      [detector({ labels: ['person', ''] }), /^label of yolox_nano is ""/],
      [detector({ labels: ['person; dog'] }), /^label of yolox_nano is "person; dog"; allowed is words without ;/],
      [detector({ labels: ['person\nface'] }), /^label of yolox_nano is "person\\nface"; allowed is printable/],
      [detector({ labels: ['ö'.repeat(64)] }), /allowed is at most 127 bytes/],
      [detector({ minScore: Number.NaN }), /^minScore of yolox_nano is "NaN"; allowed is 0 to 1/],
      [detector({ scale: 0 }), /^scale of yolox_nano is "0"/],
      [detector({ offsets: [0, Number.POSITIVE_INFINITY, 0] }), /^offset of yolox_nano is "Infinity"/],
      [detector({ fps: 0 }), /^fps of yolox_nano is "0"/],
      [detector({ suppression: { iou: 2, limit: 300 } }), /^iou of yolox_nano is "2"; allowed is 0 to 1/],
    ];
    for (const [over, message] of wrong)
      assert.throws(
        () => renderContainer({ ...some, ...over }, templates),
        { code: 'config.invalid', message },
        String(message),
      );
  });
});

describe('the plan of a detector', () => {
  it('makes of a pixel what the detector makes of it', () => {
    for (const colour of ['rgb', 'bgr'] as const) {
      const model = describedYolo('yolov7', {
        parameters: { ...describedYolo('yolov7').parameters, colour, labels: 'person, dog', std: '0.5, 0.5, 0.5' },
      });
      const [input] = model.inputs;
      assert.ok(input !== undefined);
      const { gain, bias } = readPixelFormat(new Parameters(model), { scale: 1 }, input);
      const { scale, offsets } = planDetector(model, frame);
      for (const pixel of [0, 17, 255])
        for (const [channel, offset] of offsets.entries()) {
          const of = colour === 'rgb' ? channel : 2 - channel;
          const wanted = pixel * (gain[of] ?? Number.NaN) + (bias[of] ?? Number.NaN);
          assert.ok(Math.abs(scale * (pixel - offset) - wanted) < 1e-9, `${colour} ${channel}: ${wanted}`);
        }
    }
  });

  it('gives an input of any size that of the frames, or of the width that a camera asks for', async () => {
    const model = await describeModel(shippedRepository, 'centerface');
    const dims = (...given: [typeof frame, number?]) => planDetector(model, ...given).input.dims;
    assert.deepEqual(dims(frame), [3, 384, 640]);
    assert.deepEqual(dims({ width: 1080, height: 1920 }), [3, 1152, 640]);
    assert.deepEqual(dims(frame, 960), [3, 544, 960]);
    const yolo = await describeModel(shippedRepository, 'yolox_nano');
    assert.deepEqual(planDetector(yolo, frame, 960).input.dims, [3, 640, 640]);
    const unbatched = describedYolo('yolov8', {
      maxBatchSize: 0,
      inputs: [{ name: 'images', datatype: 'FP32', dims: [-1, 3, 320, 640] }],
      outputs: [{ name: 'out', datatype: 'FP32', dims: [-1, 6, 8400] }],
    });
    assert.deepEqual(planDetector(unbatched, frame).input.dims, [3, 320, 640]);
  });

  it('asks about one picture at a time where all boxes come in one list', async () => {
    const { kind, outputs, maxBatchSize, input } = planDetector(await describeModel(shippedRepository, 'yolov7'), frame);
    assert.deepEqual([kind, outputs, maxBatchSize], ['yolo_end2end', ['output'], 0]);
    assert.deepEqual(input, { name: 'images', dims: [3, 640, 640] });
  });

  it('has what the model says of its cut', async () => {
    const { minScore, suppression } = planDetector(await describeModel(shippedRepository, 'centerface'), frame);
    assert.deepEqual([minScore, suppression], [0.5, { iou: 0.3, limit: 300 }]);
    const end2end = planDetector(await describeModel(shippedRepository, 'yolox_nano'), frame);
    assert.deepEqual([end2end.minScore, end2end.suppression], [0.35, undefined]);
    const own = describedYolo('yolov8', {
      parameters: { ...describedYolo('yolov8').parameters, score_threshold: '0.6', nms_threshold: '0.7', max_detections: '9' },
    });
    const plan = planDetector(own, frame);
    assert.deepEqual([plan.minScore, plan.suppression], [0.6, { iou: 0.7, limit: 9 }]);
  });

  it('is refused for what DeepStream cannot do, with what could be done', async () => {
    const parameters = describedYolo('yolov7').parameters;
    const heads = [80, 40, 20].map((cells) => ({ name: `head${cells}`, datatype: 'FP32' as const, dims: [21, cells, cells] }));
    const centerface = await describeModel(shippedRepository, 'centerface');
    const list = await describeModel(shippedRepository, 'yolov7');
    const wrong: readonly [ModelDescription, RegExp][] = [
      [
        await describeModel(shippedRepository, 'yunet'),
        /^yunet\/config\.pbtxt: not for runtime: deepstream: kind yunet has no parser/,
      ],
      [
        { ...list, maxBatchSize: 8, inputs: [{ name: 'images', datatype: 'FP32', dims: [3, 640, 640] }] },
        /or one of \[-1, 7\] with max_batch_size 0; described are output \[-1,7\]/,
      ],
      [
        describedYolo('yolov7', { parameters: { ...parameters, std: '0.229, 0.224, 0.225' } }),
        /std differs between channels; allowed is one for all/,
      ],
      [describedYolo('yolov7', { outputs: heads }), /has to end in one output of boxes; described are head80 \[21,80,80\]/],
      [
        {
          ...centerface,
          outputs: centerface.outputs.map((output, at) => ({ ...output, name: ['h', 's', 'o', 'p'][at] ?? '' })),
        },
        /"s" \(size\) does not sort before "o" \(offset\)/,
      ],
      [await describeModel(shippedRepository, 'face_embed'), /parameter kind says "face_embedder"/],
    ];
    for (const [model, message] of wrong)
      assert.throws(() => planDetector(model, frame), { code: 'model.invalid', message }, String(message));
  });
});
