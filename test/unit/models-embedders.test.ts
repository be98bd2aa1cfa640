import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Infer, InferOptions, ModelDescription, Tensor } from '../../src/core/inference.ts';
import type { EmbedInput } from '../../src/core/models.ts';
import { faceTemplate112 } from '../../src/models/align.ts';
import { createEmbedder } from '../../src/models/kinds.ts';
import { goldenPicture } from '../support/golden.ts';

const options: InferOptions = { signal: new AbortController().signal, deadlineMs: Number.POSITIVE_INFINITY, stream: 'test' };

function model(parameters: Readonly<Record<string, string>>, over: Partial<ModelDescription> = {}): ModelDescription {
  return {
    name: 'embedder',
    version: '1',
    maxBatchSize: 4,
    inputs: [{ name: 'in', datatype: 'FP32', dims: [3, 8, 8] }],
    outputs: [{ name: 'out', datatype: 'FP32', dims: [2] }],
    parameters: { scale: '1', ...parameters },
    ...over,
  };
}

/** A network whose vector is (sum of the first row of values, 3): enough to see what each crop became and that it is scaled. */
function engine(change: (vector: Float32Array, index: number) => void = () => {}) {
  const asked: Tensor[] = [];
  const infer: Infer = async (_model, [input]) => {
    assert.ok(input);
    asked.push(input);
    const rows = input.shape[0] ?? 0;
    const data = new Float32Array(2 * rows);
    for (let row = 0; row < rows; row += 1) {
      data.set([4, 3], 2 * row);
      change(data.subarray(2 * row, 2 * row + 2), row);
    }
    const output: Tensor = { name: 'out', datatype: 'FP32', shape: [rows, 2], data };
    return { outputs: new Map([['out', output]]), queuedMs: 0, computeMs: 0 };
  };
  return { infer, asked };
}

const image = goldenPicture('noisy', 16, 16);
const whole: EmbedInput = { image, box: { left: 0, top: 0, width: 16, height: 16 } };

describe('embedders', () => {
  it('give vectors of length one, in order, and split at the batch ceiling', async () => {
    let turn = 0;
    const { infer, asked } = engine((vector) => {
      turn += 1;
      vector.set([turn, 0.5]);
    });
    const embedder = createEmbedder(model({ kind: 'person_embedder' }), infer);
    const vectors = await embedder.embed(Array(9).fill(whole), options);
    assert.deepEqual(
      asked.map(({ shape }) => shape[0]),
      [4, 4, 1],
    );
    for (const [index, vector] of vectors.entries()) {
      assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-6);
      assert.ok(Math.abs((vector[0] ?? 0) / (vector[1] ?? 1) - 2 * (index + 1)) < 1e-4);
    }
  });

  it('name their space by model and version', () => {
    const { infer } = engine();
    assert.equal(createEmbedder(model({ kind: 'person_embedder' }), infer).space, 'embedder@1');
    const named = createEmbedder(
      model({ kind: 'face_embedder', space: 'arc', space_version: '7', threshold_open: '0.6' }),
      infer,
    );
    assert.deepEqual([named.space, named.kind, named.dimensions, named.thresholds.open], ['arc@7', 'face', 2, 0.6]);
  });

  it('fail on a vector without length or with a value that is not finite', async () => {
    for (const bad of [0, Number.NaN, Number.POSITIVE_INFINITY]) {
      const { infer } = engine((vector, row) => {
        if (row === 1) vector.fill(bad);
      });
      const embedder = createEmbedder(model({ kind: 'person_embedder' }), infer);
      await assert.rejects(embedder.embed([whole, whole], options), {
        code: 'inference.failed',
        message: /zero or not finite/,
      });
    }
  });

  it('run a network of fixed batch by filling it up', async () => {
    const { infer, asked } = engine();
    const fixed = model(
      { kind: 'person_embedder', layout: 'nhwc', colour: 'bgr' },
      { maxBatchSize: 0, inputs: [{ name: 'in', datatype: 'FP32', dims: [1, 16, 16, 3] }] },
    );
    const vectors = await createEmbedder(fixed, infer).embed([whole, whole], options);
    assert.equal(vectors.length, 2);
    assert.deepEqual(asked[0]?.shape, [1, 16, 16, 3]);
    assert.deepEqual([...(asked[0]?.data.slice(0, 3) ?? [])], [image.data[2], image.data[1], image.data[0]]);
  });

  it('give 16-bit numbers to a network that wants them', async () => {
    const { infer, asked } = engine();
    const half = model(
      { kind: 'person_embedder', scale: '1/255' },
      { inputs: [{ name: 'in', datatype: 'FP16', dims: [3, 16, 16] }] },
    );
    await createEmbedder(half, infer).embed([{ ...whole, image: { ...image, data: image.data.fill(255) } }], options);
    assert.ok(asked[0]?.data instanceof Uint16Array);
    assert.ok(asked[0].data.every((value) => value === 0x3c00));
  });

  it('give pixels as they are to a network that wants bytes, and refuse to be told otherwise', async () => {
    const { infer, asked } = engine();
    const inputs = [{ name: 'in', datatype: 'UINT8', dims: [3, 16, 16] }] as const;
    const [red, green, blue] = [0, 1, 2].map((channel) => image.data.filter((_, at) => at % 3 === channel));
    for (const parameters of [{}, { scale: '1' }, { scale: '1', mean: '0, 0, 0', std: '1, 1, 1' }]) {
      await createEmbedder(model({}, { inputs, parameters: { kind: 'clip_visual', ...parameters } }), infer).embed(
        [whole],
        options,
      );
      const { datatype, data } = asked.at(-1) ?? {};
      assert.equal(datatype, 'UINT8');
      assert.deepEqual([...(data ?? [])], [...(red ?? []), ...(green ?? []), ...(blue ?? [])]);
    }
    // Numbers below one would all be zero there.
    for (const parameters of [{ scale: '1/255' }, { mean: '0.48, 0.46, 0.41' }, { std: '0.27, 0.26, 0.28' }])
      assert.throws(() => createEmbedder(model({ kind: 'clip_visual', ...parameters }, { inputs }), infer), {
        code: 'model.invalid',
        message: /input "in" is UINT8 and takes pixels as they are; allowed is scale 1, without mean and std/,
      });
  });

  it('refuse a contract they cannot fill', () => {
    const { infer } = engine();
    const free = { inputs: [{ name: 'in', datatype: 'FP32', dims: [3, -1, -1] }] } as const;
    assert.throws(() => createEmbedder(model({ kind: 'clip_visual' }, free), infer), {
      code: 'model.invalid',
      message: /fixed width and height/,
    });
    const whole = { inputs: [{ name: 'in', datatype: 'INT64', dims: [3, 8, 8] }] } as const;
    assert.throws(() => createEmbedder(model({ kind: 'clip_visual' }, whole), infer), {
      code: 'model.invalid',
      message: /"in" is INT64; allowed is FP32, FP16, UINT8/,
    });
    const open = { outputs: [{ name: 'out', datatype: 'FP32', dims: [-1] }] } as const;
    assert.throws(() => createEmbedder(model({ kind: 'clip_visual' }, open), infer), {
      code: 'model.invalid',
      message: /a vector of fixed length/,
    });
  });
});

