import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MetadataPace, VideoPace } from '../../src/media/live-pace.ts';

const none = { bytes: 0, ms: 0 };
const waiting = { bytes: 100_000, ms: 0 };
const tooMuch = { bytes: 9 * 1024 * 1024, ms: 0 };
const tooLong = { bytes: 0, ms: 5001 };
const slowly = (index: number) => (index % 2 === 0 ? tooMuch : tooLong);

test('a slow subscriber is sent whole groups of pictures or none, and every unit it lost is counted', () => {
  const gop = 5;
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 200 }), (slow) => {
      const pace = new VideoPace();
      let decodable = false;
      let lost = 0;
      for (const [index, isSlow] of slow.entries()) {
        const key = index % gop === 0;
        const sent = pace.offer(key, isSlow ? slowly(index) : none);
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
  assert.equal(pace.offer(false, none), false);
  assert.equal(pace.offer(true, none), true);
  pace.cut();
  assert.equal(pace.offer(false, none), false);
  assert.equal(pace.lost, 0);
});

test('metadata of a slow subscriber waits in order, and the oldest goes', () => {
  const pace = new MetadataPace<number>();
  assert.deepEqual(pace.offer(0, none, false), { out: [0] });
  assert.deepEqual(pace.offer(1, waiting, true), { out: [1] }, 'behind video more may wait');
  const lost: number[] = [];
  for (let index = 2; index < 302; index++) {
    const taken = pace.offer(index, waiting, false);
    assert.deepEqual(taken.out, []);
    if (taken.lost !== undefined) lost.push(taken.lost);
  }
  assert.deepEqual(
    lost,
    Array.from({ length: 44 }, (_, index) => index + 2),
  );
  assert.deepEqual(pace.release(waiting, false), []);
  assert.deepEqual([pace.release(tooLong, false), pace.release(tooLong, true)], [[], []]);
  const out = pace.release(none, false);
  assert.deepEqual([out[0], out.at(-1), out.length, pace.held], [46, 301, 256, 0]);
});
