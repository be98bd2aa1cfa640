import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { hasMosquitto } from '../test/support/broker.ts';
import { missingTool } from '../test/support/data.ts';
import { publishFigures } from './publish/publish.ts';
import { quantile } from './support/quantile.ts';
import { machine, progress } from './support/table.ts';
import { filmSeconds, torture } from './torture/run.ts';
import { complaintsOf, tableOf } from './torture/table.ts';

const usage = `usage: node bench/torture.ts [--minutes N | --visits N] [--cameras N] [--seed N] [--quick] [--publish]

The night in a quarter of an hour: the daemon killed five times, workers twenty times, the broker away for ten minutes, while listed
people come and go before every camera. Prints what became of each visit, writes bench/results/torture.json. Exit 1 when a visit that
could be told was not, or an alert was invented or came under two ids.

  --minutes   length of the film; the broker is away from the second minute on, for ten, or so much as leaves one (default: 13)
  --visits    at least so many planted visits instead
  --cameras   each with a worker of its own (default: 3)
  --seed      of the plan of kills (default: 1)
  --quick     two minutes: the daemon killed once, workers four times, the broker away for 50 s
  --publish   also write bench/torture.last.json; not with --quick`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    visits: { type: 'string' },
    cameras: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    publish: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const root = join(import.meta.dirname, '..');
const visitsPerRound = 8;

function whole(text: string, name: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least)
    throw new Error(`--${name} takes a whole number from ${least} on, not ${text}`);
  return value;
}

function roundsOf(cameras: number): number {
  if (values.quick) return 2;
  if (values.visits !== undefined)
    return Math.max(3, Math.ceil(whole(values.visits, 'visits', 1) / (visitsPerRound * cameras)));
  return whole(values.minutes ?? '13', 'minutes', 3);
}

async function main(): Promise<void> {
  const count = whole(values.cameras, 'cameras', 2);
  const rounds = roundsOf(count);
  const lengthMs = rounds * filmSeconds * 1000;
  const options = {
    rounds,
    cameras: Array.from({ length: count }, (_, at) => `cam${at + 1}`),
    seed: whole(values.seed, 'seed', 0),
    daemonKills: values.quick ? 1 : 5,
    workerKills: values.quick ? 4 : 20,
    brokerAway: values.quick
      ? { fromMs: 20_000, toMs: 70_000 }
      : { fromMs: 60_000, toMs: Math.min(660_000, lengthMs - 60_000) },
  };
  const result = await torture({ ...options, progress });
  const figures = {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    options,
    ...result,
  };
  const results = join(root, 'bench/results');
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, 'torture.json'), `${JSON.stringify(figures, undefined, 1)}\n`);
  console.log(`${figures.date}, ${figures.machine}\n`);
  console.log(tableOf(result));
  progress(`alert messages are ${quantile(result.payloadBytes, 0.5)} bytes in the middle`);
  const complaints = complaintsOf(result);
  for (const complaint of complaints) console.log(`NOT HELD: ${complaint}`);
  if (complaints.length > 0) process.exitCode = 1;
  if (values.publish && !values.quick) {
    const { visits: _visits, ...verdict } = result.verdict;
    const { blind: _blind, payloadBytes: _bytes, faults: _faults, frames, ...rest } = figures;
    const { effects: _effects, ...rates } = frames ?? { effects: [] };
    publishFigures('torture', { ...rest, verdict, frames: rates });
  }
}

if (values.help) console.log(usage);
else {
  const missing = missingTool(hasMosquitto, 'mosquitto');
  if (missing !== false) console.log(`the torture is not run: ${missing}`);
  else await main();
}
