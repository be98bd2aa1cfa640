import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AccessUnitJoiner, type Fragment } from '../../src/software-worker/access-units.ts';
import { PictureEnds } from '../../src/software-worker/picture-ends.ts';

function fragment(text: string, pts: bigint | undefined, atMs: number, ntpUs?: number): Fragment {
  return { data: Buffer.from(text), pts, receivedMonoUs: BigInt(atMs) * 1000n, wallUs: atMs * 1000, ntpUs };
}

function joined(fragments: readonly Fragment[]): readonly (readonly [string, bigint | undefined])[] {
  const joiner = new AccessUnitJoiner();
  const units = [...fragments.flatMap((item) => joiner.push(item)), joiner.flush(), joiner.flush()];
  return units.flatMap((unit) => (unit === undefined ? [] : [[unit.data.toString(), unit.pts] as const]));
}

describe('an access unit', () => {
  test('is everything with one time stamp, in the order of arrival', () => {
    assert.deepEqual(
      joined([fragment('SP', 0n, 1), fragment('SPS', 0n, 2), fragment('slice', 0n, 3), fragment('next', 6000n, 70)]),
      [
        ['SPSPSslice', 0n],
        ['next', 6000n],
      ],
    );
  });

  test('may carry an earlier time stamp than the one before', () => {
    assert.deepEqual(
      joined([fragment('I', 0n, 1), fragment('P', 9000n, 2), fragment('B', 3000n, 3), fragment('b', 3000n, 4)]),
      [
        ['I', 0n],
        ['P', 9000n],
        ['Bb', 3000n],
      ],
    );
  });

  for (const [coding, first, second] of [
    ['h264', '6588', '41e2'],
    ['h265', '260180', '020180'],
  ] as const) {
    test(`of ${coding} ends where another begins under the first time stamp, which FFmpeg may give to two`, () => {
      const joiner = new AccessUnitJoiner(new PictureEnds(coding));
      const part = (hex: string, pts: bigint): Fragment => ({ ...fragment('', pts, 1), data: Buffer.from(hex, 'hex') });
      const parts = [
        part(`00000001${first}`, 0n),
        part('aaaa', 0n),
        part(`00000001${second}`, 0n),
        part(`00000001${second}`, 3600n),
        part(`00000001${second}`, 3600n),
        part(`00000001${second}`, 7200n),
      ];
      const units = [...parts.flatMap((item) => joiner.push(item)), joiner.flush()];
      assert.deepEqual(
        units.map((unit) => [unit?.data.toString('hex'), unit?.pts]),
        [
          [`00000001${first}aaaa`, -1n],
          [`00000001${second}`, 0n],
          // Only there: two fields of one frame have one time stamp.
          [`00000001${second}00000001${second}`, 3600n],
          [`00000001${second}`, 7200n],
        ],
      );
    });
  }

  test('goes on with what has no time stamp', () => {
    assert.deepEqual(
      joined([fragment('a', undefined, 1), fragment('b', 5n, 2), fragment('c', undefined, 3), fragment('d', 7n, 4)]),
      [
        ['abc', 5n],
        ['d', 7n],
      ],
    );
    assert.deepEqual(joined([]), []);
  });

  test('arrived with its last part and has the first capture time that was said', () => {
    const joiner = new AccessUnitJoiner();
    joiner.push(fragment('a', 0n, 10));
    joiner.push(fragment('b', 0n, 12, 5_000_000));
    joiner.push(fragment('c', 0n, 14, 5_000_001));
    const { receivedMonoUs, wallUs, ntpUs } = joiner.push(fragment('d', 1n, 70))[0] ?? {};
    assert.deepEqual([receivedMonoUs, wallUs, ntpUs], [14_000n, 14_000, 5_000_000]);
    assert.equal(joiner.flush()?.ntpUs, undefined);
  });

  test('keeps its own bytes, and knows how many', () => {
    const joiner = new AccessUnitJoiner();
    const reused = Buffer.from('abc');
    joiner.push({ ...fragment('', 0n, 1), data: reused });
    reused.fill('x');
    assert.equal(joiner.bytes, 3);
    assert.equal(joiner.flush()?.data.toString(), 'abc');
    assert.equal(joiner.bytes, 0);
  });
});
