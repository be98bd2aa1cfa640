import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import sharp from 'sharp';
import type { InferenceEngine, ModelDescription, Tensor } from '../../src/core/inference.ts';
import type { Detector, Embedder, RgbImage } from '../../src/core/models.ts';
import { startEmbedded } from '../../src/inference/embedded.ts';
import { parseModelConfig } from '../../src/inference/model-config.ts';
import { renderRepository } from '../../src/inference/render.ts';
import { embedImageFiles } from '../../src/inference/render-ensembles.ts';
import { checkTriton } from '../../src/inference/triton-check.ts';
import { decodeImage } from '../../src/models/image.ts';
import { createDetector, createEmbedder } from '../../src/models/kinds.ts';
import { resize } from '../../src/models/resize.ts';
import { makeCertificates } from '../support/certificates.ts';
import { runCommand, runProgram } from '../support/cli.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { dataPath } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { missingModels, realRepository, type TestRepository } from '../support/repository.ts';
import { missingTriton, startTriton, type TritonServer } from '../support/triton.ts';
import { linkPillow, tritonPython } from '../support/triton-pillow.ts';
import { until } from '../support/until.ts';

/** What `sightline triton` writes and says, with the real server on the CPU and real networks. */

const skip = (await missingTriton()) || missingModels('centerface', 'face_embed', 'person_embed');
const soon = { timeoutMs: 30_000 };
const photos = ['cal_f1/enrol_0069.jpg', 'cal_m10/probe_0408.jpg', 'intel_m1/enrol_still.jpg', 'lon_004/enrol_004_03.jpg'];

function triton(repository: string, ...args: readonly string[]) {
  return runCommand(['triton', ...args], {
    triton: async (where) => ({ repository: where.repository ?? repository, check: checkTriton, render: renderRepository }),
  });
}

/** A server that is not ready, because of a model that it cannot load, answers all the same. */
async function untilListening(server: TritonServer): Promise<void> {
  const lives = () =>
    server
      .client()
      .live(soon)
      .catch(() => false);
  await until('Triton to listen', lives, 60_000);
}

const readPhoto = (photo: string) => readFile(dataPath(`photos/${photo}`));

function picture(name: string, bytes: Uint8Array, shape: readonly number[] = [bytes.length]): Tensor {
  return { name, datatype: 'UINT8', shape, data: new Uint8Array(bytes) };
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [dot, left, right] = [0, 0, 0];
  for (let at = 0; at < a.length; at += 1) {
    const [x, y] = [a[at] ?? Number.NaN, b[at] ?? Number.NaN];
    dot += x * y;
    left += x * x;
    right += y * y;
  }
  return dot / Math.sqrt(left * right);
}

function whole(image: RgbImage) {
  return { image, box: { left: 0, top: 0, width: image.width, height: image.height } };
}

