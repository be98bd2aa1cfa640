import { aborted } from '../core/aborted.ts';
import type { Context } from '../core/context.ts';
import { isSightlineError, SightlineError } from '../core/errors.ts';
import type {
  InferenceEngine,
  InferenceServer,
  InferOptions,
  InferResult,
  ModelDescription,
  ModelState,
  Tensor,
} from '../core/inference.ts';
import { FloodGate, longFloodMs } from '../core/log.ts';
import type { PemTexts } from '../core/pem-files.ts';
import type { ModelTraffic, ServerReading, Traffic } from '../core/served-models.ts';
import { parseTritonUrl } from '../core/triton-url.ts';
import type { FairLimits } from './fair-queue.ts';
import { createInferenceMetrics } from './metrics.ts';
import { abortReason, closedError } from './refusals.ts';
import { describeModel } from './repository.ts';
import type { TritonClientOptions } from './triton-client.ts';
import { describeServed } from './triton-contract.ts';
import { Lane, type LaneHouse } from './triton-lane.ts';
import { inferInParts } from './triton-parts.ts';
import { type PoolServer, TritonPool } from './triton-pool.ts';
import { SharedTensors } from './triton-shared.ts';
import { askStatistics } from './triton-statistics.ts';

export interface TritonConfig {
  /** One for each server, or one name with several addresses: `host:port`, `[::1]:8001`, `grpcs://host:port`. */
  readonly urls: readonly string[];
  /** Directory of the model repository: what models must be like. A model that is not there is described by the server. */
  readonly repository: string;
  readonly client?: Omit<TritonClientOptions, 'tls'>;
  /** The certificates as they are now, for servers that are asked by TLS: read at the start and before a server is connected anew. */
  readonly tls?: () => Promise<PemTexts>;
  /** How many requests of one model may wait; absent: 8 per stream, 128 in all. */
  readonly limits?: FairLimits;
  /** Sends the time that is left to the server, whose queue policy may use it; off: Sightline sheds, the server does not. */
  readonly queueTimeout?: boolean;
  /** Large tensors through /dev/shm, for a server on this machine. */
  readonly sharedMemory?: boolean;
  /** Addresses of a name; absent: the system's. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

export interface TritonEngine extends InferenceEngine {
  readonly name: 'triton';
  servers(): readonly InferenceServer[];
  traffic(): readonly ModelTraffic[];
  statistics(models: readonly string[]): Promise<readonly ServerReading[]>;
}

const defaultLimits: FairLimits = { perStream: 8, total: 128 };
const tickMs = 250;
/** Whoever has not answered by then is away. */
const startWithinMs = 2500;
const describeWithinMs = 2000;

/**
 * Runs networks on Triton servers. Resolves when each server has been asked once whether it is ready, or after a moment: none of them needs
 * to be, and names may take long to be looked up. Requests wait for a server until their deadlines. Rejects with `config.invalid` for an address that is none, and with what is wrong with
 * certificates.
 */
export async function startTritonEngine(config: TritonConfig, ctx: Context): Promise<TritonEngine> {
  const engine = new Engine(config, ctx);
  try {
    await engine.start();
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
  return engine;
}

class Engine implements TritonEngine {
  readonly name = 'triton';
  readonly #config: TritonConfig;
  readonly #ctx: Context;
  readonly #pool: TritonPool;
  readonly #house: LaneHouse;
  readonly #lanes = new Map<string, Lane>();
  readonly #opening = new Map<string, Promise<Lane>>();
  readonly #shared = new Map<PoolServer, SharedTensors>();
  readonly #traffic = new Map<PoolServer, Map<string, Traffic>>();
  readonly #statisticsFailures: { inc(labels: { server: string }): void };
  readonly #flood: FloodGate;
  readonly #timer: Disposable;
  readonly #closed = new AbortController();
  #disposing: Promise<void> | undefined;

  constructor(config: TritonConfig, ctx: Context) {
    this.#config = config;
    this.#ctx = ctx;
    const urls = config.urls.map(parseTritonUrl);
    if (urls.length === 0) throw new SightlineError('config.invalid', 'no address of a triton server is given');
    this.#flood = new FloodGate(ctx.log, ctx.clock, longFloodMs);
    const metrics = createInferenceMetrics(ctx.metrics);
    const sent = ctx.metrics.counter('sightline_triton_requests_total', 'Requests sent to a server, each with its batch', [
      'model',
      'server',
    ]);
    const retries = ctx.metrics.counter(
      'sightline_triton_retries_total',
      'Requests sent once more, by what the first try met',
      ['model', 'reason'],
    );
    this.#pool = new TritonPool(
      {
        urls,
        ...(config.client === undefined ? {} : { client: config.client }),
        ...(config.tls === undefined ? {} : { tls: config.tls }),
        ...(config.resolve === undefined ? {} : { resolve: config.resolve }),
      },
      ctx,
      (server) => this.#serverChanged(server),
    );
    ctx.metrics.counted('sightline_triton_servers_lost_total', 'Times that a server was lost', () => this.#pool.deaths);
    ctx.metrics.gauged('sightline_triton_server_ready', '1 while a server says that it is ready, otherwise 0', 'server', () =>
      this.servers().map(({ name, state }) => [name, Number(state === 'ready')]),
    );
    this.#statisticsFailures = ctx.metrics.counter(
      'sightline_triton_statistics_failures_total',
      'Times that a server which was there did not tell its statistics',
      ['server'],
    );
    this.#house = {
      pool: this.#pool,
      ctx,
      metrics: { ...metrics, sent, retries },
      flood: this.#flood,
      limits: config.limits ?? defaultLimits,
      queueTimeout: config.queueTimeout ?? false,
      shared: (server) => this.#sharedOf(server),
      answered: (server, model, roundTripMs) => this.#answered(server, model, roundTripMs),
      depthChanged: () => metrics.depth.set([...this.#lanes.values()].reduce((sum, lane) => sum + lane.depth, 0)),
    };
    this.#timer = ctx.clock.every(tickMs, () => {
      for (const lane of this.#lanes.values()) lane.seats.tick();
    });
  }

  async start(): Promise<void> {
    const begun = this.#pool.start();
    using limit = this.#ctx.clock.deadline(startWithinMs);
    const late = aborted(limit.signal).then(() => 'late' as const);
    if ((await Promise.race([begun, late])) !== 'late') return;
    begun.catch((error: unknown) => this.#ctx.log.error({ err: error }, 'triton servers cannot be asked'));
  }

  get deaths(): number {
    return this.#pool.deaths;
  }

  servers(): readonly InferenceServer[] {
    return [...this.#pool.servers.map(({ name, state, reason }) => ({ name, state, reason })), ...this.#pool.unresolved];
  }

  traffic(): readonly ModelTraffic[] {
    return [...this.#traffic].flatMap(([{ name: server }, models]) =>
      [...models].map(([model, traffic]) => ({ server, model, ...traffic })),
    );
  }

  async statistics(models: readonly string[]): Promise<readonly ServerReading[]> {
    const there = this.#pool.servers.filter(({ state }) => state === 'ready' || state === 'busy');
    const signal = AbortSignal.any([this.#closed.signal, this.#ctx.signal]);
    const asked = there.map((server) =>
      askStatistics(server, models, signal, () => this.#statisticsFailures.inc({ server: server.name })),
    );
    return (await Promise.all(asked)).flat();
  }

  #answered(server: PoolServer, model: string, roundTripMs: number): void {
    let models = this.#traffic.get(server);
    if (models === undefined) {
      // An answer that comes after its server was left belongs to nobody.
      if (!this.#pool.servers.includes(server)) return;
      models = new Map();
      this.#traffic.set(server, models);
    }
    const { answers, roundTripSeconds } = models.get(model) ?? { answers: 0, roundTripSeconds: 0 };
    models.set(model, { answers: answers + 1, roundTripSeconds: roundTripSeconds + roundTripMs / 1000 });
  }

  states(): readonly ModelState[] {
    return [...this.#lanes.values()].map((lane) => lane.seats.state());
  }

  async describe(model: string): Promise<ModelDescription> {
    try {
      return await describeModel(this.#config.repository, model, 'triton');
    } catch (error) {
      if (!isSightlineError(error, 'model.unknown') && !isSightlineError(error, 'model.missing')) throw error;
      return (await this.#describeServed(model)) ?? Promise.reject(error);
    }
  }

  async #describeServed(model: string): Promise<ModelDescription | undefined> {
    for (const { client, state } of this.#pool.servers) {
      if (state !== 'ready' && state !== 'busy') continue;
      const settings = { timeoutMs: describeWithinMs, signal: this.#closed.signal };
      try {
        const [metadata, served] = await Promise.all([
          client.modelMetadata(model, '', settings),
          client.modelConfig(model, '', settings),
        ]);
        return describeServed(metadata, served);
      } catch {
        // It does not have the model, or is on its way out: the next one may.
      }
    }
    return undefined;
  }

  async load(model: string): Promise<boolean> {
    const before = this.#lanes.get(model)?.seats.state();
    const lane = await this.#lane(model);
    await lane.seats.load();
    return before?.state !== 'ready';
  }

  readonly infer = async (model: string, inputs: readonly Tensor[], options: InferOptions): Promise<InferResult> => {
    try {
      if (this.#closed.signal.aborted) throw closedError();
      if (options.signal.aborted) throw abortReason(options.signal);
      this.#house.metrics.requests.inc({ model });
      const sinceMs = this.#ctx.clock.mono();
      const lane = this.#lanes.get(model) ?? (await this.#lane(model));
      return await inferInParts(lane, inputs, options, { atOnce: this.#house.limits.perStream, sinceMs });
    } finally {
      options.released?.();
    }
  };

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#close();
    return this.#disposing;
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    this.#timer[Symbol.dispose]();
    for (const lane of this.#lanes.values()) lane.close();
    this.#house.metrics.depth.set(0);
    await Promise.all([...this.#shared.values()].map((shared) => shared[Symbol.asyncDispose]()));
    await this.#pool[Symbol.asyncDispose]();
    this.#flood[Symbol.dispose]();
  }

  #lane(model: string): Promise<Lane> {
    const lane = this.#lanes.get(model);
    if (lane !== undefined) return Promise.resolve(lane);
    let opening = this.#opening.get(model);
    if (opening === undefined) {
      opening = this.describe(model)
        .then((description) => {
          if (this.#closed.signal.aborted) throw closedError();
          const made = new Lane(description, this.#house);
          this.#lanes.set(model, made);
          return made;
        })
        .finally(() => this.#opening.delete(model));
      this.#opening.set(model, opening);
    }
    return opening;
  }

  #sharedOf(server: PoolServer): SharedTensors | undefined {
    if (this.#config.sharedMemory !== true) return undefined;
    let shared = this.#shared.get(server);
    if (shared === undefined) {
      shared = new SharedTensors(server.client, server.name, this.#ctx);
      this.#shared.set(server, shared);
    }
    return shared;
  }

  #serverChanged(server: PoolServer): void {
    const gone = !this.#pool.servers.includes(server);
    if (server.state === 'away') this.#shared.get(server)?.forgotten();
    if (gone) {
      void this.#shared.get(server)?.[Symbol.asyncDispose]();
      this.#shared.delete(server);
      this.#traffic.delete(server);
    }
    for (const lane of this.#lanes.values()) lane.seats.serverChanged(server, gone);
  }
}
