import type { Context } from '../core/context.ts';
import { errorText, isSightlineError } from '../core/errors.ts';
import {
  type InferenceEngine,
  type InferenceServer,
  type InferOptions,
  type InferResult,
  isShed,
  type ModelDescription,
  type ModelState,
  type Tensor,
} from '../core/inference.ts';
import type { ModelTraffic, ServerReading } from '../core/served-models.ts';
import type { TritonUrl } from '../core/triton-url.ts';
import { closedError } from './refusals.ts';
import type { TritonEngine } from './triton.ts';

/** How often it is looked where models can run. */
const lookEveryMs = 250;

/** Where a model runs at the moment. */
interface Place {
  on: 'triton' | 'embedded';
  /** Why not on Triton. */
  reason: string;
  /** Fires when the model goes over to the embedded engine: what waits for a server goes with it. */
  leave: AbortController;
}

/**
 * Triton's engine as long as one of its servers can run a model, an embedded one for that model otherwise. `startEmbedded` is called when a
 * model first needs it, and what it started stays: it may be needed again at any time, and takes its memory only where it ever was.
 */
export class FallbackEngine implements InferenceEngine {
  readonly name = 'triton';
  readonly #triton: TritonEngine;
  readonly #startEmbedded: () => Promise<InferenceEngine>;
  readonly #ctx: Context;
  readonly #overs: { inc(labels: { model: string }): void };
  readonly #places = new Map<string, Place>();
  readonly #timer: Disposable;
  #starting: Promise<InferenceEngine> | undefined;
  #embedded: InferenceEngine | undefined;
  /** Why there is no embedded engine although one is needed. */
  #trouble: string | undefined;
  #closed = false;

  constructor(triton: TritonEngine, startEmbedded: () => Promise<InferenceEngine>, ctx: Context) {
    this.#triton = triton;
    this.#startEmbedded = startEmbedded;
    this.#ctx = ctx;
    this.#overs = ctx.metrics.counter(
      'sightline_inference_fallbacks_total',
      'Times that a model went over from Triton to the embedded engine',
      ['model'],
    );
    this.#timer = ctx.clock.every(lookEveryMs, () => this.#look());
  }

  get deaths(): number {
    return this.#triton.deaths + (this.#embedded?.deaths ?? 0);
  }

  servers(): readonly InferenceServer[] {
    return this.#triton.servers();
  }

  isReadyAt(url: TritonUrl): boolean {
    return this.#triton.isReadyAt(url);
  }

  traffic(): readonly ModelTraffic[] {
    return this.#triton.traffic();
  }

  statistics(models: readonly string[]): Promise<readonly ServerReading[]> {
    return this.#triton.statistics(models);
  }

  describe(model: string): Promise<ModelDescription> {
    return this.#triton.describe(model);
  }

  states(): readonly ModelState[] {
    return this.#triton.states().map((state) => {
      const { model } = state;
      const place = this.#places.get(model);
      if (place?.on !== 'embedded') return state;
      const own = this.#embedded?.states().find((known) => known.model === model);
      const trouble = own?.state === 'unavailable' ? own.reason : this.#trouble;
      if (own?.state === 'ready') return { state: 'ready', model, reason: `the embedded engine runs it: ${place.reason}` };
      if (trouble === undefined) return { state: 'loading', model };
      return { state: 'unavailable', model, reason: `${place.reason}; the embedded engine: ${trouble}` };
    });
  }

  async load(model: string): Promise<boolean> {
    try {
      const anew = await this.#triton.load(model);
      this.#place(model);
      return anew;
    } catch (error) {
      if (!isSightlineError(error, 'inference.unavailable')) throw error;
      this.#goOver(model, error.message);
      return await (await this.#running()).load(model);
    }
  }

  readonly infer = async (model: string, inputs: readonly Tensor[], options: InferOptions): Promise<InferResult> => {
    const { released, ...rest } = options;
    let readsOn = false;
    try {
      // The first request finds out where the model can run: it must not wait for a server until its deadline.
      if (!this.#places.has(model)) await this.load(model);
      const place = this.#place(model);
      if (place.on === 'triton') {
        const { leave } = place;
        try {
          return await this.#triton.infer(model, inputs, { ...rest, signal: AbortSignal.any([rest.signal, leave.signal]) });
        } catch (error) {
          // Of what was shed the inputs are gone.
          if (rest.signal.aborted || isShed(error)) throw error;
          if (!leave.signal.aborted) {
            if (!isSightlineError(error, 'inference.unavailable')) throw error;
            this.#goOver(model, error.message);
          }
        }
      }
      const embedded = await this.#running();
      // A run that was given up may go on reading.
      readsOn = true;
      return await embedded.infer(model, inputs, options);
    } finally {
      if (!readsOn) released?.();
    }
  };

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer[Symbol.dispose]();
    await this.#triton[Symbol.asyncDispose]();
    await this.#starting?.then(
      (engine) => engine[Symbol.asyncDispose](),
      () => {},
    );
  }

  #place(model: string): Place {
    let place = this.#places.get(model);
    if (place === undefined) {
      place = { on: 'triton', reason: '', leave: new AbortController() };
      this.#places.set(model, place);
    }
    return place;
  }

  #look(): void {
    for (const state of this.#triton.states()) {
      const place = this.#places.get(state.model);
      if (place === undefined) continue;
      if (place.on === 'triton' && state.state === 'unavailable') this.#goOver(state.model, state.reason);
      if (place.on === 'embedded' && state.state === 'ready') this.#goBack(state.model, place);
    }
  }

  #goOver(model: string, reason: string): void {
    const place = this.#place(model);
    if (place.on === 'embedded') return;
    place.on = 'embedded';
    place.reason = reason;
    this.#overs.inc({ model });
    this.#ctx.log.warn({ model, reason }, 'embedded engine runs a model that no triton server can run');
    place.leave.abort();
    // Ahead of the next request. What cannot be loaded says the state, and the next request.
    this.#running()
      .then((engine) => engine.load(model))
      .catch(() => {});
  }

  #goBack(model: string, place: Place): void {
    place.on = 'triton';
    place.reason = '';
    place.leave = new AbortController();
    this.#ctx.log.info({ model }, 'triton runs a model again');
  }

  /** The embedded engine; a start that failed is tried again by whoever needs it next. */
  #running(): Promise<InferenceEngine> {
    if (this.#closed) return Promise.reject(closedError());
    this.#starting ??= this.#startEmbedded().then(
      (engine) => {
        this.#embedded = engine;
        this.#trouble = undefined;
        return engine;
      },
      (error: unknown) => {
        this.#starting = undefined;
        this.#trouble = errorText(error);
        throw error;
      },
    );
    return this.#starting;
  }
}
