import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { temporaryDirectory } from '../test/support/directory.ts';
import { missingTriton, pythonModel, startTriton, type TritonServer, tritonRepository } from '../test/support/triton.ts';
import { known } from './support/known.ts';
import { missingPeer, peerPython, tritonPeer } from './support/peer.ts';
import { quantile } from './support/quantile.ts';
import { progress, publish } from './support/table.ts';
import { measureRestart } from './triton/restart.ts';
import { type OverloadAnswer, type Side, startSide, type Target, type TurnAnswer, type TurnAsk } from './triton/side.ts';

const parts = ['single', 'copy', 'crops', 'overload', 'restart'] as const;
const usage = `usage: node bench/triton.ts [--parts ${parts.join(',')}] [--rounds 4] [--seconds 4] [--factors 0.5,1,2,4]

Networks on a Triton server (2.51 on the CPU, ../shared/triton-cpu): our engine, NVIDIA's tritonclient for Python over gRPC and
onnxruntime called directly, each a process of its own, the same tensors, in turns ABBA on one machine. Prints a table, writes
bench/results/triton.json.

  single    one request at a time, a detector's frame and a face crop: its time and the client's processor time; through shared memory too
  copy      processor time of the client a request with a tensor of 600 KB, on a model that does nothing
  crops     32 crops under way of 8 cameras: crops a second, runs of the network a crop
  overload  8 cameras ask for more than the server can do, 200 ms deadline: answers in time, beside a client that sends everything
  restart   servers killed, hanging and draining under load of 8 cameras: when they are left, when answers come again, what is lost

  --rounds   of turns there and back again, after one that does not count (default 4); of overload a quarter of them, one at least
  --seconds  of each turn of crops and overload (default 4)
  --factors  of overload, in terms of the crops a second that were measured just before (default 0.5,1,1.5,2,3,4)

The yardsticks' Python is made in .cache/triton-peer by the first run, or named by SIGHTLINE_TRITON_PEER_PYTHON.`;

const { values } = parseArgs({
  options: {
    parts: { type: 'string', default: parts.join(',') },
    rounds: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '4' },
    factors: { type: 'string', default: '0.5,1,1.5,2,3,4' },
    help: { type: 'boolean' },
  },
});

const frame: Target = { model: 'centerface', input: 'input.1', output: '537', shape: [3, 384, 640], frame: true };
const crop: Target = { model: 'face_embed_224_512', input: 'input', output: 'output', shape: [3, 224, 224] };
const sink: Target = { model: 'sink', input: 'input', output: 'output', shape: [3, 224, 224] };
const sinkConfig = `max_batch_size: 32
input [ { name: "input" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] } ]
output [ { name: "output" data_type: TYPE_FP32 dims: [ 512 ] } ]`;
const sinkBody =
  'return pb_utils.InferenceResponse([pb_utils.Tensor("output", np.zeros((len(inputs["input"]), 512), np.float32))])';
/** As bin/sightline and the container's image start the daemon: a small young space, so that memory of messages is collected soon. */
const asDaemon = { MALLOC_ARENA_MAX: '2', NODE_OPTIONS: '--max-semi-space-size=4 --disable-sigusr1' };
const cameras = 8;
const underWay = 32;
const deadlineMs = 200;

interface Sides {
  readonly ours: Side;
  readonly peer: Side;
}

const rows: string[][] = [];
const figures: unknown[] = [];

function verdict(reached: boolean): string {
  return reached ? 'reached' : 'missed';
}

interface Way {
  readonly name: string;
  readonly side: Side;
  readonly way: TurnAsk['way'];
}

/** Turns there and back again after one that does not count; of each way the median time and the processor time of every turn. */
async function turns(target: Target, ways: readonly Way[], rounds: number, count: number) {
  const found = new Map<string, TurnAnswer[]>(ways.map(({ name }) => [name, []]));
  // Compiled code, connections and memory settle.
  for (const { side, way } of ways) await side.turn({ ...target, way, count });
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, side, way } of [...ways, ...ways.toReversed()])
      found.get(name)?.push(await side.turn({ ...target, way, count }));
    progress(
      `${target.model}, round ${round + 1}: ${ways.map(({ name }) => `${name} ${summary(found.get(name) ?? [])}`).join(', ')}`,
    );
  }
  return found;
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function summary(answers: readonly TurnAnswer[]): string {
  return `${median(answers.flatMap(({ ms }) => ms)).toFixed(2)} ms, CPU ${median(answers.map(({ cpuMs }) => cpuMs)).toFixed(2)}`;
}

