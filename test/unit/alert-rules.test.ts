import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileSchedule, type ScheduleWindow } from '../../src/alerts/schedule.ts';
import { footPoint, joinStays, stayAt, stayedMs, zonesAt } from '../../src/alerts/zones.ts';

const everyDay = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

function holds(window: Partial<ScheduleWindow>, ...times: string[]): boolean[] {
  const schedule = compileSchedule([{ days: [...everyDay], from: '00:00', to: '24:00', timeZone: 'UTC', ...window }]);
  return times.map((time) => schedule(Date.parse(time)));
}

describe('a schedule', () => {
  test('without windows always holds', () => {
    assert.equal(compileSchedule([])(0), true);
  });

  test('holds from its begin up to its end', () => {
    const at = (time: string) => `2026-03-04T${time}Z`;
    assert.deepEqual(holds({ from: '08:00', to: '17:30' }, at('07:59:59'), at('08:00:00'), at('17:29:59'), at('17:30:00')), [
      false,
      true,
      true,
      false,
    ]);
    assert.deepEqual(holds({ from: '22:00' }, at('21:59:59'), at('23:59:59')), [false, true]);
  });

  test('that runs past midnight belongs to the day on which it began', () => {
    // 2026-03-06 is a Friday.
    assert.deepEqual(
      holds(
        { days: ['fri'], from: '22:00', to: '06:00' },
        '2026-03-06T21:59:00Z',
        '2026-03-06T22:00:00Z',
        '2026-03-07T05:59:00Z',
        '2026-03-07T06:00:00Z',
        '2026-03-07T22:00:00Z',
        '2026-03-06T05:00:00Z',
      ),
      [false, true, true, false, false, false],
    );
    assert.deepEqual(holds({ days: ['sun'], from: '22:00', to: '06:00' }, '2026-03-09T05:00:00Z'), [true]);
  });

  test('counts days and hours in its own time zone', () => {
    // Friday 23:30 UTC is Saturday 08:30 in Tokyo.
    const time = '2026-03-06T23:30:00Z';
    assert.deepEqual(holds({ days: ['sat'], from: '08:00', to: '09:00', timeZone: 'Asia/Tokyo' }, time), [true]);
    assert.deepEqual(holds({ days: ['fri'], from: '08:00', to: '09:00', timeZone: 'Asia/Tokyo' }, time), [false]);
    assert.deepEqual(holds({ from: '05:00', to: '05:30', timeZone: 'Asia/Kathmandu' }, '2026-03-06T23:20:00Z'), [true]);
  });

  test('moves with daylight saving: the same local hour is another hour of UTC', () => {
    const office = { from: '08:00', to: '09:00', timeZone: 'Europe/Berlin' };
    assert.deepEqual(holds(office, '2026-03-28T07:30:00Z', '2026-03-28T06:30:00Z'), [true, false]);
    assert.deepEqual(holds(office, '2026-03-30T07:30:00Z', '2026-03-30T06:30:00Z'), [false, true]);
  });

  test('inside the hour that summer time leaves out does not happen; one that begins in it begins after it', () => {
    // Berlin, 2026-03-29: 01:59:59 is followed by 03:00:00, at 01:00 UTC.
    const day = ['2026-03-29T00:59:59Z', '2026-03-29T01:00:00Z', '2026-03-29T01:30:00Z', '2026-03-29T02:00:00Z'];
    assert.deepEqual(holds({ from: '02:15', to: '02:45', timeZone: 'Europe/Berlin' }, ...day), [false, false, false, false]);
    assert.deepEqual(holds({ from: '02:30', to: '04:00', timeZone: 'Europe/Berlin' }, ...day), [false, true, true, false]);
    assert.deepEqual(holds({ from: '01:00', to: '02:30', timeZone: 'Europe/Berlin' }, ...day), [true, false, false, false]);
  });

  test('in the hour that winter time repeats counts both times', () => {
    // Berlin, 2026-10-25: 02:00 to 03:00 happens from 00:00 and again from 01:00 UTC.
    const day = [
      '2026-10-24T23:45:00Z',
      '2026-10-25T00:15:00Z',
      '2026-10-25T00:45:00Z',
      '2026-10-25T01:15:00Z',
      '2026-10-25T01:45:00Z',
      '2026-10-25T02:15:00Z',
    ];
    assert.deepEqual(holds({ from: '02:00', to: '02:30', timeZone: 'Europe/Berlin' }, ...day), [
      false,
      true,
      false,
      true,
      false,
      false,
    ]);
  });

  test('through the night of the change holds an hour less or more, without a gap', () => {
    const night = compileSchedule([{ days: [...everyDay], from: '22:00', to: '06:00', timeZone: 'Europe/Berlin' }]);
    const hours = (from: string) => {
      let count = 0;
      for (let minute = 0; minute < 24 * 60; minute += 1) if (night(Date.parse(from) + minute * 60_000)) count += 1;
      return count / 60;
    };
    assert.equal(hours('2026-03-10T12:00:00Z'), 8);
    assert.equal(hours('2026-03-28T12:00:00Z'), 7);
    assert.equal(hours('2026-10-24T12:00:00Z'), 9);
  });
});

