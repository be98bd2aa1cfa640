import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { InferenceEngine } from '../../src/core/inference.ts';
import type { RgbImage } from '../../src/core/models.ts';
import { startEmbedded } from '../../src/inference/embedded.ts';
import { readClipVocabulary } from '../../src/models/clip-vocabulary.ts';
import { detectInPhoto } from '../../src/models/detect-photo.ts';
import { decodeImage } from '../../src/models/image.ts';
import { createDetector, createEmbedder, createTextEmbedder } from '../../src/models/kinds.ts';
import { redeclareShapes } from '../../src/models/onnx-shapes.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { type Conversion, missingConvert, runConversions } from '../support/convert.ts';
import { dataPath } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { mountSmallDisk, type SmallDisk } from '../support/small-disk.ts';

/** Heads that tools/fixtures/synthetic_heads.py makes, the kind that each is, and how many pictures it takes at once. */
const heads = {
  scored: ['yolov8', 8],
  scored_transposed: ['yolov8', 8],
  auxiliary: ['yolov8', 8],
  distributions: ['yolov8', 8],
  joined: ['yolov8', 8],
  grid: ['yolov7', 8],
  anchors: ['yolov7', 8],
  yolox: ['yolox', 8],
  ranked: ['yolo_end2end', 8],
  listed: ['yolo_end2end', 0],
  fixed_batch: ['yolov8', 0],
  neighbours: ['yolov8', 0],
} as const;

/** Heads without a kind, networks that are no detectors or wrong ones, and what is said of them. */
const refused = {
  masks: /segmentation network .*"output1" \[1, 32, 32, 32\].*no kind for masks/,
  pose: /"output0" is \[1, 58, 336\]: the head of a pose network/,
  vector: /head is unknown: its outputs are "output" \[1, 48\].*--kind clip_visual/,
  interleaved: /input "images" is \[-1, 128, 128, 3\]; wanted is \[batch, 3, height, width\]/,
  vast: /input "images" is \[1, 3, 1099511627776, 1099511627776\]; allowed are sides of 1 to 8192/,
  new_operations: /ONNX Runtime does not load the network: .*Opset 99 is under development/,
  logits: /a score is [\d.]+; allowed is 0 to 1. Were the classes exported without their logistic function/,
} as const;

const side = 128;

const tools = join(import.meta.dirname, '../../tools/convert');

async function python(words: readonly string[], environment: NodeJS.ProcessEnv, flags: readonly string[] = []) {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...environment };
  const ended: { code?: number; stderr: string } = await promisify(execFile)('python3', [...flags, ...words], { env }).catch(
    (error) => error,
  );
  return { code: ended.code ?? 0, stderr: ended.stderr };
}

/** Dark but for a red square; its heads call such a cell `red`. */
function redSquare(): RgbImage {
  const data = new Uint8Array(3 * side * side).fill(20);
  for (let y = 32; y < 64; y += 1) for (let x = 64; x < 96; x += 1) data[3 * (y * side + x)] = 240;
  return { width: side, height: side, data };
}

