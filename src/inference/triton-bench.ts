import type { Context } from '../core/context.ts';
import { errorText, isAbort, SightlineError } from '../core/errors.ts';
import { type Infer, isShed, type ModelDescription, type Tensor } from '../core/inference.ts';
import { quantile } from '../core/quantile.ts';
import { added, serverCountNames } from '../core/served-models.ts';
import type {
  BenchLatency,
  ServerFigures,
  StreamPoint,
  SweepPoint,
  TritonBenchProgress,
  TritonBenchReport,
  TritonBenchRequest,
} from '../core/triton-bench.ts';
import type { ModelStatistics } from '../gen/inference/grpc_service.ts';
import { copyOf, randomInputs, rowShapes } from './random-tensors.ts';
import { startTritonEngine } from './triton.ts';
import type { TritonAddress } from './triton-address.ts';
import { problemText, readTls, readUrl } from './triton-check.ts';
import { TritonClient, type TritonClientOptions } from './triton-client.ts';
import { describeServed, servedContract } from './triton-contract.ts';
import { firstLine, grpcCodes, TritonStatus } from './triton-failures.ts';
import { serversAt } from './triton-names.ts';
import { countsOf } from './triton-statistics.ts';

/** Load on a Triton server, and what comes of it: our client at full pace, and our engine at the pace of cameras. */

const askWithinMs = 5000;
/** Of one request in a sweep: as long as the slowest model on a processor may take. */
const answerWithinMs = 60_000;
/** What is not measured before each point: connections, arenas and compiled code settle, and the engine learns the server's pace. */
const warmUpMs = 1000;
/** A server that fails this often one after another will not do better. */
const failuresToEnd = 5;

interface Bench {
  readonly request: TritonBenchRequest;
  readonly ctx: Context;
  readonly client: TritonClient;
  /** That the client was made with. */
  readonly options: TritonClientOptions;
  readonly model: ModelDescription;
  /** One row; with a number of rows for a sweep. */
  inputs(rows: number): readonly Tensor[];
}

/**
 * Measures every pair of batch and concurrency, then every number of streams. Rejects with `inference.unavailable` when no server answers,
 * with `cli.usage`, `config.invalid` or `model.*` for what was asked. When the context's signal fires, what was measured by then is the
 * report.
 */
export async function benchTriton(
  request: TritonBenchRequest,
  ctx: Context,
  onProgress: (progress: TritonBenchProgress) => void,
): Promise<TritonBenchReport> {
  // The first server of a name: one is measured, not a choice between several.
  const url = readUrl(request.url);
  const tls = await readTls(request.tls, url.tls);
  const [address] = await serversAt(url);
  if (address === undefined) throw new RangeError(`${request.url} leads to no server`);
  const options = { headers: request.headers, ...(tls === undefined ? {} : { tls }) };
  using client = new TritonClient(address, options);
  const settings = { timeoutMs: askWithinMs, signal: ctx.signal };
  const server = await client.metadata(settings).catch((error: unknown) => {
    if (isAbort(error)) throw error;
    throw new SightlineError('inference.unavailable', problemText(request.url, error, address.tls, ''));
  });
  const model = await describe(client, await modelName(client, request, ctx), ctx);
  for (const batch of request.batches) {
    if (batch > Math.max(1, model.maxBatchSize))
      throw new SightlineError(
        'cli.usage',
        `${model.name} takes ${Math.max(1, model.maxBatchSize)} rows at most in one request (max_batch_size ${model.maxBatchSize}), not ${batch}`,
      );
  }
  const shapes = rowShapes(model, request.shapes);
  const bench: Bench = { request, ctx, client, options, model, inputs: (rows) => randomInputs(model, shapes, rows) };
  const pairs = request.batches.flatMap((batch) => request.concurrencies.map((concurrency) => ({ batch, concurrency })));
  const of = pairs.length + request.streams.length;
  const sweep: SweepPoint[] = [];
  const streams: StreamPoint[] = [];
  try {
    for (const { batch, concurrency } of pairs) {
      onProgress({ point: `batch ${batch}, ${concurrency} under way`, done: sweep.length, of });
      sweep.push(await sweepPoint(bench, batch, concurrency));
    }
    for (const count of request.streams) {
      onProgress({ point: `${count} streams, ${request.fps} fps`, done: sweep.length + streams.length, of });
      streams.push(await streamPoint(bench, address, count));
    }
  } catch (error) {
    if (!ctx.signal.aborted) throw error;
  }
  return {
    server: request.url,
    serverVersion: server.version,
    model: model.name,
    modelVersion: model.version,
    inputs: model.inputs.map(({ name, datatype }) => ({ name, datatype, shape: shapes.get(name) ?? [] })),
    deadlineMs: request.deadlineMs,
    sweep,
    streams,
    stopped: ctx.signal.aborted,
  };
}

