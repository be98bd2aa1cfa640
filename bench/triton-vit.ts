import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { ConfigInput } from '../src/config/schema.ts';
import { systemClock } from '../src/core/clock.ts';
import { createLogger } from '../src/core/log.ts';
import { createMetrics } from '../src/core/metrics.ts';
import type { SweepPoint, TritonBenchReport } from '../src/core/triton-bench.ts';
import { startEmbedded } from '../src/inference/embedded.ts';
import { hasMosquitto, startBroker } from '../test/support/broker.ts';
import { startProgram } from '../test/support/cli.ts';
import { cutLaterHalf, readClip } from '../test/support/clips.ts';
import { missingConvert, runConversions } from '../test/support/convert.ts';
import { createWorkplace } from '../test/support/daemon.ts';
import { missingTool } from '../test/support/data.ts';
import { temporaryDirectory } from '../test/support/directory.ts';
import { installedProgram } from '../test/support/programs.ts';
import { missingModels, realRepository } from '../test/support/repository.ts';
import { loadOnly, missingTriton, startTriton, type TritonServer } from '../test/support/triton.ts';
import { until } from '../test/support/until.ts';
import { known } from './support/known.ts';
import { filmOf } from './support/media.ts';
import { samplesOf } from './support/ours.ts';
import { cpuSeconds, familyCpuSeconds, familyOf, memoryOf } from './support/processes.ts';
import { quantile } from './support/quantile.ts';
import { progress, publish } from './support/table.ts';
import { startSide, type Target } from './triton/side.ts';

const parts = ['batches', 'crops', 'overload', 'cameras'] as const;
const usage = `usage: node bench/triton-vit.ts [--parts ${parts.join(',')}] [--seconds 10]

A CLIP ViT-B/32 of full size with random weights (tools/convert/random_clip.py, 351 MB) on a Triton server (2.51 on the CPU,
../shared/triton-cpu), and on the embedded engine. What its vectors say is nothing; what they cost is what CLIP's would. Prints a table,
writes bench/results/triton-vit.json. About four minutes.

  batches   crops a second by the rows of a request, one request at a time; numbers and bytes as input; the embedded engine beside it
  crops     32 crops under way of 8 cameras: crops a second, runs of the network a crop, memory of our process and the server's
  overload  8 cameras ask for what the server can do, and four times that, within the 2 s that the daemon gives a crop: answers in time
  cameras   the whole program with two 720p cameras that compare appearance: crops a camera asks for, what all of it costs, and, with
            batches and crops, how many cameras that is on two cores

  --seconds  of each point of crops and overload, and twice as many of cameras (default 10)`;

const { values } = parseArgs({
  options: {
    parts: { type: 'string', default: parts.join(',') },
    seconds: { type: 'string', default: '10' },
    help: { type: 'boolean' },
  },
});

const numbers: Target = { model: 'clip_visual', input: 'input', output: 'output', shape: [3, 224, 224] };
const bytes: Target = { ...numbers, model: 'clip_visual_u8', datatype: 'UINT8' };
/** The other parts go on with the last. */
const inputs = [
  ['UINT8, 151 KB', bytes],
  ['FP32, 602 KB', numbers],
] as const;
const cores = 2;
const streams = 8;
const underWay = 32;
/** What the daemon gives a crop (composition/recognition.ts). */
const deadlineMs = 2000;
const asDaemon = { MALLOC_ARENA_MAX: '2', NODE_OPTIONS: '--max-semi-space-size=4 --disable-sigusr1' };
const patienceMs = 120_000;

const rows: string[][] = [];
const figures: Record<string, unknown>[] = [];
const seconds = Number(values.seconds);
/** Processor time of one crop in a full batch, of all processes, by engine; as far as it was measured. */
const cropSeconds: { embedded?: number; triton?: number } = {};

interface Memory {
  readonly firstMb: number;
  readonly mostMb: number;
  readonly lastMb: number;
}

type Watched = Readonly<Record<string, Memory>>;

function say(what: string, crops: string, beside: string): void {
  rows.push([what, crops, beside]);
  progress([what, crops, beside].join('  '));
}

/** What `work` took, the most memory (RSS, MB) that processes had meanwhile, and what they had in the last quarter of it. */
async function watched<T>(pids: Readonly<Record<string, () => readonly number[]>>, work: Promise<T>) {
  const samples: Record<string, number[]> = Object.fromEntries(Object.keys(pids).map((name) => [name, []]));
  let over = false;
  const sampling = (async () => {
    while (!over) {
      for (const [name, of] of Object.entries(pids)) samples[name]?.push(memoryOf(of()).rssMb);
      await wait(500);
    }
  })();
  const result = await work.finally(() => (over = true));
  await sampling;
  const memory: Watched = Object.fromEntries(
    Object.entries(samples).map(([name, all]) => [
      name,
      { mostMb: Math.max(...all), lastMb: quantile(all.slice(-Math.ceil(all.length / 4)), 0.5), firstMb: all[0] ?? Number.NaN },
    ]),
  );
  return { result, memory };
}

