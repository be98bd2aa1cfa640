import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { alertWith, createWorkplace, cutClip, kill, patience, statesIn, workerOf } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { installedProgram } from '../support/programs.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg');

test('a worker that is killed or hangs costs its own cameras a moment; alerts go on', { skip }, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using place = await createWorkplace();
  const camera = { source: cutClip(place.directory, 'ada', 17, 55), loop: true, realtime: true };
  place.configure({
    mqtt: { url: broker.url, snapshot: 'off' },
    lists: { watch: {} },
    cameras: { lobby: { ...camera, group: 'inside' }, street: { ...camera, group: 'outside' } },
    alerts: [
      { name: 'lobby', when: { cameras: ['lobby'] } },
      { name: 'street', when: { cameras: ['street'] } },
    ],
  });
  await place.enrol('watch', 'ada');
  await using daemon = await place.start();
  await alertWith(listener, { name: 'ada', rule: 'lobby' });
  await alertWith(listener, { name: 'ada', rule: 'street' });
  const street = workerOf(place.dataDir, 'outside');

  async function back(from: number): Promise<readonly string[]> {
    await until(
      'the camera is back',
      () =>
        statesIn(listener, 'lobby')
          .slice(from)
          .some((state) => state?.state === 'live'),
      patience,
    );
    return statesIn(listener, 'lobby')
      .slice(from)
      .map((state) => `${state?.state}: ${state?.reason ?? ''}`);
  }

  const killed = workerOf(place.dataDir, 'inside');
  assert.ok(killed !== undefined && street !== undefined);
  const atKill = statesIn(listener, 'lobby').length;
  kill(killed);
  assert.deepEqual(await back(atKill), ['away: its worker is started again: it was ended by SIGKILL', 'live: ']);
  const second = workerOf(place.dataDir, 'inside');
  assert.notEqual(second, killed);
  await place.enrol('watch', 'dee');
  const dee = await alertWith(listener, { name: 'dee', rule: 'lobby', state: 'opened' });
  assert.ok(dee.track.epoch > 1, 'seen after the restart');

  const atStop = statesIn(listener, 'lobby').length;
  assert.ok(second !== undefined);
  kill(second, 'SIGSTOP');
  assert.deepEqual(await back(atStop), ['away: its worker is started again: 3 pings in a row were not answered', 'live: ']);
  assert.notEqual(workerOf(place.dataDir, 'inside'), second);

  assert.equal(workerOf(place.dataDir, 'outside'), street);
  assert.deepEqual(
    statesIn(listener, 'street').map((state) => state?.state),
    ['connecting', 'live'],
    'the camera of the other group noticed nothing',
  );
  await daemon.stop();
});
