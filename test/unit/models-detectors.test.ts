import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DataType, Infer, InferOptions, ModelDescription, Tensor, TensorContract } from '../../src/core/inference.ts';
import type { DetectedObject } from '../../src/core/models.ts';
import { describeModel, listModels } from '../../src/inference/repository.ts';
import { toObjects } from '../../src/models/candidates.ts';
import { decodeCenterFace } from '../../src/models/centerface.ts';
import { planFit } from '../../src/models/fit.ts';
import { createDetector, createEmbedder, createTextEmbedder, modelRole } from '../../src/models/kinds.ts';
import { decodeYunet } from '../../src/models/yunet.ts';
import { goldenPicture, readGolden } from '../support/golden.ts';
import { shippedRepository } from '../support/repository.ts';

const options: InferOptions = { signal: new AbortController().signal, deadlineMs: Number.POSITIVE_INFINITY, stream: 'test' };

interface Boxes {
  readonly boxes: readonly (readonly number[])[];
  readonly scores: readonly number[];
  readonly landmarks: readonly (readonly (readonly number[])[])[];
}

interface Golden {
  readonly centerface: Boxes & {
    readonly rows: number;
    readonly columns: number;
    readonly heat: readonly number[];
    readonly scale: readonly number[];
    readonly offset: readonly number[];
    readonly points: readonly number[];
    readonly threshold: number;
  };
  readonly yunet: Boxes & {
    readonly width: number;
    readonly height: number;
    readonly threshold: number;
    readonly levels: Readonly<Record<string, Readonly<Record<'cls' | 'obj' | 'bbox' | 'kps', readonly number[]>>>>;
  };
  readonly yolo: {
    readonly source: readonly [number, number];
    readonly content: readonly [number, number];
    readonly threshold: number;
    readonly count: number;
    readonly rows: readonly (readonly number[])[];
    readonly listed: readonly (readonly number[])[];
    readonly expected: readonly { readonly box: readonly number[]; readonly score: number; readonly class: number }[];
  };
}

const golden = readGolden<Golden>('decoders');

function near(actual: number | undefined, expected: number | undefined, tolerance: number, what: string): void {
  const difference = Math.abs((actual ?? Number.NaN) - (expected ?? Number.NaN));
  assert.ok(difference <= tolerance, `${what}: ${actual} is not within ${tolerance} of ${expected}`);
}

/** Boxes as corners, scores and points against the reference; its boxes are clipped to the frame like ours. */
function assertObjects(found: readonly DetectedObject[], expected: Boxes, width: number, height: number): void {
  assert.equal(found.length, expected.boxes.length);
  for (const [index, { box, score, landmarks }] of found.entries()) {
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = expected.boxes[index] ?? [];
    const clip = (value: number, limit: number) => Math.min(limit, Math.max(0, value));
    near(box.left, clip(x1, width), 1e-4, 'left');
    near(box.top, clip(y1, height), 1e-4, 'top');
    near(box.left + box.width, clip(x2, width), 1e-4, 'right');
    near(box.top + box.height, clip(y2, height), 1e-4, 'bottom');
    near(score, expected.scores[index], 1e-5, 'score');
    for (const [point, [x, y]] of (expected.landmarks[index] ?? []).entries()) {
      near(landmarks?.[point]?.x, x, 1e-4, `x of point ${point}`);
      near(landmarks?.[point]?.y, y, 1e-4, `y of point ${point}`);
    }
  }
}

function tensor(name: string, shape: readonly number[], values: Iterable<number>, datatype: DataType = 'FP32'): Tensor {
  return { name, datatype, shape, data: datatype === 'INT32' ? Int32Array.from(values) : Float32Array.from(values) };
}

/** An engine that answers every request with the same outputs and keeps what it was asked. */
function answering(...outputs: readonly Tensor[]): { readonly infer: Infer; readonly asked: (readonly Tensor[])[] } {
  const asked: (readonly Tensor[])[] = [];
  const infer: Infer = async (_model, inputs) => {
    asked.push(inputs);
    return { outputs: new Map(outputs.map((output) => [output.name, output])), queuedMs: 0, computeMs: 0 };
  };
  return { infer, asked };
}

