import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { temporaryDirectory } from '../test/support/directory.ts';
import { missingStandin } from '../test/support/standin.ts';
import { buildRelease } from './deepstream/release.ts';
import { progress, publish } from './support/table.ts';

const usage = `usage: node bench/deepstream-probe.ts

What the program of a DeepStream container adds to each frame (deepstream/bench/probe_bench.cpp, built for release against the stand-in):
its probe on batches of 16 sources with three persons and two faces each, landmarks out of CenterFace's tensors of 384 x 640; then what its
sending thread spends on the same frames. Processor time of the thread. The crops are encoded by the stand-in, on the processor: a card has
an encoder of its own, and what it takes is not known here. Prints a table, writes bench/results/deepstream-probe.json. Seconds.`;

const { values } = parseArgs({ options: { help: { type: 'boolean' } } });

const targetUs = 50;

interface Spent {
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly batches: number;
  readonly crops: number;
  readonly landmarks: number;
  readonly judgeUsPerCrop: number;
  readonly messageUsPerFrame: number;
}

interface Said extends Readonly<Record<'bare' | 'predicted' | 'looked' | 'crops', Spent>> {
  readonly sources: number;
}

const whats = {
  bare: 'no probe: the pad alone',
  predicted: 'frames that no detector looked at',
  looked: 'frames with landmarks, no crops',
  crops: 'the same, both faces cut out',
} as const;

async function measure(): Promise<Said> {
  await using directory = await temporaryDirectory();
  const program = buildRelease('bench/probe_bench')('bench/probe_bench');
  const infer = join(import.meta.dirname, '../test/fixtures/deepstream/faces-and-people/infer-centerface.txt');
  const env = { ...process.env, GST_REGISTRY: join(directory.path, 'registry.bin'), GST_REGISTRY_FORK: 'no' };
  const { stdout } = await promisify(execFile)(program, [infer], { env });
  return JSON.parse(stdout) as Said;
}

function verdict(kind: keyof typeof whats, { meanUs }: Spent): string {
  if (kind !== 'predicted' && kind !== 'looked') return '';
  return `<= ${targetUs} us: ${meanUs <= targetUs ? 'reached' : 'missed'}`;
}

const missing = missingStandin();
if (values.help) console.log(usage);
else if (missing !== false) progress(`nothing is measured: ${missing}`);
else {
  const said = await measure();
  const kinds = ['bare', 'predicted', 'looked', 'crops'] as const;
  publish({
    name: 'deepstream-probe',
    title: `The probe of a DeepStream container, batches of ${said.sources} frames with 5 objects`,
    columns: [
      'what',
      'us a frame: mean / p50 / p99',
      'crops a frame',
      'sending: message us a frame',
      'quality us a crop',
      'target',
    ],
    rows: kinds.map((kind) => {
      const spent = said[kind];
      const frames = spent.batches * said.sources;
      return [
        whats[kind],
        `${spent.meanUs.toFixed(1)} / ${spent.p50Us.toFixed(1)} / ${spent.p99Us.toFixed(1)}`,
        (spent.crops / frames).toFixed(0),
        kind === 'bare' ? '' : spent.messageUsPerFrame.toFixed(1),
        spent.crops === 0 ? '' : spent.judgeUsPerCrop.toFixed(0),
        verdict(kind, spent),
      ];
    }),
    notes: ['mean, median and p99 of batches, for one of their frames; encoding crops is the stand-in, not a card'],
    figures: said,
  });
}