async function measureBatches(name: string, { model }: Target, server: TritonServer, folder: string): Promise<void> {
  // Few runs of a large batch fit into the seconds that a small one needs. Several requests at a time the server would put together.
  const points = model === numbers.model ? ['1,2,4,8', '16,32'] : ['1,8', '32'];
  const sweep: SweepPoint[] = [];
  const memories: Watched[] = [];
  for (const [at, batches] of points.entries()) {
    const file = join(folder, `${model}-${at}.json`);
    const args = ['--model', model, '--batch', batches, '--concurrency', '1', '--json', file];
    const each = ['--seconds', at === 0 ? '3' : '12'];
    const bench = startProgram(['bench', 'triton', server.url, ...args, ...each], { env: asDaemon });
    const pids = { client: () => [bench.pid], server: () => familyOf(server.pid) };
    const { result, memory } = await watched(pids, bench.finished);
    if (result.code !== 0) throw new Error(result.stderr);
    const report: TritonBenchReport = JSON.parse(readFileSync(file, 'utf8'));
    sweep.push(...report.sweep);
    memories.push(memory);
  }
  for (const { batch, rowsPerSecond, latencyMs, server: told } of sweep) {
    const p50 = latencyMs === undefined ? 'none in time' : `p50 ${latencyMs.p50.toFixed(0)} ms`;
    const network = told === undefined ? '' : `; network ${(told.computeMs / batch).toFixed(0)} ms a crop`;
    say(`batches of ${batch}, ${name}`, `${rowsPerSecond.toFixed(2)} crops/s`, `answer ${p50}${network}`);
  }
  const large = memories.at(-1);
  say(`memory with large batches, ${name}`, `client ${mb(large?.['client'])}`, `server ${mb(large?.['server'])}`);
  figures.push({ what: 'batches', input: name, sweep, memories });
}

async function measureEmbedded(repository: string): Promise<void> {
  const controller = new AbortController();
  const log = createLogger({ level: 'error', destination: process.stderr });
  const ctx = { log, clock: systemClock, metrics: createMetrics(), signal: controller.signal };
  await using engine = await startEmbedded({ repository, threads: cores }, ctx);
  for (const batch of [1, 8]) {
    const run = () => {
      const data = new Float32Array(batch * 3 * 224 * 224).fill(0.5);
      const tensor = { name: numbers.input, datatype: 'FP32', shape: [batch, ...numbers.shape], data } as const;
      const options = { signal: controller.signal, deadlineMs: systemClock.mono() + patienceMs, stream: 'bench' };
      return engine.infer(numbers.model, [tensor], options);
    };
    await run();
    const ms: number[] = [];
    const cpu = process.cpuUsage();
    for (const endMs = performance.now() + 3000; performance.now() < endMs; ) ms.push((await run()).computeMs);
    const { user, system } = process.cpuUsage(cpu);
    const cropS = (user + system) / 1e6 / (batch * ms.length);
    cropSeconds.embedded = cropS;
    const rate = (1000 * batch) / quantile(ms, 0.5);
    const cpuText = `processor time a crop ${(1000 * cropS).toFixed(0)} ms`;
    say(`batches of ${batch}, embedded engine, ${cores} threads`, `${rate.toFixed(2)} crops/s`, cpuText);
    figures.push({ what: 'embedded', batch, ms, cropS });
  }
  controller.abort();
}

function mb(memory: Memory | undefined): string {
  if (memory === undefined) return '';
  return `${memory.firstMb.toFixed(0)} MB at first, ${memory.mostMb.toFixed(0)} at most, ${memory.lastMb.toFixed(0)} at last`;
}

async function counted(server: TritonServer, model: string) {
  const [found] = await server.client().statistics({ timeoutMs: 10_000 }, model);
  return { executions: Number(found?.executionCount ?? 0n), rows: Number(found?.inferenceCount ?? 0n) };
}

