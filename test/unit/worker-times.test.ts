import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createFrameTimes, type FrameArrival, type FrameClock } from '../../src/software-worker/times.ts';

const base = { num: 1, den: 90_000 };
const wallUs = Date.UTC(2026, 0, 1) * 1000;

/** Frame `index` of a 10 fps source that arrives `lateMs` after its time. */
function arrival(index: number, more: Partial<FrameArrival> & { lateMs?: number } = {}): FrameArrival {
  const lateUs = (more.lateMs ?? 0) * 1000;
  return {
    pts: BigInt(index * 9000),
    receivedMonoUs: BigInt(5_000_000 + index * 100_000 + lateUs),
    wallUs: wallUs + index * 100_000 + lateUs,
    ntpUs: undefined,
    ...more,
  };
}

interface Drifting {
  /** Media time that passes in a second. */
  readonly rate: number;
  readonly seconds: number;
  readonly lateMs?: (second: number) => number;
  readonly cameraAheadMs?: (second: number) => number;
  readonly weAheadMs?: (second: number) => number;
}

const reportSeconds = 5;

/** Frames of a 5 fps camera that counts frames as time; a report every five seconds says its clock, which media time carries on. */
function* drifting(camera: Drifting): Generator<{ readonly atUs: number; readonly arrival: FrameArrival }> {
  const { rate, lateMs = () => 0, cameraAheadMs = () => 0, weAheadMs = () => 0 } = camera;
  let arrivedMs = 0;
  for (let index = 0; index < camera.seconds * 5; index += 1) {
    const second = index / 5;
    arrivedMs = Math.max(arrivedMs, 1000 * second + lateMs(second));
    const reported = second - (second % reportSeconds);
    const capturedMs = 1000 * reported + cameraAheadMs(reported) + 1000 * (second - reported) * rate;
    yield {
      atUs: wallUs + 1e6 * second,
      arrival: {
        pts: BigInt(Math.round(index * 18_000 * rate)),
        receivedMonoUs: BigInt(Math.round(5_000_000 + 1000 * arrivedMs)),
        wallUs: wallUs + 1000 * (arrivedMs + weAheadMs(second)),
        ntpUs: reported === 0 ? undefined : wallUs + 1000 * capturedMs,
      },
    };
  }
}

function said(frames: readonly FrameClock[]): readonly number[] {
  return frames.flatMap(({ clockOffBySeconds }) => (clockOffBySeconds === undefined ? [] : [Math.round(clockOffBySeconds)]));
}

function live() {
  return createFrameTimes({ timeBase: base, kind: 'live', frameRate: 10, openedWallUs: wallUs });
}

