import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { nativeSettings } from '../src/core/native-settings.ts';
import { dataPath, missingData } from '../test/support/data.ts';
import { temporaryDirectory } from '../test/support/directory.ts';
import { missingStandin } from '../test/support/standin.ts';
import { cameraName, type Load, token, workerName } from './bridge/load.ts';
import { type Measured, message, over, profiling, startSide } from './bridge/side.ts';
import { buildRelease } from './deepstream/release.ts';
import { progress, publish } from './support/table.ts';

const usage = `usage: node bench/deepstream-bridge.ts [--cameras 64] [--fps 25] [--seconds 20] [--profile DIR]

What a DeepStream container with many cameras costs the daemon: its program's own messages, outbox and sending thread (C++,
deepstream/bench/bridge_load.cpp, built for release) send real frames over one real socket at the pace of cameras; bridge, tracks, alerts
and their store on disk take them in a process of their own, as src/daemon.ts puts them together. Nothing is embedded: crops that come are
offered to an embedder that gives nothing, so that no track is ever decided and every look gives its crops. Five objects a frame (three
persons, two faces), each in view for ten seconds; one frame in five was looked at. 16 listed people are in view all the time: their
sightings are fed in. Prints a table, writes bench/results/deepstream-bridge.json. A minute and a half.

  --profile  writes CPU profiles of the daemon into this directory`;

const { values } = parseArgs({
  options: {
    cameras: { type: 'string', default: '64' },
    fps: { type: 'string', default: '25' },
    seconds: { type: 'string', default: '20' },
    profile: { type: 'string' },
    help: { type: 'boolean' },
  },
});

const target = { cores: 0.5, p99Ms: 5 };
/** Before and after the part that is measured. */
const besideSeconds = 5;
const cameras = Number(values.cameras);
const photo = 'photos/cal_f1/enrol_0069.jpg';

/** How frames come: of all cameras in one batch, or of each at its own moment. */
const rows = [
  { what: 'one batch of all cameras', batch: cameras, crops: false },
  { what: 'each camera at its own moment', batch: 1, crops: false },
  { what: 'one batch, every face with its crop', batch: cameras, crops: true },
] as const;

/** What bridge_load tells. */
interface Sent {
  readonly frames: number;
  readonly dropped: number;
  readonly crops: number;
  readonly seconds: number;
  readonly makingSeconds: number;
  readonly sendingSeconds: number;
  readonly latestMs: number;
}

async function sentBy(child: ChildProcess): Promise<Sent> {
  if (child.stdout === null) throw new Error('bridge_load has no output');
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  if (code !== 0) throw new Error(`bridge_load ended with ${code}`);
  return JSON.parse(said) as Sent;
}

async function measure(program: string, row: (typeof rows)[number]): Promise<Measured & { readonly sent: Sent }> {
  await using directory = await temporaryDirectory();
  const dataDir = join(directory.path, 'data');
  await mkdir(dataDir, { mode: 0o700 });
  const load: Load = {
    ...{ socketPath: join(dataDir, 'bridge.sock'), dataDir, cameras, workers: 1, fps: Number(values.fps), detectEvery: 5 },
    ...{ objects: 5, seconds: Number(values.seconds) + besideSeconds, listed: 16, models: ['centerface', 'yolox_nano'] },
  };
  const crop = { file: join(directory.path, 'crop.jpg'), width: 160, height: 200 };
  await sharp(dataPath(photo)).resize(crop.width, crop.height, { fit: 'cover' }).jpeg({ quality: 90 }).toFile(crop.file);
  const settings = join(directory.path, 'load.json');
  const told = {
    ...{ bridge: load.socketPath, worker: workerName(0), token, fps: load.fps, detectEvery: load.detectEvery },
    ...{ cameras: Array.from({ length: cameras }, (_, index) => cameraName(index)), batch: row.batch },
    ...{ persons: 3, faces: 2, seconds: load.seconds, ...(row.crops ? { crop } : {}) },
  };
  await writeFile(settings, JSON.stringify(told));
  const daemon = startSide('daemon.ts', load, profiling(values.profile));
  await message(daemon);
  const container = spawn(program, [settings], { stdio: ['ignore', 'pipe', 'inherit'] });
  daemon.send('begun');
  const sent = await sentBy(container);
  daemon.send('over');
  const measured = await message<Measured>(daemon);
  await over(daemon);
  return { ...measured, sent };
}

const missing = missingStandin() || missingData(photo);
if (values.help) console.log(usage);
else if (missing !== false) progress(`nothing is measured: ${missing}`);
else {
  Object.assign(process.env, nativeSettings(process.env, readFileSync('/proc/cpuinfo', 'utf8')));
  const program = buildRelease('bench/bridge_load')('bench/bridge_load');
  const table: string[][] = [];
  const figures: object[] = [];
  for (const row of rows) {
    const { sent, ...measured } = await measure(program, row);
    const cores = measured.cpuSeconds / measured.seconds;
    const lost = sent.frames - measured.taken;
    const { p50, p99, max } = measured.sentMs;
    const reached = cores < target.cores && p99 < target.p99Ms && lost === 0 && sent.dropped === 0 && measured.dropped === 0;
    figures.push({ ...row, cores, lost, sent, ...measured });
    table.push([
      row.what,
      (measured.frames / measured.seconds).toFixed(0),
      (sent.crops / sent.seconds).toFixed(0),
      `${cores.toFixed(3)} (${((measured.cpuSeconds * 1e6) / measured.frames).toFixed(1)} us a frame)`,
      `${p50.toFixed(2)} / ${p99.toFixed(2)} / ${max.toFixed(1)}`,
      `${lost} / ${sent.dropped} / ${measured.dropped}`,
      (sent.sendingSeconds / sent.seconds).toFixed(3),
      `< ${target.cores} of a core, p99 < ${target.p99Ms} ms, none lost: ${reached ? 'reached' : 'missed'}`,
    ]);
    progress(`${row.what}: ${cores.toFixed(3)} of a core, ${measured.alerts} steps of alerts, ${measured.rssMb.toFixed(0)} MB`);
  }
  publish({
    name: 'deepstream-bridge',
    title: `A container with ${cameras} cameras x ${values.fps} frames x 5 objects through the daemon`,
    columns: [
      'frames come',
      'frames/s',
      'crops/s',
      "daemon's cores",
      'socket to decision p50 / p99 / max ms',
      'lost / dropped / refused',
      "sending thread's cores",
      'target',
    ],
    rows: table,
    notes: [
      "the daemon's whole process, all threads; the sending thread judges crops, makes messages and writes them",
      'from the making of the message, just before it is written, until the rules have seen the frame',
    ],
    figures,
  });
}
