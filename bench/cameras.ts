import { availableParallelism } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { hasMosquitto, startBroker } from '../test/support/broker.ts';
import { missingTool } from '../test/support/data.ts';
import { installedProgram } from '../test/support/programs.ts';
import { missingModels } from '../test/support/repository.ts';
import { until } from '../test/support/until.ts';
import { known } from './support/known.ts';
import { film720, type SceneName } from './support/media.ts';
import { type Ours, startOurs } from './support/ours.ts';
import { missingPeer } from './support/peer.ts';
import { runSettledPeer } from './support/python.ts';
import { progress, publish } from './support/table.ts';

const usage = `usage: node bench/cameras.ts [--cases crowd,yunet,room] [--seconds 20] [--most 40]

How many 720p25 cameras this machine looks at five times a second, run for real beside each other in real time: the program (a worker
group for each core) and the Python peer (a process for each camera, CenterFace). A number fits when at least 19 of 20 frames that are due
are looked at and every camera keeps the pace of its film. Prints a table, writes bench/results/cameras.json.

  crowd   a crowd, CenterFace on both sides
  yunet   the same crowd, ours with YuNet
  room    an empty room, CenterFace on both sides

  --seconds  of each trial, after it has settled
  --most     cameras that are tried at most`;

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: 'crowd,yunet,room' },
    seconds: { type: 'string', default: '20' },
    most: { type: 'string', default: '40' },
    help: { type: 'boolean' },
  },
});

const cases = {
  crowd: { scene: 'crowd', model: 'centerface', target: 1.08 },
  yunet: { scene: 'crowd', model: 'yunet', target: 2.5 },
  room: { scene: 'room', model: 'centerface', target: 3 },
} as const satisfies Readonly<Record<string, { readonly scene: SceneName; readonly model: string; readonly target: number }>>;
type CaseName = keyof typeof cases;

const fps = { camera: 25, look: 5 };
/** Shares of what is due that must be reached. */
const enough = { looked: 0.95, decoded: 0.97 };
const filmS = 60;
const settleMs = 6000;
const patienceMs = 180_000;

interface Trial {
  readonly cameras: number;
  /** Shares of what was due, of all cameras together and of the camera that fared worst; the peer's decoder is not counted. */
  readonly looked: number;
  readonly worst: number;
  readonly decoded: number;
  readonly fits: boolean;
}

function judge(cameras: number, looks: readonly number[], decoded: number): Trial {
  const looked = looks.reduce((sum, share) => sum + share, 0) / looks.length;
  return { cameras, looked, worst: Math.min(...looks), decoded, fits: looked >= enough.looked && decoded >= enough.decoded };
}

/** Of every camera so far: frames due, frames looked at, frames decoded. */
async function counts(ours: Ours, names: readonly string[]) {
  const metrics = await ours.metrics();
  return names.map((camera) => {
    const of = (name: string) => metrics.sum(`sightline_camera_frames_${name}`, { camera });
    return { due: of('detected') + of('gated') + of('dropped'), missed: of('dropped'), decoded: of('decoded') };
  });
}

async function tryOurs(film: string, model: string, cameras: number, seconds: number): Promise<Trial> {
  const names = Array.from({ length: cameras }, (_, index) => `camera-${index + 1}`);
  const cores = availableParallelism();
  await using ours = await startOurs({
    cameras: Object.fromEntries(
      names.map((name, index) => [
        name,
        { source: film, realtime: true, loop: true, group: `group-${index % cores}`, detect: [{ model, fps: fps.look }] },
      ]),
    ),
  });
  const live = () => names.every((camera) => ours.daemon.said('camera live', { camera }));
  await until('every camera is live', live, patienceMs);
  await wait(settleMs);
  const [before, begun] = [await counts(ours, names), performance.now()];
  await wait(1000 * seconds);
  const [after, took] = [await counts(ours, names), (performance.now() - begun) / 1000];
  await ours.daemon.stop();
  const gained = after.map((count, index) => {
    const was = before[index] ?? count;
    return { due: count.due - was.due, missed: count.missed - was.missed, decoded: count.decoded - was.decoded };
  });
  const looks = gained.map(({ due, missed }) => (due === 0 ? 0 : 1 - missed / due));
  const decoded = gained.reduce((sum, count) => sum + count.decoded, 0) / (took * fps.camera * cameras);
  return judge(cameras, looks, decoded);
}