describe('camera time of a live source', () => {
  test('follows arrival, with its jitter smoothed away and never backwards', () => {
    const times = live();
    let before = 0;
    for (let index = 0; index < 200; index += 1) {
      const { cameraTimeUs, cameraTimeSource } = times.next(arrival(index, { lateMs: index % 7 === 3 ? 60 : 0 }));
      assert.equal(cameraTimeSource, 'arrival');
      assert.ok(cameraTimeUs > before);
      assert.ok(Math.abs(cameraTimeUs - (wallUs + index * 100_000)) < 25_000, `frame ${index}`);
      before = cameraTimeUs;
    }
  });

  test('is the sender report once there is one, also for frames that carry none', () => {
    const times = live();
    times.next(arrival(0, { lateMs: 80 }));
    const reported = times.next(arrival(1, { lateMs: 80, ntpUs: wallUs + 100_000 }));
    assert.equal(reported.cameraTimeSource, 'rtcp');
    for (let index = 2; index < 10; index += 1) {
      const later = times.next(arrival(index, { lateMs: 80 }));
      assert.equal(later.cameraTimeSource, 'rtcp');
      assert.equal(later.cameraTimeUs, wallUs + index * 100_000);
    }
  });

  test('is arrival when the camera clock is off by more than two seconds, and says so when that changes', () => {
    const times = live();
    const reported = (from: number, to: number, aheadUs: number) =>
      Array.from({ length: to - from }, (_, index) =>
        times.next(arrival(from + index, { ntpUs: wallUs + (from + index) * 100_000 + aheadUs })),
      );
    const off = reported(0, 100, -3_600_000_000);
    assert.ok(off.every(({ cameraTimeSource }) => cameraTimeSource === 'arrival'));
    assert.deepEqual(said(off), [-3600]);
    assert.deepEqual(said(reported(100, 200, 7_200_000_000)), [7200], 'off by something else is said too');
    const right = reported(200, 300, 0);
    assert.ok(right.every(({ cameraTimeSource }) => cameraTimeSource === 'rtcp'));
    assert.deepEqual(said(right), [0], 'and so is that it is right again');
  });

  test('is the sender report also while everything comes late, and after the wall clock was set to what the camera has', () => {
    const times = live();
    for (let index = 0; index < 300; index += 1) {
      const lateMs = index >= 100 && index < 200 ? 4000 : 20;
      const frame = times.next(arrival(index, { lateMs, ntpUs: wallUs + index * 100_000 }));
      assert.deepEqual([frame.cameraTimeSource, frame.clockOffBySeconds], ['rtcp', undefined], `frame ${index}`);
    }
    const set = arrival(300, { wallUs: wallUs + 300 * 100_000 - 60_000_000, ntpUs: wallUs + 300 * 100_000 - 60_000_000 });
    assert.equal(times.next(set).cameraTimeSource, 'rtcp');
  });

  test('is the sender report however fast media time runs beside real time, and however late frames come', () => {
    const camera = fc.record({
      rate: fc.double({ min: 0.97, max: 1.03, noNaN: true }),
      jitterMs: fc.nat({ max: 80 }),
      stalls: fc.array(
        fc.record({ from: fc.integer({ min: 10, max: 1400 }), seconds: fc.nat({ max: 120 }), lateMs: fc.nat({ max: 6000 }) }),
        {
          maxLength: 5,
        },
      ),
    });
    const holds = fc.property(camera, ({ rate, jitterMs, stalls }) => {
      const lateMs = (second: number) => {
        const stall = stalls.find(({ from, seconds }) => second >= from && second < from + seconds);
        return (stall?.lateMs ?? 0) + (jitterMs * ((second * 35) % 8)) / 8;
      };
      const times = live();
      for (const { atUs, arrival } of drifting({ rate, seconds: 1500, lateMs })) {
        const frame = times.next(arrival);
        const source = atUs - wallUs < reportSeconds * 1e6 ? 'arrival' : 'rtcp';
        assert.deepEqual([frame.cameraTimeSource, frame.clockOffBySeconds], [source, undefined], `at ${atUs - wallUs} us`);
        if (source === 'arrival') continue;
        const withinUs = Math.abs(rate - 1) * reportSeconds * 1e6 + 100;
        assert.ok(Math.abs(frame.cameraTimeUs - atUs) <= withinUs, `at ${atUs - wallUs} us: ${frame.cameraTimeUs - atUs} us`);
      }
    });
    fc.assert(holds, {
      numRuns: 20,
      examples: [0.97, 0.996, 1.03].map((rate) => [
        { rate, jitterMs: 20, stalls: [{ from: 700, seconds: 120, lateMs: 6000 }] },
      ]),
    });
  });

  for (const rate of [0.99, 1, 1.01]) {
    test(`is arrival while either clock is an hour off, media time running at ${rate}`, () => {
      const ahead = (from: number, to: number) => (second: number) => (second >= from && second < to ? 3_600_000 : 0);
      const frames = [...drifting({ rate, seconds: 1500, cameraAheadMs: ahead(700, 800), weAheadMs: ahead(1000, 1100) })];
      const times = live();
      const clocks = frames.map(({ arrival }) => times.next(arrival));
      assert.deepEqual(said(clocks), [3600, 0, -3600, 0]);
      const rtcp = clocks.map(({ cameraTimeSource }, index) => [Math.floor(index / 5), cameraTimeSource] as const);
      const off = rtcp.filter(([second, source]) => second >= reportSeconds && source === 'arrival').map(([second]) => second);
      assert.deepEqual([off.length, off.at(0), off.at(500), off.at(-1)], [1000, 700, 1000, 1099]);
    });
  }

  test('follows the wall clock when that is set', () => {
    const times = live();
    times.next(arrival(0));
    times.next(arrival(1));
    const after = times.next(arrival(2, { wallUs: wallUs - 60_000_000 }));
    assert.equal(after.cameraTimeUs, wallUs - 60_000_000);
  });
});

