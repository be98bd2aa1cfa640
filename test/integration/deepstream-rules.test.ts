import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { toPts90k } from '../../src/core/media-time.ts';
import type { Box, FivePoints } from '../../src/core/types.ts';
import { cropRect } from '../../src/software-worker/crops.ts';
import { joinFace } from '../../src/software-worker/join.ts';
import { createStreamMeter } from '../../src/software-worker/stream-meter.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { buildStandin, missingStandin, standinBuild } from '../support/standin.ts';

/** The rules that the DeepStream program has in common with the software worker, asked of both. */

const programs = join(standinBuild, 'app/tests');

async function ask(inputs: readonly unknown[]): Promise<readonly unknown[]> {
  const child = spawn(join(programs, 'rule_samples'), { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  child.stdin.end(inputs.map((input) => `${JSON.stringify(input)}\n`).join(''));
  const [code] = (await once(child, 'close')) as [number];
  assert.equal(code, 0);
  return text
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
}

const side = fc.double({ min: -200, max: 2200, noNaN: true });
const length = fc.double({ min: 1, max: 900, noNaN: true });
const boxes = fc.record({ left: side, top: side, width: length, height: length });
const point = fc.record({ x: side, y: side });
const fivePoints = fc.tuple(point, point, point, point, point);
const frames = fc.record({ width: fc.integer({ min: 16, max: 4000 }), height: fc.integer({ min: 16, max: 3000 }) });
const sampled = { seed: 8, numRuns: 300 };

describe('rules of the DeepStream program', { skip: missingStandin() }, () => {
  before(() => buildStandin(), { timeout: 600_000 });

  it('cut what the software worker cuts', async () => {
    const cases = fc.sample(
      fc.record({ box: boxes, landmarks: fc.option(fivePoints, { nil: undefined }), frame: frames }),
      sampled,
    );
    const found = await ask(cases.map((one) => ({ rule: 'crop', ...one })));
    for (const [i, { box, landmarks, frame }] of cases.entries())
      assert.deepEqual(found[i], cropRect(box, landmarks as FivePoints | undefined, frame), JSON.stringify(cases[i]));
  });

  it('join faces as the software worker does', async () => {
    const persons = fc.array(fc.record({ trackId: fc.integer({ min: 1, max: 9 }), box: boxes }), { maxLength: 6 });
    const cases = fc
      .sample(fc.record({ persons, at: fc.nat(5), x: fc.double({ min: 0, max: 1, noNaN: true }), before: fc.nat(9) }), sampled)
      .map(({ persons: all, at, x, before: had }) => {
        // Somewhere in the upper half of one of them.
        const body: Box = all[at % Math.max(1, all.length)]?.box ?? { left: 0, top: 0, width: 10, height: 10 };
        const face = { left: body.left + x * body.width, top: body.top + 0.4 * x * body.height };
        return { persons: all, before: had, face: { ...face, width: body.width / 3, height: body.height / 5 } };
      });
    const found = await ask(cases.map((one) => ({ rule: 'join', ...one })));
    for (const [i, { face, persons: all, before: had }] of cases.entries())
      assert.equal(found[i], joinFace(face, all, had === 0 ? undefined : had) ?? null, JSON.stringify(cases[i]));
    assert.ok(found.filter((one) => one !== null).length > 50);
  });

  it('measure a stream as the software worker does', async () => {
    const unit = fc.record({
      // Steps of a camera, B-frames, and now and then another time line.
      stepMs: fc.oneof({ weight: 20, arbitrary: fc.constantFrom(40, 120, -40, -80, 33) }, fc.constantFrom(60_000, -60_000)),
      timed: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.constant(false)),
      bytes: fc.nat(100_000),
      key: fc.boolean(),
    });
    const streams = fc.record({ declaredFps: fc.constantFrom(0, 10, 25), all: fc.array(unit, { maxLength: 60 }) });
    const cases = fc.sample(streams, sampled).map(({ declaredFps, all }) => {
      let atMs = 1000;
      const units = all.map(({ stepMs, timed, bytes, key }) => {
        atMs += stepMs;
        return { ...(timed ? { ptsMs: atMs } : {}), bytes, key };
      });
      return { declaredFps, units };
    });
    const found = await ask(cases.map((one) => ({ rule: 'stream', ...one })));
    for (const [i, { declaredFps, units }] of cases.entries()) {
      const meter = createStreamMeter({ declaredFps, live: true });
      for (const { ptsMs, ...one } of units)
        meter.add({ ...one, ptsMs, arrivedMs: 0, arrivedMonoMs: 0, capturedMs: undefined });
      const stats = meter.stats(0);
      const { mediaMs, keySpanMs, longestKeyIntervalMs, reorderUnits } = stats;
      assert.deepEqual(
        found[i],
        {
          ...{ bytes: Number(stats.bytes), declaredFps, keyFrames: Number(stats.keyFrames), keySpanMs, longestKeyIntervalMs },
          ...{ mediaMs, reorderUnits, units: Number(stats.units) },
        },
        JSON.stringify(cases[i]),
      );
    }
  });

  it('count in 90 kHz as the media door does', async () => {
    const cases = fc.sample(fc.bigInt({ min: -(10n ** 15n), max: 10n ** 18n }), sampled);
    const found = await ask(cases.map((pts) => ({ rule: 'pts', pts: String(pts) })));
    for (const [i, pts] of cases.entries())
      assert.equal(BigInt(String(found[i])), toPts90k(pts, { numerator: 1, denominator: 1_000_000_000 }));
  });

  it('write the messages that test/unit/deepstream-wire.test.ts reads', async () => {
    await using directory = await temporaryDirectory();
    await promisify(execFile)(join(programs, 'wire_samples'), [directory.path]);
    const fixtures = resolve(import.meta.dirname, '../fixtures/bridge');
    const names = await readdir(directory.path);
    assert.deepEqual(names.toSorted(), (await readdir(fixtures)).toSorted());
    for (const name of names)
      assert.deepEqual(await readFile(join(directory.path, name)), await readFile(join(fixtures, name)), name);
  });
});
