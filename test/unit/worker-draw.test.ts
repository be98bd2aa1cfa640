import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Label } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { drawObjects, textsOf } from '../../src/software-worker/annotation.ts';
import { type Drawable, drawBox, drawPlate, inkOf } from '../../src/software-worker/draw.ts';
import { createTextMasks, lineHeight } from '../../src/software-worker/text-masks.ts';
import type { TrackedObject } from '../../src/software-worker/track.ts';
import { readGolden } from '../support/golden.ts';

interface Golden {
  readonly width: number;
  readonly height: number;
  readonly inks: readonly {
    readonly colour: string;
    readonly matrix: 'bt601' | 'bt709';
    readonly fullRange: boolean;
    readonly ink: readonly [number, number, number];
  }[];
  readonly cases: readonly {
    readonly box: readonly [number, number, number, number];
    readonly stroke: number;
    readonly text: readonly [number, number];
    readonly plate: readonly [number, number];
    readonly planes: readonly string[];
  }[];
}

const golden = readGolden<Golden>('drawing');
const reading = { matrix: 'bt601', fullRange: false } as const;

/** Rows are longer than the picture, as a decoder's are. */
function canvas(width: number, height: number, padding = 0): Drawable {
  const plane = (w: number, h: number, value: (x: number, y: number) => number) => {
    const stride = w + padding;
    const data = new Uint8Array(stride * h).fill(7);
    for (let y = 0; y < h; y += 1) for (let x = 0; x < w; x += 1) data[y * stride + x] = value(x, y) & 255;
    return { data, stride };
  };
  return {
    width,
    height,
    planes: [
      plane(width, height, (x, y) => x * 37 + y * 101),
      plane(width / 2, height / 2, (x, y) => x * 5 + y * 3),
      plane(width / 2, height / 2, (x, y) => x * 7 + y * 11 + 90),
    ],
  };
}

function textMask(width: number, height: number) {
  const alpha = Uint8Array.from({ length: width * height }, (_, i) => ((i % width) * 29 + Math.floor(i / width) * 53) & 255);
  return { width, height, alpha };
}

describe('drawing into 4:2:0', () => {
  it('turns colours into what the standards say', () => {
    for (const { colour, matrix, fullRange, ink } of golden.inks) {
      const { y, u, v } = inkOf(colour, { matrix, fullRange });
      assert.deepEqual([y, u, v], ink, `${colour} ${matrix} ${fullRange}`);
    }
    assert.deepEqual(inkOf('no colour', reading), inkOf('#ffffff', reading));
  });

  for (const padding of [0, 16]) {
    for (const [index, { box, stroke, text, plate, planes }] of golden.cases.entries()) {
      it(`gives pixel for pixel what an independent computation gives: case ${index}, ${padding} bytes between rows`, () => {
        const picture = canvas(golden.width, golden.height, padding);
        const [left, top, width, height] = box;
        const at = { left, top, width, height };
        const ink = inkOf('#e69f00', reading);
        drawBox(picture, at, stroke, ink);
        drawPlate(picture, { left: plate[0], top: plate[1] }, [textMask(...text)], ink, reading);
        for (const [plane, expected] of planes.entries()) {
          const drawn = picture.planes[plane];
          assert.ok(drawn);
          const w = plane === 0 ? golden.width : golden.width / 2;
          const h = plane === 0 ? golden.height : golden.height / 2;
          const rows = Array.from({ length: h }, (_, y) => drawn.data.subarray(y * drawn.stride, y * drawn.stride + w));
          assert.deepEqual(Buffer.concat(rows), Buffer.from(expected, 'base64'), `plane ${plane}`);
          for (let y = 0; y < h; y += 1)
            for (let x = w; x < drawn.stride; x += 1) assert.equal(drawn.data[y * drawn.stride + x], 7, 'nothing between rows');
        }
      });
    }
  }
});