describe('time stamps', () => {
  test('that begin anew begin a new time line, as do leaps that no time passed for', () => {
    const times = live();
    times.next(arrival(100));
    assert.equal(times.next(arrival(101)).restarted, false);
    const back = times.next(arrival(102, { pts: 0n }));
    assert.deepEqual([back.restarted, back.mediaMs, back.pts], [true, 0, 0n]);
    assert.equal(times.next(arrival(103, { pts: 9000n })).restarted, false);
    assert.equal(times.next(arrival(104, { pts: 90_000n * 60n })).restarted, true);
  });

  test('go on over a pause of the source', () => {
    const times = live();
    times.next(arrival(0));
    assert.equal(times.next(arrival(300)).restarted, false);
  });

  test('that repeat or step back a little are kept growing', () => {
    const times = live();
    times.next(arrival(10));
    const repeated = times.next(arrival(11, { pts: 90_000n }));
    assert.deepEqual([repeated.restarted, repeated.pts], [false, 90_001n]);
    assert.equal(times.next(arrival(12, { pts: 89_000n })).pts, 90_002n);
  });

  test('that are missing follow from the frame rate', () => {
    const times = live();
    assert.equal(times.next(arrival(0, { pts: undefined })).pts, 0n);
    assert.equal(times.next(arrival(1, { pts: undefined })).pts, 9000n);
  });

  test('of a file place its frames after the moment of opening, however fast it is read', () => {
    const times = createFrameTimes({ timeBase: { num: 1, den: 1000 }, kind: 'file', frameRate: 10, openedWallUs: wallUs });
    times.next({ pts: 40n, receivedMonoUs: 1n, wallUs: wallUs + 5, ntpUs: undefined });
    const later = times.next({ pts: 3_600_040n, receivedMonoUs: 2n, wallUs: wallUs + 9, ntpUs: undefined });
    assert.deepEqual(
      [later.mediaMs, later.cameraTimeUs, later.restarted, later.cameraTimeSource],
      [3_600_000, wallUs + 3_600_000_000, false, 'arrival'],
    );
  });
});

describe('time stamps that jump', () => {
  const jumps: Readonly<Record<string, (index: number) => bigint>> = {
    'to anywhere with every frame': (index) => BigInt((index * 2_654_435_761) % 2 ** 32),
    'back with every frame': (index) => BigInt(10_000_000 - index * 3600),
    'far ahead every five seconds': (index) => BigInt(index * 9000) + BigInt(Math.floor(index / 50)) * 2n ** 31n,
  };
  for (const [how, pts] of Object.entries(jumps)) {
    test(`${how} begin two epochs at most, then arrival takes their place`, () => {
      const times = live();
      const frames = Array.from({ length: 600 }, (_, index) => times.next(arrival(index, { pts: pts(index), ntpUs: 1e15 })));
      assert.equal(frames.filter(({ restarted }) => restarted).length, 2);
      assert.deepEqual(
        frames.flatMap(({ stampsJump }) => (stampsJump === undefined ? [] : [stampsJump])),
        [true],
      );
      const from = frames.findIndex(({ stampsJump }) => stampsJump === true);
      for (const [index, { mediaMs, pts: given, cameraTimeUs, cameraTimeSource }] of frames.entries()) {
        const before = frames[index - 1];
        if (index <= from || before === undefined) continue;
        assert.ok(given > before.pts);
        assert.equal(Math.round(mediaMs - before.mediaMs), 100);
        assert.equal(cameraTimeSource, 'arrival');
        assert.ok(Math.abs(cameraTimeUs - (wallUs + index * 100_000)) < 1000, `frame ${index}`);
      }
    });
  }

  test('are believed again, in a new epoch, after half a minute without a jump', () => {
    const times = live();
    const frames = Array.from({ length: 600 }, (_, index) =>
      times.next(arrival(index, { pts: BigInt(index * 9000 + Math.min(index, 50) * 100_000_000) })),
    );
    const again = frames.findIndex(({ stampsJump }) => stampsJump === false);
    assert.equal(again, 350);
    assert.deepEqual([frames[again]?.restarted, frames[again]?.mediaMs, frames[again + 1]?.mediaMs], [true, 0, 100]);
    assert.ok(frames.slice(again + 1).every(({ restarted, stampsJump }) => !restarted && stampsJump === undefined));
  });
});
