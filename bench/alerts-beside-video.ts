import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { hasMosquitto } from '../test/support/broker.ts';
import { listedVisits, readClip } from '../test/support/clips.ts';
import { missingData, missingTool } from '../test/support/data.ts';
import { temporaryDirectory } from '../test/support/directory.ts';
import { installedProgram } from '../test/support/programs.ts';
import { missingModels, realRepository } from '../test/support/repository.ts';
import { type Play, playOurs } from './latency/sides.ts';
import { buildMediaBench, missingMediaBench, startReaders } from './media/yardstick.ts';
import { machine } from './support/table.ts';

const usage = `usage: node bench/alerts-beside-video.ts [--pairs N] [--loops N] [--readers N] [--clip NAME]

From the deciding frame to the alert at the broker, with the film over RTSP in real time: while so many RTSP readers pull the camera's
clean video from the media door, and while none does, in turns (ABBA). Prints a table, writes bench/results/alerts-beside-video.json.

  --pairs    turns of each (default: 4)
  --loops    times the film is played in a turn (default: 6)
  --readers  readers (default: 100)
  --clip     film (default: synth_crowd_a)`;

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '4' },
    loops: { type: 'string', default: '6' },
    readers: { type: 'string', default: '100' },
    clip: { type: 'string', default: 'synth_crowd_a' },
    help: { type: 'boolean' },
  },
});

/** Nothing in view before the film, so that readers are there when the first visit begins. */
const leadS = 4;

function makeFilm(clip: ReturnType<typeof readClip>, loops: number, folder: string): string {
  const film = join(folder, 'film.mp4');
  execFileSync('ffmpeg', [
    ...[
      '-v',
      'error',
      '-y',
      '-stream_loop',
      `${loops - 1}`,
      '-i',
      clip.path,
      '-an',
      '-vf',
      `tpad=start=${Math.round(leadS * clip.fps)}:color=gray`,
    ],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-b:v', '2M', '-maxrate', '2M', '-bufsize', '2M', '-profile:v', 'main'],
    ...['-bf', '0', '-g', '30', '-pix_fmt', 'yuv420p', film],
  ]);
  return film;
}

function delays({ heard, sent }: Play): readonly number[] {
  return heard.flatMap(({ heardMs, frame }) => {
    const at = sent[frame]?.atMs;
    return at === undefined ? [] : [heardMs - at];
  });
}

interface Spread {
  readonly alerts: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  return { alerts: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}

async function run(): Promise<void> {
  const clip = readClip(values.clip);
  const readers = Number(values.readers);
  const loops = Number(values.loops);
  buildMediaBench();
  await using folder = await temporaryDirectory();
  await using repository = await realRepository();
  const film = makeFilm(clip, loops, folder.path);
  const found: Record<'without' | 'with', number[]> = { without: [], with: [] };
  for (let pair = 0; pair < Number(values.pairs); pair += 1) {
    for (const side of pair % 2 === 0 ? (['without', 'with'] as const) : (['with', 'without'] as const)) {
      const play = await playOurs({
        film,
        clip,
        repository: repository.directory,
        camera: '',
        ...(side === 'with' ? { beside: (port: number) => startReaders(`rtsp://127.0.0.1:${port}/clip`, readers) } : {}),
      });
      const own = delays(play);
      found[side].push(...own);
      process.stderr.write(`${side} readers: ${own.map((ms) => ms.toFixed(0)).join(' ')}\n`);
    }
  }
  const rows = { without: spread(found.without), with: spread(found.with) };
  const figures = {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    clip: clip.name,
    visits: loops * listedVisits(clip).length,
    readers,
    ...rows,
    ratioP99: rows.with.p99 / rows.without.p99,
  };
  const results = join(import.meta.dirname, 'results');
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, 'alerts-beside-video.json'), `${JSON.stringify(figures)}\n`);
  console.log(`${figures.date}, ${figures.machine}\n`);
  console.log('deciding frame → alert at the broker, ms\nreaders  alerts    p50    p90    p99');
  for (const [name, { alerts, p50, p90, p99 }] of [
    ['0', rows.without],
    [String(readers), rows.with],
  ] as const)
    console.log(
      [name.padEnd(7), String(alerts).padStart(7), ...[p50, p90, p99].map((ms) => ms.toFixed(0).padStart(5))].join('  '),
    );
  console.log(`p99 with / without: ${figures.ratioP99.toFixed(2)} (target 0.9 to 1.1)`);
}

if (values.help) console.log(usage);
else {
  const missing =
    missingData(`clips/${values.clip}.mp4`) ||
    missingModels('centerface', 'face_embed') ||
    missingTool(hasMosquitto, 'mosquitto') ||
    missingTool(installedProgram('ffmpeg'), 'ffmpeg') ||
    missingMediaBench();
  if (missing !== false) console.log(`alerts beside video are not measured: ${missing}`);
  else await run();
}
