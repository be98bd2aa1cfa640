import { createInterface } from 'node:readline';
import { systemClock } from '../../src/core/clock.ts';
import type { Context } from '../../src/core/context.ts';
import { errorText, isSightlineError } from '../../src/core/errors.ts';
import { type InferenceEngine, isShed, type Tensor } from '../../src/core/inference.ts';
import { createLogger } from '../../src/core/log.ts';
import { createMetrics } from '../../src/core/metrics.ts';
import { tensorMemory } from '../../src/core/tensor-memory.ts';
import { startTritonEngine, type TritonEngine } from '../../src/inference/triton.ts';
import {
  type Ask,
  type BeginAsk,
  type EndAnswer,
  type FlightAnswer,
  type FlightAsk,
  type OverloadAnswer,
  type OverloadAsk,
  sharedNow,
  type Target,
  type TurnAnswer,
  type TurnAsk,
} from './side.ts';

/** Our side of bench/triton.ts: the engine as the daemon has it. Arguments: addresses of the servers with commas between, folder of the model repository. */

const [addresses = '', repository = ''] = process.argv.slice(2);
const urls = addresses.split(',');
const over = new AbortController();
/** No request of these is late. */
const patienceMs = 60_000;
const clock = systemClock;
const ctx: Context = {
  log: createLogger({ level: 'error', destination: process.stderr }),
  clock,
  metrics: createMetrics(),
  signal: over.signal,
};
const patterns = new Map<number, Float32Array>();

/** As peer.py has it. */
function pattern(count: number): Float32Array {
  let values = patterns.get(count);
  if (values === undefined) {
    values = Float32Array.from({ length: count }, (_, at) => ((at * 37) % 255) / 255);
    patterns.set(count, values);
  }
  return values;
}

const frames = new Map<number, Float32Array>();

/** As the detector's spare inputs are: nobody is handed one before it is done with. */
function frameMemory(count: number): Float32Array {
  const memory = frames.get(count) ?? new Float32Array(new SharedArrayBuffer(count * Float32Array.BYTES_PER_ELEMENT));
  frames.set(count, memory);
  return memory;
}

function cropMemory(count: number): Float32Array {
  const bytes = tensorMemory(count * Float32Array.BYTES_PER_ELEMENT);
  return new Float32Array(bytes.buffer, bytes.byteOffset, count);
}

function inputOf({ input, shape, datatype = 'FP32', frame }: Target): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  if (datatype === 'UINT8') return { name: input, datatype, shape: [1, ...shape], data: tensorMemory(count).fill(128) };
  const values = pattern(count);
  const data = frame === true ? frameMemory(count) : cropMemory(count);
  data.set(values);
  return { name: input, datatype: 'FP32', shape: [1, ...shape], data };
}

