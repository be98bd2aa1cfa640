import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type BacklogUnit, createBacklog } from '../../src/software-worker/backlog.ts';

interface Sent {
  readonly number: number;
  readonly key: boolean;
  readonly bytes: number;
  /** When it came to this machine. */
  readonly cameMs: number;
}

interface Handled {
  readonly number: number;
  readonly key: boolean;
  readonly skipped: boolean;
  /** From its coming until it was decoded. */
  readonly lateMs: number;
  readonly atMs: number;
}

interface Stream {
  readonly seconds?: number;
  /** A key picture every so many units; 0: the first alone. */
  readonly keyEvery?: number;
  readonly bytes?: number;
}

/** A camera of 25 frames a second whose units come evenly. */
function sent({ seconds = 60, keyEvery = 50, bytes = 20_000 }: Stream = {}): readonly Sent[] {
  return Array.from({ length: 25 * seconds }, (_, number) => ({
    number,
    bytes,
    key: keyEvery === 0 ? number === 0 : number % keyEvery === 0,
    cameMs: number * 40,
  }));
}

/** As the worker does it: reads what has come, as long as not too much waits, and decodes one unit after the other. */
function watch(units: readonly Sent[], decodeMs: number | ((unit: Sent, nowMs: number) => number)) {
  const backlog = createBacklog<Sent & BacklogUnit>();
  const handled: Handled[] = [];
  let nowMs = 0;
  let read = 0;
  let mostWaiting = 0;
  while (handled.length < units.length) {
    const held = backlog.full;
    for (let unit = units[read]; unit !== undefined && unit.cameMs <= nowMs && !backlog.full; unit = units[read]) {
      backlog.push({ ...unit, readMs: held ? nowMs : unit.cameMs });
      read += 1;
    }
    mostWaiting = Math.max(mostWaiting, read - handled.length);
    const taken = backlog.take(nowMs);
    if (taken === undefined) {
      nowMs = units[read]?.cameMs ?? Number.NaN;
      continue;
    }
    const { unit, skipped } = taken;
    if (!skipped) nowMs += typeof decodeMs === 'number' ? decodeMs : decodeMs(unit, nowMs);
    handled.push({ number: unit.number, key: unit.key, skipped, lateMs: nowMs - unit.cameMs, atMs: nowMs });
  }
  const skipped = handled.filter((unit) => unit.skipped);
  const latestMs = Math.max(...handled.filter((unit) => !unit.skipped).map(({ lateMs }) => lateMs));
  return { handled, skipped, latestMs, mostWaiting };
}

/** Decoding begins again with key pictures only. */
function assertWhole(handled: readonly Handled[], what: string): void {
  for (const [index, { skipped, key, number }] of handled.entries()) {
    assert.equal(number, index, `${what}: in order, none left out`);
    if (!skipped && handled[index - 1]?.skipped === true) assert.ok(key, `${what}: ${number} is no key picture`);
  }
}