describe('texts as masks', () => {
  it('are rendered once, differ, keep their line and hold any script', async () => {
    const troubles: string[] = [];
    const masks = createTextMasks((reason) => troubles.push(reason));
    const texts = ['Ada', 'Bob', '0.71', 'Ünal Ćirić', '<b>&amp;</b>', 'x\u0000\u0007y', 'n'.repeat(200)];
    assert.equal(masks.find('Ada', 20), undefined);
    await masks.ready(texts, 20);
    assert.deepEqual(troubles, []);
    const found = texts.map((text) => masks.find(text, 20));
    for (const [index, mask] of found.entries()) {
      assert.ok(mask, texts[index]);
      assert.equal(mask.height, lineHeight(20));
      assert.equal(mask.width % 2, 0);
      assert.equal(mask.alpha.length, mask.width * mask.height);
      assert.ok(
        mask.alpha.some((value) => value > 200),
        `${texts[index]} is drawn`,
      );
    }
    assert.notDeepEqual(found[0], found[1]);
    assert.ok((found[6]?.width ?? 0) < 40 * 20, 'long texts are cut');
    assert.equal(masks.find('Ada', 20), found[0]);
  });

  it('are kept in a bounded number, the latest used', async () => {
    const masks = createTextMasks(() => {});
    await masks.ready(['first', 'second'], 12);
    for (let i = 0; i < 20; i += 1) {
      await masks.ready(
        Array.from({ length: 30 }, (_, n) => `${i * 30 + n}`),
        12,
      );
      masks.find('first', 12);
    }
    assert.ok(masks.find('first', 12));
    assert.equal(masks.find('second', 12), undefined);
  });
});

function object(trackId: number, left: number, predicted = false): TrackedObject {
  return { trackId, predicted, model: 'm', label: 'face', score: 0.9, box: { left, top: 200, width: 100, height: 100 } };
}

it('annotation: names with their similarity in the list colour, others by what they are; predictions are drawn thinner', async () => {
  const labels = new Map([
    [1, Label.create({ trackId: 1, text: 'Ada', colour: '#d55e00', score: 0.7134 })],
    [2, Label.create({ trackId: 2, text: '', colour: '#9a9a9a' })],
  ]);
  const objects = [object(1, 600), object(2, 1200, true), object(3, 1800)];
  const wording = textsOf(objects, labels, { height: 720 });
  assert.deepEqual(wording, { texts: ['Ada', 'similarity 0.71', 'face', 'face'], size: 20 });
  const texts = createTextMasks(() => {});
  await texts.ready(wording.texts, wording.size);
  // The picture is half as large as the one that was looked at.
  const picture = canvas(1280, 720);
  drawObjects(picture, objects, { labels, texts, reading, from: { width: 2560, height: 1440 }, spots: new Map() });
  const luma = (x: number, y: number) => picture.planes[0]?.data[y * 1280 + x];
  for (const [left, colour, stroke] of [
    [300, '#d55e00', 4],
    [600, '#9a9a9a', 2],
    [900, '#ffffff', 4],
  ] as const) {
    const ink = inkOf(colour, reading).y;
    assert.equal(luma(left + stroke - 1, 130), ink);
    assert.notEqual(luma(left + stroke, 130), ink);
    assert.equal(luma(left, 100 - lineHeight(20)), ink, 'the plate stands on the box');
  }
});

it('annotation: of people side by side the name of the one on no list stands below, also in the frame after, and none covers another', async () => {
  const labels = new Map([[2, Label.create({ trackId: 2, text: 'Ada', colour: '#d55e00', score: 0.7134 })]]);
  const objects = [object(1, 400), object(2, 300)];
  const texts = createTextMasks(() => {});
  const { texts: words, size } = textsOf(objects, labels, { height: 720 });
  await texts.ready(words, size);
  let spots: ReadonlyMap<number, number> = new Map();
  for (const apart of [0, 4]) {
    const picture = canvas(1280, 720);
    const moved = objects.map((one) => (one.trackId === 1 ? { ...one, box: { ...one.box, left: one.box.left + apart } } : one));
    spots = drawObjects(picture, moved, { labels, texts, reading, from: picture, spots });
    const luma = (x: number, y: number) => picture.planes[0]?.data[y * 1280 + x];
    assert.equal(luma(300, 200 - lineHeight(size)), inkOf('#d55e00', reading).y);
    assert.equal(luma(400 + apart, 300 + lineHeight(size) - 1), inkOf('#ffffff', reading).y);
  }
  assert.deepEqual([...spots.keys()], [2, 1]);
});