function changed(model: ModelDescription, parameters: Readonly<Record<string, string | undefined>>): ModelDescription {
  const entries = Object.entries({ ...model.parameters, ...parameters });
  return {
    ...model,
    parameters: Object.fromEntries(entries.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]))),
  };
}

describe('CenterFace', async () => {
  const shipped = await describeModel(shippedRepository, 'centerface');
  const maps = { rows: golden.centerface.rows, columns: golden.centerface.columns };
  const decoded = (over: { heat?: readonly number[]; threshold?: number } = {}) =>
    decodeCenterFace(
      {
        ...maps,
        heat: Float32Array.from(over.heat ?? golden.centerface.heat),
        scale: Float32Array.from(golden.centerface.scale),
        offset: Float32Array.from(golden.centerface.offset),
        points: Float32Array.from(golden.centerface.points),
      },
      over.threshold ?? golden.centerface.threshold,
    );

  it('decodes like the reference, clamping at the border and removing neighbours', async () => {
    const { rows, columns, heat, scale, offset, points } = golden.centerface;
    const { infer } = answering(
      tensor('537', [1, 1, rows, columns], heat),
      tensor('538', [1, 2, rows, columns], scale),
      tensor('539', [1, 2, rows, columns], offset),
      tensor('540', [1, 10, rows, columns], points),
    );
    const size = { width: 4 * columns, height: 4 * rows };
    const found = await createDetector(shipped, infer).detect(goldenPicture('noisy', size.width, size.height), size, options);
    assertObjects(found, golden.centerface, size.width, size.height);
    for (const [at, value] of (decoded()?.corners ?? []).entries())
      assert.ok(value >= 0 && value <= (at % 2 === 0 ? size.width : size.height), 'corners lie in the input');
  });

  it('decodes the published test vector', () => {
    const [rows, columns, cell] = [120, 160, 30 * 160 + 50];
    const at = (values: readonly number[]) => {
      const map = new Float32Array(values.length * rows * columns);
      for (const [channel, value] of values.entries()) map[channel * rows * columns + cell] = value;
      return map;
    };
    const found = decodeCenterFace(
      {
        rows,
        columns,
        heat: at([0.9]),
        scale: at([Math.log(20), Math.log(16)]),
        offset: at([0.25, -0.1]),
        points: at([0.35, 0.3, 0.36, 0.7, 0.55, 0.5, 0.75, 0.34, 0.76, 0.66]),
      },
      0.5,
    );
    const expected = [169.6, 83, 233.6, 163, 188.8, 111, 214.4, 111.8, 201.6, 127, 191.36, 143, 211.84, 143.8];
    for (const [index, value] of [...(found?.corners ?? []), ...(found?.points ?? [])].entries())
      near(value, expected[index], 1e-4, `value ${index}`);
  });

  it('takes a value that is not finite for a failure, not for an empty picture', () => {
    const heat = [...golden.centerface.heat];
    heat[7] = Number.NaN;
    assert.equal(decoded({ heat }), undefined);
    heat[7] = Number.POSITIVE_INFINITY;
    assert.equal(decoded({ heat }), undefined);
  });

  it('asks for frames of its own width and their shape, in multiples of 32', () => {
    const detector = createDetector(shipped, answering().infer);
    assert.deepEqual(detector.contentSize({ width: 1920, height: 1080 }), { width: 640, height: 384 });
    assert.deepEqual(detector.contentSize({ width: 640, height: 480 }, 320), { width: 320, height: 256 });
    assert.deepEqual(detector.contentSize({ width: 4000, height: 20 }), { width: 640, height: 32 });
    assert.deepEqual([detector.labels, detector.landmarks], [['face'], true]);
  });

  it('asks for no more than 8192 rows, however high and narrow the frame is', async () => {
    const source = { width: 100, height: 20_000 };
    const letterboxed = changed(shipped, { fit: 'letterbox' });
    for (const [description, content] of [
      [shipped, { width: 64, height: 8000 }],
      [letterboxed, { width: 40, height: 8000 }],
    ] as const) {
      const { infer, asked } = answering();
      const detector = createDetector(description, infer);
      assert.deepEqual(detector.contentSize(source), content);
      const frame = { ...content, data: new Uint8Array(3 * content.width * content.height) };
      await assert.rejects(detector.detect(frame, source, options), { code: 'inference.failed' });
      assert.deepEqual(asked[0]?.[0]?.shape, [1, 3, 8000, 64]);
    }
    const detector = createDetector(shipped, answering().infer);
    assert.deepEqual(detector.contentSize({ width: 1, height: 50_000_000 }), { width: 32, height: 8192 });
    assert.deepEqual(detector.contentSize({ width: 1080, height: 1920 }), { width: 640, height: 1152 });
  });

  it('brings boxes of a stretched frame back to the source, each axis by itself', async () => {
    const [rows, columns] = [8, 16];
    const heat = new Float32Array(rows * columns);
    heat[2 * columns + 5] = 0.9;
    const { infer, asked } = answering(
      tensor('537', [1, 1, rows, columns], heat),
      tensor('538', [1, 2, rows, columns], new Float32Array(2 * rows * columns).fill(Math.log(3))),
      tensor('539', [1, 2, rows, columns], new Float32Array(2 * rows * columns)),
      tensor('540', [1, 10, rows, columns], new Float32Array(10 * rows * columns).fill(0.5)),
    );
    const image = goldenPicture('noisy', 64, 32);
    const [face] = await createDetector(shipped, infer).detect(image, { width: 640, height: 640 }, options);
    near(face?.box.left, 160, 1e-3, 'left');
    near(face?.box.top, 80, 1e-3, 'top');
    near(face?.box.width, 120, 1e-3, 'width');
    near(face?.box.height, 240, 1e-3, 'height');
    near(face?.landmarks?.[2].x, 220, 1e-3, 'x of the nose');
    near(face?.landmarks?.[2].y, 200, 1e-3, 'y of the nose');
    assert.deepEqual(asked[0]?.[0]?.shape, [1, 3, 32, 64]);
    assert.equal(asked[0]?.[0]?.data[0], image.data[0], 'red first');
  });

  it('refuses a frame of another size and an answer of another shape', async () => {
    const { infer } = answering(tensor('537', [1, 1, 2, 2], [0, 0, 0, 0]));
    const detector = createDetector(shipped, infer);
    const source = { width: 640, height: 640 };
    await assert.rejects(detector.detect(goldenPicture('noisy', 60, 32), source, options), {
      code: 'inference.failed',
      message: /60x32/,
    });
    await assert.rejects(detector.detect(goldenPicture('noisy', 64, 32), source, options), {
      code: 'inference.failed',
      message: /"537" has shape/,
    });
  });
});

