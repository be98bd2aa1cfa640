import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MetadataPace, VideoPace } from '../../src/media/live-pace.ts';

const tooMuch = 9 * 1024 * 1024;

test('a slow subscriber is sent whole groups of pictures or none, and every unit it lost is counted', () => {
  const gop = 5;
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 200 }), (slow) => {
      const pace = new VideoPace();
      let decodable = false;
      let lost = 0;
      for (const [index, isSlow] of slow.entries()) {
        const key = index % gop === 0;
        const sent = pace.offer(key, isSlow ? tooMuch : 0);
        if (sent) {
          assert.ok(key || decodable, 'nothing that refers to what was left out');
          assert.ok(!isSlow);
          assert.equal(pace.takeLost(), lost);
          lost = 0;
        } else lost += 1;
        decodable = sent;
      }
      assert.equal(pace.lost, lost);
    }),
  );
});

test('one who waits for the first key frame, or for the next after a cut, has lost nothing', () => {
  const pace = new VideoPace();
  assert.equal(pace.offer(false, 0), false);
  assert.equal(pace.offer(true, 0), true);
  pace.cut();
  assert.equal(pace.offer(false, 0), false);
  assert.equal(pace.lost, 0);
});

test('metadata of a slow subscriber waits in order, and the oldest goes', () => {
  const pace = new MetadataPace<number>();
  assert.deepEqual(pace.offer(0, 0, false), { out: [0] });
  assert.deepEqual(pace.offer(1, 100_000, true), { out: [1] }, 'behind video more may wait');
  const lost: number[] = [];
  for (let index = 2; index < 302; index++) {
    const taken = pace.offer(index, 100_000, false);
    assert.deepEqual(taken.out, []);
    if (taken.lost !== undefined) lost.push(taken.lost);
  }
  assert.deepEqual(
    lost,
    Array.from({ length: 44 }, (_, index) => index + 2),
  );
  assert.deepEqual(pace.release(100_000, false), []);
  const out = pace.release(0, false);
  assert.deepEqual([out[0], out.at(-1), out.length, pace.held], [46, 301, 256, 0]);
});
