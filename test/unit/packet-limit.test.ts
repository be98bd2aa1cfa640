import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PacketLimit } from '../../src/outputs/packet-limit.ts';

const hour = 3_600_000;
const silent = (bytes: number, largestTaken = 2500) => ({
  tooLarge: false,
  unanswered: [{ bytes, picture: true }],
  largestTaken,
});
const told = (bytes: number, largestTaken = 2500) => ({ ...silent(bytes, largestTaken), tooLarge: true });

describe('packet limit', () => {
  it('knows none at first', () => assert.equal(new PacketLimit(hour).bytes(0), Number.POSITIVE_INFINITY));

  it('believes "packet too large" at once, of the largest packet that was not answered', () => {
    const limit = new PacketLimit(hour);
    const unanswered = [
      { bytes: 2600, picture: false },
      { bytes: 9000, picture: true },
      { bytes: 7000, picture: true },
    ];
    assert.equal(limit.learn({ tooLarge: true, unanswered, largestTaken: 2500 }, 0), 9000);
    assert.equal(limit.bytes(0), 8488);
  });

  it('keeps what was taken, however little that is below', () => {
    const limit = new PacketLimit(hour);
    limit.learn(told(5010, 4990), 0);
    assert.equal(limit.bytes(0), 4990);
  });

  it('believes a broker that takes less than it did', () => {
    const limit = new PacketLimit(hour);
    limit.learn(told(9000, 20_000), 0);
    assert.equal(limit.bytes(0), 8488);
  });

  it('needs two silent ends to suspect sizes, and one more for each smaller one', () => {
    const limit = new PacketLimit(hour);
    assert.equal(limit.learn(silent(9000), 0), undefined);
    assert.equal(limit.learn(silent(8000), 0), 8000);
    assert.equal(limit.learn(silent(6000), 0), 6000);
    assert.equal(limit.bytes(0), 5488);
  });

  it('does not blame a size for an end on which nothing, no picture, or nothing unusually large was under way', () => {
    const limit = new PacketLimit(hour);
    for (const unanswered of [[], [{ bytes: 9000, picture: false }], [{ bytes: 2900, picture: true }]]) {
      for (let turn = 0; turn < 3; turn++)
        assert.equal(limit.learn({ tooLarge: false, unanswered, largestTaken: 2500 }, 0), undefined);
    }
    assert.equal(limit.bytes(0), Number.POSITIVE_INFINITY);
  });

  it('finds out that a broker takes less than it did also from silent ends', () => {
    const limit = new PacketLimit(hour);
    limit.learn({ tooLarge: false, unanswered: [], largestTaken: 20_000 }, 0);
    let ends = 1;
    while (limit.learn(silent(9000), 0) === undefined) ends += 1;
    assert.equal(ends, 4);
  });

  it('forgets after an hour without a lesson', () => {
    const limit = new PacketLimit(hour);
    limit.learn(told(9000), 0);
    limit.learn(told(8000), 1000);
    assert.equal(limit.bytes(hour), 7488);
    assert.equal(limit.bytes(hour + 1000), Number.POSITIVE_INFINITY);
    limit.learn(told(9000), hour + 1000);
    assert.equal(limit.bytes(hour + 1000), 8488);
  });
});
