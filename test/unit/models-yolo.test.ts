import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { DataType, Infer, InferOptions, ModelDescription, Tensor, TensorContract } from '../../src/core/inference.ts';
import { planFit } from '../../src/models/fit.ts';
import { toHalves } from '../../src/models/half.ts';
import { createDetector } from '../../src/models/kinds.ts';
import { type AnchorLevel, decodeAnchorLevels, decodeGridRows } from '../../src/models/yolov7.ts';
import { decodeDistributions, decodeScoredBoxes } from '../../src/models/yolov8.ts';
import { decodeYolox } from '../../src/models/yolox.ts';
import { goldenPicture, readGolden } from '../support/golden.ts';

interface Found {
  readonly box: readonly number[];
  readonly score: number;
  readonly class: number;
}

type Pair = readonly [number, number];

interface Golden {
  readonly input: Pair;
  readonly source: Pair;
  readonly content: Pair;
  readonly classes: number;
  readonly bins: number;
  readonly topLeft: readonly { readonly source: Pair; readonly side: number; readonly gain: number; readonly content: Pair }[];
  readonly yolov8: { readonly values: readonly number[]; readonly expected: readonly Found[] };
  readonly distributions: {
    readonly levels: readonly {
      readonly stride: number;
      readonly sides: readonly number[];
      readonly scores: readonly number[];
    }[];
    readonly expected: readonly Found[];
  };
  readonly yolov7: {
    readonly anchors: readonly number[];
    readonly heads: readonly { readonly stride: number; readonly values: readonly number[] }[];
    readonly grid: readonly number[];
    readonly expected: readonly Found[];
    readonly single: readonly Found[];
  };
  readonly yolox: { readonly values: readonly number[]; readonly content: Pair; readonly expected: readonly Found[] };
  readonly ranked: { readonly values: readonly number[]; readonly expected: readonly Found[] };
}

const golden = readGolden<Golden>('yolo');
const [inputWidth, inputHeight] = golden.input;
const source = { width: golden.source[0], height: golden.source[1] };
const options: InferOptions = { signal: new AbortController().signal, deadlineMs: Number.POSITIVE_INFINITY, stream: 'test' };
const cells = (stride: number) => (inputWidth / stride) * (inputHeight / stride);
const allCells = [8, 16, 32].reduce((sum, stride) => sum + cells(stride), 0);

/** A model of the golden input's size and its three classes, with these outputs. */
function model(
  kind: string,
  outputs: Readonly<Record<string, readonly number[]>>,
  parameters: Readonly<Record<string, string>> = {},
  over: Partial<ModelDescription> = {},
): ModelDescription {
  return {
    name: 'yolo',
    version: '1',
    maxBatchSize: 8,
    inputs: [{ name: 'images', datatype: 'FP32', dims: [3, inputHeight, inputWidth] }],
    outputs: Object.entries(outputs).map(([name, dims]): TensorContract => ({ name, datatype: 'FP32', dims })),
    parameters: { kind, labels: 'person, bicycle, car', ...parameters },
    ...over,
  };
}

