import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { frameMessage, MessageSplitter } from '../../src/core/framing.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function* chunksOf(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  let at = 0;
  for (let turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

test('messages survive any cutting of the stream', () => {
  const message = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom(0, 127, 128, 16_383, 16_384).map((length) => new Uint8Array(length).fill(7)),
  );
  const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), sizes, (messages, cuts) => {
      const splitter = new MessageSplitter();
      const found: Uint8Array[] = [];
      for (const chunk of chunksOf(concatenated(messages.map(frameMessage)), cuts)) found.push(...splitter.push(chunk));
      assert.deepEqual(
        found.map((item) => [...item]),
        messages.map((item) => [...item]),
      );
    }),
  );
});

test('a message is framed by its length as a varint', () => {
  assert.deepEqual([...frameMessage(Uint8Array.of(1, 2))], [2, 1, 2]);
  assert.deepEqual([...frameMessage(new Uint8Array(300)).subarray(0, 3)], [172, 2, 0]);
});

test('a message is a copy: the chunk may be used again', () => {
  const chunk = frameMessage(Uint8Array.of(1, 2, 3));
  const [message] = [...new MessageSplitter().push(chunk)];
  chunk.fill(9);
  assert.deepEqual([...(message ?? [])], [1, 2, 3]);
});

test('a message that comes byte by byte takes no more than its length', () => {
  const bytes = 200_000;
  const [head = 0, ...more] = frameMessage(new Uint8Array(bytes)).subarray(0, 3);
  const splitter = new MessageSplitter();
  assert.deepEqual([...splitter.push(Uint8Array.of(head, ...more))], []);
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let at = 1; at < bytes; at += 1) for (const _ of splitter.push(Uint8Array.of(7))) assert.fail('it is not over');
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(grown < 4e6, `${grown} bytes are kept`);
  const [message] = [...splitter.push(Uint8Array.of(9))];
  assert.deepEqual([message?.length, message?.[0], message?.[bytes - 2], message?.[bytes - 1]], [bytes, 7, 7, 9]);
});

test('a length above the limit ends the stream before anything is kept for it', () => {
  const splitter = new MessageSplitter(100);
  assert.deepEqual([...splitter.push(frameMessage(new Uint8Array(100)))].length, 1);
  assert.throws(() => [...splitter.push(frameMessage(new Uint8Array(101)))], {
    code: 'bridge.protocol',
    details: { limit: 100 },
  });
});

test('a length that never ends is refused', () => {
  const endless = new Uint8Array(10).fill(0x80);
  assert.throws(() => [...new MessageSplitter().push(endless)], { code: 'bridge.protocol' });
});
