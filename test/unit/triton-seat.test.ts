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
    assert.ok(seat.meanMs(1, 1000) > 100);
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