describe('YuNet', async () => {
  const shipped = await describeModel(shippedRepository, 'yunet');
  const { width, height, threshold, levels } = golden.yunet;

  it('decodes three levels like the reference', () => {
    const found = decodeYunet(
      Object.entries(levels).map(([stride, level]) => ({
        stride: Number(stride),
        classes: Float32Array.from(level.cls),
        objects: Float32Array.from(level.obj),
        boxes: Float32Array.from(level.bbox),
        points: Float32Array.from(level.kps),
      })),
      { width, height },
      threshold,
    );
    assert.ok(found);
    const size = { width, height };
    assertObjects(toObjects(found, ['face'], planFit('stretch', size, size), size, { iou: 0.3 }), golden.yunet, width, height);
  });

  it('is given blue first', async () => {
    const outputs = Object.entries(levels).flatMap(([stride, level]) =>
      (['cls', 'obj', 'bbox', 'kps'] as const).map((part) =>
        tensor(`${part}_${stride}`, [1, level.cls.length, level[part].length / level.cls.length], level[part]),
      ),
    );
    const { infer, asked } = answering(...outputs);
    const image = goldenPicture('noisy', width, height);
    const found = await createDetector(shipped, infer).detect(image, { width, height }, options);
    assertObjects(found, golden.yunet, width, height);
    assert.equal(asked[0]?.[0]?.data[0], image.data[2]);
  });
});