async function measureCrops(name: string, target: Target, server: TritonServer, repository: string): Promise<void> {
  await using ours = startSide(
    process.execPath,
    [join(import.meta.dirname, 'triton/ours.ts'), server.url, repository],
    asDaemon,
  );
  await ours.turn({ ...target, way: 'grpc', count: 1 });
  const [before, cpu] = [await counted(server, target.model), familyCpuSeconds(server.pid)];
  const { result, memory } = await watched(
    { client: () => [ours.pid], server: () => familyOf(server.pid) },
    ours.flight({ ...target, waiting: underWay, cameras: streams, seconds }),
  );
  const after = await counted(server, target.model);
  const runs = (after.executions - before.executions) / (after.rows - before.rows);
  const serverMs = (1000 * (familyCpuSeconds(server.pid) - cpu)) / result.rows;
  const clientMs = result.cpuMs / result.rows;
  if (target === numbers) cropSeconds.triton = (serverMs + clientMs) / 1000;
  say(
    `${underWay} crops under way of ${streams} cameras, ${name}`,
    `${(result.rows / result.seconds).toFixed(2)} crops/s, ${runs.toFixed(3)} runs a crop`,
    `processor time a crop: client ${clientMs.toFixed(1)} ms, server ${serverMs.toFixed(0)} ms`,
  );
  say(`the same, memory, ${name}`, `client ${mb(memory['client'])}`, `server ${mb(memory['server'])}`);
  figures.push({ what: 'crops', input: name, ...result, runsPerCrop: runs, serverMs, memory });
}

async function measureOverload(server: TritonServer, repository: string): Promise<void> {
  await using ours = startSide(
    process.execPath,
    [join(import.meta.dirname, 'triton/ours.ts'), server.url, repository],
    asDaemon,
  );
  const full = { ...numbers, waiting: underWay, cameras: streams };
  const { rows: crops, seconds: took } = await ours.flight({ ...full, seconds: 1 });
  const capacity = crops / took;
  for (const factor of [1, 4]) {
    const ask = { ...numbers, rate: factor * capacity, cameras: streams, deadlineMs, seconds };
    const { result, memory } = await watched({ client: () => [ours.pid] }, ours.overload(ask));
    const goodput = result.inTime.reduce((sum, count) => sum + count, 0) / result.seconds;
    say(
      `overload ${factor}x (${(factor * capacity).toFixed(1)} a second), in time within ${deadlineMs / 1000} s`,
      `${goodput.toFixed(2)} crops/s, cameras ${Math.min(...result.inTime)} to ${Math.max(...result.inTime)} in all`,
      `client ${mb(memory['client'])}`,
    );
    figures.push({ what: 'overload', factor, capacity, ...result, memory });
  }
}