async function modelName(client: TritonClient, { model }: TritonBenchRequest, ctx: Context): Promise<string> {
  if (model !== undefined) return model;
  const names = await readyModels(client, ctx);
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  throw new SightlineError(
    'cli.usage',
    `which model: --model ${names.join(', ') || 'NAME, and the server has none that is ready'}`,
  );
}

async function readyModels(client: TritonClient, ctx: Context): Promise<readonly string[]> {
  const index = await client.repositoryIndex({ timeoutMs: askWithinMs, signal: ctx.signal }, true);
  return [...new Set(index.map(({ name }) => name))].sort();
}

async function describe(client: TritonClient, name: string, ctx: Context): Promise<ModelDescription> {
  const settings = { timeoutMs: askWithinMs, signal: ctx.signal };
  const [metadata, config] = await Promise.all([
    client.modelMetadata(name, '', settings),
    client.modelConfig(name, '', settings),
  ]).catch(async (error: unknown) => {
    if (!(error instanceof TritonStatus) || error.status !== grpcCodes.notFound) throw error;
    const names = await readyModels(client, ctx);
    const others = names.length === 0 ? 'none is' : `ready are ${names.join(', ')}`;
    throw new SightlineError(
      'model.unknown',
      `the server has no model ${name} that is ready, ${others}: ${firstLine(error.message)}`,
    );
  });
  const model = describeServed(metadata, config);
  if (model === undefined)
    throw new SightlineError('model.invalid', `${name} has tensors of a data type that sightline does not know`);
  const { differences } = servedContract(model, metadata, config);
  if (differences.length === 0) return model;
  throw new SightlineError('model.invalid', `${name} cannot be measured: ${differences.join('; ')}`);
}

/** What came of the requests of one point. */
class Tally {
  readonly latencies: number[] = [];
  failed = 0;
  failure: string | undefined;
  #inARow = 0;

  answered(latencyMs: number): void {
    this.latencies.push(latencyMs);
    this.#inARow = 0;
  }