describe('face embedder', () => {
  const aligned = { inputs: [{ name: 'in', datatype: 'FP32', dims: [3, 112, 112] }] } as const;
  const photo = goldenPicture('smooth', 112, 112);

  it('sees a face that lies on the template unchanged', async () => {
    const { infer, asked } = engine();
    const embedder = createEmbedder(model({ kind: 'face_embedder' }, aligned), infer);
    await embedder.embed([{ image: photo, box: whole.box, landmarks: faceTemplate112 }], options);
    for (const at of [0, 500, 12543]) assert.ok(Math.abs(Number(asked[0]?.data[at]) - (photo.data[3 * at] ?? 0)) < 1e-3);
  });

  it('moves and scales the template for a network that looks elsewhere', async () => {
    const { infer, asked } = engine();
    const other = { inputs: [{ name: 'in', datatype: 'FP32', dims: [3, 224, 224] }] } as const;
    const parameters = { kind: 'face_embedder', align_scale: '172/112', align_offset: '26, 17' };
    await createEmbedder(model(parameters, other), infer).embed(
      [{ image: photo, box: whole.box, landmarks: faceTemplate112 }],
      options,
    );
    const value = (x: number, y: number) => Number(asked[0]?.data[224 * y + x]);
    assert.ok(Math.abs(value(26, 17) - (photo.data[0] ?? 0)) < 1e-3, 'the corner lands at 26, 17');
    assert.equal(value(10, 10), 0, 'beyond the picture is black');
  });

  it('needs five points that are a face', async () => {
    const embedder = createEmbedder(model({ kind: 'face_embedder' }, aligned), engine().infer);
    await assert.rejects(embedder.embed([{ image: photo, box: whole.box }], options), {
      code: 'inference.failed',
      message: /the crop has none/,
    });
    const spot = { x: 5, y: 5 };
    const input = { image: photo, box: whole.box, landmarks: [spot, spot, spot, spot, spot] } as const;
    await assert.rejects(embedder.embed([input], options), { code: 'inference.failed', message: /coincide/ });
  });

  it('takes a square around the box when it does not align', async () => {
    const { infer, asked } = engine();
    const square = model({ kind: 'face_embedder', align: 'none', crop_scale: '2' }, aligned);
    await createEmbedder(square, infer).embed([{ image: photo, box: { left: 40, top: 42, width: 20, height: 28 } }], options);
    // 56 source pixels over 112: the middle of the box, (50, 56), lies in the middle of the input.
    const middle = 3 * (56 * 112 + 50);
    assert.ok(Math.abs(Number(asked[0]?.data[56 * 112 + 56]) - (photo.data[middle] ?? 0)) < 1e-3);
  });
});
