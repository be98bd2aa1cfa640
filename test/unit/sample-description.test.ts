import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDescriber, decoderRecord } from '../../src/media/sample-description.ts';

/** Parameter sets as no sound stream has them. */

const sps = Uint8Array.of(0x67, 66, 0, 30, 0xaa);
const pps = Uint8Array.of(0x68, 0xee);
const format = { codec: 'h264', width: 64, height: 64, parameterSets: [sps, pps] } as const;

test('a parameter set that is too long, or too many of them, describe nothing and break nothing', () => {
  const long = new Uint8Array(70_000).fill(1);
  long[0] = 0x68;
  assert.throws(() => decoderRecord('h264', [sps, long]), { code: 'source.format', message: /70000 bytes, 65535 at most/ });
  const longer = new Uint8Array(70_000).fill(1);
  longer[0] = 32 << 1;
  assert.throws(() => decoderRecord('h265', [longer]), { code: 'source.format' });
  const describe = createDescriber();
  assert.equal(describe(format, [long]), undefined);
  const many = Array.from({ length: 100_000 }, (_, index) => Uint8Array.of(0x68, index & 255, index >> 8, index >> 16));
  assert.equal(describe(format, many), undefined);
  assert.equal(describe(format, [])?.record[0], 1, 'the next one is described again');
});
