import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { dataPath, missingData } from '../test/support/data.ts';
import { temporaryDirectory } from '../test/support/directory.ts';
import { freePort } from '../test/support/port.ts';
import { missingModels, realRepository } from '../test/support/repository.ts';
import { familyCpuSeconds } from './support/processes.ts';
import { quantile } from './support/quantile.ts';
import { progress, publish } from './support/table.ts';

const usage = `usage: node bench/start.ts [--runs 5] [--profile DIR]

From the command to the first frame of a file that a detector has looked at, as the daemon's own metrics show it, and the time of
sightline --help. Prints a table, writes bench/results/start.json.

  --profile  writes CPU profiles of the processes into this directory`;

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '5' }, profile: { type: 'string' }, help: { type: 'boolean' } },
});

const main = join(import.meta.dirname, '../src/main.ts');
const targets = { frame: 3, help: 0.3 };
const giveUpMs = 60_000;
/** How often the metrics are asked for. */
const pollMs = 20;

function start(args: readonly string[], logFile?: string) {
  const profiling = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];
  const child = spawn(process.execPath, [...profiling, main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  if (logFile !== undefined) child.stderr.pipe(createWriteStream(logFile));
  else child.stderr.resume();
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return { child, ended };
}

async function helpSeconds(): Promise<number> {
  const began = performance.now();
  const { ended } = start(['--help']);
  const code = await ended;
  if (code !== 0) throw new Error(`--help ended with ${code}`);
  return (performance.now() - began) / 1000;
}

interface Started {
  /** The control of the program answers; its camera has been opened; a detector has looked at a frame. */
  readonly httpSeconds: number;
  readonly frameSeconds: number;
  /** Of all its processes by then: what a busy machine does not change much. */
  readonly cpuSeconds: number;
}

async function startSeconds(detector: string, repository: string): Promise<Started> {
  await using directory = await temporaryDirectory();
  const port = await freePort();
  const config = {
    dataDir: 'data',
    inference: { repository },
    models: { face: 'face_embed', enrolment: 'centerface' },
    http: { port, metrics: 'loopback' },
    mqtt: { enabled: false },
    cameras: {
      film: { source: dataPath('clips/synth_crowd_a.mp4'), realtime: true, loop: true, detect: [{ model: detector, fps: 5 }] },
    },
  };
  const file = join(directory.path, 'sightline.yaml');
  await writeFile(file, stringify(config));
  const began = performance.now();
  const { child, ended } = start(['run', file], join(directory.path, 'log'));
  let over: string | undefined;
  void ended.then((code) => {
    over = `the program ended with ${code}`;
  });
  let httpSeconds: number | undefined;
  try {
    while (performance.now() - began < giveUpMs && over === undefined) {
      const text = await fetch(`http://127.0.0.1:${port}/metrics`).then(
        (answer) => answer.text(),
        () => undefined,
      );
      const seconds = (performance.now() - began) / 1000;
      if (text !== undefined) httpSeconds ??= seconds;
      if (Number(/^sightline_bridge_detected_frames_total\{camera="film"\} (\d+)/m.exec(text ?? '')?.[1] ?? 0) > 0) {
        return { httpSeconds: httpSeconds ?? seconds, frameSeconds: seconds, cpuSeconds: familyCpuSeconds(child.pid ?? 0) };
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
    throw new Error(over ?? `no frame was analysed within ${giveUpMs / 1000} s`);
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}

if (values.help) console.log(usage);
else {
  const missing = missingData('clips/synth_crowd_a.mp4') || missingModels('centerface', 'yunet', 'face_embed');
  if (missing !== false) console.log(`the start is not measured: ${missing}`);
  else {
    await using repository = await realRepository();
    const runs = Number(values.runs);
    const rows: string[][] = [];
    const figures: Record<string, unknown> = {};
    const row = (what: string, seconds: readonly number[], target?: number) => {
      const median = quantile(seconds, 0.5);
      figures[what] = seconds;
      const verdict = target === undefined ? '' : `<= ${target} s: ${median <= target ? 'reached' : 'missed'}`;
      rows.push([what, median.toFixed(2), Math.min(...seconds).toFixed(2), Math.max(...seconds).toFixed(2), verdict]);
    };
    const help: number[] = [];
    for (let run = 0; run < runs; run += 1) help.push(await helpSeconds());
    row('sightline --help', help, targets.help);
    for (const detector of ['centerface', 'yunet']) {
      const started: Started[] = [];
      for (let run = 0; run < runs; run += 1) started.push(await startSeconds(detector, repository.directory));
      progress(`${detector}: measured`);
      row(
        `run, ${detector}: HTTP answers`,
        started.map(({ httpSeconds }) => httpSeconds),
      );
      row(
        `run, ${detector}: CPU until then, all processes`,
        started.map((one) => one.cpuSeconds),
      );
      row(
        `run, ${detector}: first analysed frame`,
        started.map(({ frameSeconds }) => frameSeconds),
        targets.frame,
      );
    }
    publish({
      name: 'start',
      title: `Seconds from the command, ${runs} runs`,
      columns: ['what', 'median', 'least', 'most', 'target'],
      rows,
      notes: ['a frame is analysed when the daemon counts it, asked for every 20 ms through its metrics'],
      figures,
    });
  }
}
