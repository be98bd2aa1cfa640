import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import sharp, { type Sharp } from 'sharp';
import { SightlineError } from '../../src/core/errors.ts';
import type { InferOptions } from '../../src/core/inference.ts';
import type { Embedder, EmbedInput } from '../../src/core/models.ts';
import type { Crop } from '../../src/core/types.ts';
import { createCropEmbedder } from '../../src/models/embed-crops.ts';
import { decodeImage, scaleImage, startImageDecoding } from '../../src/models/image.ts';
import { resize } from '../../src/models/resize.ts';
import { testContext } from '../support/context.ts';
import { goldenPicture } from '../support/golden.ts';

function plain(width: number, height: number, colour: { r: number; g: number; b: number; alpha?: number }): Sharp {
  const channels = colour.alpha === undefined ? 3 : 4;
  return sharp({ create: { width, height, channels, background: colour } });
}

async function firstPixel(bytes: Uint8Array): Promise<readonly number[]> {
  const image = await decodeImage(bytes);
  assert.equal(image.data.length, 3 * image.width * image.height);
  return [...image.data.subarray(0, 3)];
}

function assertNear(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  assert.ok(
    actual.every((value, index) => Math.abs(value - (expected[index] ?? 0)) <= tolerance),
    `${actual} is not about ${expected}`,
  );
}

const orange = { r: 220, g: 120, b: 30 };

describe('decoding pictures', () => {
  before(startImageDecoding);

  it('gives red, green, blue without padding, whatever the format', async () => {
    for (const format of ['jpeg', 'png', 'webp', 'tiff', 'gif'] as const)
      assertNear(await firstPixel(await plain(7, 5, orange).toFormat(format).toBuffer()), [220, 120, 30], 4);
  });

  it('turns the picture as its EXIF orientation says', async () => {
    const data = Buffer.from(goldenPicture('smooth', 30, 20).data);
    const upright = sharp(data, { raw: { width: 30, height: 20, channels: 3 } });
    const bytes = await upright.png().withMetadata({ orientation: 6 }).toBuffer();
    const image = await decodeImage(bytes);
    assert.deepEqual([image.width, image.height], [20, 30]);
    // Orientation 6: the stored bottom left corner is the top left one that is meant.
    assert.deepEqual([...image.data.subarray(0, 3)], [...data.subarray(3 * 30 * 19, 3 * 30 * 19 + 3)]);
  });

  it('lays transparency over white', async () => {
    assertNear(await firstPixel(await plain(4, 4, { r: 0, g: 0, b: 0, alpha: 0 }).png().toBuffer()), [255, 255, 255], 0);
    assertNear(await firstPixel(await plain(4, 4, { r: 0, g: 0, b: 0, alpha: 0.5 }).png().toBuffer()), [127, 127, 127], 2);
  });

  it('brings 16 bits, grey, grey with alpha and CMYK to 8-bit colour', async () => {
    const deep = await sharp(Buffer.from(new Uint16Array(48).fill(0x8000).buffer), {
      raw: { width: 4, height: 4, channels: 3 },
    })
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    assert.equal((await decodeImage(deep)).data.length, 48);
    const grey = await plain(4, 4, { r: 90, g: 90, b: 90 }).toColourspace('b-w').png().toBuffer();
    assertNear(await firstPixel(grey), [90, 90, 90], 1);
    const veiled = await plain(4, 4, { r: 90, g: 90, b: 90, alpha: 1 }).toColourspace('b-w').png().toBuffer();
    assertNear(await firstPixel(veiled), [90, 90, 90], 1);
    const printed = await plain(8, 8, orange).toColourspace('cmyk').jpeg().toBuffer();
    assertNear(await firstPixel(printed), [220, 120, 30], 25);
  });

  it('reads photos only: a drawing is refused, all formats above are not', async () => {
    const drawing = Buffer.from(
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
    );
    await assert.rejects(decodeImage(drawing), { code: 'photo.undecodable' });
    assert.equal((await decodeImage(await plain(16, 16, orange).avif().toBuffer())).width, 16);
  });

  it('refuses what is no picture, is cut off or is too large, by name', async () => {
    const whole = await sharp(Buffer.from(goldenPicture('noisy', 200, 200).data), {
      raw: { width: 200, height: 200, channels: 3 },
    })
      .jpeg()
      .toBuffer();
    const refused = { code: 'photo.undecodable', message: /^ann\.jpg cannot be decoded; allowed are JPEG, PNG/ };
    await assert.rejects(decodeImage(new Uint8Array(0), { name: 'ann.jpg' }), refused);
    await assert.rejects(decodeImage(Buffer.from('hello'), { name: 'ann.jpg' }), refused);
    await assert.rejects(decodeImage(whole.subarray(0, whole.length / 2), { name: 'ann.jpg' }), refused);
    await assert.rejects(decodeImage(whole, { name: 'ann.jpg', maxPixels: 39_999 }), refused);
    assert.equal((await decodeImage(whole, { maxPixels: 40_000 })).width, 200);
  });
});

