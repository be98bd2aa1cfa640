import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKeyPicture } from '../../src/software-worker/key-pictures.ts';

const unit = (...bytes: readonly number[]) => Uint8Array.from(bytes);

test('an H.264 picture is a key picture by an IDR slice, wherever it comes', () => {
  assert.equal(isKeyPicture(unit(0, 0, 1, 0x65, 9), 'h264'), true);
  assert.equal(isKeyPicture(unit(0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 9), 'h264'), true);
  assert.equal(isKeyPicture(unit(0, 0, 0, 1, 0x41, 9, 0, 5, 0, 0, 3, 1, 0x65), 'h264'), false);
});

test('an H.264 picture that only repeats parameter sets is none, one with a recovery point is', () => {
  assert.equal(isKeyPicture(unit(0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x41, 9), 'h264'), false);
  assert.equal(isKeyPicture(unit(0, 0, 1, 0x06, 5, 1, 0, 0, 1, 0x41, 9), 'h264'), false);
  assert.equal(isKeyPicture(unit(0, 0, 1, 0x06, 6, 1, 0x84, 0x80, 0, 0, 1, 0x41, 9), 'h264'), true);
});

test('a recovery point is found behind other messages of its unit, and only where a message begins', () => {
  const sei = (...bytes: readonly number[]) => isKeyPicture(unit(0, 0, 1, 0x06, ...bytes, 0x80, 0, 0, 1, 0x41, 9), 'h264');
  assert.equal(sei(0, 1, 0x80, 1, 2, 7, 7, 6, 1, 0x84), true);
  assert.equal(sei(5, 2, 6, 1), false);
  const long = Array.from({ length: 0xff + 3 }, () => 6);
  assert.equal(sei(5, 0xff, 3, ...long), false);
  assert.equal(sei(5, 0xff, 3, ...long, 6, 1, 0x84), true);
  // What keeps two zeros from looking like a start code is no part of the message.
  assert.equal(sei(5, 4, 0, 0, 3, 1, 9, 6, 1, 0x84), true);
  assert.equal(sei(5, 200, 6), false);
  assert.equal(isKeyPicture(unit(0, 0, 1, 0x06, 5), 'h264'), false);
});

test('an H.265 picture is a key picture by an intra random access slice', () => {
  for (const type of [16, 19, 20, 21]) assert.equal(isKeyPicture(unit(0, 0, 1, type << 1, 1), 'h265'), true, `${type}`);
  for (const type of [0, 1, 9, 32, 39]) assert.equal(isKeyPicture(unit(0, 0, 1, type << 1, 1), 'h265'), false, `${type}`);
});

test('nothing and a start code without anything behind it are no key pictures', () => {
  assert.equal(isKeyPicture(unit(), 'h264'), false);
  assert.equal(isKeyPicture(unit(0, 0, 1), 'h264'), false);
});
