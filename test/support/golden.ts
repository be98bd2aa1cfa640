import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RgbImage } from '../../src/core/models.ts';

/** Expected values written by tools/golden/write.py. */
export function readGolden<T>(name: string): T {
  return JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/golden', `${name}.json`), 'utf8')) as T;
}

/** The pictures of tools/golden/picture.py, by the same formulas. */
export function goldenPicture(name: string, width: number, height: number): RgbImage {
  const formula = pictures[name];
  if (formula === undefined) throw new Error(`no picture ${name}`);
  const data = new Uint8Array(3 * width * height);
  let at = 0;
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) for (let channel = 0; channel < 3; channel += 1) data[at++] = formula(x, y, channel);
  return { width, height, data };
}

const pictures: Readonly<Record<string, (x: number, y: number, channel: number) => number>> = {
  noisy: (x, y, channel) => ((x * 37 + y * 101 + channel * 57) ^ ((x * y) >> 3)) & 255,
  smooth: (x, y, channel) => Math.abs(((x * 3 + y * 5 + channel * 140) % 510) - 255),
};