function tensor(name: string, shape: readonly number[], values: Iterable<number>, datatype: DataType = 'FP32'): Tensor {
  const data = Float32Array.from(values);
  return { name, datatype, shape, data: datatype === 'FP16' ? toHalves(data) : data };
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

async function detect(description: ModelDescription, outputs: readonly Tensor[], minScore?: number) {
  const detector = createDetector(description, answering(...outputs).infer);
  const size = detector.contentSize(source);
  const image = goldenPicture('smooth', size.width, size.height);
  return await detector.detect(image, source, minScore === undefined ? options : { ...options, minScore });
}

function near(actual: number | undefined, expected: number | undefined, tolerance: number, what: string): void {
  const difference = Math.abs((actual ?? Number.NaN) - (expected ?? Number.NaN));
  assert.ok(difference <= tolerance, `${what}: ${actual} is not within ${tolerance} of ${expected}`);
}

async function assertFinds(
  description: ModelDescription,
  outputs: readonly Tensor[],
  expected: readonly Found[],
  tolerance = 1e-3,
): Promise<void> {
  const found = await detect(description, outputs);
  const names = ['person', 'bicycle', 'car'];
  assert.deepEqual(
    found.map(({ label }) => label),
    expected.map(({ class: label }) => names[label]),
  );
  for (const [index, { box, score }] of found.entries()) {
    near(score, expected[index]?.score, tolerance, `score ${index}`);
    for (const [side, value] of [box.left, box.top, box.width, box.height].entries())
      near(value, expected[index]?.box[side], 100 * tolerance, `side ${side} of box ${index}`);
  }
}

/** Rows and columns of a table changed: [a, b] to [b, a]. */
function transposed(values: readonly number[], columns: number): number[] {
  const rows = values.length / columns;
  return Array.from(values, (_, at) => values[(at % rows) * columns + Math.floor(at / rows)] ?? Number.NaN);
}

describe('a letterbox at the top left', () => {
  for (const { source: size, side, gain, content } of golden.topLeft) {
    it(`fits ${size.join(' x ')} into ${side} like the reference`, () => {
      const [width, height] = size;
      const fit = planFit('letterbox_top_left', { width, height }, { width: side, height: side });
      assert.deepEqual([fit.content.width, fit.content.height], [Math.max(1, content[0]), Math.max(1, content[1])]);
      assert.deepEqual([fit.left, fit.top, fit.shiftX, fit.shiftY], [0, 0, 0, 0]);
      near(fit.scaleX * gain, 1, 1e-5, 'scale');
      assert.equal(fit.scaleY, fit.scaleX);
    });
  }
});

describe('YOLOv8 and v9', () => {
  const values = 4 + golden.classes;
  const decoded = model('yolov8', { output0: [values, allCells] });
  const { expected } = golden.yolov8;

  it('decodes [4 + classes, boxes] like the reference and suppresses by class', async () => {
    await assertFinds(decoded, [tensor('output0', [1, values, allCells], golden.yolov8.values)], expected);
  });

  it('decodes [boxes, 4 + classes], and a number of boxes that the description leaves free', async () => {
    const turned = tensor('output0', [1, allCells, values], transposed(golden.yolov8.values, allCells));
    await assertFinds(model('yolov8', { output0: [allCells, values] }), [turned], expected);
    await assertFinds(model('yolov8', { output0: [-1, values] }), [turned], expected);
    const free = model('yolov8', { output0: [values, -1] });
    await assertFinds(free, [tensor('output0', [1, values, allCells], golden.yolov8.values)], expected);
  });

  it('decodes a network without a batch axis of its own, and one that answers in 16-bit floats', async () => {
    const whole: Partial<ModelDescription> = {
      maxBatchSize: 0,
      inputs: [{ name: 'images', datatype: 'FP16', dims: [1, 3, inputHeight, inputWidth] }],
      outputs: [{ name: 'output0', datatype: 'FP16', dims: [1, values, allCells] }],
    };
    const half = tensor('output0', [1, values, allCells], golden.yolov8.values, 'FP16');
    await assertFinds(model('yolov8', {}, {}, whole), [half], expected, 2e-3);
  });

  const maps = golden.distributions.levels.map(({ stride, sides, scores }, index) => {
    const size = [inputHeight / stride, inputWidth / stride] as const;
    const channels = 4 * golden.bins;
    return {
      size,
      joined: tensor(`output${index}`, [1, channels + golden.classes, ...size], [...sides, ...scores]),
      sides: tensor(`box${index}`, [1, channels, ...size], sides),
      scores: tensor(`cls${index}`, [1, golden.classes, ...size], scores),
    };
  });
  const described = (...tensors: readonly Tensor[]) =>
    Object.fromEntries(tensors.map(({ name, shape }) => [name, shape.slice(1)]));

  it('decodes distributions, sides and classes in one map per level, in any order', async () => {
    for (const order of [
      [0, 1, 2],
      [2, 0, 1],
    ]) {
      const outputs = order.flatMap((index) => maps[index]?.joined ?? []);
      await assertFinds(model('yolov8', described(...outputs)), outputs, golden.distributions.expected);
    }
  });

  it('decodes distributions, sides and classes in maps of their own, in any order', async () => {
    const outputs = [...maps.map(({ sides }) => sides), ...maps.map(({ scores }) => scores).toReversed()];
    await assertFinds(model('yolov8', described(...outputs)), outputs, golden.distributions.expected);
  });

  it('takes the mean of a distribution and places the box around the cell', () => {
    // Bins all 0 but bin 3 = 2 and bin 4 = 1 give 6.0579188 cells; stride 8, column 12, row 7.
    const sides = new Float32Array(64);
    for (let side = 0; side < 4; side += 1) sides.set([2, 1], 16 * side + 3);
    const one = (values: Float32Array, bins: number, columns: number, cell: number) => {
      const spread = new Float32Array(values.length * columns * 8).fill(0);
      for (const [at, value] of values.entries()) spread[at * columns * 8 + cell] = value;
      const scores = new Float32Array(columns * 8).fill(-9);
      scores[cell] = 3;
      return decodeDistributions([{ stride: 8, rows: 8, columns, sides: spread, scores }], bins, 0.5);
    };
    const mean = one(sides, 16, 16, 0);
    near(mean?.corners[2], 8 * (0.5 + 6.0579188), 1e-3, 'right');
    // One bin is the distance itself: (2.5, 3, 4, 1.5) cells.
    const plain = one(Float32Array.of(2.5, 3, 4, 1.5), 1, 16, 7 * 16 + 12);
    assert.deepEqual(plain?.corners, [80, 36, 132, 72]);
  });

  it('takes the first of two classes that score the same', async () => {
    const values = golden.yolov8.values.with(4 * allCells + 20, 0.99).with(6 * allCells + 20, 0.99);
    const [best] = await detect(decoded, [tensor('output0', [1, 7, allCells], values)]);
    assert.equal(best?.label, 'person');
  });

  it('counts columns of the decoded form as rows of cells, the finest level first', () => {
    const data = new Float32Array(5 * 8400);
    const at = 7 * 80 + 12;
    for (const [index, value] of [106, 54, 52, 36, 0.9].entries()) data[index * 8400 + at] = value;
    const found = decodeScoredBoxes({ data, boxes: 8400, boxStep: 1, valueStep: 8400 }, 1, 0.5);
    assert.deepEqual(found?.corners, [80, 36, 132, 72]);
  });
});

describe('YOLOv7', () => {
  const values = 5 + golden.classes;
  const { expected, grid, heads } = golden.yolov7;
  const anchors = golden.yolov7.anchors.join(', ');
  const rows = 3 * allCells;

  it('reads the grid like the reference', async () => {
    const output = tensor('output', [1, rows, values], grid);
    await assertFinds(model('yolov7', { output: [rows, values] }), [output], expected);
  });

  it('reads the grid alone where the heads are described beside it', async () => {
    const output = tensor('output', [1, rows, values], grid);
    const described = { 419: [3, 4, 8, values], output: [-1, values] };
    await assertFinds(model('yolov7', described), [output], expected);
  });

  const maps = heads.map(({ stride, values: data }, index) => ({
    name: `onnx::${400 + index}`,
    size: [inputHeight / stride, inputWidth / stride] as const,
    data,
  }));

  it('decodes heads of [anchors, rows, columns, values] in any order', async () => {
    for (const order of [
      [0, 1, 2],
      [1, 2, 0],
    ]) {
      const outputs = order.flatMap((index) => maps[index] ?? []);
      await assertFinds(
        model('yolov7', Object.fromEntries(outputs.map(({ name, size }) => [name, [3, ...size, values]])), { anchors }),
        outputs.map(({ name, size, data }) => tensor(name, [1, 3, ...size, values], data)),
        expected,
      );
    }
  });

  it('decodes heads of [anchors · values, rows, columns]', async () => {
    const outputs = maps.map(({ name, size, data }) => {
      const each = size[0] * size[1] * values;
      const turned = [0, 1, 2].flatMap((anchor) => transposed(data.slice(anchor * each, (anchor + 1) * each), values));
      return tensor(name, [1, 3 * values, ...size], turned);
    });
    const described = Object.fromEntries(maps.map(({ name }) => [name, [3 * values, -1, -1]]));
    await assertFinds(model('yolov7', described, { anchors }), outputs, expected);
  });

  it('takes objectness alone for a network of one class', async () => {
    const each = Array.from({ length: rows }, (_, row) => grid.slice(row * values, row * values + 6)).flat();
    const one = model('yolov7', { output: [rows, 6] }, { labels: 'person' });
    await assertFinds(one, [tensor('output', [1, rows, 6], each)], golden.yolov7.single);
  });

  it("decodes a cell with the published model's own anchors", () => {
    // Stride 16, anchor 76 x 55, column 20, row 10.
    const data = new Float32Array(3 * 40 * 40 * 85).fill(-9);
    data.set([0.2, -0.4, 0.5, -0.3, 1, 2], (1 * 1600 + 10 * 40 + 20) * 85);
    const level = { data, rows: 40, columns: 40, stride: 16, order: 'cell_major' } as const;
    const found = decodeAnchorLevels(
      [
        {
          ...level,
          anchors: [
            [36, 75],
            [76, 55],
            [72, 146],
          ],
        },
      ],
      80,
      0.25,
    );
    const [left = 0, top = 0, right = 0, bottom = 0] = found?.corners ?? [];
    near((left + right) / 2, 329.59469, 1e-4, 'x');
    near((top + bottom) / 2, 164.84199, 1e-4, 'y');
    near(right - left, 117.78651, 1e-4, 'width');
    near(bottom - top, 39.84182, 1e-4, 'height');
    near(found?.scores[0], 0.64391426, 1e-6, 'score');
  });

  it('knows the anchors of three and of four levels, and wants those of others said', () => {
    const three = { a: [3, 80, 80, values], b: [3, 40, 40, values], c: [3, 20, 20, values] };
    createDetector(model('yolov7', three), answering().infer);
    createDetector(model('yolov7', { ...three, d: [3, 10, 10, values] }), answering().infer);
    assert.throws(() => createDetector(model('yolov7', { a: [3, 80, 80, values] }), answering().infer), {
      code: 'model.invalid',
      message: /parameter anchors is missing; allowed is 6 numbers/,
    });
  });
});

describe('YOLOv7 of four levels', () => {
  it('is given inputs of multiples of 64 where their size is free', async () => {
    const heads = [8, 16, 32, 64].map((stride) => {
      const shape = [1, 3, 64 / stride, 128 / stride, 8];
      return tensor(`head${stride}`, shape, Array(3 * (64 / stride) * (128 / stride) * 8).fill(-9));
    });
    const free: Partial<ModelDescription> = { inputs: [{ name: 'images', datatype: 'FP32', dims: [3, -1, -1] }] };
    const described = Object.fromEntries(heads.map(({ name }) => [name, [3, -1, -1, 8]]));
    const { infer, asked } = answering(...heads);
    const detector = createDetector(model('yolov7', described, { width: '96' }, free), infer);
    const size = detector.contentSize(source);
    assert.deepEqual(await detector.detect(goldenPicture('smooth', size.width, size.height), source, options), []);
    assert.deepEqual(asked[0]?.[0]?.shape, [1, 3, 64, 128]);
  });
});

describe('YOLOX', () => {
  const values = 5 + golden.classes;
  const described = model('yolox', { output: [allCells, values] });
  const output = tensor('output', [1, allCells, values], golden.yolox.values);

  it('decodes cells of three levels like the reference', async () => {
    await assertFinds(described, [output], golden.yolox.expected);
  });

  it('is given blue first, 0 to 255, with all padding right and below', async () => {
    const { infer, asked } = answering(output);
    const detector = createDetector(described, infer);
    const [width, height] = golden.yolox.content;
    assert.deepEqual(detector.contentSize(source), { width, height });
    const image = goldenPicture('noisy', width, height);
    await detector.detect(image, source, options);
    const data = asked[0]?.[0]?.data ?? [];
    assert.deepEqual([data[0], data[2 * inputWidth * inputHeight]], [image.data[2], image.data[0]]);
    assert.equal(data[(height - 1) * inputWidth], image.data[3 * width * (height - 1) + 2]);
    assert.equal(data[height * inputWidth], 114);
  });

  it('that decodes inside is a YOLOv7 grid with the pixels of YOLOX', async () => {
    const like = { scale: '1', colour: 'bgr', fit: 'letterbox_top_left' };
    const detector = createDetector(model('yolov7', { output: [allCells, values] }, like), answering().infer);
    assert.deepEqual(detector.contentSize(source), { width: golden.yolox.content[0], height: golden.yolox.content[1] });
  });
});

describe('YOLO with one box per object', () => {
  it('reads [boxes, 6] like the reference, without suppression', async () => {
    const ranked = model('yolo_end2end', { output0: [8, 6] }, { score_threshold: '0.25' });
    await assertFinds(ranked, [tensor('output0', [1, 8, 6], golden.ranked.values)], golden.ranked.expected);
    assert.equal((await detect(ranked, [tensor('output0', [1, 8, 6], golden.ranked.values)], 0)).length <= 5, true);
  });
});

describe('labels from a file', () => {
  const named = model('yolox', { output: [allCells, 7] }, {}, { labels: ['head', 'hand'] });
  const { labels: _, ...parameters } = named.parameters;

  it('name the classes', () => {
    assert.deepEqual(createDetector({ ...named, parameters }, answering().infer).labels, ['head', 'hand']);
  });

  it('are refused beside the parameter', () => {
    assert.throws(() => createDetector(named, answering().infer), {
      code: 'model.invalid',
      message: /parameter labels is given beside a label_filename; allowed is one of the two/,
    });
  });
});

describe('a description that is not of its kind', () => {
  const refused: readonly (readonly [string, ModelDescription, RegExp])[] = [
    [
      'labels of another number of classes',
      model('yolov8', { output0: [84, 8400] }),
      /output "output0" is \[84,8400\]; of 3 labels kind yolov8 makes 7 values per box \(4 \+ 3\), \[7, boxes\] or \[boxes, 7\]/,
    ],
    [
      'two outputs of boxes',
      model('yolov8', { main: [7, 42], aux: [7, 42] }),
      /one output of boxes; described are main \[7,42\], aux \[7,42\]\. A checkpoint with an auxiliary branch/,
    ],
    [
      'distributions of another number of bins',
      model('yolov8', { a: [67, 4, 8], b: [67, 2, 4] }, { dfl_bins: '8' }),
      /of 3 labels and 8 bins kind yolov8 has .* per level one of 35 channels, or one of 32 and one of 3; described are a \[67,4,8\]/,
    ],
    ['sides without scores', model('yolov8', { a: [64, 4, 8] }), /one of 64 and one of 3; described are a \[64,4,8\]/],
    [
      'a grid of another number of classes',
      model('yolov7', { o: [25200, 85] }),
      /\[boxes, 8\] \(5 \+ 3\); described are o \[25200,85\]/,
    ],
    [
      'heads of another number of classes',
      model('yolov7', { o: [3, 80, 80, 85] }),
      /per level one \[anchors, rows, columns, 8\]/,
    ],
    [
      'too few anchors',
      model('yolov7', { o: [3, 80, 80, 8] }, { anchors: '1, 2' }),
      /parameter anchors says "1, 2"; allowed is 6 numbers/,
    ],
    [
      'an anchor of nothing',
      model('yolov7', { o: [1, 8, 8, 8] }, { anchors: '0, 4' }),
      /anchors has a size that is not above 0/,
    ],
    [
      'cells of another number of classes',
      model('yolox', { o: [8400, 85] }),
      /one output \[cells, 8\] \(5 \+ 3\); described are o/,
    ],
    ['a second output', model('yolox', { o: [42, 8], p: [42, 8] }), /kind yolox has one output/],
    ['rows of five', model('yolo_end2end', { o: [300, 5] }), /or one of \[boxes, 6\] per picture; described are o \[300,5\]/],
    ['no labels', model('yolov8', { o: [7, 42] }, { labels: '' }), /parameter labels says ""/],
  ];
  for (const [what, description, message] of refused) {
    it(`is refused: ${what}`, () => {
      assert.throws(() => createDetector(description, answering().infer), { code: 'model.invalid', message });
    });
  }
});

describe('an answer that cannot be', () => {
  const decoded = model('yolov8', { output0: [7, allCells] });
  const changed = (values: readonly number[], at: number, value: number) => values.with(at, value);

  it('is a failure when a score is not finite, whether or not it would have been the best', async () => {
    const shape = [1, 7, allCells];
    for (const [at, value] of [
      [4 * allCells + 5, Number.NaN],
      [6 * allCells - 1, Number.NEGATIVE_INFINITY],
    ] as const)
      await assert.rejects(detect(decoded, [tensor('output0', shape, changed(golden.yolov8.values, at, value))]), {
        code: 'inference.failed',
        message: /not finite/,
      });
    const rows = [1, 3 * allCells, 8];
    const grid = model('yolov7', { output: [3 * allCells, 8] });
    await assert.rejects(detect(grid, [tensor('output', rows, changed(golden.yolov7.grid, 4, Number.NaN))]), {
      code: 'inference.failed',
    });
    const yolox = model('yolox', { output: [allCells, 8] });
    await assert.rejects(detect(yolox, [tensor('output', [1, allCells, 8], changed(golden.yolox.values, 4, Number.NaN))]), {
      code: 'inference.failed',
    });
  });

  it('is a failure when scores are no probabilities', async () => {
    const logits = golden.yolov8.values.map((value, at) => (at < 4 * allCells ? value : 20 * value - 8));
    await assert.rejects(detect(decoded, [tensor('output0', [1, 7, allCells], logits)]), {
      code: 'inference.failed',
      message: /yolo: a score is .*; allowed is 0 to 1\. Were the classes exported without their logistic function\?/,
    });
  });

  it('is a failure when its shape is another', async () => {
    await assert.rejects(detect(decoded, [tensor('output0', [1, 7, 6], Array(42).fill(0))]), {
      code: 'inference.failed',
      message: /output "output0" has shape \[1,7,6\], not \[1,7,42\]/,
    });
    const yolox = model('yolox', { output: [-1, 8] });
    await assert.rejects(detect(yolox, [tensor('output', [1, 41, 8], Array(328).fill(0))]), {
      code: 'inference.failed',
      message: /has shape \[1,41,8\], not \[1,42,8\]/,
    });
    const head = model('yolov7', { o: [3, -1, -1, 8] }, { anchors: '1, 2, 3, 4, 5, 6' });
    await assert.rejects(detect(head, [tensor('o', [1, 3, 4, 4, 8], Array(384).fill(0))]), {
      code: 'inference.failed',
      message: /"o" has 4x4 cells, which do not divide the input of 64x32 into squares/,
    });
    const apart = model('yolov8', { a: [64, -1, -1], b: [3, -1, -1] });
    const outputs = [tensor('a', [1, 64, 4, 8], Array(2048).fill(0)), tensor('b', [1, 3, 2, 4], Array(24).fill(0))];
    await assert.rejects(detect(apart, outputs), { code: 'inference.failed', message: /"a" has no scores of 8x4 cells/ });
  });
});

describe('YOLO decoders, whatever the values', () => {
  const place = fc.record({
    x: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
    y: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
    width: fc.double({ min: 2, max: 60, noNaN: true }),
    height: fc.double({ min: 2, max: 30, noNaN: true }),
    cell: fc.nat({ max: 31 }),
  });
  const logit = (value: number) => Math.log(value / (1 - value));

  it('give back the box that a head encodes', () => {
    fc.assert(
      fc.property(place, ({ x, y, width, height, cell }) => {
        const [column, row] = [cell % 8, Math.floor(cell / 8)];
        const wanted = [8 * (column + x), 8 * (row + y), width, height];
        const centred = ([left = 0, top = 0, right = 0, bottom = 0]: readonly number[]) => [
          (left + right) / 2,
          (top + bottom) / 2,
          right - left,
          bottom - top,
        ];
        const agrees = (found: { readonly corners: readonly number[] } | undefined, kind: string) => {
          assert.equal(found?.corners.length, 4, kind);
          for (const [at, value] of centred(found.corners).entries()) near(value, wanted[at], 1e-3, `${kind} ${at}`);
        };
        const cellsX = new Float32Array(42 * 6);
        cellsX.set([x, y, Math.log(width / 8), Math.log(height / 8), 0.9, 0.9], 6 * cell);
        agrees(decodeYolox(cellsX, { width: 64, height: 32 }, 1, 0.5), 'yolox');
        const anchor = [40, 20] as const;
        const data = new Float32Array(32 * 7).fill(-9);
        const sizes = [width / anchor[0], height / anchor[1]].map((share) => logit(Math.sqrt(share) / 2));
        data.set([logit((x + 0.5) / 2), logit((y + 0.5) / 2), ...sizes, 5, 5, -5], 7 * cell);
        const level: AnchorLevel = { data, rows: 4, columns: 8, stride: 8, anchors: [anchor], order: 'cell_major' };
        agrees(decodeAnchorLevels([level], 2, 0.5), 'yolov7');
        const sides = new Float32Array(4 * 32);
        for (const [side, value] of [
          width / 16 - x + 0.5,
          height / 16 - y + 0.5,
          width / 16 + x - 0.5,
          height / 16 + y - 0.5,
        ].entries())
          sides[32 * side + cell] = value;
        const scores = new Float32Array(32).fill(-9).with(cell, 5);
        agrees(decodeDistributions([{ stride: 8, rows: 4, columns: 8, sides, scores }], 1, 0.5), 'yolov8');
      }),
    );
  });

  it('give finite boxes above the cut, or nothing at all', () => {
    const garbage = fc.float32Array({ minLength: 42 * 8, maxLength: 42 * 8, noDefaultInfinity: false, noNaN: false });
    fc.assert(
      fc.property(garbage, fc.double({ min: 0, max: 1, noNaN: true }), (values, cut) => {
        const head = { data: values, rows: 6, columns: 7, stride: 8, anchors: [[9, 9] as const] };
        for (const found of [
          decodeScoredBoxes({ data: values, boxes: 42, boxStep: 1, valueStep: 42 }, 4, cut),
          decodeScoredBoxes({ data: values, boxes: 42, boxStep: 8, valueStep: 1 }, 4, cut),
          decodeGridRows(values, 3, cut),
          decodeAnchorLevels([{ ...head, order: 'cell_major' }], 3, cut),
          decodeAnchorLevels([{ ...head, order: 'value_major' }], 3, cut),
          decodeYolox(values, { width: 64, height: 32 }, 3, cut),
        ]) {
          if (found === undefined) continue;
          assert.ok(found.scores.every((score) => score >= cut));
          assert.ok(found.corners.every(Number.isFinite));
          assert.equal(found.corners.length, 4 * found.scores.length);
          assert.equal(found.classes.length, found.scores.length);
        }
      }),
    );
  });
});
