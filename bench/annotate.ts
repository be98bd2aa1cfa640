import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { toPts90k } from '../src/core/media-time.ts';
import { type Frame, SourceState } from '../src/gen/sightline/bridge/v1/bridge.ts';
import { missingTool } from '../test/support/data.ts';
import { startTestDoor } from '../test/support/media-door.ts';
import { installedProgram } from '../test/support/programs.ts';
import { missingModels, realRepository } from '../test/support/repository.ts';
import {
  cameraConfig,
  detectConfig,
  inferenceConfig,
  startTestDaemon,
  startWorkerProcess,
  untilState,
} from '../test/support/software-worker.ts';
import { until } from '../test/support/until.ts';
import { decodeMs } from './support/decode.ts';
import { film720, tiled } from './support/media.ts';
import { cpuSeconds } from './support/processes.ts';
import { quantile } from './support/quantile.ts';
import { progress, publish } from './support/table.ts';

const detector = 'centerface';
const usage = `usage: node bench/annotate.ts [--seconds 20] [--rounds 2] [--fps 5] [--kinds without,with,watched]

Video for people, from a worker with one 720p25 camera over RTSP in real time, ${detector} at --fps looks a second (0: none), everybody on it named: without
a media door, with one and nobody watching, and watched. Processor time is the worker's, in the order without, with, watched, watched,
with, without in every round. Prints a table, writes bench/results/annotate.json.`;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '2' },
    fps: { type: 'string', default: '5' },
    kinds: { type: 'string', default: 'without,with,watched' },
    help: { type: 'boolean' },
  },
});

const targets = { annotateMs: 12, delayMs: 80, unwatchedShare: 0.02 };
const allKinds = ['without', 'with', 'watched'] as const;
type Kind = (typeof allKinds)[number];
const kinds = allKinds.filter((kind) => values.kinds.split(',').includes(kind));

interface Run {
  readonly kind: Kind;
  readonly cpuMsPerFrame: number;
  readonly frames: number;
  readonly boxes: number;
  readonly dropped: number;
  /** From capture to the unit's arrival at the door, ms. */
  readonly cleanMs: readonly number[];
  readonly annotatedMs: readonly number[];
  /** From decoded to detected, of the frames that were looked at, ms. */
  readonly detectMs: readonly number[];
  /** From the wish to the first unit, ms. */
  readonly startMs: number | undefined;
}