describe('YOLO end to end', async () => {
  const fixed = await describeModel(shippedRepository, 'yolox_nano');
  const listed = await describeModel(shippedRepository, 'yolov7');
  const { source, content, count, rows, expected } = golden.yolo;
  const [width, height] = source;
  const column = (from: number, to: number) =>
    [...rows.map((row) => row.slice(from, to)), ...Array(94).fill(Array(to - from).fill(0))].flat();
  const fixedOutputs = [
    tensor('num_dets', [1, 1], [count], 'INT32'),
    tensor('det_boxes', [1, 100, 4], column(0, 4)),
    tensor('det_scores', [1, 100], column(4, 5)),
    tensor('det_classes', [1, 100], column(5, 6), 'INT32'),
  ];
  const image = goldenPicture('smooth', ...content);

  for (const [form, model, outputs] of [
    ['TensorRT', fixed, fixedOutputs],
    ['ONNX Runtime', listed, [tensor('output', [golden.yolo.listed.length, 7], golden.yolo.listed.flat())]],
  ] as const) {
    it(`reads the ${form} form, undoes the letterbox and clips to the frame`, async () => {
      const detector = createDetector(model, answering(...outputs).infer);
      const found = await detector.detect(image, { width, height }, options);
      assert.equal(found.length, expected.length);
      for (const [index, { box, score, label }] of found.entries()) {
        const wanted = expected[index];
        for (const [side, value] of [box.left, box.top, box.width, box.height].entries())
          near(value, wanted?.box[side], 1e-3, `side ${side} of box ${index}`);
        near(score, wanted?.score, 1e-6, 'score');
        assert.equal(label, detector.labels[wanted?.class ?? -1]);
      }
      assert.deepEqual(detector.contentSize({ width, height }), { width: content[0], height: content[1] });
    });
  }

  it('pads with 114 around the content and divides by 255', async () => {
    const { infer, asked } = answering(...fixedOutputs);
    await createDetector(fixed, infer).detect(image, { width, height }, options);
    const input = asked[0]?.[0];
    assert.deepEqual(input?.shape, [1, 3, 640, 640]);
    const top = 213;
    near(Number(input?.data[640 * (top - 1)]), 114 / 255, 1e-6, 'pad above');
    near(Number(input?.data[640 * top]), (image.data[0] ?? 0) / 255, 1e-6, 'first pixel');
    near(Number(input?.data[640 * (top + content[1])]), 114 / 255, 1e-6, 'pad below');
  });

  it('fills every value of an input that an engine gave back', async () => {
    const { infer, asked } = answering(...fixedOutputs);
    const detector = createDetector(fixed, async (model, inputs, asking) => {
      const result = await infer(model, inputs, asking);
      const data = inputs[0]?.data;
      assert.ok(data instanceof Float32Array);
      const expected = data.slice();
      assert.deepEqual(expected, first ?? expected);
      first ??= expected;
      data.fill(Number.NaN);
      asking.released?.();
      return result;
    });
    let first: Float32Array | undefined;
    for (let run = 0; run < 3; run += 1) await detector.detect(image, { width, height }, options);
    assert.equal(asked[2]?.[0]?.data, asked[0]?.[0]?.data, 'one buffer serves all');
  });

  /** An engine that holds what it is asked until told to end it, well or not. */
  function holding(model: ModelDescription) {
    const { infer } = answering(...fixedOutputs);
    const held: (() => void)[] = [];
    const fresh = new Set<ArrayBufferLike>();
    const inUse = new Set<ArrayBufferLike>();
    let broken = false;
    const detector = createDetector(model, async (name, inputs, asking) => {
      const buffer = inputs[0]?.data.buffer;
      assert.ok(buffer !== undefined);
      assert.equal(inUse.has(buffer), false, 'nobody else reads it');
      fresh.add(buffer);
      inUse.add(buffer);
      await new Promise<void>((resolve) => held.push(resolve));
      inUse.delete(buffer);
      asking.released?.();
      if (broken) throw new Error('told to fail');
      return await infer(name, inputs, asking);
    });
    return {
      fresh,
      look: () => detector.detect(image, { width, height }, options),
      end: () => {
        for (const end of held.splice(0)) end();
      },
      fail: () => {
        broken = true;
      },
    };
  }

  it('makes no more inputs than were ever under way at once', async () => {
    const engine = holding(fixed);
    for (const cameras of [3, 12, 12, 5, 12, 12]) {
      const looks = Array.from({ length: cameras }, engine.look);
      engine.end();
      await Promise.all(looks);
    }
    assert.equal(engine.fresh.size, 12);
  });

  it('loses no input to runs that fail', async () => {
    const engine = holding(fixed);
    engine.fail();
    for (let run = 0; run < 20; run += 1) {
      const looks = [engine.look(), engine.look()];
      engine.end();
      for (const look of looks) await assert.rejects(look, /told to fail/);
    }
    assert.equal(engine.fresh.size, 2);
  });

  it('fills one input again and again for a network of 16-bit floats', async () => {
    const halves = { ...fixed, inputs: fixed.inputs.map((input) => ({ ...input, datatype: 'FP16' as const })) };
    const engine = holding(halves);
    const real = globalThis.SharedArrayBuffer;
    let made = 0;
    globalThis.SharedArrayBuffer = class extends real {
      constructor(length = 0) {
        super(length);
        made += 1;
      }
    };
    try {
      for (let run = 0; run < 3; run += 1) {
        const look = engine.look();
        engine.end();
        await look;
      }
    } finally {
      globalThis.SharedArrayBuffer = real;
    }
    assert.equal(made, 1);
  });

  it('keeps to a lower or higher cut when asked', async () => {
    const detector = createDetector(fixed, answering(...fixedOutputs).infer);
    const found = async (minScore: number) =>
      (await detector.detect(image, { width, height }, { ...options, minScore })).map(({ score }) => Math.round(score * 100));
    assert.deepEqual(await found(0.6), [91]);
    assert.deepEqual(await found(0.1), [91, 50, 40, 20]);
  });

  it('letterboxes and divides by 255 unless told otherwise', async () => {
    const { infer, asked } = answering(...fixedOutputs);
    const bare = changed(fixed, { fit: undefined, scale: undefined, pad_value: undefined, score_threshold: undefined });
    const detector = createDetector(bare, infer);
    assert.deepEqual(detector.contentSize({ width, height }), { width: content[0], height: content[1] });
    assert.equal((await detector.detect(image, { width, height }, options)).length, expected.length);
    near(Number(asked[0]?.[0]?.data[0]), 114 / 255, 1e-6, 'pad');
  });

  it('names 80 classes', () => {
    for (const model of [fixed, listed]) {
      const { labels } = createDetector(model, answering().infer);
      assert.deepEqual([labels.length, labels[0], labels[9], labels[79]], [80, 'person', 'traffic light', 'toothbrush']);
    }
  });

  it('fails on a value that is not finite among the valid rows only', async () => {
    const broken = column(4, 5);
    broken[50] = Number.NaN;
    const answer = (scores: readonly number[]) =>
      createDetector(
        fixed,
        answering(
          ...fixedOutputs.map((output) => (output.name === 'det_scores' ? tensor('det_scores', [1, 100], scores) : output)),
        ).infer,
      ).detect(image, { width, height }, options);
    assert.equal((await answer(broken)).length, expected.length);
    broken[0] = Number.NaN;
    await assert.rejects(answer(broken), {
      code: 'inference.failed',
      message: /yolox_nano: an output holds a value that is not finite/,
    });
  });
});

