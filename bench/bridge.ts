import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nativeSettings } from '../src/core/native-settings.ts';
import { temporaryDirectory } from '../test/support/directory.ts';
import type { Load } from './bridge/load.ts';
import { type Measured, message, over, profiling, startSide } from './bridge/side.ts';
import { missingYardstick, receiveAlone } from './bridge/yardstick.ts';
import { progress, publish } from './support/table.ts';

const usage = `usage: node bench/bridge.ts [--cameras 256] [--fps 25] [--seconds 30] [--workers 16] [--listed 0,16] [--no-yardstick] [--profile DIR]

What the daemon spends on frames: real workers' connections send real frames at the pace of cameras over the real socket; bridge, tracks,
alerts and their store on disk take them in a process of their own. No models, no crops. One frame in five is a detection, the others are
predictions; three objects a frame, each in view for ten seconds. Beside it: what plain Node needs to receive that many frames
(../shared/peer/meta_bench.mjs). Prints a table, writes bench/results/bridge.json.

  --listed   people on a list, each in view of a camera of their own all the time: their sightings are fed in as the slow loop would
  --profile  writes a CPU profile of the daemon into this directory`;

const { values } = parseArgs({
  options: {
    cameras: { type: 'string', default: '256' },
    fps: { type: 'string', default: '25' },
    seconds: { type: 'string', default: '30' },
    workers: { type: 'string', default: '16' },
    listed: { type: 'string', default: '0,16' },
    profile: { type: 'string' },
    'no-yardstick': { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});

const target = { cpuUs: 25, delayMs: 10 };
/** Before and after the part that is measured. */
const besideSeconds = 5;

async function measure(listed: number): Promise<Measured & { readonly sent: number; readonly unsent: number }> {
  await using directory = await temporaryDirectory();
  const dataDir = join(directory.path, 'data');
  await mkdir(dataDir, { mode: 0o700 });
  const load: Load = {
    socketPath: join(dataDir, 'bridge.sock'),
    dataDir,
    cameras: Number(values.cameras),
    workers: Number(values.workers),
    fps: Number(values.fps),
    detectEvery: 5,
    objects: 3,
    seconds: Number(values.seconds) + besideSeconds,
    listed,
  };
  const daemon = startSide('daemon.ts', load, profiling(values.profile));
  await message(daemon);
  const workers = startSide('worker.ts', load);
  daemon.send('begun');
  const { sent, unsent } = await message<{ sent: number; unsent: number }>(workers);
  daemon.send('over');
  const measured = await message<Measured>(daemon);
  workers.send('done');
  await over(daemon, workers);
  return { ...measured, sent, unsent };
}

if (values.help) console.log(usage);
else {
  Object.assign(process.env, nativeSettings(process.env, readFileSync('/proc/cpuinfo', 'utf8')));
  const missing = values['no-yardstick'] ? 'not asked for' : missingYardstick();
  if (missing !== false) progress(`without the yardstick: ${missing}`);
  await using folder = await temporaryDirectory();
  const yardstick = missing === false ? await receiveAlone(folder.path) : undefined;
  if (yardstick !== undefined) progress(yardstick.said);
  const rows: string[][] = [];
  const figures: object[] = [];
  for (const listed of values.listed.split(',').map(Number)) {
    const result = await measure(listed);
    const cpuUs = (result.cpuSeconds * 1e6) / result.frames;
    const { p50, p99, max } = result.delayMs;
    const lost = result.sent - result.taken;
    const reached = cpuUs <= target.cpuUs && p99 <= target.delayMs && lost === 0 && result.unsent === 0 && result.dropped === 0;
    figures.push({ listed, cpuUs, lost, ...result });
    rows.push([
      `${values.cameras} x ${values.fps}`,
      `${listed}`,
      (result.frames / result.seconds).toFixed(0),
      cpuUs.toFixed(1),
      yardstick === undefined ? '' : `${yardstick.cpuUs.toFixed(1)}`,
      `${lost + result.unsent} / ${result.dropped}`,
      `${p50.toFixed(1)} / ${p99.toFixed(1)} / ${max.toFixed(1)}`,
      `${result.tracks}`,
      `<= ${target.cpuUs} us, none lost, p99 <= ${target.delayMs} ms: ${reached ? 'reached' : 'missed'}`,
    ]);
    progress(
      `${listed} listed: ${cpuUs.toFixed(1)} us a frame, ${result.alerts} steps of alerts, ${result.rssMb.toFixed(0)} MB`,
    );
  }
  publish({
    name: 'bridge',
    title: 'Frames from the bridge through tracks and alerts',
    columns: [
      'cameras x fps',
      'listed',
      'frames/s',
      'CPU us/frame',
      'receiving alone',
      'lost / refused',
      'loop delay p50 / p99 / max ms',
      'tracks',
      'target',
    ],
    rows,
    notes: [
      'loop delay as monitorEventLoopDelay measures it: what the loop was late by, its timer of 5 ms, as the yardstick has it, included',
    ],
    figures: { yardstick, runs: figures },
  });
}