async function startCamera(film: string): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const program = join(import.meta.dirname, '../src/media/camera.ts');
  const child = spawn(process.execPath, [program, film, '--name', 'camera'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  return { child, url: await until('the camera is ready', () => /^ready (rtsp:\S+)\n/.exec(said)?.[1]) };
}

async function measure(kind: Kind, url: string, repository: string, seconds: number): Promise<Run> {
  await using door = await startTestDoor();
  await using daemon = await startTestDaemon({
    cameras: [
      cameraConfig('camera', url, {
        detect: Number(values.fps) === 0 ? [] : [detectConfig(detector, { fps: Number(values.fps) })],
      }),
    ],
    inference: inferenceConfig(repository),
  });
  const environment = kind === 'without' ? {} : { SIGHTLINE_MEDIA: door.socketPath };
  // As the supervisor starts it.
  await using worker = startWorkerProcess(daemon.socketPath, {
    ...environment,
    ...{ OMP_NUM_THREADS: '1', MALLOC_ARENA_MAX: '2', NODE_OPTIONS: '--max-semi-space-size=4' },
  });
  const pid = worker.child.pid ?? 0;
  await Promise.race([untilState(daemon, 'camera', SourceState.LIVE), worker.failed]);
  const named = new Set<number>();
  const name = () => {
    for (const { epoch, objects } of daemon.frames.slice(-25)) {
      for (const { trackId } of objects) {
        if (named.has(trackId)) continue;
        named.add(trackId);
        const label = {
          trackId,
          decided: true,
          text: `Person ${trackId % 9}`,
          colour: '#e69f00',
          score: 0.5 + (trackId % 5) / 10,
        };
        daemon.send({ $case: 'labels', value: { camera: 'camera', epoch, labels: [label] } });
      }
    }
  };
  const wishedMs = performance.now();
  if (kind === 'watched') daemon.send({ $case: 'wantVideo', value: { camera: 'camera', annotated: true } });
  await until(
    'the start is over',
    () => {
      name();
      return daemon.frames.length > 75;
    },
    60_000,
  );
  const beforeS = cpuSeconds(pid);
  const first = daemon.frames.length;
  const beganMs = performance.now();
  while (performance.now() - beganMs < seconds * 1000) {
    name();
    await wait(100);
  }
  const usedS = cpuSeconds(pid) - beforeS;
  const frames = daemon.frames.slice(first);
  const known = new Map(frames.map((frame) => [ptsOf(frame), frame]));
  const delays = (variant: 'clean' | 'annotated') =>
    door
      .units('camera', variant)
      .filter(({ pts }) => known.has(pts))
      .map(({ atMs, captureTimeUs }) => performance.timeOrigin + atMs - Number(captureTimeUs) / 1000);
  const [earliest] = door.units('camera', 'annotated');
  const stats = daemon.stats.at(-1)?.cameras[0];
  return {
    kind,
    cpuMsPerFrame: (1000 * usedS) / frames.length,
    frames: frames.length,
    boxes: frames.reduce((sum, { objects }) => sum + objects.length, 0) / frames.length,
    dropped: Number(stats?.videoDropped ?? 0) + Number(stats?.annotatedDropped ?? 0),
    cleanMs: delays('clean'),
    annotatedMs: delays('annotated'),
    detectMs: frames
      .filter(({ detectedMonoUs }) => detectedMonoUs > 0n)
      .map(({ detectedMonoUs, decodedMonoUs }) => Number(detectedMonoUs - decodedMonoUs) / 1000),
    startMs: earliest === undefined ? undefined : earliest.atMs - wishedMs,
  };
}

function ptsOf({ pts, timeBaseNum, timeBaseDen }: Frame): bigint {
  return toPts90k(pts, { numerator: timeBaseNum, denominator: timeBaseDen });
}

const fixed = (value: number, digits = 1) => (Number.isFinite(value) ? value.toFixed(digits) : '–');
const median = (list: readonly number[]) => quantile(list, 0.5);
const p50and99 = (list: readonly number[]) => `${fixed(median(list))} / ${fixed(quantile(list, 0.99))}`;

if (values.help) console.log(usage);
else {
  const missing = missingModels(detector) || missingTool(installedProgram('ffmpeg'), 'ffmpeg');
  if (missing !== false) console.log(`annotated video is not measured: ${missing}`);
  else {
    const seconds = Number(values.seconds);
    // Four crowds in one picture, for some ten boxes.
    const film = await tiled(await film720('crowd', 60));
    const decodeOnly = await decodeMs(film);
    await using repository = await realRepository();
    const { child, url } = await startCamera(film);
    const runs: Run[] = [];
    try {
      for (let round = 0; round < Number(values.rounds); round += 1) {
        for (const kind of [...kinds, ...kinds.toReversed()]) {
          const run = await measure(kind, url, repository.directory, seconds);
          runs.push(run);
          progress(`round ${round + 1}, ${kind}: ${fixed(run.cpuMsPerFrame, 2)} ms a frame`);
        }
      }
    } finally {
      child.kill('SIGKILL');
    }
    const of = (kind: Kind) => runs.filter((run) => run.kind === kind);
    const cpu = (kind: Kind) => median(of(kind).map(({ cpuMsPerFrame }) => cpuMsPerFrame));
    const all = (kind: Kind, key: 'cleanMs' | 'annotatedMs' | 'detectMs') => of(kind).flatMap((run) => run[key]);
    const annotateMs = cpu('watched') - cpu('with');
    // Each run beside the one before or after it: the machine's speed changes from one minute to the next.
    const without = of('without');
    const unwatched = median(
      of('with').map((run, index) => run.cpuMsPerFrame / (without[index]?.cpuMsPerFrame ?? Number.NaN) - 1),
    );
    const ahead = median(all('watched', 'annotatedMs')) - median(all('watched', 'detectMs'));
    publish({
      name: 'annotate',
      title: `Video for people, one 720p25 camera, ${detector} at ${values.fps} looks a second, medians of ${2 * Number(values.rounds)} runs of ${seconds} s`,
      columns: [
        'worker',
        'CPU ms a frame',
        'boxes',
        'clean: capture to door, ms p50 / p99',
        'annotated, ms p50 / p99',
        'detector, ms p50 / p99',
        'dropped',
      ],
      rows: kinds.map((kind) => [
        kind,
        fixed(cpu(kind), 2),
        fixed(median(of(kind).map(({ boxes }) => boxes))),
        p50and99(all(kind, 'cleanMs')),
        p50and99(all(kind, 'annotatedMs')),
        p50and99(all(kind, 'detectMs')),
        `${of(kind).reduce((sum, { dropped }) => sum + dropped, 0)}`,
      ]),
      notes: [
        `drawing and encoding: ${fixed(annotateMs, 2)} ms of processor time a frame (target ${targets.annotateMs}); decoding alone takes ${fixed(decodeOnly, 2)}`,
        `annotated, capture to door without the detector's time, p50: ${fixed(ahead)} ms (target ${targets.delayMs})`,
        `unwatched camera with a media door beside none: ${fixed(100 * unwatched)} % (target ± ${100 * targets.unwatchedShare} %), median of ${2 * Number(values.rounds)} neighbouring runs`,
        `from the wish to the first annotated unit: ${fixed(median(of('watched').flatMap(({ startMs }) => startMs ?? [])))} ms`,
      ],
      figures: { seconds, decodeOnly, annotateMs, ahead, unwatched, runs },
    });
  }
}