describe('kinds and parameters of models', async () => {
  const face = await describeModel(shippedRepository, 'centerface');
  const { infer } = answering();

  it('are all known in the shipped repository', async () => {
    for (const name of await listModels(shippedRepository)) {
      const model = await describeModel(shippedRepository, name);
      const role = modelRole(model);
      if (role === 'detector') createDetector(model, infer);
      else if (role === 'embedder') createEmbedder(model, infer);
      else createTextEmbedder(model, () => Promise.reject(new Error('no text yet')), infer);
    }
  });

  const refused: readonly (readonly [string, Readonly<Record<string, string | undefined>>, RegExp])[] = [
    [
      'an unknown kind',
      { kind: 'retinaface' },
      /centerface\/config\.pbtxt: parameter kind says "retinaface"; allowed is centerface, yunet, yolo_end2end/,
    ],
    ['no kind', { kind: undefined }, /parameter kind is missing/],
    ['an embedder where a detector is wanted', { kind: 'clip_visual' }, /parameter kind says "clip_visual"/],
    [
      'a misspelt parameter',
      { score_treshold: '0.4' },
      /parameter score_treshold is unknown for kind centerface; allowed is .*score_threshold/,
    ],
    ['a parameter of another kind', { align: 'none' }, /parameter align is unknown for kind centerface/],
    [
      'a number out of range',
      { score_threshold: '1.5' },
      /parameter score_threshold says "1.5"; allowed is a number from 0 to 1/,
    ],
    ['a number that is none', { width: 'wide' }, /parameter width says "wide"; allowed is a whole number from 32 to 4096/],
    ['a fraction by zero', { scale: '1/0' }, /parameter scale says "1\/0"/],
    ['an unknown choice', { colour: 'grb' }, /parameter colour says "grb"; allowed is rgb, bgr/],
    ['two numbers for three', { mean: '1, 2' }, /parameter mean says "1, 2"; allowed is 3 numbers separated by commas/],
    ['a deviation of nothing', { std: '1, 0, 1' }, /std has a value that is not above 0/],
    ['an empty label', { labels: 'face,,hand' }, /parameter labels says "face,,hand"/],
  ];
  for (const [what, parameters, message] of refused) {
    it(`refuse ${what}`, () => {
      assert.throws(() => createDetector(changed(face, parameters), infer), { code: 'model.invalid', message });
    });
  }

  it("leave the parameters of Triton's backend alone", () => {
    createDetector(changed(face, { intra_op_thread_count: '2', 'session.intra_op.allow_spinning': '0' }), infer);
  });

  it('refuse a contract that is not that of the kind', async () => {
    const output = (name: string, ...dims: readonly number[]): TensorContract => ({ name, datatype: 'FP32', dims });
    const reordered = { ...face, outputs: face.outputs.toReversed() };
    assert.throws(() => createDetector(reordered, infer), {
      code: 'model.invalid',
      message: /outputs of 1, 2, 2 and 10 channels/,
    });
    const yunet = await describeModel(shippedRepository, 'yunet');
    assert.throws(() => createDetector({ ...yunet, outputs: yunet.outputs.slice(1) }, infer), {
      code: 'model.invalid',
      message: /missing are cls_8$/,
    });
    const yolo = await describeModel(shippedRepository, 'yolov7');
    assert.throws(() => createDetector({ ...yolo, outputs: [output('grid', -1, 85)] }, infer), {
      code: 'model.invalid',
      message: /described are grid \[-1,85\]/,
    });
    assert.throws(() => createDetector({ ...face, inputs: [output('flat', 7)] }, infer), {
      code: 'model.invalid',
      message: /input "flat" has 1 dims; a picture has 3 here/,
    });
    assert.throws(() => createDetector({ ...face, inputs: [...face.inputs, ...face.inputs] }, infer), {
      code: 'model.invalid',
      message: /exactly one input; 2 are described/,
    });
  });
});