async function tryPeer(film: string, cameras: number, seconds: number): Promise<Trial> {
  await using broker = await startBroker();
  // Those that begin first wait longer for the machine to be done with starting the others.
  const times = { settleS: (settleMs / 1000) * Math.max(1, cameras / 2), seconds };
  const runs = await Promise.all(
    Array.from({ length: cameras }, () => runSettledPeer(film, times, `127.0.0.1:${broker.port}`)),
  );
  return judge(
    cameras,
    runs.map((run) => run.looks / (run.seconds * fps.look)),
    1,
  );
}

/** The most that fit, from a guess up or down. */
async function most(guess: number, limit: number, attempt: (cameras: number) => Promise<Trial>): Promise<readonly Trial[]> {
  const trials: Trial[] = [];
  let fits = 0;
  let fails = limit + 1;
  for (let next = Math.max(1, Math.min(guess, limit)); fits < next && next < fails; ) {
    const trial = await attempt(next);
    trials.push(trial);
    if (trial.fits) fits = next;
    else fails = next;
    next = trial.fits
      ? fits + Math.max(1, Math.min(Math.ceil(fits / 8), fails - fits - 1))
      : fails - Math.max(1, Math.ceil((fails - fits) / 4));
  }
  return trials.toSorted((a, b) => a.cameras - b.cameras);
}

const share = (value: number) => `${(100 * value).toFixed(0)} %`;
const best = (trials: readonly Trial[]) => trials.findLast(({ fits }) => fits);

if (values.help) console.log(usage);
else {
  const missing =
    missingModels('centerface', 'yunet', 'face_embed') ||
    missingTool(hasMosquitto, 'mosquitto') ||
    missingTool(installedProgram('ffmpeg'), 'ffmpeg') ||
    missingPeer();
  if (missing !== false) console.log(`cameras are not counted: ${missing}`);
  else {
    const chosen = known(values.cases.split(','), Object.keys(cases) as CaseName[], 'case');
    const [seconds, limit] = [Number(values.seconds), Number(values.most)];
    const peers = new Map<SceneName, readonly Trial[]>();
    const rows: string[][] = [];
    const figures: unknown[] = [];
    const told = (side: string, name: string, trial: Trial) => {
      progress(`${name}, ${side}, ${trial.cameras} cameras: looked ${share(trial.looked)}, decoded ${share(trial.decoded)}`);
      return trial;
    };
    for (const name of chosen) {
      const { scene, model, target } = cases[name];
      const film = await film720(scene, filmS);
      const peer = peers.get(scene) ?? (await most(5, limit, async (n) => told('peer', name, await tryPeer(film, n, seconds))));
      peers.set(scene, peer);
      const guess = Math.round((best(peer)?.cameras ?? 1) * target);
      const ours = await most(guess, limit, async (n) => told('ours', name, await tryOurs(film, model, n, seconds)));
      const [own, other] = [best(ours), best(peer)];
      const ratio = (own?.cameras ?? 0) / (other?.cameras ?? Number.NaN);
      const worst = own === undefined ? '–' : share(own.worst);
      rows.push([name, `${own?.cameras ?? 0} / ${other?.cameras ?? 0}`, ratio.toFixed(2), `>= ${target}`, worst]);
      figures.push({ name, ratio, target, ours, peer });
    }
    publish({
      name: 'cameras',
      title: `720p25 cameras looked at ${fps.look} times a second on ${availableParallelism()} cores, ours / peer`,
      columns: ['case', 'cameras', 'ratio', 'target', 'worst of ours looked at'],
      rows,
      figures: { seconds, cases: figures },
    });
  }
}
