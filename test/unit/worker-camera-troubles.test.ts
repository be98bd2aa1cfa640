import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FloodGate } from '../../src/core/log.ts';
import { CameraConfig } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { createCameraTroubles } from '../../src/software-worker/camera-troubles.ts';
import { createDetectorHealth } from '../../src/software-worker/detector-health.ts';
import { readSettings } from '../../src/software-worker/settings.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';

test('a camera of which video is skipped says how much is decoded and what would help, once, and when that is over', async () => {
  const clock = new ManualClock();
  using ctx = testContext(clock);
  using flood = new FloodGate(ctx.log, clock);
  const counters = {
    framesDecoded: 0,
    framesDetected: 0,
    framesInTime: 0,
    framesGated: 0,
    framesDropped: 0,
    batchesDropped: 0,
    crops: 0,
    unitsSkipped: 0,
  };
  const settings = readSettings(CameraConfig.create({ camera: 'gate', detect: [] }));
  const troubles = createCameraTroubles({ settings, counters, health: createDetectorHealth(), flood }, ctx);
  let said = 0;
  async function watch(seconds: number, decoded: number, skipped: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      counters.framesDecoded += decoded;
      counters.unitsSkipped += skipped;
      await clock.advance(1000);
      if (troubles.judge()) said += 1;
    }
  }
  await watch(60, 25, 0);
  assert.deepEqual([said, troubles.joined().reason], [0, '']);
  await watch(60, 10, 15);
  assert.equal(troubles.joined().code, 'camera.late');
  assert.match(
    troubles.joined().reason,
    /^\d+\.\d of 25\.0 frames a second are decoded: this machine has no time for more; hardware decoding, a smaller stream of the camera or fewer cameras would help$/,
  );
  assert.ok(said <= 2, `said ${said} times`);
  const before = said;
  await watch(200, 25, 0);
  assert.deepEqual(troubles.joined(), { reason: '', code: '', otherCodes: [] });
  assert.ok(said - before <= 3, `said ${said - before} times more`);
  const lines = ctx.lines.filter(({ camera }) => camera === 'gate').map(({ msg }) => msg);
  assert.deepEqual(
    [...new Set(lines)],
    ['camera sends more than is decoded, video is skipped', 'camera is decoded in whole again'],
  );
  assert.equal(lines.length, said);
});
