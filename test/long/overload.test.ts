import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { alertWith, type CameraInput, createWorkplace, patience, type RunningDaemon, statesIn } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { logFloods, metricsOf } from '../support/faults.ts';
import { fixtureModels, fixturePath } from '../support/fixtures.ts';
import { until } from '../support/until.ts';

const names = Array.from({ length: 12 }, (_, index) => `gate-${index + 1}`);
const lateWords = /^(\d+\.\d+) of (\d+\.\d+) frames a second are looked at: this machine has no time for more$/;

/** One look takes a good part of a second. */
const heavyWidth = 1920;
const watchedMs = 50_000;

/** Every frame of twelve cameras: more than the one inference thread of their worker can look at. */
function cameras(fps: number, width: number): Readonly<Record<string, CameraInput>> {
  const detect = [{ model: fixtureModels.face, fps, width }];
  const film = { source: fixturePath('clips/lobby.mp4'), realtime: true, loop: true, motion: { enabled: false } };
  return Object.fromEntries(names.map((name) => [name, { ...film, detect }]));
}

async function looked(daemon: RunningDaemon): Promise<readonly number[]> {
  const metrics = await metricsOf(daemon);
  return names.map((name) => metrics.get(`sightline_camera_frames_detected{camera="${name}"}`) ?? 0);
}

test('more cameras than fit are looked at less often, all of them alike; each says so, and somebody listed is still found', {
  skip: missingTool(hasMosquitto, 'mosquitto'),
}, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  const rest = { mqtt: { url: broker.url, snapshot: 'off' as const }, lists: { watch: {} } };
  await using place = await createWorkplace(rest);
  await place.enrol('watch', 'ada');
  place.configure({ ...rest, cameras: cameras(30, 640) });
  await using daemon = await place.start();

  await alertWith(listener, { name: 'ada', state: 'opened' });
  const late = (name: string) => {
    const state = statesIn(listener, name).at(-1);
    return state?.state === 'live' ? lateWords.exec(state.reason ?? '') : null;
  };
  await until('every camera says that it is late', () => names.every((name) => late(name) !== null), patience);
  for (const name of names) {
    const [, fps, due] = late(name) ?? [];
    assert.ok(Number(fps) < 0.9 * Number(due), `${name}: ${fps} of ${due}`);
  }
  const before = await looked(daemon);
  const gained = await until(
    'some hundred looks more',
    async () => {
      const now = await looked(daemon);
      const gains = now.map((count, index) => count - (before[index] ?? 0));
      return gains.reduce((sum, gain) => sum + gain, 0) > 100 && gains;
    },
    patience,
  );
  assert.ok(Math.min(...gained) > 0.6 * Math.max(...gained), `uneven: ${gained}`);
  const metrics = await metricsOf(daemon);
  const queue = metrics.get('sightline_worker_infer_queue{worker="software-main"}') ?? Number.NaN;
  assert.ok(queue <= names.length, `${queue} wait for the detector`);
  assert.equal(metrics.get('sightline_camera_batches_dropped{camera="gate-1"}'), 0);

  place.configure({ ...rest, cameras: cameras(1, 160) });
  await place.succeed('reload');
  await until(
    'all is well again',
    () => {
      const states = names.map((name) => statesIn(listener, name).at(-1));
      return states.every((state) => state?.state === 'live' && (state.reason ?? '') === '');
    },
    patience,
  );
  assert.deepEqual(logFloods(daemon.lines()), []);
  await daemon.stop();
});

test('cameras that are looked at once in three seconds and less say it once, not with every look', {
  skip: missingTool(hasMosquitto, 'mosquitto'),
}, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using place = await createWorkplace({
    mqtt: { url: broker.url, snapshot: 'off' },
    cameras: cameras(5, heavyWidth),
  });
  await using daemon = await place.start();
  const late = (name: string) => lateWords.test(statesIn(listener, name).at(-1)?.reason ?? '');
  await until('every camera says that it is late', () => names.every(late), patience);
  const before = await looked(daemon);
  const fromMs = performance.now();
  const told = () => names.map((name) => statesIn(listener, name).length);
  const toldBefore = told();
  await until('they are watched for most of a minute', () => performance.now() - fromMs > watchedMs, patience);
  const now = await looked(daemon);
  const seconds = (performance.now() - fromMs) / 1000;
  const rates = now.map((count, index) => (count - (before[index] ?? 0)) / seconds);
  assert.ok(Math.max(...rates) < 0.4 && Math.max(...rates) > 0.05, `looks a second: ${rates.map((rate) => rate.toFixed(2))}`);
  const changes = told().map((count, index) => count - (toldBefore[index] ?? 0));
  assert.ok(Math.max(...changes) <= 1, `states said in ${seconds.toFixed(0)} s: ${changes}`);
  const lines = daemon.lines().filter(({ msg }) => msg === 'camera is looked at less often than asked');
  assert.ok(lines.length <= 2 * names.length, `${lines.length} lines`);
  await daemon.stop();
});