/** Median over the rounds of the ratio of both turns of a round: what slows the machine for seconds slows both. */
function ratio(a: readonly TurnAnswer[], b: readonly TurnAnswer[], of: (answer: TurnAnswer) => number): number {
  const each = (answers: readonly TurnAnswer[], round: number) =>
    answers.slice(2 * round, 2 * round + 2).reduce((sum, answer) => sum + of(answer), 0);
  return median(Array.from({ length: Math.floor(a.length / 2) }, (_, round) => each(a, round) / each(b, round)));
}

const timeOf = ({ ms }: TurnAnswer) => median(ms);
const cpuOf = ({ cpuMs }: TurnAnswer) => cpuMs;

interface Comparison {
  readonly what: string;
  readonly of: (answer: TurnAnswer) => number;
  readonly ours: string;
  readonly theirs: string;
  readonly atMost: number;
}

function compare(found: ReadonlyMap<string, readonly TurnAnswer[]>, { what, of, ours, theirs, atMost }: Comparison): void {
  const [own = [], other = []] = [found.get(ours), found.get(theirs)];
  const factor = ratio(own, other, of);
  const ms = (answers: readonly TurnAnswer[]) => `${median(answers.map(of)).toFixed(2)} ms`;
  rows.push([what, ms(own), `${theirs} ${ms(other)}`, `${factor.toFixed(2)}x`, `<= ${atMost}x: ${verdict(factor <= atMost)}`]);
  figures.push({ what, ours: own.map(of), theirs: other.map(of), ratio: factor, atMost });
}

const singles = [
  { target: frame, what: 'CenterFace 384x640', count: 15, shm: 1.2 },
  { target: crop, what: 'one face crop', count: 40, shm: 1.5 },
];

async function measureSingle(
  { ours, peer }: Sides,
  rounds: number,
  { target, what, count, shm }: (typeof singles)[number],
): Promise<void> {
  const ways: readonly Way[] = [
    { name: 'ours', side: ours, way: 'grpc' },
    { name: 'tritonclient', side: peer, way: 'grpc' },
    { name: 'ours, shared memory', side: ours, way: 'shm' },
    { name: 'tritonclient, shared memory', side: peer, way: 'shm' },
    { name: 'onnxruntime', side: peer, way: 'direct' },
  ];
  const found = await turns(target, ways, rounds, count);
  const [grpc, shared] = ['ours', 'ours, shared memory'];
  compare(found, { what: `${what}, answer`, of: timeOf, ours: grpc, theirs: 'tritonclient', atMost: 1.1 });
  compare(found, { what: `${what}, CPU of the client`, of: cpuOf, ours: grpc, theirs: 'tritonclient', atMost: 1 });
  compare(found, { what: `${what}, shared memory, answer`, of: timeOf, ours: shared, theirs: 'onnxruntime', atMost: shm });
  figures.push({ what: `${what}, shared memory of tritonclient`, turns: found.get('tritonclient, shared memory') });
}

async function measureCopy({ ours, peer }: Sides, rounds: number): Promise<void> {
  const ways: readonly Way[] = [
    { name: 'ours', side: ours, way: 'grpc' },
    { name: 'tritonclient', side: peer, way: 'grpc' },
  ];
  const found = await turns(sink, ways, 2 * rounds, 200);
  const what = 'tensor of 600 KB, CPU of the client';
  compare(found, { what, of: cpuOf, ours: 'ours', theirs: 'tritonclient', atMost: 1 });
}

/** Runs of the network since the server began. */
async function executions(server: TritonServer): Promise<number> {
  const [statistics] = await server.client().statistics({ timeoutMs: 10_000 }, crop.model);
  return Number(statistics?.executionCount ?? 0n);
}

