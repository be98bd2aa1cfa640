import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RgbImage } from '../../src/core/models.ts';
import { clipView } from '../../src/models/clip-visual.ts';
import { fromHalves, toHalves } from '../../src/models/half.ts';
import { Parameters } from '../../src/models/parameters.ts';
import { fillPixels, type PixelFormat, readPixelFormat, writePixels } from '../../src/models/pixels.ts';
import { goldenPicture, readGolden } from '../support/golden.ts';

const plain: PixelFormat = { gain: [1, 1, 1], bias: [0, 0, 0], colour: 'rgb', layout: 'nchw' };
const two: RgbImage = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };

function written(image: RgbImage, format: PixelFormat): readonly number[] {
  const target = { data: new Float32Array(image.data.length), offset: 0, width: image.width, height: image.height };
  writePixels(image, target, format);
  return [...target.data];
}

function formatOf(parameters: Readonly<Record<string, string>>): PixelFormat {
  const model = { name: 'm', version: '1', maxBatchSize: 1, inputs: [], outputs: [], parameters };
  return readPixelFormat(new Parameters(model), { scale: 1 }, { name: 'in', datatype: 'FP32', dims: [3, 8, 8] });
}

describe('pixels in a tensor', () => {
  it('are planar or interleaved, in the order of colours that the network wants', () => {
    assert.deepEqual(written(two, plain), [1, 4, 2, 5, 3, 6]);
    assert.deepEqual(written(two, { ...plain, colour: 'bgr' }), [3, 6, 2, 5, 1, 4]);
    assert.deepEqual(written(two, { ...plain, layout: 'nhwc' }), [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(written(two, { ...plain, layout: 'nhwc', colour: 'bgr' }), [3, 2, 1, 6, 5, 4]);
  });

  it('are scaled, then lessened by the mean, then divided; mean and std belong to colours, not places', () => {
    const format = formatOf({ scale: '1/255', mean: '0.1, 0.2, 0.3', std: '0.5, 0.25, 0.2', colour: 'bgr', layout: 'nhwc' });
    const [blue = 0, green = 0, red = 0] = written({ width: 1, height: 1, data: Uint8Array.of(255, 51, 0) }, format);
    assert.ok(Math.abs(red - (1 - 0.1) / 0.5) < 1e-6);
    assert.ok(Math.abs(green - (0.2 - 0.2) / 0.25) < 1e-6);
    assert.ok(Math.abs(blue - (0 - 0.3) / 0.2) < 1e-6);
  });

  it('land where they are told to, with the rest filled in the same scale', () => {
    const format = formatOf({ scale: '0.5', mean: '1, 1, 1', layout: 'nchw' });
    const target = { data: new Float32Array(1 + 3 * 12), offset: 1, width: 4, height: 3 };
    fillPixels(target, format, 114);
    writePixels(two, target, format, 1, 2);
    const red = [...target.data.subarray(1, 13)];
    assert.deepEqual(red, [56, 56, 56, 56, 56, 56, 56, 56, 56, -0.5, 1, 56]);
    assert.equal(target.data[0], 0);
    assert.equal(target.data[1 + 2 * 12 + 9], 0.5);
  });
});

describe('CLIP view of a picture', () => {
  type Pair = readonly [number, number];
  interface Golden {
    readonly shapes: readonly { readonly source: Pair; readonly resized: Pair; readonly left_top: Pair }[];
    readonly tensors: readonly {
      readonly picture: string;
      readonly size: Pair;
      readonly samples: readonly (readonly number[])[];
      readonly mean: readonly number[];
      readonly deviation: readonly number[];
    }[];
    readonly levels: readonly { readonly pixel: number; readonly values: readonly number[] }[];
  }
  const golden = readGolden<Golden>('clip');
  const side = { width: 224, height: 224 };
  const format = formatOf({
    scale: '1/255',
    mean: '0.48145466, 0.4578275, 0.40821073',
    std: '0.26862954, 0.26130258, 0.27577711',
  });

  it('has the constants of CLIP, not those of ImageNet', () => {
    for (const { pixel, values } of golden.levels)
      for (const channel of [0, 1, 2] as const)
        assert.ok(Math.abs(pixel * format.gain[channel] + format.bias[channel] - (values[channel] ?? 0)) < 1e-5);
  });

  for (const { picture, size, samples, mean, deviation } of golden.tensors) {
    it(`equals Pillow's resize and centre crop: ${picture} ${size}`, () => {
      const view = clipView(goldenPicture(picture, ...size), side, 'center_crop');
      const values = new Float32Array(3 * 224 * 224);
      writePixels(view.image, { data: values, offset: 0, ...side }, format, view.left, view.top);
      for (const [x = 0, y = 0, ...expected] of samples) {
        for (const channel of [0, 1, 2]) {
          const value = values[channel * 224 * 224 + y * 224 + x] ?? Number.NaN;
          assert.ok(Math.abs(value - (expected[channel] ?? 0)) < 1e-5, `${x}, ${y}: ${value}, ${expected[channel]}`);
        }
      }
      for (const channel of [0, 1, 2]) {
        const plane = values.subarray(channel * 224 * 224, (channel + 1) * 224 * 224);
        const average = plane.reduce((sum, value) => sum + value, 0) / plane.length;
        const spread = Math.sqrt(plane.reduce((sum, value) => sum + (value - average) ** 2, 0) / plane.length);
        assert.ok(Math.abs(average - (mean[channel] ?? 0)) < 1e-4);
        assert.ok(Math.abs(spread - (deviation[channel] ?? 0)) < 1e-4);
      }
    });
  }

  it('crops the middle; squash keeps all of it; pad keeps its shape', () => {
    const half = goldenPicture('smooth', 100, 250);
    const crop = clipView(half, side, 'center_crop');
    const squash = clipView(half, side, 'squash');
    const pad = clipView(half, side, 'pad');
    assert.deepEqual([crop.image.width, crop.image.height, crop.left, crop.top], [224, 224, 0, 0]);
    assert.deepEqual([squash.image.width, squash.image.height], [224, 224]);
    assert.deepEqual([pad.image.width, pad.image.height, pad.left, pad.top], [89, 224, 68, 0]);
    assert.notDeepEqual(crop.image.data, squash.image.data);
  });
});

describe('16-bit floats', () => {
  it('are nearest, ties to even, with signs, subnormals and infinities', () => {
    const known: readonly (readonly [number, number])[] = [
      [0, 0x0000],
      [-0, 0x8000],
      [1, 0x3c00],
      [-2, 0xc000],
      [65504, 0x7bff],
      [65520, 0x7c00],
      [2 ** -14, 0x0400],
      [2 ** -24, 0x0001],
      [2 ** -25, 0x0000],
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [1 / 3, 0x3555],
      [Number.POSITIVE_INFINITY, 0x7c00],
    ];
    for (const [value, half] of known) assert.deepEqual([...toHalves(Float32Array.of(value))], [half], String(value));
    assert.ok(Number.isNaN(fromHalves(toHalves(Float32Array.of(Number.NaN)))[0]));
  });

  it('come back unchanged, all of them', () => {
    const halves = Uint16Array.from({ length: 0x10000 }, (_, half) => half);
    const values = fromHalves(halves);
    const back = toHalves(values);
    for (const [half, value] of values.entries()) if (!Number.isNaN(value)) assert.equal(back[half], half);
  });
});