describe('scaling a photo for a detector', () => {
  it('is about the antialiased bilinear filter, smaller or larger', async () => {
    for (const [width, height] of [
      [100, 75],
      [333, 80],
      [500, 200],
    ] as const) {
      const photo = goldenPicture('smooth', 400, 300);
      const scaled = await scaleImage(photo, width, height);
      const exact = resize(photo, width, height, 'bilinear_antialias');
      assert.deepEqual([scaled.width, scaled.height, scaled.data.length], [width, height, 3 * width * height]);
      const worst = scaled.data.reduce((most, value, at) => Math.max(most, Math.abs(value - (exact.data[at] ?? 0))), 0);
      assert.ok(worst <= 4, `${worst} levels apart`);
    }
  });
});

const options: InferOptions = { signal: new AbortController().signal, deadlineMs: Number.POSITIVE_INFINITY, stream: 'test' };

/** Gives (red of the first pixel, 1), and fails where that is 13; keeps what it was asked. */
function pretender(fail?: SightlineError): Embedder & { readonly asked: (readonly EmbedInput[])[] } {
  const asked: (readonly EmbedInput[])[] = [];
  return {
    asked,
    model: 'pretender',
    kind: 'face',
    space: 'pretender@1',
    dimensions: 2,
    thresholds: { open: 0.5, keep: 0.4, margin: 0 },
    cropMargin: 0,
    embed: async (inputs) => {
      asked.push(inputs);
      if (fail !== undefined) throw fail;
      return inputs.map(({ image }) => {
        if (image.data[0] === 13) throw new SightlineError('inference.failed', 'a vector is zero');
        return Float32Array.of(image.data[0] ?? 0, 1);
      });
    },
  };
}

async function crop(red: number): Promise<Crop> {
  const jpeg = await plain(20, 10, { r: red, g: red, b: red }).png().toBuffer();
  const point = { x: 4, y: 2 };
  return {
    jpeg,
    rect: { left: 0, top: 0, width: 80, height: 40 },
    width: 40,
    height: 20,
    box: { left: 10, top: 4, width: 20, height: 8 },
    landmarks: [point, point, point, point, point],
    quality: { heightPx: 8, sharpness: 1, rollDegrees: 0, yaw: 0, visible: 1, score: 1, overall: 1 },
  };
}

describe('embedding crops', () => {
  it('gives vectors in order; a broken crop costs only itself', async () => {
    using ctx = testContext();
    const embedder = pretender();
    using crops = createCropEmbedder(embedder, ctx);
    const broken = { ...(await crop(1)), jpeg: new Uint8Array([1, 2, 3]) };
    const found = await crops.embed([await crop(10), broken, await crop(13), await crop(40)], options);
    assert.deepEqual(
      found.map((embedding) => embedding && [embedding.space, embedding.vector[0]]),
      [['pretender@1', 10], undefined, undefined, ['pretender@1', 40]],
    );
    const counter = await ctx.metrics.registry.getSingleMetric('sightline_crop_failures_total')?.get();
    assert.deepEqual(
      counter?.values.map(({ labels, value }) => [labels['reason'], value]),
      [
        ['decode', 1],
        ['embed', 1],
      ],
    );
    assert.deepEqual(await crops.embed([broken], options), [undefined]);
    assert.deepEqual(await crops.embed([], options), []);
  });

  it('brings box and points to the pixels that the picture really has', async () => {
    using ctx = testContext();
    const embedder = pretender();
    using crops = createCropEmbedder(embedder, ctx);
    await crops.embed([await crop(10)], options);
    const [input] = embedder.asked[0] ?? [];
    assert.deepEqual(input?.box, { left: 5, top: 2, width: 10, height: 4 });
    assert.deepEqual(input?.landmarks?.[0], { x: 2, y: 1 });
  });

  it('passes on what concerns the whole run', async () => {
    using ctx = testContext();
    for (const code of ['inference.overload', 'inference.deadline', 'inference.closed'] as const) {
      using crops = createCropEmbedder(pretender(new SightlineError(code, 'no')), ctx);
      await assert.rejects(crops.embed([await crop(10), await crop(20)], options), { code });
    }
  });
});
