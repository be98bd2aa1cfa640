import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PoolServer } from '../../src/inference/triton-pool.ts';
import { type Flight, Seat } from '../../src/inference/triton-seat.ts';

function seatOf(ceiling: number, instances = 1): Seat {
  const seat = new Seat({ name: 'a:1', state: 'ready', reason: '' } as PoolServer);
  seat.ceiling = ceiling;
  seat.instances = instances;
  return seat;
}

const flight = (rows: number, sentMs: number): Flight => ({ rows, sentMs, leave: () => {} });

/** A seat whose rows take 10 ms each, all alike. */
function known(ceiling = 8): Seat {
  const seat = seatOf(ceiling);
  for (let at = 0; at < 100; at += 1) {
    const one = flight(2, 20 * at - 2000);
    seat.add(one);
    seat.remove(one, 20 * at - 1980, 'answered');
  }
  return seat;
}

describe('a model on a server', () => {
  it('has twice what it runs at once under way, while its speed is not known', () => {
    const seat = seatOf(8, 2);
    seat.add(flight(31, 0));
    assert.equal(seat.room(1000), 1);
  });

  it('has no more under way than half of the time that requests have, but always one', () => {
    const seat = known();
    assert.equal(Math.round(seat.expectedMs(3)), 30);
    seat.add(flight(4, 0));
    assert.equal(seat.room(102), 1, 'five rows are 50 of 102 ms');
    assert.equal(seat.room(90), 0);
    assert.equal(known().room(1), 1, 'an idle one gets a request however slow it is');
  });

  it('measures by rows when several requests run together and are answered one right after the other', () => {
    const seat = seatOf(8);
    for (let at = 0; at < 100; at += 1) {
      const [one, three] = [flight(1, 40 * at), flight(3, 40 * at)];
      seat.add(one);
      seat.add(three);
      seat.remove(one, 40 * at + 40, 'answered');
      seat.remove(three, 40 * at + 40, 'answered');
    }
    const rowMs = seat.rowMs ?? 0;
    assert.ok(rowMs > 8 && rowMs < 12, `four rows take 40 ms, a row ${rowMs}`);
    assert.ok(seat.expectedMs(4) < 100, `${seat.expectedMs(4)}: none of them was that late`);
  });

  it('takes in parts what waits, so that one runs while the next is on its way', () => {
    const seat = seatOf(32);
    assert.equal(seat.portion(32, 60_000, 1000), 16);
    seat.add(flight(16, 0));
    assert.equal(seat.portion(16, 60_000, 1000), 16);
    const two = seatOf(32, 2);
    assert.equal(two.portion(32, 60_000, 1000), 8, 'four parts for two instances');
    assert.equal(seatOf(32).portion(200, 60_000, 1000), 32, 'no more than one request may have');
  });

  it('makes no small parts smaller', () => {
    assert.equal(seatOf(32).portion(10, 60_000, 1000) >= 8, true);
    assert.equal(seatOf(4).portion(8, 60_000, 1000), 4);
  });

  it('lets what comes wait for an answer when enough is under way, but for a full batch', () => {
    const seat = seatOf(8);
    seat.add(flight(1, 0));
    assert.ok(seat.portion(1, 60_000, 1000) >= 1, 'the second is there when the first is done');
    const second = flight(1, 0);
    seat.add(second);
    assert.equal(seat.portion(7, 60_000, 1000), 0);
    assert.equal(seat.portion(8, 60_000, 1000), 8);
    seat.remove(second, 10, 'answered');
    assert.ok(seat.portion(7, 60_000, 1000) >= 7);
  });

  it('sends the next when half of what is under way should be done: the server would put the two together', () => {
    const seat = known(32);
    assert.ok(seat.portion(4, 60_000, 0) >= 4, 'to a server that has nothing to do at once');
    seat.add(flight(8, 0));
    assert.equal(Math.round(seat.nextMs), 40);
    assert.equal(seat.portion(4, 60_000, 30), 0);
    assert.ok(seat.portion(4, 60_000, 50) >= 4);
    assert.equal(seat.portion(32, 60_000, 30), 32, 'a full batch is put together with nothing');
    assert.ok(seatOf(32).nextMs === 0, 'nothing is known');
  });

  it('has no part that takes more than a quarter of the time that requests have, but always one row', () => {
    const seat = known(32);
    assert.equal(seat.portion(100, 202, 1000), 5, 'of 202 ms half for what is under way, in two requests');
    seat.add(flight(5, 0));
    assert.equal(seat.portion(100, 202, 1000), 5);
    assert.equal(known(32).portion(100, 12, 1000), 1);
  });

  it('expects what is under way before what comes', () => {
    const seat = known();
    seat.add(flight(8, 0));
    assert.equal(Math.round(seat.expectedMs(2)), 100);
    assert.equal(Math.round(seat.meanMs(2, 20)), 100);
  });

  it('is slower for what was not answered in time, and not for what was given up', () => {
    const seat = known();
    const late = flight(1, 0);
    seat.add(late);
    seat.remove(late, 1000, 'late');
    assert.ok(seat.meanMs(1, 1000) > 50);
    assert.ok(seat.expectedMs(1) > 900, 'and whoever asks counts with another like it');
    const other = known();
    const left = flight(1, 0);
    other.add(left);
    other.remove(left, 1000, 'failed');
    assert.equal(Math.round(other.meanMs(1, 20)), 10);
    other.remove(left, 2000, 'answered');
    assert.equal(other.rows, 0, 'a flight ends once');
  });

  it('is thought faster again the longer it was not measured', () => {
    assert.equal(Math.round(known().meanMs(1, 5020)), 5);
    assert.ok(seatOf(8).meanMs(1, 0) < known().meanMs(1, 60_000), 'one that was never asked comes first');
  });

  it('comes after others when it says nothing for longer than it should', () => {
    for (const seat of [known(), seatOf(8)]) {
      seat.add(flight(2, 2000));
      const before = seat.meanMs(1, 2000);
      assert.ok(seat.meanMs(1, 2220) >= before + 150, `${seat.meanMs(1, 2220)} after ${before}`);
    }
  });

  it('gets one request at a time from a failure to the next answer', () => {
    const seat = known();
    seat.failures = 1;
    assert.equal(seat.room(1000) > 0, true);
    const one = flight(1, 0);
    seat.add(one);
    assert.equal(seat.room(1000) > 0, false);
    seat.remove(one, 10, 'answered');
    seat.add(flight(1, 10));
    assert.equal(seat.room(1000) > 0, true);
  });

  it('hangs when it has said nothing for long, measured by what it usually takes', () => {
    const seat = known();
    assert.equal(seat.stalledMs(1e6), undefined, 'nothing is under way');
    seat.add(flight(1, 1000));
    assert.equal(seat.stalledMs(2500), undefined);
    assert.equal(seat.stalledMs(2501), 1501);
    const slow = seatOf(8);
    for (let at = 0; at < 100; at += 1) {
      const one = flight(1, 1000 * at - 100_000);
      slow.add(one);
      slow.remove(one, 1000 * at - 99_000, 'answered');
    }
    slow.add(flight(1, 10_000));
    assert.equal(slow.stalledMs(13_900), undefined, 'four times its second');
    assert.ok((slow.stalledMs(14_100) ?? 0) > 4000);
  });
});