describe('a rendered repository on a real server', { skip }, () => {
  let ctx: TestContext;
  let repository: TestRepository;
  let rendered: Awaited<ReturnType<typeof temporaryDirectory>>;
  let server: TritonServer;
  let engine: InferenceEngine;
  let bodies: Embedder;
  let faces: Embedder;
  let detector: Detector;
  const options = () => ({ signal: ctx.signal, deadlineMs: ctx.clock.mono() + 60_000, stream: 'test' });

  before(async () => {
    ctx = testContext();
    repository = await realRepository();
    rendered = await temporaryDirectory();
    // One whose batch is part of its shape.
    const fixed = join(repository.directory, 'face_embed_fixed');
    await cp(join(repository.directory, 'face_embed'), fixed, { recursive: true });
    const description = await readFile(join(fixed, 'config.pbtxt'), 'utf8');
    const changed = description
      .replace('name: "face_embed"', 'name: "face_embed_fixed"')
      .replace('max_batch_size: 32', 'max_batch_size: 0')
      .replace('dims: [ 3, 112, 112 ]', 'dims: [ 1, 3, 112, 112 ]')
      .replace('dims: [ 128 ]', 'dims: [ -1, 128 ]')
      .replace(/^dynamic_batching.*$/m, '');
    await writeFile(join(fixed, 'config.pbtxt'), changed);
    const { code, error } = await triton(
      repository.directory,
      ...['render', rendered.path, '--hardware', 'cpu', 'yunet', 'face_embed_fixed'],
      ...['--embed-image', 'person_embed', '--detect-embed', 'centerface,face_embed'],
    );
    assert.equal(error, undefined);
    assert.equal(code, 0);
    await linkPillow(rendered.path);
    server = await startTriton({ repository: rendered.path });
    engine = await startEmbedded({ repository: repository.directory, threads: 1 }, ctx);
    const named = (model: string) => engine.describe(model);
    bodies = createEmbedder(await named('person_embed'), engine.infer);
    faces = createEmbedder(await named('face_embed'), engine.infer);
    detector = createDetector(await named('centerface'), engine.infer);
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    await engine?.[Symbol.asyncDispose]();
    await rendered?.[Symbol.asyncDispose]();
    await repository?.[Symbol.asyncDispose]();
    ctx?.[Symbol.dispose]();
  });

  it('loads as it was written, and is what the check finds fitting', async () => {
    const { code, out } = await triton(rendered.path, 'check', server.url, '--json');
    assert.equal(code, 0);
    const { models, ready, version } = JSON.parse(out[0] ?? '');
    assert.deepEqual([ready, version], [true, '2.51.0']);
    const states = models.map(({ model, state }: { model: string; state: string }) => `${model}: ${state}`);
    assert.deepEqual(states, [
      ...['centerface', 'detect_embed', 'detect_embed_align', 'detect_embed_scale', 'embed_image', 'embed_image_decode'].map(
        (model) => `${model}: fits`,
      ),
      ...['face_embed', 'face_embed_fixed', 'person_embed', 'yunet'].map((model) => `${model}: fits`),
    ]);
    // The warm-up has run each of them, and nobody else has.
    for (const model of ['person_embed', 'face_embed_fixed', 'yunet']) {
      const [statistics] = await server.client().statistics(soon, model);
      assert.equal(statistics?.executionCount, 1n, model);
    }
  });

  it('embeds encoded pictures as our own path does, several of a request padded with zeros too', async () => {
    const client = server.client();
    const given = await Promise.all(photos.map(readPhoto));
    const ours = await bodies.embed(await Promise.all(given.map(async (bytes) => whole(await decodeImage(bytes)))), options());
    const longest = Math.max(...given.map(({ length }) => length));
    const padded = Buffer.alloc(longest * given.length);
    for (const [index, bytes] of given.entries()) bytes.copy(padded, index * longest);
    const answer = await client.infer(
      { model: 'embed_image', inputs: [picture('image', padded, [given.length, longest])] },
      soon,
    );
    const [output] = answer.outputs;
    assert.deepEqual([output?.name, output?.shape], ['embedding', [photos.length, 512]]);
    const values = output?.data as Float32Array;
    for (const [index, vector] of ours.entries()) {
      const similarity = cosine(vector, values.subarray(512 * index, 512 * (index + 1)));
      assert.ok(similarity >= 0.9999, `${photos[index]}: ${similarity}`);
    }
    assert.ok(cosine(ours[0] ?? [], ours[1] ?? []) < 0.99, 'pictures differ');
  });

  it('finds, aligns and embeds the faces of a picture as our own path does', async () => {
    const side = await Promise.all([readPhoto('cal_f1/enrol_0069.jpg'), readPhoto('cal_m10/probe_0408.jpg')]);
    const two = await sharp({ create: { width: 900, height: 296, channels: 3, background: '#777' } })
      .composite(side.map((input, index) => ({ input, left: 452 * index, top: 0 })))
      .jpeg({ quality: 95 })
      .toBuffer();
    for (const [name, bytes, count] of [
      ...(await Promise.all(photos.map(async (photo) => [photo, await readPhoto(photo), 1] as const))),
      ['two people', two, 2] as const,
    ]) {
      const image = await decodeImage(bytes);
      const size = detector.contentSize(image);
      const found = await detector.detect(resize(image, size.width, size.height, 'bilinear_antialias'), image, options());
      assert.equal(found.length, count, name);
      const ours = await faces.embed(
        found.map(({ box, landmarks }) => ({ image, box, ...(landmarks === undefined ? {} : { landmarks }) })),
        options(),
      );
      const answer = await server.client().infer({ model: 'detect_embed', inputs: [picture('image', bytes)] }, soon);
      const output = new Map(answer.outputs.map(({ name: key, data }) => [key, data as Float32Array]));
      assert.deepEqual([...(output.get('count') ?? [])], [count], name);
      for (const [index, object] of found.entries()) {
        const { left, top, width, height } = object.box;
        const theirs = [
          ...(output.get('boxes') ?? new Float32Array()).subarray(4 * index, 4 * index + 4),
          output.get('scores')?.[index],
        ];
        for (const [at, value] of [left, top, left + width, top + height, object.score].entries())
          assert.ok(Math.abs(value - (theirs[at] ?? Number.NaN)) < 0.02, `${name}, box ${index}: ${theirs}`);
        const points = (object.landmarks ?? []).flatMap(({ x, y }) => [x, y]);
        for (const [at, value] of points.entries())
          assert.ok(
            Math.abs(value - (output.get('landmarks')?.[10 * index + at] ?? Number.NaN)) < 0.02,
            `${name}, point ${at}`,
          );
        const vector = output.get('embeddings')?.subarray(128 * index, 128 * (index + 1)) ?? [];
        const similarity = cosine(ours[index] ?? [], vector);
        assert.ok(similarity >= 0.9999, `${name}, face ${index}: ${similarity}`);
      }
    }
  });

  it('gives one row that counts for nothing where nobody is in the picture', async () => {
    const empty = await sharp({ create: { width: 320, height: 200, channels: 3, background: '#456' } })
      .jpeg()
      .toBuffer();
    const { outputs } = await server.client().infer({ model: 'detect_embed', inputs: [picture('image', empty)] }, soon);
    assert.deepEqual(outputs.map(({ name, shape }) => `${name} ${shape}`).sort(), [
      'boxes 1,4',
      'count 1',
      'embeddings 1,128',
      'landmarks 1,10',
      'scores 1',
    ]);
    assert.equal(outputs.find(({ name }) => name === 'count')?.data[0], 0);
  });

  it('refuses in words what is no whole JPEG of ordinary size', async () => {
    const photo = await readPhoto(photos[0] ?? '');
    const png = await sharp(photo).png().toBuffer();
    const cmyk = await sharp(photo).toColourspace('cmyk').jpeg().toBuffer();
    const wrong: readonly (readonly [string, Uint8Array, RegExp])[] = [
      ['half a picture', photo.subarray(0, photo.length / 2), /cannot be decoded .*allowed is a whole JPEG/],
      ['another format', png, /cannot be decoded .*allowed is a whole JPEG/],
      ['other colours', cmyk, /the picture is CMYK; allowed is a JPEG in grey or RGB/],
      ['a bomb', enlarged(await sharp(photo).jpeg().toBuffer()), /has 65000 x 65000 pixels; allowed are 50 million/],
    ];
    for (const [name, bytes, words] of wrong) {
      for (const [model, shape] of [
        ['embed_image', [1, bytes.length]],
        ['detect_embed', [bytes.length]],
      ] as const)
        await assert.rejects(
          server.client().infer({ model, inputs: [picture('image', bytes, shape)] }, soon),
          { status: 3, text: words },
          `${model}: ${name}`,
        );
    }
  });
});