function cpuMs(since?: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

async function turn(engine: InferenceEngine, ask: TurnAsk): Promise<TurnAnswer> {
  const run = () =>
    engine.infer(ask.model, [inputOf(ask)], {
      signal: over.signal,
      deadlineMs: clock.mono() + patienceMs,
      stream: 'bench',
    });
  for (let warm = 0; warm < 3; warm += 1) await run();
  const ms: number[] = [];
  const before = process.cpuUsage();
  for (let at = 0; at < ask.count; at += 1) {
    const beginMs = performance.now();
    await run();
    ms.push(performance.now() - beginMs);
  }
  return { ms, cpuMs: cpuMs(before) / ask.count };
}

async function flight(engine: InferenceEngine, ask: FlightAsk): Promise<FlightAnswer> {
  const beginMs = performance.now();
  const endMs = beginMs + 1000 * ask.seconds;
  const before = process.cpuUsage();
  let rows = 0;
  const keep = async (_: unknown, at: number) => {
    while (performance.now() < endMs) {
      await engine.infer(ask.model, [inputOf(ask)], {
        signal: over.signal,
        deadlineMs: clock.mono() + patienceMs,
        stream: `camera ${at % ask.cameras}`,
      });
      rows += 1;
    }
  };
  await Promise.all(Array.from({ length: ask.waiting }, keep));
  return { rows, seconds: (performance.now() - beginMs) / 1000, cpuMs: cpuMs(before) };
}

async function overload(engine: InferenceEngine, ask: OverloadAsk): Promise<OverloadAnswer> {
  const inTime = new Array<number>(ask.cameras).fill(0);
  const count = Math.floor(ask.rate * ask.seconds);
  const beginMs = clock.mono() + 50;
  const answers: Promise<void>[] = [];
  const one = async (camera: number, dueMs: number) => {
    const deadlineMs = dueMs + ask.deadlineMs;
    try {
      await engine.infer(ask.model, [inputOf(ask)], { signal: over.signal, deadlineMs, stream: `camera ${camera}` });
    } catch (error) {
      if (!isShed(error)) throw error;
      return;
    }
    if (clock.mono() <= deadlineMs) inTime[camera] = (inTime[camera] ?? 0) + 1;
  };
  for (let at = 0; at < count; at += 1) {
    const dueMs = beginMs + (1000 * at) / ask.rate;
    const pauseMs = dueMs - clock.mono();
    if (pauseMs > 0) await clock.sleep(pauseMs, over.signal);
    answers.push(one(at % ask.cameras, dueMs));
  }
  await Promise.all(answers);
  // What the server still computes is over before it answers this.
  await turn(engine, { ...ask, do: 'turn', way: 'grpc', count: 1 });
  return { offered: count, inTime, seconds: ask.seconds };
}

/** Asks steadily until it is told to end. */
function steady(engine: TritonEngine, ask: BeginAsk): () => Promise<EndAnswer> {
  const stop = new AbortController();
  const requests: EndAnswer['requests'][number][] = [];
  const changes: EndAnswer['changes'][number][] = [];
  const known = new Map<string, string>();
  const answers: Promise<void>[] = [];
  const watching = clock.every(5, () => {
    for (const { name: server, state } of engine.servers()) {
      if (known.get(server) !== state) changes.push({ atMs: sharedNow(), server, state });
      known.set(server, state);
    }
  });
  const one = async (camera: number) => {
    const sentMs = sharedNow();
    const within = { signal: over.signal, deadlineMs: clock.mono() + ask.deadlineMs, stream: `camera ${camera}` };
    const outcome = await engine.infer(ask.model, [inputOf(ask)], within).then(
      () => 'answered',
      (error: unknown) => (isSightlineError(error) ? error.code : errorText(error)),
    );
    requests.push({ sentMs, deadlineMs: sentMs + ask.deadlineMs, endMs: sharedNow(), outcome });
  };
  const asking = async () => {
    const beginMs = clock.mono();
    for (let at = 0; !stop.signal.aborted; at += 1) {
      answers.push(one(at % ask.cameras));
      const pauseMs = beginMs + (1000 * (at + 1)) / ask.rate - clock.mono();
      if (pauseMs > 0) await clock.sleep(pauseMs, stop.signal).catch(() => {});
    }
  };
  const asked = asking();
  return async () => {
    stop.abort();
    await asked;
    await Promise.all(answers);
    watching[Symbol.dispose]();
    return { requests, changes };
  };
}

async function answerTo(ask: Ask): Promise<unknown> {
  switch (ask.do) {
    case 'turn':
      return await turn(ask.way === 'shm' ? shared : plain, ask);
    case 'flight':
      return await flight(plain, ask);
    case 'overload':
      return await overload(plain, ask);
    case 'begin':
      end = steady(plain, ask);
      return {};
    case 'end':
      return await end?.();
  }
}

let end: (() => Promise<EndAnswer>) | undefined;
await using plain = await startTritonEngine({ urls, repository }, ctx);
await using shared = await startTritonEngine({ urls, repository, sharedMemory: true }, ctx);
for await (const line of createInterface({ input: process.stdin }))
  process.stdout.write(`${JSON.stringify(await answerTo(JSON.parse(line)))}\n`);
over.abort();