  /** Throws `inference.failed` when there is no use in going on. */
  fails(error: unknown): void {
    this.failed += 1;
    this.failure ??= firstLine(errorText(error));
    this.#inARow += 1;
    if (this.#inARow >= failuresToEnd && this.latencies.length === 0)
      throw new SightlineError(
        'inference.failed',
        `the first ${this.failed} requests failed, with random values in the model’s shapes: ${this.failure}`,
      );
  }

  get figures(): { readonly latencyMs?: BenchLatency; readonly failed: number; readonly failure?: string } {
    return {
      ...(this.latencies.length === 0 ? {} : { latencyMs: latencyOf(this.latencies) }),
      failed: this.failed,
      ...(this.failure === undefined ? {} : { failure: this.failure }),
    };
  }
}

function latencyOf(values: readonly number[]): BenchLatency {
  const at = (share: number) => quantile(values, share) ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

async function sweepPoint(bench: Bench, batch: number, concurrency: number): Promise<SweepPoint> {
  const { ctx, client, model, request } = bench;
  const tally = new Tally();
  const beginMs = ctx.clock.mono() + Math.min(warmUpMs, 250 * request.seconds);
  const endMs = beginMs + 1000 * request.seconds;
  const before = atBegin(bench, beginMs);
  const others = new AbortController();
  const signal = AbortSignal.any([ctx.signal, others.signal]);
  const ask = async () => {
    // One at a time on this memory; the head that is written in front of it is always the same.
    const message = { model: model.name, version: model.version, inputs: bench.inputs(batch) };
    for (let sentMs = ctx.clock.mono(); sentMs < endMs; sentMs = ctx.clock.mono()) {
      try {
        await client.infer(message, { timeoutMs: answerWithinMs, signal });
        const nowMs = ctx.clock.mono();
        if (nowMs >= beginMs && nowMs <= endMs) tally.answered(nowMs - sentMs);
      } catch (error) {
        if (signal.aborted) throw error;
        tally.fails(error);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, ask));
  } finally {
    others.abort();
  }
  const requests = tally.latencies.length;
  return {
    batch,
    concurrency,
    requests,
    rowsPerSecond: (requests * batch) / request.seconds,
    seconds: request.seconds,
    ...(await serverFigures(bench, await before)),
    ...tally.figures,
  };
}

async function streamPoint(bench: Bench, address: TritonAddress, streams: number): Promise<StreamPoint> {
  const { ctx, model, request, options } = bench;
  const { fps, deadlineMs, seconds, url, sharedMemory } = request;
  // What the server says of the model is its description: there is no repository here.
  const config = { urls: [url], repository: '/dev/null', client: options, sharedMemory, resolve: async () => [address.ip] };
  await using engine = await startTritonEngine(config, ctx);
  await engine.load(model.name);
  const inputs = bench.inputs(1);
  const tally = new Tally();
  const inTime = new Array<number>(streams).fill(0);
  const counts = { offered: 0, missed: 0 };
  const startMs = ctx.clock.mono();
  const beginMs = startMs + Math.min(warmUpMs, 250 * seconds);
  const endMs = beginMs + 1000 * seconds;
  const before = atBegin(bench, beginMs);
  const ended = new AbortController();
  const signal = AbortSignal.any([ctx.signal, ended.signal]);
  const ask = async (stream: number, dueMs: number) => {
    const counted = dueMs >= beginMs;
    if (counted) counts.offered += 1;
    const outcome = await askOnce(engine.infer, model.name, copyOf(inputs), {
      // From when it was due: a client that falls behind is late as well.
      deadlineMs: dueMs + deadlineMs,
      stream: `stream ${stream + 1}`,
      signal,
    });
    if (!counted) return;
    const latencyMs = ctx.clock.mono() - dueMs;
    if (outcome === 'answered') tally.answered(latencyMs);
    if (outcome === 'answered' && latencyMs <= deadlineMs) inTime[stream] = (inTime[stream] ?? 0) + 1;
    else if (outcome === 'answered' || outcome === 'shed') counts.missed += 1;
    else tally.fails(outcome.failed);
  };
  const run = async (_: unknown, stream: number) => {
    const asked: Promise<void>[] = [];
    let failed: { readonly error: unknown } | undefined;
    // Streams have their turns one after another, not all in the same moment.
    for (let at = stream / streams; startMs + (1000 * at) / fps < endMs; at += 1) {
      const dueMs = startMs + (1000 * at) / fps;
      const pauseMs = dueMs - ctx.clock.mono();
      if (pauseMs > 0) await ctx.clock.sleep(pauseMs, signal);
      if (failed !== undefined) break;
      asked.push(
        ask(stream, dueMs).catch((error: unknown) => {
          failed ??= { error };
        }),
      );
    }
    await Promise.all(asked);
    if (failed !== undefined) throw failed.error;
  };
  try {
    await Promise.all(inTime.map(run));
  } finally {
    ended.abort();
  }
  return {
    streams,
    fps,
    ...counts,
    inTime: inTime.reduce((sum, count) => sum + count, 0),
    inTimeLeast: Math.min(...inTime),
    inTimeMost: Math.max(...inTime),
    seconds,
    ...(await serverFigures(bench, await before)),
    ...tally.figures,
  };
}

type Outcome = 'answered' | 'shed' | { readonly failed: unknown };

async function askOnce(
  infer: Infer,
  model: string,
  inputs: readonly Tensor[],
  options: Parameters<Infer>[2],
): Promise<Outcome> {
  try {
    await infer(model, inputs, options);
    return 'answered';
  } catch (error) {
    if (options.signal.aborted) throw error;
    return isShed(error) ? 'shed' : { failed: error };
  }
}

/** The server's statistics when measuring begins; undefined where it keeps none. Never rejects. */
async function atBegin(bench: Bench, beginMs: number): Promise<readonly ModelStatistics[] | undefined> {
  const { ctx } = bench;
  try {
    await ctx.clock.sleep(Math.max(0, beginMs - ctx.clock.mono()), ctx.signal);
  } catch {
    return undefined; // The bench was told to end, and says so itself.
  }
  return await statistics(bench);
}

async function statistics({ client, model, ctx }: Bench): Promise<readonly ModelStatistics[] | undefined> {
  try {
    return await client.statistics({ timeoutMs: askWithinMs, signal: ctx.signal }, model.name, model.version);
  } catch {
    return undefined; // A server of the same protocol without this extension, or one that is gone: its requests say which.
  }
}

async function serverFigures(
  bench: Bench,
  before: readonly ModelStatistics[] | undefined,
): Promise<{ readonly server?: ServerFigures }> {
  const [then] = before ?? [];
  const [now] = (await statistics(bench)) ?? [];
  if (then === undefined || now === undefined) return {};
  const counts = added(serverCountNames, countsOf(then), countsOf(now));
  const meanMs = (seconds: number) => (1000 * seconds) / Math.max(1, counts.requests);
  return {
    server: {
      executions: counts.executions,
      rows: counts.inferences,
      queueMs: meanMs(counts.queueSeconds),
      inputMs: meanMs(counts.computeInputSeconds),
      computeMs: meanMs(counts.computeInferSeconds),
      outputMs: meanMs(counts.computeOutputSeconds),
    },
  };
}
