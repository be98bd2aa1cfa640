import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { alertsIn, createWorkplace, cutClip, patience, type Workplace } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { installedProgram } from '../support/programs.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg');

async function allEnded(place: Workplace): Promise<boolean> {
  const { cameras } = await place.ask('status', {});
  return cameras.every(({ state }) => state.state === 'ended');
}

test('somebody listed who stands still from the first frame, or drifts by a tenth of a pixel a frame, alerts once, gate or no gate', {
  skip,
}, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using place = await createWorkplace();
  // Eight seconds of one frame; and of its left part that the camera follows by a tenth of a pixel a frame.
  const still = cutClip(place.directory, 'still', 30, 31, 'loop=loop=95:size=1:start=0');
  const drifting = cutClip(
    place.directory,
    'drifting',
    30,
    31,
    'loop=loop=95:size=1:start=0,setpts=N/12/TB,scale=iw*2:ih*2,crop=iw-160:ih-90:floor(n/5):0,scale=640:360',
  );
  const open = { motion: { enabled: false } };
  place.configure({
    mqtt: { url: broker.url, snapshot: 'off' },
    lists: { watch: {} },
    cameras: {
      'still-gated': { source: still },
      'still-open': { source: still, ...open },
      'drifting-gated': { source: drifting },
      'drifting-open': { source: drifting, ...open },
    },
    alerts: ['still-gated', 'still-open', 'drifting-gated', 'drifting-open'].map((name) => ({
      name,
      when: { cameras: [name] },
    })),
  });
  await place.enrol('watch', 'ada');
  await using daemon = await place.start();
  await until('all clips have been played', () => allEnded(place), patience);
  const gated = (camera: string) => daemon.metric(`sightline_camera_frames_gated{camera="${camera}"}`);
  await until('the gate has been counted', async () => (await gated('still-gated')) > 10, patience);
  await until('so slow a drift passes for stillness', async () => (await gated('drifting-gated')) > 0, patience);
  assert.deepEqual([await gated('still-open'), await gated('drifting-open')], [0, 0]);
  await daemon.stop();
  await listener.settled();
  assert.deepEqual(
    alertsIn(listener)
      .filter(({ state }) => state === 'opened')
      .map(({ camera, entry }) => `${entry?.name} on ${camera}`)
      .toSorted(),
    ['ada on drifting-gated', 'ada on drifting-open', 'ada on still-gated', 'ada on still-open'],
  );
});

/** Mean brightness of each row, 0 to 255. */
async function rows(jpegBase64: string): Promise<readonly number[]> {
  const { data, info } = await sharp(Buffer.from(jpegBase64, 'base64')).greyscale().raw().toBuffer({ resolveWithObject: true });
  return Array.from({ length: info.height }, (_, row) => {
    const values = data.subarray(row * info.width, (row + 1) * info.width);
    return values.reduce((sum, value) => sum + value, 0) / info.width;
  });
}

test('a masked person never alerts, and the masked part of the picture is black in the snapshot of somebody beside it', {
  skip,
}, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using place = await createWorkplace();
  // Dee passes behind ada, higher up in the picture: her face from row 17 to 71, ada's from 82 on.
  const source = cutClip(place.directory, 'both', 34, 70);
  const upper: [number, number][] = [
    [0, 0],
    [1, 0],
    [1, 0.225],
    [0, 0.225],
  ];
  place.configure({
    mqtt: { url: broker.url },
    lists: { watch: {} },
    cameras: { open: { source }, covered: { source, masks: [upper] } },
    alerts: [
      { name: 'open', when: { cameras: ['open'] } },
      { name: 'covered', when: { cameras: ['covered'] } },
    ],
  });
  await place.enrol('watch', 'ada', 'dee');
  await place.succeed('run', '--once', place.configFile);
  await listener.settled();
  const opened = alertsIn(listener).filter(({ state }) => state === 'opened');
  assert.deepEqual(opened.map(({ rule, entry }) => `${entry?.name}: ${rule}`).toSorted(), [
    'ada: covered',
    'ada: open',
    'dee: open',
  ]);

  const pictures = new Map(
    opened
      .filter(({ entry }) => entry?.name === 'ada')
      .map(({ rule, snapshot, box, frame }) => [rule, { snapshot, box, frame }]),
  );
  for (const [rule, { snapshot, box, frame }] of pictures) {
    assert.ok(snapshot.mode === 'inline');
    const brightness = await rows(snapshot.data);
    assert.ok(box.pixels.top > 0.225 * frame.height, 'her face is below the mask');
    const black = brightness.findIndex((value) => value > 24);
    if (rule === 'covered')
      assert.ok(black >= 6 && black < brightness.length / 2, `${black} of ${brightness.length} rows are black`);
    else assert.equal(black, 0, 'nothing is black without a mask');
  }
});
