import { stat } from 'node:fs/promises';
import { Backoff } from '../core/backoff.ts';
import type { Context } from '../core/context.ts';
import { errorText, isAbort, isSightlineError, SightlineError } from '../core/errors.ts';
import type { InferenceEngine, InferOptions, InferResult, ModelDescription, ModelState, Tensor } from '../core/inference.ts';
import { FloodGate, longFloodMs } from '../core/log.ts';
import { startThread, type Thread } from '../core/thread.ts';
import { contractDifferences } from './contract.ts';
import type { EmbeddedHandlers, EmbeddedThreadData } from './embedded-thread.ts';
import { type FairLimits, FairQueue } from './fair-queue.ts';
import { createInferenceMetrics, type InferenceMetrics } from './metrics.ts';
import { abortReason, closedError, lateError, overloadError } from './refusals.ts';
import { describeModel, listModels, requireWeights } from './repository.ts';
import { checkInputs, ownBuffer } from './tensor.ts';

export interface EmbeddedConfig {
  /** Directory of the model repository. */
  readonly repository: string;
  /** Threads of one network run. */
  readonly threads: number;
  /** How many requests may wait; absent: 8 per stream, 128 in all. */
  readonly limits?: FairLimits;
  /** The thread's program; tests put one there that they can hold and kill. */
  readonly threadModule?: URL;
}

const defaultLimits: FairLimits = { perStream: 8, total: 128 };
/** A model that could not be loaded is not tried again before this has passed. */
const retryLoadMs = 5000;
/** Timers hold 31 bits of milliseconds. */
const longestTimerMs = 2 ** 31 - 1;
const defaultThread = new URL('./embedded-thread.ts', import.meta.url);

type InferenceThread = Thread<EmbeddedHandlers>;

interface Waiting {
  readonly model: string;
  readonly inputs: readonly Tensor[];
  readonly stream: string;
  readonly priority: 'live' | 'background';
  readonly deadlineMs: number;
  readonly sinceMs: number;
  readonly answer: PromiseWithResolvers<InferResult>;
  /** The inputs are read no more. */
  readonly released: () => void;
}

/**
 * Runs the networks of a model repository in this process, in one inference thread, one request at a time. Requests wait in a
 * bounded fair queue; those that nobody waits for, that are late or too many never run. A thread that dies takes its running
 * request with it and is started again; the queue waits for it, each request until its own deadline. Rejects with `model.missing`
 * when there is no repository.
 */
export async function startEmbedded(config: EmbeddedConfig, ctx: Context): Promise<InferenceEngine> {
  const engine = new EmbeddedEngine(config, ctx);
  await engine.start();
  return engine;
}

class EmbeddedEngine implements InferenceEngine {
  readonly name = 'embedded';
  readonly #config: EmbeddedConfig;
  readonly #ctx: Context;
  readonly #metrics: InferenceMetrics;
  readonly #queue: FairQueue<Waiting>;
  readonly #backoff = new Backoff({ firstMs: 100, maxMs: 30_000 });
  readonly #closed = new AbortController();
  readonly #models = new Map<string, Promise<ModelDescription>>();
  readonly #failures = new Map<string, { readonly error: unknown; readonly untilMs: number }>();
  readonly #states = new Map<string, ModelState>();
  /** Of the weights that were loaded. */
  readonly #stamps = new Map<string, string | undefined>();
  #flood: FloodGate | undefined;
  #thread: InferenceThread | undefined;
  #restarting: Promise<void> | undefined;
  #busy = false;
  #deaths = 0;
  #disposing: Promise<void> | undefined;

  constructor(config: EmbeddedConfig, ctx: Context) {
    this.#config = config;
    this.#ctx = ctx;
    this.#metrics = createInferenceMetrics(ctx.metrics);
    this.#queue = new FairQueue(config.limits ?? defaultLimits);
  }

