import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AccessUnitJoiner } from '../../src/software-worker/access-units.ts';
import type { NalCoding } from '../../src/software-worker/key-pictures.ts';
import { PictureEnds } from '../../src/software-worker/picture-ends.ts';

/** Parts as FFmpeg's RTP reader gives them, with a filling that holds no start code. */
function begin(size: number, ...head: readonly number[]): Buffer {
  const bytes = Buffer.alloc(size, 0xab);
  bytes.set([0, 0, 0, 1, ...head]);
  return bytes;
}
const rest = (size: number) => Buffer.alloc(size, 0xab);

const firstBytes = 1391;
const fullBytes = 1386;

/** Slice of H.264 by its first macroblock, coded as exponential Golomb. */
function slice(size: number, first: number, key = false): readonly Buffer[] {
  const code = (first + 1).toString(2);
  // Then the slice type: 7 for I, 5 for P.
  const bits = `${'0'.repeat(code.length - 1)}${code}${key ? '0001000' : '00110'}`.padEnd(32, '1');
  const head = [key ? 0x65 : 0x41, ...Array.from({ length: 4 }, (_, i) => Number.parseInt(bits.slice(8 * i, 8 * i + 8), 2))];
  return cut(size, head);
}

function slice265(size: number, first: boolean, key = false): readonly Buffer[] {
  return cut(size, [(key ? 19 : 1) << 1, 1, first ? 0x80 : 0x40]);
}

/** In packets of one size with the rest in the last, as all known senders do. */
function cut(size: number, head: readonly number[]): readonly Buffer[] {
  if (size <= firstBytes) return [begin(size, ...head)];
  const parts = [begin(firstBytes, ...head)];
  for (let left = size - firstBytes; left > 0; left -= fullBytes) parts.push(rest(Math.min(left, fullBytes)));
  return parts;
}

const sets = [begin(28, 0x67), begin(9, 0x68)];

/** Sends pictures and notes of each whether it left with its own last part. */
function sender(coding: NalCoding = 'h264') {
  const joiner = new AccessUnitJoiner(new PictureEnds(coding));
  const whole = new Map<bigint, { readonly bytes: number; readonly atOnce: boolean }>();
  let pts = 0n;
  function send(parts: readonly Buffer[]): boolean {
    pts += 6000n;
    for (const [index, data] of parts.entries()) {
      for (const unit of joiner.push({ data, pts, receivedMonoUs: 0n, wallUs: 0, ntpUs: undefined })) {
        assert.ok(unit.pts !== undefined && !whole.has(unit.pts), 'each picture leaves once');
        whole.set(unit.pts, { bytes: unit.data.length, atOnce: unit.pts === pts && index === parts.length - 1 });
      }
    }
    return whole.get(pts)?.atOnce === true;
  }
  return { joiner, whole, send, last: () => pts };
}

const bytesOf = (parts: readonly Buffer[]) => parts.reduce((sum, { length }) => sum + length, 0);
/** Different in size from picture to picture, one packet or several. */
const sizes = (index: number) => 300 + ((index * 577) % 5000);

function learn(send: (parts: readonly Buffer[]) => boolean, picture: (index: number, key: boolean) => readonly Buffer[]): void {
  for (let index = 0; index < 12; index += 1) send(picture(index, index === 0));
}

