import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDetectStream } from '../../src/software-worker/detect-stream.ts';
import type { Picture, PictureStream } from '../../src/software-worker/pictures.ts';
import { testContext } from '../support/context.ts';
import { until } from '../support/until.ts';

const frameMs = 40;
const timeBase = { num: 1, den: 90_000 } as const;

/** A frame that was filmed then. */
function filmed(atMs: number): Picture {
  return { cameraTimeUs: atMs * 1000, frame: { free: () => {} } } as unknown as Picture;
}

test('a main frame that is further behind than the substream is kept is looked at itself, not put off to the next one', async () => {
  using ctx = testContext();
  let index = 0;
  const over = Promise.withResolvers<undefined>();
  const pictures = {
    timeBase,
    next: () => (index < 100 ? Promise.resolve(filmed(frameMs * index++)) : over.promise),
    interrupt: () => over.resolve(undefined),
    [Symbol.asyncDispose]: async () => {},
  };
  const options = { camera: 'gate', paced: false, timeBase };
  await using stream = startDetectStream({ ...options, open: async () => pictures as unknown as PictureStream }, ctx);
  await until('the substream has shown its frames', () => index === 100);
  assert.equal(await stream.match(filmed(20 * frameMs), frameMs), 'away', 'four fifths of its frames are gone');
  assert.equal(await stream.match(filmed(67 * frameMs), frameMs), 'away', 'the last that is gone');
  const match = await stream.match(filmed(80 * frameMs + 5), frameMs);
  assert.ok(typeof match === 'object' && match.cameraTimeUs === 80 * frameMs * 1000);
});

test('a main frame between two of the substream is put off to the one that is nearer', async () => {
  using ctx = testContext();
  const frames = [0, 200, 400].map(filmed);
  const over = Promise.withResolvers<undefined>();
  const pictures = {
    timeBase,
    next: () => Promise.resolve(frames.shift() ?? over.promise),
    interrupt: () => over.resolve(undefined),
    [Symbol.asyncDispose]: async () => {},
  };
  const options = { camera: 'gate', paced: false, timeBase };
  await using stream = startDetectStream({ ...options, open: async () => pictures as unknown as PictureStream }, ctx);
  assert.equal(typeof (await stream.match(filmed(0), frameMs)), 'object');
  assert.equal(await stream.match(filmed(40), frameMs), 'later');
  assert.equal(typeof (await stream.match(filmed(200), frameMs)), 'object');
});