describe('units of a live source between reading and decoding', () => {
  it('are all decoded where the machine keeps up, if only just', () => {
    for (const decodeMs of [1, 20, 39.9]) assert.equal(watch(sent(), decodeMs).skipped.length, 0, `${decodeMs} ms`);
  });

  it('are all decoded where a sender collects some, or begins with what it filmed before', () => {
    const eight = sent().map((unit) => ({ ...unit, cameMs: 320 * Math.floor(unit.number / 8) }));
    assert.equal(watch(eight, 38).skipped.length, 0, 'eight at once');
    const begun = sent().map((unit) => ({ ...unit, cameMs: Math.max(0, unit.cameMs - 4000) }));
    assert.equal(watch(begun, 20).skipped.length, 0, 'four seconds at once');
  });

  it('that come late, because network or machine stood still, are decoded unless that would keep what follows late', () => {
    const stalled = sent().map((unit) => ({
      ...unit,
      cameMs: unit.number > 500 ? Math.max(25_000, unit.cameMs) : unit.cameMs,
    }));
    assert.equal(watch(stalled, 15).skipped.length, 0, 'made up for in three seconds');
    const { handled, skipped, latestMs } = watch(stalled, 34);
    assertWhole(handled, 'it would take half a minute');
    assert.ok(latestMs < 4100, `${latestMs} ms`);
    assert.ok(skipped[0] !== undefined && skipped[0].atMs >= 29_000, 'two seconds until they were late, and two more');
    assert.equal(skipped.at(-1)?.number, skipped[0].number + skipped.length - 1, 'once');
    // What came meanwhile, as far as there was room for it, is read when the machine wakes.
    const wakesMs = 3_620_000;
    const slept = sent().map((unit) => ({
      ...unit,
      cameMs: unit.number > 501 ? Math.max(wakesMs, wakesMs + 40 * (unit.number - 700)) : unit.cameMs,
    }));
    const awake = watch(slept, ({ number }, nowMs) => (number === 500 ? wakesMs - nowMs : 15));
    assert.deepEqual([awake.skipped.length, awake.handled.at(-1)?.lateMs], [0, 15], 'asleep in the midst of a picture');
  });

  it('are bounded while nobody takes any, and decoded then', () => {
    const loading = ({ number }: Sent) => (number === 1 ? 8000 : 5);
    const small = watch(sent(), loading);
    assert.equal(small.skipped.length, 0);
    assert.ok(small.mostWaiting <= 127, `${small.mostWaiting} waited`);
    const large = watch(sent({ bytes: 4_000_000 }), loading);
    assert.ok(large.mostWaiting <= 10, `${large.mostWaiting} of 4 MB waited`);
  });

  it('are late by four seconds at most where decoding is too slow, and each part that is decoded begins with a key picture', () => {
    for (const keyEvery of [1, 12, 25, 50, 100])
      for (const decodeMs of [42, 50, 80, 200, 400]) {
        const { handled, skipped, latestMs } = watch(sent({ seconds: 120, keyEvery }), decodeMs);
        const what = `${decodeMs} ms, a key picture every ${keyEvery}`;
        assertWhole(handled, what);
        assert.ok(latestMs < 4000 + 2 * decodeMs, `${what}: ${latestMs} ms late`);
        const begins = handled.filter((unit, index) => !unit.skipped && handled[index - 1]?.skipped !== false);
        const ends = handled.filter((unit, index) => unit.skipped && handled[index - 1]?.skipped === false);
        for (const [index, end] of ends.entries()) {
          const lastsMs = end.atMs - (begins[index]?.atMs ?? Number.NaN);
          assert.ok(lastsMs > 3000 - decodeMs, `${what}: decodes ${lastsMs} ms on end`);
        }
        const share = ((handled.length - skipped.length) * decodeMs) / 120_000;
        assert.ok(share > 0.5 && share < 1.05, `${what}: ${share} of the time was used`);
      }
  });

  it('are all decoded again as soon as the machine has time', () => {
    const { handled, skipped } = watch(sent({ seconds: 90 }), (_, nowMs) => (nowMs < 30_000 ? 90 : 10));
    assert.ok((skipped.at(-1)?.atMs ?? Number.NaN) < 34_000, `${skipped.at(-1)?.atMs}`);
    const after = handled.filter(({ atMs }) => atMs > 36_000);
    assert.ok(after.length > 1000 && after.every(({ lateMs }) => lateMs < 50));
  });

  it('are never skipped where no key picture is known to come', () => {
    assert.equal(watch(sent({ keyEvery: 0 }), 80).skipped.length, 0);
  });

  it('leave in order, each once, whenever they come and however long they take', () => {
    const step = fc.record({
      gap: fc.integer({ min: 0, max: 400 }),
      takes: fc.integer({ min: 0, max: 900 }),
      key: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 200 }), (all) => {
        let cameMs = 0;
        const units = all.map(({ gap, key }, number) => {
          cameMs += gap;
          return { number, key, bytes: 1000, cameMs };
        });
        assertWhole(watch(units, ({ number }) => all[number]?.takes ?? 0).handled, 'any');
      }),
    );
  });
});
