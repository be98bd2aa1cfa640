import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from '../../bench/support/soak.ts';
import { hasMosquitto } from '../support/broker.ts';
import { missingTool } from '../support/data.ts';
import { installedProgram } from '../support/programs.ts';
import { missingModels } from '../support/repository.ts';

test('an hour of an empty room leaves memory, descriptors and threads as they were', {
  skip: missingModels('yunet') || missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg'),
}, async () => {
  const { settled, end, change } = await soak(1, 60, ({ wallS, mediaS, aloneMb, rssMb, descriptors, threads }) => {
    const memory = `${aloneMb.toFixed(1)} MB, RSS ${rssMb.toFixed(1)} MB`;
    console.log(
      `${(wallS / 60).toFixed(1)} min, ${mediaS.toFixed(0)} s of film: ${memory}, ${descriptors} descriptors, ${threads} threads`,
    );
  });
  assert.ok(Math.abs(change) <= 3, `memory went from ${settled.aloneMb.toFixed(1)} to ${end.aloneMb.toFixed(1)} MB`);
  assert.equal(end.descriptors, settled.descriptors);
  assert.equal(end.threads, settled.threads);
});