async function measureCrops({ ours, peer }: Sides, server: TritonServer, rounds: number, seconds: number): Promise<void> {
  const ask = { ...crop, waiting: underWay, cameras, seconds };
  type CropWay = readonly [name: string, side: Side, batch: number | undefined];
  const ways: readonly [CropWay, CropWay, ...CropWay[]] = [
    ['ours', ours, undefined],
    ['async_infer', peer, undefined],
    ...[1, 4, 8, 16, 32].map((batch) => [`batches of ${batch}`, peer, batch] as const),
  ];
  interface Turn {
    readonly rate: number;
    readonly runs: number;
  }
  const found = new Map<string, Turn[]>(ways.map(([name]) => [name, []]));
  const take = async ([name, side, batch]: (typeof ways)[number]): Promise<Turn> => {
    const before = await executions(server);
    const { rows: crops, seconds: took } = await side.flight({ ...ask, ...(batch === undefined ? {} : { batch }) });
    const turn = { rate: crops / took, runs: ((await executions(server)) - before) / crops };
    found.get(name)?.push(turn);
    return turn;
  };
  for (const way of [...ways, ...ways.toReversed()]) await take(way);
  for (const [name, all] of found) progress(`crops, ${name}: ${rateOf(all).toFixed(1)} a second`);
  const [own, ...others] = ways;
  const rates = new Map([...found].map(([name, all]) => [name, rateOf(all)]));
  const best = others.reduce((a, b) => ((rates.get(a[0]) ?? 0) >= (rates.get(b[0]) ?? 0) ? a : b));
  // The luckiest of six would be no fair measure: who was best is measured anew, in turn with ours.
  const pairs: (readonly [ours: Turn, theirs: Turn])[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? [own, best] : [best, own];
    const taken = new Map<string, Turn>();
    for (const way of order) taken.set(way[0], await take(way));
    const [ours, theirs] = [taken.get(own[0]), taken.get(best[0])];
    if (ours !== undefined && theirs !== undefined) pairs.push([ours, theirs]);
    progress(`crops, round ${round + 1}: ours ${ours?.rate.toFixed(1)}, ${best[0]} ${theirs?.rate.toFixed(1)} a second`);
  }
  const ratio = median(pairs.map(([ours, theirs]) => ours.rate / theirs.rate));
  const runs = median(pairs.map(([ours]) => ours.runs));
  rows.push([
    `${underWay} crops under way of ${cameras} cameras, a second`,
    rateOf(pairs.map(([ours]) => ours)).toFixed(1),
    `tritonclient's best, ${best[0]}: ${rateOf(pairs.map(([, theirs]) => theirs)).toFixed(1)}`,
    `${ratio.toFixed(2)}x`,
    `>= 1x: ${verdict(ratio >= 1)}`,
  ]);
  rows.push([
    'the same, runs of the network a crop',
    runs.toFixed(3),
    `${best[0]} ${median(pairs.map(([, theirs]) => theirs.runs)).toFixed(3)}`,
    '',
    `<= 0.125: ${verdict(runs <= 1 / 8)}`,
  ]);
  figures.push({ what: 'crops', turns: Object.fromEntries(found) });
}

/** Of turns that take seconds whatever they do. */
function fewer(rounds: number): number {
  return Math.max(1, Math.round(rounds / 4));
}

function rateOf(turns: readonly { readonly rate: number }[]): number {
  return median(turns.map(({ rate }) => rate));
}

async function measureOverload({ ours, peer }: Sides, rounds: number, seconds: number): Promise<void> {
  const full = { ...crop, waiting: underWay, cameras };
  await ours.flight({ ...full, seconds: 1 });
  // Runs of 32 crops are coarse: longer than the other turns.
  const { rows: crops, seconds: took } = await ours.flight({ ...full, seconds: 3 * seconds });
  const capacity = crops / took;
  progress(`overload: capacity ${capacity.toFixed(1)} crops a second`);
  const factors = values.factors.split(',').map(Number);
  const curve: { factor: number; ours: readonly OverloadAnswer[]; naive: readonly OverloadAnswer[] }[] = [];
  for (const factor of factors) {
    const found = { ours: [] as OverloadAnswer[], naive: [] as OverloadAnswer[] };
    const ask = { ...crop, rate: factor * capacity, cameras, deadlineMs, seconds };
    for (let round = 0; round < fewer(rounds); round += 1) {
      for (const name of ['ours', 'naive', 'naive', 'ours'] as const)
        found[name].push(await (name === 'ours' ? ours : peer).overload(ask));
    }
    curve.push({ factor, ...found });
    progress(`overload ${factor}x: ours ${goodput(found.ours).toFixed(1)}, naive ${goodput(found.naive).toFixed(1)} in time`);
  }
  const peak = Math.max(...curve.map((point) => goodput(point.ours)));
  for (const { factor, ours: own, naive } of curve) {
    const last = factor === Math.max(...factors);
    const share = goodput(own) / peak;
    const apart = unevenness(own);
    rows.push([
      `overload ${factor}x (${(factor * capacity).toFixed(0)} a second), in time a second`,
      `${goodput(own).toFixed(1)}, cameras ± ${(100 * apart).toFixed(0)} %`,
      `naive client ${goodput(naive).toFixed(1)}`,
      `${share.toFixed(2)} of the peak`,
      last ? `>= 0.9 of the peak, ± 10 %: ${verdict(share >= 0.9 && apart <= 0.1)}` : '',
    ]);
  }
  figures.push({ what: 'overload', capacity, deadlineMs, curve });
}