/** The same JPEG, its frame header stating another size. */
function enlarged(photo: Buffer): Buffer {
  const bytes = Buffer.from(photo);
  const header = bytes.findIndex(
    (value, at) => value === 0xff && [0xc0, 0xc2].includes(bytes[at + 1] ?? 0) && bytes[at + 2] === 0,
  );
  bytes.writeUInt16BE(65_000, header + 5);
  bytes.writeUInt16BE(65_000, header + 7);
  return bytes;
}

/** Runs `decode.py` as Triton's stub does, without Triton: `[file, parameters]` in, the values of the network's input out. */
const decodeScript = `
import json, struct, sys, types
sys.modules["triton_python_backend_utils"] = types.ModuleType("triton_python_backend_utils")
import decode, pictures
for file, parameters in json.load(sys.stdin):
    model = decode.TritonPythonModel()
    model.initialize({"model_config": json.dumps({"parameters": {key: {"string_value": value} for key, value in parameters.items()}})})
    with open(file, "rb") as encoded:
        values = model.format.numbers(model.view(pictures.decode(encoded.read())))
    print(json.dumps([list(values.shape), [round(float(value), 5) for value in values.ravel()]]))
`;

describe('pre-processing in Python', { skip }, () => {
  it('gives the numbers of our own, for every kind, filter, way to fit, order of channels and layout', async () => {
    await using directory = await temporaryDirectory();
    const { python, packages } = await tritonPython();
    const photo = await readPhoto('cal_f1/enrol_0069.jpg');
    const files = {
      photo: join(directory.path, 'photo.jpg'),
      grey: join(directory.path, 'grey.jpg'),
      turned: join(directory.path, 'turned.jpg'),
    };
    await writeFile(files.photo, photo);
    await sharp(photo).greyscale().jpeg().toFile(files.grey);
    await sharp(photo).withMetadata({ orientation: 6 }).jpeg().toFile(files.turned);
    const kinds: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
      ['person_embedder', {}],
      [
        'person_embedder',
        { interpolation: 'bilinear_antialias', colour: 'bgr', mean: '0.485, 0.456, 0.406', std: '0.2, 0.3, 0.4' },
      ],
      ['person_embedder', { interpolation: 'bicubic_antialias', layout: 'nhwc', scale: '1' }],
      ['clip_visual', {}],
      ['clip_visual', { resize: 'squash', interpolation: 'bilinear_antialias' }],
      [
        'clip_visual',
        { resize: 'pad', pad_value: '114', interpolation: 'bilinear', mean: '0.5, 0.4, 0.3', std: '1/2, 1/2, 1/2' },
      ],
    ];
    const cases = Object.values(files).flatMap((file) => kinds.map(([kind, more]) => ({ file, model: embedder(kind, more) })));
    const child = spawn(python, ['-c', decodeScript], {
      env: {
        ...process.env,
        PYTHONPATH: `${join(import.meta.dirname, '../../src/inference/triton-python')}:${packages}`,
        PYTHONDONTWRITEBYTECODE: '1',
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.end(JSON.stringify(cases.map(({ file, model }) => [file, decodeParameters(model)])));
    const lines = (await text(child.stdout)).trimEnd().split('\n');
    assert.equal(lines.length, cases.length);
    for (const [index, { file, model }] of cases.entries()) {
      const [shape, theirs]: [number[], number[]] = JSON.parse(lines[index] ?? '');
      const ours = await inputOf(model, await decodeImage(await readFile(file)));
      const label = `${file} ${JSON.stringify(model.parameters)}`;
      assert.deepEqual(shape, ours.shape.slice(1), label);
      // Two decoders of JPEG may differ by a level here and there.
      const level = Math.max(
        ...(model.parameters['std'] ?? '1').split(',').map((part) => (part.trim() === '1/2' ? 2 : 1 / Number(part))),
      );
      const tolerance = (level * 1.5) / (model.parameters['scale'] === '1' ? 1 : 255);
      const differences = theirs.map((value, at) => Math.abs(value - (ours.data[at] ?? Number.NaN)));
      const largest = differences.reduce((most, value) => Math.max(most, value), 0);
      assert.ok(largest <= tolerance, `${label}: ${largest} is more than ${tolerance}`);
      const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length;
      assert.ok(mean <= tolerance / 100, `${label}: ${mean} on average`);
    }
  });
});

function embedder(kind: string, parameters: Readonly<Record<string, string>>): ModelDescription {
  const [height, width] = kind === 'clip_visual' ? [224, 224] : [256, 128];
  const dims = parameters['layout'] === 'nhwc' ? [height, width, 3] : [3, height, width];
  return {
    name: 'm',
    version: '1',
    maxBatchSize: 4,
    inputs: [{ name: 'in', datatype: 'FP32', dims }],
    outputs: [{ name: 'out', datatype: 'FP32', dims: [8] }],
    parameters: { kind, ...parameters },
  };
}

/** As the rendered description hands them to the script. */
function decodeParameters(model: ModelDescription): Readonly<Record<string, string>> {
  const files = embedImageFiles(model, { hardware: 'cpu', instances: 1, engineCache: '/' }, 'python');
  const content = files.find(({ path }) => path === 'embed_image_decode/config.pbtxt')?.content;
  assert.ok(content !== undefined && 'text' in content);
  return parseModelConfig(content.text, 'config.pbtxt', 'triton').parameters;
}

async function inputOf(model: ModelDescription, image: RgbImage): Promise<{ shape: readonly number[]; data: Float32Array }> {
  let seen: Tensor | undefined;
  const own = createEmbedder(model, async (_, [input]) => {
    seen = input;
    const out: Tensor = { name: 'out', datatype: 'FP32', shape: [1, 8], data: new Float32Array(8).fill(1) };
    return { outputs: new Map([['out', out]]), queuedMs: 0, computeMs: 0 };
  });
  await own.embed([whole(image)], {
    signal: new AbortController().signal,
    deadlineMs: Number.POSITIVE_INFINITY,
    stream: 'test',
  });
  assert.ok(seen !== undefined && seen.data instanceof Float32Array);
  return { shape: seen.shape, data: seen.data };
}

describe('triton check of a server that serves something else', { skip }, () => {
  it('names model, tensor, type, shape, version and batch ceiling, and what is not served or not ready', async () => {
    await using directory = await temporaryDirectory();
    await using repository = await realRepository();
    const served = join(directory.path, 'served');
    const names = ['centerface', 'face_embed', 'person_embed', 'yolox_nano', 'yunet'];
    assert.equal((await triton(repository.directory, 'render', served, '--hardware', 'cpu', ...names)).code, 0);
    const change = async (model: string, edit: (text: string) => string) => {
      const file = join(served, model, 'config.pbtxt');
      await writeFile(file, edit(await readFile(file, 'utf8')));
    };
    await change('centerface', (config) => config.replace('max_batch_size: 8', 'max_batch_size: 4'));
    // Another network under the same name.
    await cp(join(served, 'person_embed/1/model.onnx'), join(served, 'face_embed/1/model.onnx'));
    await change('face_embed', (config) =>
      config
        .replace(
          'name: "input0" data_type: TYPE_FP32 dims: [ 3, 112, 112 ]',
          'name: "images" data_type: TYPE_FP32 dims: [ 3, 256, 128 ]',
        )
        .replace('name: "output0" data_type: TYPE_FP32 dims: [ 128 ]', 'name: "output" data_type: TYPE_FP32 dims: [ 512 ]')
        .replace(/model_warmup[\s\S]*$/, ''),
    );
    await rename(join(served, 'person_embed/1'), join(served, 'person_embed/7'));
    await change('person_embed', (config) => config.replace(/^version_policy .*$/m, ''));
    await writeFile(join(served, 'yolox_nano/1/model.onnx'), 'no network');
    await rm(join(served, 'yunet'), { recursive: true });
    await mkdir(join(served, 'face_other'));
    await using server = await startTriton({ repository: served, flags: ['--exit-on-error=false'], early: true });
    await untilListening(server);
    const { code, out } = await triton(repository.directory, 'check', server.url);
    assert.equal(code, 1);
    const shown = out.join('\n');
    const row = (words: string) => new RegExp(words.replaceAll('  ', '\\s{2,}').replace(/[[\]?]/g, '\\$&'));
    for (const words of [
      `${server.url}: Triton 2.51.0, not ready`,
      'MODEL  VERSION  STATE  DIFFERENCES',
      'centerface  1  fits  warning: max_batch_size is 4 on the server, 8 in config.pbtxt: batches are cut to it',
      'face_embed  1  differs  the server has no input "input0"; it has images',
      '  the server has no output "output0"; it has output',
      '  the server wants an input "images", which is not in config.pbtxt',
      'person_embed  7  differs  version 1 is not served; served are 7',
      'yolox_nano  1  not ready  version 1: UNAVAILABLE: Internal: InvalidProtobuf: .*Protobuf parsing failed',
      'yunet  1  not served  put its folder with version 1 into the server’s repository; sightline triton render writes one',
      'face_other  server only  warning: not loaded',
    ])
      assert.match(shown, row(words));
    const { out: one } = await triton(repository.directory, 'check', server.url, 'centerface');
    assert.equal(one.length, 3, 'the head and the one that is asked for');
  });

  it('speaks TLS with an authority and a certificate of its own, and says what is wrong without', async () => {
    await using certificates = await makeCertificates();
    await using directory = await temporaryDirectory();
    await using settings = await temporaryDirectory();
    await using repository = await realRepository();
    const { caFile, client } = certificates;
    assert.equal((await triton(repository.directory, 'render', directory.path, '--hardware', 'cpu', 'centerface')).code, 0);
    await using server = await startTriton({
      repository: directory.path,
      flags: ['--model-control-mode=explicit'],
      certificates,
    });
    const url = `localhost:${server.port}`;
    const check = (...args: readonly string[]) => triton(repository.directory, 'check', ...args, 'centerface');
    const mutual = ['--ca', caFile, '--cert', client.certFile, '--key', client.keyFile];
    const { out, code } = await check(`grpcs://${url}`, ...mutual);
    assert.equal(code, 1);
    assert.match(
      out.join('\n'),
      /centerface\s+1\s+not served\s+the server has not loaded it; start it with --load-model=centerface/,
    );
    const file = join(settings.path, 'sightline.yaml');
    await writeFile(
      file,
      `inference: { engine: triton, url: 'grpcs://${url}', caFile: ${caFile}, certFile: ${client.certFile}, keyFile: ${client.keyFile} }
cameras: { door: { source: door.mp4 } }
`,
    );
    const byConfig = await runProgram(['triton', 'check', '--config', file, '--repository', repository.directory]);
    assert.equal(byConfig.code, 1);
    assert.match(byConfig.stdout, /Triton 2\.51\.0.*\nMODEL.*\ncenterface .*not loaded it.*\nface_embed .*not served .*\n$/);
    const { error } = await check(`grpcs://${url}`);
    await assert.rejects(Promise.reject(error), {
      code: 'inference.unavailable',
      message: /certificate.*; --ca FILE names the authority/,
    });
    await assert.rejects(Promise.reject((await check(url)).error), {
      code: 'inference.unavailable',
      message: /grpcs:\/\/ in front where it wants TLS/,
    });
  });
});

describe('what is written for GPUs', { skip }, () => {
  it('is read by the real server, which misses nothing but a GPU', async () => {
    await using directory = await temporaryDirectory();
    await using repository = await realRepository();
    const names = ['centerface', 'face_embed', 'person_embed'];
    for (const hardware of ['gpu', 'gpu-tensorrt']) {
      const served = join(directory.path, hardware);
      const { code } = await triton(
        repository.directory,
        ...['render', served, '--hardware', hardware, '--decoder', 'dali', '--embed-image', 'person_embed', ...names],
      );
      assert.equal(code, 0);
      await using server = await startTriton({ repository: served, flags: ['--exit-on-error=false'], early: true });
      await untilListening(server);
      const index = await server.client().repositoryIndex(soon);
      for (const model of names)
        assert.match(
          index.find(({ name }) => name === model)?.reason ?? '',
          /has kind KIND_GPU but no GPUs are available/,
          `${hardware} ${model}`,
        );
      const dali = index.find(({ name }) => name === 'embed_image_decode');
      assert.match(dali?.reason ?? '', /unable to find backend library for backend 'dali'/, hardware);
      assert.deepEqual((await readdir(served)).includes('embed_image'), true);
    }
  });
});