describe('tools/convert', { skip: await missingConvert() }, () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let ctx: TestContext;
  let engine: InferenceEngine;
  let disk: SmallDisk | string;
  const answers = new Map<string, Conversion>();
  const path = (...names: string[]) => join(directory.path, ...names);
  const config = (model: string) => readFile(path('repository', model, 'config.pbtxt'), 'utf8');
  const options = () => ({ signal: ctx.signal, deadlineMs: ctx.clock.mono() + 60_000, stream: 'test' });

  before(async () => {
    directory = await temporaryDirectory();
    ctx = testContext();
    await writeFile(path('labels.txt'), 'bright\nred\ngreen\n');
    await writeFile(path('other.txt'), 'bright\ngreen\nred\n');
    await writeFile(path('four.txt'), 'bright\nred\ngreen\nblue\n');
    await mkdir(path('broken'));
    for (const name of ['1.jpg', '2.jpg', '3.jpg', '4.jpg']) await writeFile(path('broken', name), 'no picture');
    disk = mountSmallDisk(path('full'), 65_536);
    if (typeof disk !== 'string') disk.fill();
    // As the authors published it: made for ten pictures of 32 x 32.
    const published = new Map<string, readonly number[]>([
      ['input.1', [10, 3, 32, 32]],
      ...[1, 2, 2, 10].map((channels, at) => [String(537 + at), [10, channels, 8, 8]] as const),
    ]);
    const real = await readFile(dataPath('models/centerface_int8w.onnx'));
    await writeFile(path('centerface.onnx'), redeclareShapes(real, published));

    const pictures = ['--pictures', dataPath('photos/cal_m1')];
    const to = (model: string) => ['--as', model, '--repository', path('repository')];
    const head = (name: string, model = name, labels = 'labels.txt') => [
      ...[path(`${name}.onnx`), ...to(model), '--labels', path(labels), ...pictures],
    ];
    const clip = (model: string, kind: string) => [
      ...[
        path('repository', model, '1/model.onnx'),
        ...to(`${model}_fp16`),
        '--kind',
        kind,
        '--space',
        'nobody',
        '--precision',
        'fp16',
      ],
    ];
    const conversions: Record<string, string[]> = {
      ...Object.fromEntries([...Object.keys(heads), ...Object.keys(refused)].map((name) => [name, head(name)])),
      again: head('scored'),
      scored_fp16: [...head('scored', 'scored_fp16'), '--precision', 'fp16'],
      wide_fp16: [...head('wide', 'wide_fp16'), '--precision', 'fp16'],
      other_order: head('scored', 'other_order', 'other.txt'),
      too_many: head('grid', 'too_many', 'four.txt'),
      unlabelled: [path('grid.onnx'), ...to('unlabelled'), ...pictures],
      named: [path('scored.onnx'), ...to('named'), ...pictures],
      centerface: [path('centerface.onnx'), ...to('centerface'), ...pictures],
      centerface_fp16: [path('centerface.onnx'), ...to('centerface_fp16'), ...pictures, '--precision', 'fp16'],
      unseen: [...head('scored', 'unseen'), '--score-threshold', '1'],
      visual: [...clip('visual', 'clip_visual'), ...pictures],
      text: clip('text', 'clip_text'),
      new_format: head('new_format'),
      broken_pictures: [path('scored.onnx'), ...to('broken_pictures'), '--pictures', path('broken')],
      no_pictures: [path('scored.onnx'), ...to('no_pictures')],
      full_disk: [path('scored.onnx'), '--as', 'full_disk', '--repository', path('full'), ...pictures],
      no_folder: [path('scored.onnx'), '--as', 'no_folder', '--repository', path('labels.txt'), ...pictures],
      spaceless: [path('scored.onnx'), ...to('spaceless'), '--kind', 'clip_visual', ...pictures],
    };
    const work = {
      heads: [...Object.keys(heads), ...Object.keys(refused), 'wide', 'new_format'],
      random: [
        ...['visual', 'text'].map((one) => [...to(one), '--architecture', 'tiny', '--side', one]),
        [...to('visual_u8'), '--architecture', 'tiny', '--input', 'uint8'],
      ],
      conversions: Object.values(conversions),
    };
    const said = await runConversions(directory.path, work);
    for (const [at, name] of Object.keys(conversions).entries()) answers.set(name, said[at] ?? {});
    engine = await startEmbedded({ repository: path('repository'), threads: 1 }, ctx);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    if (typeof disk === 'object') await disk[Symbol.asyncDispose]();
    ctx[Symbol.dispose]();
    await directory[Symbol.asyncDispose]();
  });

  for (const [name, [kind, most]] of Object.entries(heads)) {
    it(`makes of the synthetic head ${name} a model of kind ${kind} that finds a red square`, async () => {
      assert.equal(answers.get(name)?.refused, undefined);
      const model = await engine.describe(name);
      assert.equal(model.parameters['kind'], kind);
      assert.equal(model.maxBatchSize, most);
      assert.deepEqual(model.labels, ['bright', 'red', 'green']);
      const found = await detectInPhoto(createDetector(model, engine.infer), redSquare(), options());
      const red = found.filter(({ label }) => label === 'red');
      assert.ok(red.length > 0, `found ${JSON.stringify(found)}`);
      assert.ok(!found.some(({ label }) => label === 'green'));
      if (kind === 'yolov8' && model.outputs.length > 1) return; // boxes of the levels' random sides
      for (const { box } of red) {
        const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
        assert.ok(x > 60 && x < 100 && y > 28 && y < 68, `a red box around ${x}, ${y}`);
      }
    });
  }

  for (const [name, said] of Object.entries(refused)) {
    it(`refuses the synthetic network ${name} by name and writes nothing`, () => {
      assert.match(answers.get(name)?.refused ?? '', said);
      assert.ok(!existsSync(path('repository', name)));
    });
  }

  it('keeps the main branch of two', () => {
    assert.match(answers.get('auxiliary')?.said?.join() ?? '', /two outputs of boxes.*the main branch "output1" is kept/);
  });

  it('keeps inputs and outputs of 32 bits when it writes arithmetic of 16', async () => {
    const { inputs, outputs } = await engine.describe('scored_fp16');
    assert.deepEqual(
      [...inputs, ...outputs].map(({ datatype }) => datatype),
      ['FP32', 'FP32'],
    );
    const [narrow, wide] = await Promise.all(
      ['scored_fp16', 'scored'].map((model) => readFile(path('repository', model, '1/model.onnx'))),
    );
    assert.ok(narrow && wide && !narrow.equals(wide));
  });

  it('refuses a network that cannot be told in 16 bits, names picture and difference, and writes nothing', () => {
    assert.match(
      answers.get('wide_fp16')?.refused ?? '',
      /gate is not passed, nothing was written:\s+enrol_0001.jpg: a box of class/,
    );
    assert.ok(!existsSync(path('repository/wide_fp16')));
  });

  it('refuses a gate that saw no boxes', () => {
    assert.match(answers.get('unseen')?.refused ?? '', /saw 0 boxes in 5 pictures, and wants 5/);
  });

  it("holds the label file to the network's own class map, or to the number of classes where it has none", () => {
    assert.match(
      answers.get('other_order')?.refused ?? '',
      /class 1 is "green" in the label file and "red" in the network's class map/,
    );
    assert.match(answers.get('too_many')?.refused ?? '', /a YOLOv7 or YOLOv5 of 3 classes; the label file has 4/);
    assert.match(answers.get('unlabelled')?.refused ?? '', /names no classes: give --labels FILE/);
    assert.equal(answers.get('named')?.refused, undefined);
  });

  it('does not replace a model unasked', () => {
    assert.match(answers.get('again')?.refused ?? '', /scored exists; --replace/);
  });

  it('frees the axes of CenterFace, whose published file declares 10 x 3 x 32 x 32', async () => {
    assert.equal(answers.get('centerface')?.refused, undefined);
    for (const name of ['centerface', 'centerface_fp16']) {
      const model = await engine.describe(name);
      assert.deepEqual(model.inputs[0]?.dims, [3, -1, -1]);
      const photo = await decodeImage(await readFile(dataPath('photos/cal_m1/enrol_0001.jpg')));
      const [face, other] = await detectInPhoto(createDetector(model, engine.infer), photo, options());
      assert.ok(face !== undefined && other === undefined && face.score > 0.7 && face.landmarks !== undefined);
    }
  });

  it('writes what it was converted from and what the gate saw', async () => {
    const record = JSON.parse(await readFile(path('repository/centerface_fp16/conversion.json'), 'utf8'));
    assert.equal(record.source, 'centerface.onnx');
    assert.equal(record.precision, 'fp16');
    assert.ok(record.gate.boxes >= 5 && record.gate.least_iou >= record.gate.limit_iou);
    assert.match(await config('centerface'), /max_batch_size: 8/);
  });

  it('converts both sides of a CLIP (tiny, random weights) to 16 bits, by the batch', async () => {
    assert.equal(answers.get('visual')?.refused, undefined);
    const embedder = createEmbedder(await engine.describe('visual_fp16'), engine.infer);
    assert.equal(embedder.space, 'nobody@1');
    const image = redSquare();
    const input = { image, box: { left: 0, top: 0, width: side, height: side } };
    const [one, two] = await embedder.embed([input, input], options());
    assert.equal(one?.length, 32);
    assert.deepEqual(one, two);

    assert.equal(answers.get('text')?.refused, undefined);
    const model = await engine.describe('text_fp16');
    assert.equal(model.inputs[0]?.datatype, 'INT32');
    const read = (file: string) => readClipVocabulary(path('repository/text_fp16', file));
    const [red, again, blue] = await createTextEmbedder(model, read, engine.infer).embed(
      ['red jacket', 'red jacket', 'blue jacket'],
      options(),
    );
    assert.deepEqual(red, again);
    assert.notDeepEqual(red, blue);
  });

  it('marks a file with the oldest version of the format that its operations allow, for the ONNX Runtime of older servers', async () => {
    assert.equal(answers.get('new_format')?.refused, undefined);
    const [field, version] = await readFile(path('repository/new_format/1/model.onnx'));
    assert.deepEqual([field, version], [8, 8], 'ir_version is the first field');
  });

  it('names pictures that are missing or none', () => {
    assert.match(answers.get('broken_pictures')?.refused ?? '', /--pictures: .*broken\/1\.jpg cannot be read: cannot identify/);
    assert.match(answers.get('no_pictures')?.refused ?? '', /--pictures: is missing; at least 4 are wanted/);
  });

  it('says that the disk is full, or that there is no folder to write to, and leaves nothing behind', async (t) => {
    assert.match(answers.get('no_folder')?.refused ?? '', /no_folder cannot be written.*: Not a directory/);
    if (typeof disk === 'string') return t.skip(disk);
    assert.match(answers.get('full_disk')?.refused ?? '', /full_disk cannot be written.*: No space left on device/);
    assert.deepEqual(await readdir(path('full')), ['filler']);
  });

  it('says what to install', async () => {
    // Without the folder of installed packages.
    const { code, stderr } = await python([join(tools, 'convert.py')], {}, ['-S', '-E']);
    assert.equal(code, 1);
    assert.match(stderr, /^convert\.py: not installed: numpy, onnx, onnxruntime, PIL\. .*requirements\.txt\n$/);
  });

  it('makes a model of a TensorRT engine, keyed by GPU and version, only when its answers were compared', async () => {
    // Stand-ins that say what they were asked: there is no GPU here, and a real engine was never seen.
    const programs = {
      'nvidia-smi': 'echo "NVIDIA L4, 8.9"',
      trtexec: `echo "trtexec $*" >> "$LOG"; for one in "$@"; do case "$one" in --saveEngine=*) echo plan > "\${one#*=}";; esac; done`,
      polygraphy: 'echo "polygraphy $*" >> "$LOG"; case "$*" in *--trt*) exit "$COMPARED";; esac',
    };
    await mkdir(path('bin'));
    for (const [name, script] of Object.entries(programs))
      await writeFile(path('bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    await writeFile(path('bin/tensorrt.py'), '__version__ = "11.4.0"\n');
    const environment = { PATH: `${path('bin')}:${process.env['PATH']}`, PYTHONPATH: path('bin'), LOG: path('log') };
    const engineOf = (model: string, compared: string) =>
      python([join(tools, 'engine.py'), path('repository', model)], { ...environment, COMPARED: compared });
    const other = await engineOf('centerface', '1');
    assert.deepEqual([other.code, other.stderr], [1, 'engine.py: polygraphy failed with 1; nothing was written\n']);
    assert.ok(!existsSync(path('repository/centerface/engines')));
    assert.equal((await engineOf('nobody', '0')).code, 1);

    await writeFile(path('log'), '');
    const { code, stderr } = await engineOf('centerface', '0');
    assert.equal(code, 0, stderr);
    const built = path('repository/centerface/engines/nvidia-l4-8.9-trt11.4.0/centerface');
    assert.equal(await readFile(join(built, '1/model.plan'), 'utf8'), 'plan\n');
    const text = await readFile(join(built, 'config.pbtxt'), 'utf8');
    assert.equal(text, (await config('centerface')).replace('backend: "onnxruntime"', 'backend: "tensorrt"'));
    assert.notEqual(text, await config('centerface'));
    const asked = (await readFile(path('log'), 'utf8')).trimEnd().split('\n');
    assert.match(
      asked[0] ?? '',
      /--stronglyTyped --minShapes=input\.1:1x3x64x64 --optShapes=input\.1:8x3x480x640 --maxShapes=input\.1:8x3x960x1280 --skipInference/,
    );
    assert.match(asked[1] ?? '', /--onnxrt --input-shapes input\.1:\[1,3,480,640\] --val-range input\.1:\[0,255\]/);
    assert.match(asked[2] ?? '', /--model-type engine --trt --load-inputs \S+ --load-outputs \S+ --atol 0\.02 --rtol 0\.02/);
  });

  it('writes a CLIP of bytes that sees what the one of numbers sees', async () => {
    const photo = await decodeImage(await readFile(dataPath('photos/cal_m1/enrol_0001.jpg')));
    const input = { image: photo, box: { left: 0, top: 0, width: photo.width, height: photo.height } };
    const vectors = ['visual', 'visual_u8'].map(async (name) => {
      const model = await engine.describe(name);
      const [vector] = await createEmbedder(model, engine.infer).embed([input], options());
      return { type: model.inputs[0]?.datatype, vector: [...(vector ?? [])] };
    });
    const [numbers, bytes] = await Promise.all(vectors);
    assert.deepEqual([numbers?.type, bytes?.type], ['FP32', 'UINT8']);
    const cosine = numbers?.vector.reduce((sum, value, at) => sum + value * (bytes?.vector[at] ?? 0), 0) ?? 0;
    assert.ok(cosine > 0.99999, String(cosine));
  });

  it('refuses a CLIP whose embedding space is not said', () => {
    assert.match(answers.get('spaceless')?.refused ?? '', /--space is missing/);
  });
});