describe('zones', () => {
  const zones = {
    door: [
      [0, 0.5],
      [0.5, 0.5],
      [0.5, 1],
      [0, 1],
    ] as [number, number][],
    all: [
      [0, 0],
      [1, 0],
      [1, 1],
      [0, 1],
    ] as [number, number][],
  };

  test('hold the middle of the lower edge of a box', () => {
    const point = footPoint({ left: 100, top: 100, width: 200, height: 500 }, { width: 1000, height: 1000 });
    assert.deepEqual(point, { x: 0.2, y: 0.6 });
    assert.deepEqual(zonesAt(zones, point), ['door', 'all']);
    assert.deepEqual(zonesAt(zones, { x: 0.6, y: 0.6 }), ['all']);
  });

  test('with a notch are followed', () => {
    const notched = {
      u: [
        [0, 0],
        [1, 0],
        [1, 1],
        [0.6, 1],
        [0.6, 0.3],
        [0.4, 0.3],
        [0.4, 1],
        [0, 1],
      ] as [number, number][],
    };
    assert.deepEqual(zonesAt(notched, { x: 0.5, y: 0.8 }), []);
    assert.deepEqual(zonesAt(notched, { x: 0.2, y: 0.8 }), ['u']);
    assert.deepEqual(zonesAt(notched, { x: 0.5, y: 0.2 }), ['u']);
  });

  test('count a stay through a short absence and begin anew after a long one', () => {
    let stays = stayAt(new Map(), ['door'], 0);
    stays = stayAt(stays, ['door'], 1500);
    stays = stayAt(stays, ['door'], 3000);
    assert.equal(stayedMs(stays, 'door', 3000), 3000);
    stays = stayAt(stays, [], 4000);
    stays = stayAt(stays, ['door'], 5000);
    assert.equal(stayedMs(stays, 'door', 5000), 5000);
    stays = stayAt(stays, [], 7500);
    assert.equal(stayedMs(stays, 'door', 7500), undefined);
    stays = stayAt(stays, ['door'], 8000);
    assert.equal(stayedMs(stays, 'door', 8000), 0);
  });

  test('join the stays of two tracks only when they touch', () => {
    const stay = (sinceMs: number, lastMs: number) => new Map([['door', { sinceMs, lastMs }]]);
    assert.deepEqual(joinStays(stay(0, 1000), stay(2000, 4000)), stay(0, 4000));
    assert.deepEqual(joinStays(stay(0, 1000), stay(5000, 6000)), stay(5000, 6000));
    assert.deepEqual(joinStays(stay(5000, 6000), stay(0, 1000)), stay(5000, 6000));
  });
});