/** Answers in time, a second. */
function goodput(answers: readonly OverloadAnswer[]): number {
  return median(answers.map(({ inTime, seconds }) => inTime.reduce((sum, count) => sum + count, 0) / seconds));
}

/** By how much of the mean a camera is off, at most, over all turns together. */
function unevenness(answers: readonly OverloadAnswer[]): number {
  const byCamera = Array.from({ length: cameras }, (_, at) => answers.reduce((sum, { inTime }) => sum + (inTime[at] ?? 0), 0));
  const mean = byCamera.reduce((sum, count) => sum + count, 0) / cameras;
  return Math.max(...byCamera.map((count) => Math.abs(count - mean))) / mean;
}

/** The parts that compare with the yardsticks, on one server. */
async function measureBeside(chosen: readonly (typeof parts)[number][], rounds: number, seconds: number): Promise<void> {
  const python = await peerPython(tritonPeer);
  await using directory = await temporaryDirectory();
  await tritonRepository(directory.path, [frame.model, crop.model]);
  await pythonModel(directory.path, sink.model, sinkConfig, sinkBody);
  await using server = await startTriton({ repository: directory.path });
  const args = [server.url, directory.path];
  for (const part of chosen) {
    const targets = part === 'single' ? singles : [undefined];
    for (const single of targets) {
      // Processes of their own: the daemon has crops, a worker has frames.
      await using ours = startSide(process.execPath, [join(import.meta.dirname, 'triton/ours.ts'), ...args], asDaemon);
      await using peer = startSide(python, [join(import.meta.dirname, 'triton/peer.py'), ...args]);
      const sides = { ours, peer };
      if (single !== undefined) await measureSingle(sides, rounds, single);
      else if (part === 'copy') await measureCopy(sides, rounds);
      else if (part === 'crops') await measureCrops(sides, server, rounds, seconds);
      else await measureOverload(sides, rounds, seconds);
    }
  }
}

const missing = values.help === true ? false : (await missingTriton()) || missingPeer(tritonPeer);
if (values.help) console.log(usage);
else if (missing !== false) progress(`nothing is measured: ${missing}`);
else {
  const chosen = known(values.parts.split(','), parts, 'part');
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
  const beside = parts.filter((name) => name !== 'restart' && chosen.includes(name));
  if (beside.length > 0) await measureBeside(beside, rounds, seconds);
  if (chosen.includes('restart')) {
    await using directory = await temporaryDirectory();
    const repository = await tritonRepository(directory.path, [crop.model]);
    const startOurs = (urls: readonly string[]) =>
      startSide(process.execPath, [join(import.meta.dirname, 'triton/ours.ts'), urls.join(','), repository], asDaemon);
    const found = await measureRestart({ repository, target: crop, cameras, rounds, startOurs });
    rows.push(...found.rows.map((row) => [...row]));
    figures.push(...found.figures);
  }
  publish({
    name: 'triton',
    title: 'Networks on a Triton server',
    columns: ['what', 'ours', 'beside', 'ratio', 'target'],
    rows,
    notes: [
      'medians over the turns; ratios are medians over the rounds, each of two neighbouring turns of either side',
      'the tensor is filled anew for each request on all sides; server: Triton 2.51 with a stand-in for its onnxruntime backend',
    ],
    figures,
  });
}