/** The whole program: what two cameras ask for, get and cost. */
async function measureCameras(engine: 'embedded' | 'triton', server: TritonServer, repository: string): Promise<void> {
  const count = 2;
  const film = await filmOf('visits', '720', 60);
  await using broker = await startBroker();
  const config: ConfigInput = {
    inference: { repository, ...(engine === 'triton' ? { engine, url: server.url } : { threads: cores }) },
    models: { face: 'face_embed', appearance: numbers.model, enrolment: 'centerface', enrolmentBody: 'yolox_nano' },
    mqtt: { url: broker.url },
    lists: { watch: {} },
  };
  await using place = await createWorkplace(config);
  const clip = readClip('real_visits_a');
  const visit = clip.persons.find(({ id }) => id === 'visitor_1');
  if (visit === undefined) throw new Error('real_visits_a has no visitor_1');
  const pictures = cutLaterHalf(clip, visit, place.directory);
  await place.succeed('enroll', '--list', 'watch', '--kind', 'body', '--name', visit.id, ...pictures);
  const camera = {
    source: film,
    realtime: true,
    loop: true,
    detect: [{ model: 'yolox_nano' }],
    recognise: ['appearance' as const],
  };
  place.configure({
    ...config,
    cameras: Object.fromEntries(Array.from({ length: count }, (_, at) => [`camera${at + 1}`, camera])),
  });
  await using daemon = await place.start({ env: asDaemon });
  const samples = async () => samplesOf(await (await fetch(daemon.url('/metrics'))).text());
  const asked = async () => {
    const found = await samples();
    return {
      embedded: found.sum('sightline_sightings_total'),
      replaced: found.sum('sightline_candidates_dropped_total'),
      failed: found.sum('sightline_embed_failures_total'),
      looks: found.sum('sightline_camera_frames_detected'),
      late: found.sum('sightline_camera_frames_dropped'),
    };
  };
  await until('a body to be compared', async () => (await asked()).embedded > 0, patienceMs);
  const workers = () => familyOf(daemon.pid).filter((pid) => pid !== daemon.pid);
  const cpu = () => [daemon.pid, ...workers()].map((pid) => [pid, cpuSeconds(pid)] as const);
  const [before, served, cpuBefore] = [await asked(), familyCpuSeconds(server.pid), new Map(cpu())];
  const beginMs = performance.now();
  const { memory } = await watched({ daemon: () => [daemon.pid], workers }, wait(2000 * seconds));
  const [after, tookS] = [await asked(), (performance.now() - beginMs) / 1000];
  const spent = new Map(cpu().map(([pid, total]) => [pid, total - (cpuBefore.get(pid) ?? 0)]));
  const serverS = engine === 'triton' ? familyCpuSeconds(server.pid) - served : 0;
  const done = (key: keyof typeof before) => after[key] - before[key];
  const crops = done('embedded');
  const offered = (crops + done('replaced')) / (count * tookS);
  const daemonS = spent.get(daemon.pid) ?? 0;
  const workersS = spent.entries().reduce((sum, [pid, s]) => sum + (pid === daemon.pid ? 0 : s), 0);
  const compared = crops / (count * tookS);
  const looks = done('looks') / (count * tookS);
  say(
    `${count} cameras, engine ${engine}`,
    `${offered.toFixed(2)} crops/s a camera asked for, ${compared.toFixed(2)} compared, ${looks.toFixed(1)} looks/s`,
    `cores: daemon ${(daemonS / tookS).toFixed(2)}, workers ${(workersS / tookS).toFixed(2)}, server ${(serverS / tookS).toFixed(2)}`,
  );
  say('the same, memory', `daemon ${mb(memory['daemon'])}`, `workers ${mb(memory['workers'])}`);
  const cropS = cropSeconds[engine];
  if (cropS !== undefined) {
    const cameraS = (daemonS + workersS + serverS) / (count * tookS) + (offered - compared) * cropS;
    // What was not looked at cost nothing; what the motion gate spares costs nothing anywhere.
    const had = done('looks') / (done('looks') + done('late'));
    const busy = had < 0.9 ? `not told: the machine had time for ${had.toFixed(2)} of the looks` : undefined;
    say(
      `cameras on ${cores} cores, engine ${engine}`,
      busy ?? `embedding alone ${(cores / (offered * cropS)).toFixed(1)}`,
      busy === undefined ? `with decoding and detection ${(cores / cameraS).toFixed(1)}` : '',
    );
  }
  figures.push({ what: 'cameras', engine, count, tookS, before, after, daemonS, workersS, serverS, offered, memory });
  await daemon.stop();
}

const missing =
  values.help === true
    ? false
    : (await missingTriton()) ||
      (await missingConvert()) ||
      missingModels('yolox_nano', 'face_embed', 'centerface') ||
      missingTool(hasMosquitto, 'mosquitto') ||
      missingTool(installedProgram('ffmpeg'), 'ffmpeg');
if (values.help) console.log(usage);
else if (missing !== false) progress(`nothing is measured: ${missing}`);
else {
  const chosen = known(values.parts.split(','), parts, 'part');
  await using repository = await realRepository();
  await using folder = await temporaryDirectory();
  const to = (name: string) => ['--as', name, '--repository', repository.directory];
  await runConversions(folder.path, {
    heads: [],
    random: [to(numbers.model), [...to(bytes.model), '--input', 'uint8']],
    conversions: [],
  });
  progress('the networks are made');
  const flags = loadOnly('yolox_nano');
  await using server = await startTriton({ repository: repository.directory, flags });
  progress('the server is ready');
  const control = { timeoutMs: patienceMs };
  for (const [name, target] of inputs) {
    // One at a time, for the sake of the server's memory.
    await server.client().loadModel(target.model, control);
    if (chosen.includes('batches')) await measureBatches(name, target, server, folder.path);
    if (chosen.includes('crops')) await measureCrops(name, target, server, repository.directory);
    if (target !== numbers) await server.client().unloadModel(target.model, control);
  }
  if (chosen.includes('batches')) await measureEmbedded(repository.directory);
  if (chosen.includes('overload')) await measureOverload(server, repository.directory);
  if (chosen.includes('cameras')) {
    await measureCameras('embedded', server, repository.directory);
    await measureCameras('triton', server, repository.directory);
  }
  publish({
    name: 'triton-vit',
    title: 'A CLIP ViT-B/32 of full size',
    columns: ['what', 'crops', 'beside'],
    rows,
    notes: [
      'memory: RSS; server: Triton 2.51 with a stand-in for its onnxruntime backend, YOLOX-nano loaded beside',
      `cameras on ${cores} cores: ${cores} s of processor time a second, divided by what a camera costs that asks for so many crops, each of which is compared;`,
      'one person in view three quarters of the time, 720p25, YOLOX-nano',
    ],
    figures,
  });
}
