import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { hasMosquitto } from '../test/support/broker.ts';
import { missingTool } from '../test/support/data.ts';
import { installedProgram } from '../test/support/programs.ts';
import { missingModels } from '../test/support/repository.ts';
import { until } from '../test/support/until.ts';
import { filmOf, type PictureName, pictures, type SceneName, scenes } from './support/media.ts';
import { startOurs } from './support/ours.ts';
import { type Memory, memoryOf } from './support/processes.ts';
import { quantile } from './support/quantile.ts';
import { progress, publish } from './support/table.ts';

const detector = 'centerface';
const sceneNames = Object.keys(scenes) as SceneName[];

const runs: Readonly<Record<string, { readonly picture: PictureName; readonly cameras: number }>> = {
  '720': { picture: '720', cameras: 1 },
  '720x2': { picture: '720', cameras: 2 },
  '720x5': { picture: '720', cameras: 5 },
  '1080': { picture: '1080', cameras: 1 },
  '2160': { picture: '2160', cameras: 1 },
};

const usage = `usage: node bench/memory.ts [--runs ${Object.keys(runs).join(',')}] [--scene crowd] [--seconds 60]

Memory of all processes of the program, daemon, workers and media door, with cameras in real time, CenterFace at 5 looks a second, everybody
enrolled: median of the last quarter of so many seconds from the first look. Prints a table, writes bench/results/memory.json.

  PSS    pages that processes share are counted once between them; less than it is where others on this machine run Node.js too
  alone  PSS as it would be if they did not: the figure for the targets
  RSS    shared pages counted in every process that has them

${sceneNames.map((name) => `  ${name.padEnd(8)} ${scenes[name].what}`).join('\n')}`;

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: Object.keys(runs).join(',') },
    scene: { type: 'string', default: 'crowd' },
    seconds: { type: 'string', default: '60' },
    help: { type: 'boolean' },
  },
});

/** MB of PSS, alone. */
const targets = { one: 550, further: 45 };
const patienceMs = 120_000;
const everyMs = 1000;

interface Measured {
  readonly name: string;
  readonly cameras: number;
  readonly daemon: Memory;
  readonly workers: Memory;
  readonly all: Memory;
  readonly processes: number;
  /** Of all looks that were due, looks that were done. */
  readonly looks: number;
  readonly samples: readonly Memory[];
}

function median(samples: readonly Memory[]): Memory {
  const of = (key: keyof Memory) =>
    quantile(
      samples.map((sample) => sample[key]),
      0.5,
    );
  return { aloneMb: of('aloneMb'), pssMb: of('pssMb'), rssMb: of('rssMb'), anonymousMb: of('anonymousMb') };
}

async function measure(name: string, scene: SceneName, seconds: number): Promise<Measured> {
  const run = runs[name];
  if (run === undefined) throw new Error(`there is no run ${name}; allowed are ${Object.keys(runs).join(', ')}`);
  // What memory is for is the size of the picture: twenty seconds of a large one are enough, over and over.
  const source = run.picture === '720' ? await filmOf(scene, run.picture, 60) : await filmOf(scene, run.picture, 20, 5);
  const camera = { source, realtime: true, loop: true, detect: [{ model: detector, fps: 5 }] };
  const cameras = Object.fromEntries(Array.from({ length: run.cameras }, (_, at) => [`camera${at + 1}`, camera]));
  await using ours = await startOurs({ cameras });
  const looked = async () => (await ours.metrics()).sum('sightline_camera_frames_detected');
  await until('a camera is looked at', async () => (await looked()) > 0, patienceMs);
  const before = await looked();
  const began = performance.now();
  const samples: { readonly daemon: Memory; readonly workers: Memory; readonly all: Memory }[] = [];
  while (performance.now() - began < 1000 * seconds) {
    await wait(everyMs);
    const pids = ours.pids();
    const of = (chosen: readonly number[]) => memoryOf(chosen);
    samples.push({ daemon: of(pids.slice(0, 1)), workers: of(pids.slice(1)), all: of(pids) });
  }
  const looks = ((await looked()) - before) / ((5 * run.cameras * (performance.now() - began)) / 1000);
  const settled = samples.slice(Math.floor(0.75 * samples.length));
  return {
    name,
    cameras: run.cameras,
    daemon: median(settled.map(({ daemon }) => daemon)),
    workers: median(settled.map(({ workers }) => workers)),
    all: median(settled.map(({ all }) => all)),
    processes: ours.pids().length,
    looks,
    samples: samples.map(({ all }) => all),
  };
}

function verdict(value: number, target: number): string {
  return `<= ${target} MB: ${value <= target ? 'reached' : 'missed'}`;
}

function tableOf(measured: readonly Measured[]): string[][] {
  const one = measured.find(({ name }) => name === '720');
  const mb = (value: number) => value.toFixed(0);
  return measured.flatMap(({ name, cameras, daemon, workers, all, processes, looks }) => {
    const picture = runs[name]?.picture ?? '720';
    const row = [
      `${cameras} x ${pictures[picture].what}`,
      mb(all.aloneMb),
      mb(all.pssMb),
      mb(all.rssMb),
      `${mb(daemon.anonymousMb)} + ${mb(workers.anonymousMb)}`,
      `${processes}`,
      `${(100 * looks).toFixed(0)} %`,
      name === '720' ? verdict(all.aloneMb, targets.one) : '',
    ];
    if (one === undefined || cameras === 1) return [row];
    const further = (key: keyof Memory) => (all[key] - one.all[key]) / (cameras - 1);
    const slope = [
      ` each further of ${cameras}`,
      mb(further('aloneMb')),
      mb(further('pssMb')),
      mb(further('rssMb')),
      '',
      '',
      '',
      verdict(further('aloneMb'), targets.further),
    ];
    return [row, slope];
  });
}

if (values.help) console.log(usage);
else {
  const missing =
    missingModels(detector) || missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg');
  if (missing !== false) console.log(`memory is not measured: ${missing}`);
  else {
    const scene = sceneNames.find((name) => name === values.scene);
    if (scene === undefined) throw new Error(`there is no scene ${values.scene}; allowed are ${sceneNames.join(', ')}`);
    const measured: Measured[] = [];
    for (const name of values.runs.split(',')) {
      const figures = await measure(name, scene, Number(values.seconds));
      measured.push(figures);
      progress(
        `${name}: alone ${figures.all.aloneMb.toFixed(0)} MB, PSS ${figures.all.pssMb.toFixed(0)} MB, RSS ${figures.all.rssMb.toFixed(0)} MB`,
      );
    }
    publish({
      name: 'memory',
      title: `MB of memory of all processes, ${scene}, after ${values.seconds} s`,
      columns: [
        'cameras',
        'alone',
        'PSS',
        'RSS',
        'anonymous: daemon + workers',
        'processes',
        'looks done of due',
        'target (alone)',
      ],
      rows: tableOf(measured),
      figures: measured,
    });
  }
}