describe('the end of a picture is foreseen', () => {
  const single = (index: number, key: boolean) => [...(key ? sets : []), ...slice(sizes(index) + (key ? 8000 : 0), 0, key)];
  // Parameter sets before each slice of a key picture, as GStreamer sends them.
  const four = (index: number, key: boolean) =>
    [0, 230, 460, 690].flatMap((first) => [...(key ? sets : []), ...slice(sizes(index + first), first, key)]);
  const one265 = (index: number, key: boolean) => slice265(sizes(index) + (key ? 8000 : 0), true, key);
  const two265 = (index: number, key: boolean) => [
    ...slice265(sizes(index), true, key),
    ...slice265(sizes(index + 3), false, key),
  ];

  for (const [name, coding, picture] of [
    ['one slice of H.264', 'h264', single],
    ['four slices of H.264', 'h264', four],
    ['one slice of H.265', 'h265', one265],
    ['two slices of H.265', 'h265', two265],
  ] as const) {
    test(`${name}: after a few pictures each leaves with its own last packet, whole`, () => {
      const { send, whole, joiner, last } = sender(coding);
      learn(send, picture);
      for (let index = 12; index < 60; index += 1) {
        const parts = picture(index, index % 15 === 0);
        assert.equal(send(parts), true, `picture ${index}`);
        assert.equal(whole.get(last())?.bytes, bytesOf(parts));
      }
      assert.equal(joiner.broken, 0);
    });
  }

  test('but not before a key picture has been like the others, and not where slices are filled up to a size', () => {
    const { send } = sender();
    for (let index = 1; index < 40; index += 1) assert.equal(send(single(index, false)), false);
    for (let index = 40; index < 300; index += 1) send(single(index, false));
    assert.equal(send(single(300, false)), true, 'no key picture ever: a gradual refresh');
    // Quiet pictures fit into one slice; then somebody comes.
    const filled = sender();
    filled.send([...slice(1300, 0, true), ...slice(1310, 40, true), ...slice(400, 95, true)]);
    for (let index = 1; index < 40; index += 1) assert.equal(filled.send(slice(200 + index, 0)), false);
    filled.send([...slice(1300, 0), ...slice(500, 77)]);
    assert.equal(filled.joiner.broken, 0);
  });

  test('not where the last packet is as large as the others: then the next picture says it', () => {
    const { send, whole, last } = sender();
    learn(send, single);
    assert.equal(send(slice(firstBytes + 2 * fullBytes, 0)), false);
    const before = last();
    assert.equal(send(slice(900, 0)), true);
    assert.equal(whole.get(before)?.bytes, firstBytes + 2 * fullBytes);
  });

  test('not where units are cut into packets of other sizes than the largest', () => {
    const { send } = sender();
    for (let index = 0; index < 40; index += 1) {
      const [head, tail] = [
        begin(700 + index, ...(index % 8 === 0 ? [0x65, 0x88, 0x84] : [0x41, 0x9a, 0x20])),
        rest(701 + index),
      ];
      assert.equal(send([head, tail, rest(702 + index)]), false);
    }
  });

  test('anew when the number of slices changes: nothing is cut off when they become fewer or move', () => {
    const { send, joiner, whole, last } = sender();
    learn(send, four);
    assert.equal(send(four(20, false)), true);
    assert.equal(send(single(21, true)), false);
    assert.equal(joiner.broken, 0);
    learn(send, single);
    assert.equal(send(single(22, false)), true);
    assert.equal(whole.get(last())?.bytes, bytesOf(single(22, false)));
  });

  test('and a slice that comes all the same is counted, costs one picture, and makes it wait longer the next time', () => {
    const { send, joiner, whole } = sender();
    learn(send, single);
    send([...slice(900, 0), ...slice(2900, 460)]);
    assert.equal(joiner.broken, 1);
    const split = (index: number, key: boolean) => [...slice(sizes(index), 0, key), ...slice(sizes(index + 5), 460, key)];
    let waited = 0;
    while (!send(split(waited, waited === 0))) waited += 1;
    assert.ok(waited >= 60, `${waited}`);
    assert.equal(joiner.broken, 1);
    assert.equal(whole.size, 12 + 1 + waited + 1);
  });

  test('filler behind the last slice is no part of it and is not lost', () => {
    const { send, joiner, whole, last } = sender();
    const filled = (index: number, key: boolean) => [...single(index, key), begin(1391, 12), rest(300)];
    learn(send, single);
    assert.equal(send(filled(1, false)), false);
    assert.equal(joiner.broken, 0);
    assert.equal(whole.get(last())?.bytes, bytesOf(single(1, false)));
    send(single(2, false));
    assert.equal(whole.get(last())?.bytes, bytesOf(single(2, false)) + 1691);
  });
});