  async start(): Promise<void> {
    await listModels(this.#config.repository);
    this.#adopt(await this.#startThread());
    this.#flood = new FloodGate(this.#ctx.log, this.#ctx.clock, longFloodMs);
  }

  describe(model: string): Promise<ModelDescription> {
    return describeModel(this.#config.repository, model);
  }

  async load(model: string): Promise<boolean> {
    const known = this.#models.get(model);
    if (known !== undefined) {
      await known;
      if (this.#stamps.get(model) === (await this.#stampOf(model))) return false;
      // Requests wait for the new one; what runs goes on with the old one.
      if (this.#models.get(model) === known) this.#models.delete(model);
    }
    await this.#loaded(model);
    return true;
  }

  /** What tells one file of weights from another; undefined where there is none. */
  async #stampOf(model: string): Promise<string | undefined> {
    const { weights } = await this.describe(model);
    if (weights === undefined) return undefined;
    const { ino, size, mtimeMs } = await stat(weights);
    return `${weights} ${ino} ${size} ${mtimeMs}`;
  }

  get deaths(): number {
    return this.#deaths;
  }

  states(): readonly ModelState[] {
    return [...this.#states.values()];
  }

  readonly infer = (model: string, inputs: readonly Tensor[], options: InferOptions): Promise<InferResult> => {
    const { released = () => {} } = options;
    const refuse = (reason: unknown) => {
      released();
      return Promise.reject(reason);
    };
    if (this.#closed.signal.aborted) return refuse(closedError());
    if (options.signal.aborted) return refuse(abortReason(options.signal));
    this.#metrics.requests.inc({ model });
    const failure = this.#recentFailure(model);
    if (failure !== undefined) {
      this.#metrics.failures.inc({ model });
      return refuse(failure);
    }
    const sinceMs = this.#ctx.clock.mono();
    const item: Waiting = {
      model,
      inputs,
      stream: options.stream,
      priority: options.priority ?? 'live',
      deadlineMs: options.deadlineMs,
      sinceMs,
      answer: Promise.withResolvers<InferResult>(),
      released,
    };
    if (sinceMs >= options.deadlineMs) {
      this.#shed(item, 'deadline');
      return item.answer.promise;
    }
    const limit = this.#ctx.clock.deadline(Math.min(options.deadlineMs - sinceMs, longestTimerMs), options.signal);
    const giveUp = () => {
      const waiting = this.#queue.remove(item);
      if (waiting) this.#metrics.depth.set(this.#queue.depth);
      if (options.signal.aborted) {
        if (waiting) {
          this.#metrics.shed.inc({ reason: 'aborted' });
          released();
        }
        item.answer.reject(abortReason(options.signal));
      } else if (waiting) this.#shed(item, 'deadline');
    };
    limit.signal.addEventListener('abort', giveUp, { once: true });
    const tooMuch = this.#queue.push(item);
    if (tooMuch !== undefined) this.#shed(tooMuch, 'overload');
    this.#metrics.depth.set(this.#queue.depth);
    this.#pump();
    return item.answer.promise.finally(() => {
      limit.signal.removeEventListener('abort', giveUp);
      limit[Symbol.dispose]();
    });
  };

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#close();
    return this.#disposing;
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    for (const item of this.#queue.drain()) {
      item.released();
      item.answer.reject(closedError());
    }
    this.#metrics.depth.set(0);
    await this.#restarting;
    await this.#thread?.[Symbol.asyncDispose]();
    this.#flood?.[Symbol.dispose]();
  }

  #startThread(): Promise<InferenceThread> {
    const data: EmbeddedThreadData = { threads: this.#config.threads };
    return startThread<EmbeddedHandlers>(this.#config.threadModule ?? defaultThread, { name: 'inference', data, closes: true });
  }

  #adopt(thread: InferenceThread): void {
    this.#thread = thread;
    void thread.died.then((reason) => this.#died(reason));
  }

  #died(reason: SightlineError): void {
    this.#thread = undefined;
    this.#deaths += 1;
    this.#metrics.restarts.inc();
    const lost = [...this.#models.keys()];
    this.#models.clear();
    for (const model of lost)
      this.#states.set(model, { state: 'unavailable', model, reason: 'the inference thread is being restarted' });
    this.#flood?.warn('inference thread died', { err: reason, attempt: this.#backoff.attempt + 1, models: lost });
    this.#restarting = this.#restart(lost);
  }

  async #restart(models: readonly string[]): Promise<void> {
    const signal = AbortSignal.any([this.#ctx.signal, this.#closed.signal]);
    while (!signal.aborted) {
      try {
        await this.#ctx.clock.sleep(this.#backoff.next(), signal);
        this.#adopt(await this.#startThread());
        break;
      } catch (error) {
        if (isAbort(error)) return;
        this.#flood?.warn('inference thread does not start', { err: error, attempt: this.#backoff.attempt });
      }
    }
    if (signal.aborted) return;
    this.#ctx.log.info({ models }, 'inference thread is back');
    // A model that fails to load again says so in its state and to the next request.
    for (const model of models) this.#loaded(model).catch(() => {});
    this.#pump();
  }

  /** The model, loaded; loads of one model are shared, a failure is remembered for a while. */
  #loaded(model: string): Promise<ModelDescription> {
    const known = this.#models.get(model);
    if (known !== undefined) return known;
    const failure = this.#recentFailure(model);
    if (failure !== undefined) return Promise.reject(failure);
    const thread = this.#thread;
    if (thread === undefined)
      return Promise.reject(new SightlineError('thread.exited', 'the inference thread is being restarted'));
    const loading = this.#load(model, thread);
    this.#models.set(model, loading);
    loading.catch((error: unknown) => {
      if (this.#models.get(model) !== loading) return;
      this.#models.delete(model);
      if (isSightlineError(error, 'thread.exited')) return;
      this.#failures.set(model, { error, untilMs: this.#ctx.clock.mono() + retryLoadMs });
      this.#states.set(model, { state: 'unavailable', model, reason: errorText(error) });
      this.#flood?.warn('model cannot be loaded', { model, err: error });
    });
    return loading;
  }

  async #load(model: string, thread: InferenceThread): Promise<ModelDescription> {
    const startMs = this.#ctx.clock.mono();
    this.#states.set(model, { state: 'loading', model });
    const description = await this.describe(model);
    const weights = requireWeights(this.#config.repository, description);
    // Before they are read: weights that change meanwhile are seen to be others later.
    this.#stamps.set(model, await this.#stampOf(model));
    const session = await thread.calls.load(model, weights);
    const differences = contractDifferences(description, session);
    if (differences.length > 0) {
      await thread.calls.unload(model);
      throw new SightlineError(
        'model.invalid',
        `${model}: config.pbtxt and ${weights} do not agree: ${differences.join('; ')}`,
        { details: { model, weights, differences } },
      );
    }
    this.#states.set(model, { state: 'ready', model });
    const tookMs = Math.round(this.#ctx.clock.mono() - startMs);
    this.#ctx.log.info({ model, version: description.version, tookMs }, 'model loaded');
    return description;
  }

  #recentFailure(model: string): unknown {
    const failure = this.#failures.get(model);
    if (failure === undefined) return undefined;
    if (this.#ctx.clock.mono() < failure.untilMs) return failure.error;
    this.#failures.delete(model);
    return undefined;
  }

  #pump(): void {
    if (this.#busy || this.#thread === undefined) return;
    const item = this.#queue.next();
    if (item === undefined) return;
    this.#metrics.depth.set(this.#queue.depth);
    this.#busy = true;
    void this.#serve(item, this.#thread).finally(() => {
      this.#busy = false;
      this.#pump();
    });
  }

  async #serve(item: Waiting, thread: InferenceThread): Promise<void> {
    try {
      const description = await this.#loaded(item.model);
      checkInputs(description, item.inputs);
      const startMs = this.#ctx.clock.mono();
      if (startMs >= item.deadlineMs) {
        this.#shed(item, 'deadline');
        return;
      }
      const buffers = new Set(item.inputs.flatMap(({ data }) => ownBuffer(data)));
      const { outputs, computeMs } = await thread.transfer('run', [item.model, item.inputs], [...buffers]);
      this.#backoff.reset();
      const queuedMs = startMs - item.sinceMs;
      this.#metrics.queued.observe({ model: item.model }, queuedMs / 1000);
      this.#metrics.compute.observe({ model: item.model }, computeMs / 1000);
      item.released();
      item.answer.resolve({ outputs: new Map(outputs.map((output) => [output.name, output])), queuedMs, computeMs });
    } catch (error) {
      // It was never sent, or has run, or its thread has ended.
      item.released();
      this.#metrics.failures.inc({ model: item.model });
      item.answer.reject(error);
    }
  }

  /** For what was never sent. */
  #shed(item: Waiting, reason: 'deadline' | 'overload'): void {
    item.released();
    this.#metrics.shed.inc({ reason });
    const { model, stream } = item;
    this.#flood?.warn('inference request shed', { model, stream, reason });
    const waitedMs = this.#ctx.clock.mono() - item.sinceMs;
    item.answer.reject(reason === 'deadline' ? lateError(model, stream, waitedMs) : overloadError(model, stream));
  }
}
