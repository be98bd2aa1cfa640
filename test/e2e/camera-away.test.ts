import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { alertsIn, alertWith, createWorkplace, cutClip, patience, statesIn } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { installedProgram } from '../support/programs.ts';
import { missingRtspCamera, startRtspCamera } from '../support/rtsp-camera.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg') || missingRtspCamera();

describe('a real RTSP camera', { skip }, () => {
  test('that is gone is away with its reason, comes back by itself, and alerts again', async () => {
    await using broker = await startBroker();
    await using listener = await listen(broker.port);
    await using place = await createWorkplace();
    const clip = cutClip(place.directory, 'ada', 12, 58);
    const camera = await startRtspCamera(clip);
    await using _first = camera;
    place.configure({
      mqtt: { url: broker.url, snapshot: 'off' },
      lists: { watch: {} },
      cameras: { lobby: { source: camera.url, silenceTimeout: '60s' } },
      alerting: { leaveAfter: '4s' },
    });
    await place.enrol('watch', 'ada');
    await using daemon = await place.start();
    const before = await alertWith(listener, { name: 'ada', state: 'opened' });
    await camera.kill();
    const away = await until(
      'the camera is away',
      () => statesIn(listener, 'lobby').find((state) => state?.state === 'away'),
      patience,
    );
    assert.match(away.reason ?? '', /closed the stream|connection|ended|refused/);
    assert.ok(away.retryAt !== undefined);
    await until(
      'her alert has ended',
      () => alertsIn(listener).some(({ id, state }) => id === before.id && state === 'closed'),
      patience,
    );
    const told = statesIn(listener, 'lobby').length;
    await using _second = await startRtspCamera(clip, { port: camera.port });
    await until(
      'the camera is live again',
      () =>
        statesIn(listener, 'lobby')
          .slice(told)
          .some((state) => state?.state === 'live'),
      patience,
    );
    const after = await until(
      'she alerts again',
      () => alertsIn(listener).find(({ track, state }) => state === 'opened' && track.epoch > before.track.epoch),
      patience,
    );
    assert.equal(after.entry?.name, 'ada');
    assert.notEqual(after.id, before.id);
    const at = ['--at', new Date(away.since).toISOString(), '--within', '10m'];
    const why = await place.succeed('why', '--camera', 'lobby', ...at);
    assert.match(why, /^no pictures \S+ \S+ to \S+ \S+: connecting$/m, 'at the start');
    assert.match(why, /^no pictures \S+ \S+ to \S+ \S+: away: /m);
    await daemon.stop();
  });
});
