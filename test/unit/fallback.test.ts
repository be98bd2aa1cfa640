import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SightlineError } from '../../src/core/errors.ts';
import type { InferenceEngine, InferOptions, InferResult, ModelState, Tensor } from '../../src/core/inference.ts';
import { FallbackEngine } from '../../src/inference/fallback.ts';
import type { TritonEngine } from '../../src/inference/triton.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';

const away = '127.0.0.1:8001 is away (ECONNREFUSED)';

function result(by: string): InferResult {
  return {
    outputs: new Map([[by, { name: by, datatype: 'FP32', shape: [1], data: Float32Array.of(1) }]]),
    queuedMs: 0,
    computeMs: 0,
  };
}

/** A Triton engine that is told what its servers can do, and an embedded one that counts its starts; requests to an absent server wait. */
function house(options: { readonly noWeights?: boolean } = {}) {
  const clock = new ManualClock();
  const ctx = testContext(clock);
  let served = true;
  let starts = 0;
  let loaded = false;
  const state = (): ModelState =>
    served ? { state: 'ready', model: 'm' } : { state: 'unavailable', model: 'm', reason: away };
  const untilAborted = (signal: AbortSignal) =>
    new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
  let shed: Error | undefined;
  const triton: TritonEngine = {
    name: 'triton',
    infer: async (_model, _inputs, { signal }) => {
      if (served) return result('triton');
      return await untilAborted(signal).catch((error: unknown) => Promise.reject(shed ?? error));
    },
    describe: () => assert.fail('not asked'),
    load: async () => {
      if (!served) throw new SightlineError('inference.unavailable', away);
      return true;
    },
    states: () => [state()],
    servers: () => [],
    isReadyAt: () => served,
    traffic: () => [],
    statistics: async () => [],
    deaths: 0,
    [Symbol.asyncDispose]: async () => {},
  };
  const embedded: InferenceEngine = {
    name: 'embedded',
    infer: async (_model, _inputs, { released }) => {
      released?.();
      if (options.noWeights === true) throw new SightlineError('model.missing', 'm has no weights');
      return result('embedded');
    },
    describe: () => assert.fail('not asked'),
    load: async () => {
      if (options.noWeights === true) throw new SightlineError('model.missing', 'm has no weights');
      loaded = true;
      return true;
    },
    states: () => {
      if (options.noWeights === true) return [{ state: 'unavailable', model: 'm', reason: 'm has no weights' }];
      return loaded ? [{ state: 'ready', model: 'm' }] : [];
    },
    deaths: 0,
    [Symbol.asyncDispose]: async () => {},
  };
  const engine = new FallbackEngine(
    triton,
    async () => {
      starts += 1;
      return embedded;
    },
    ctx,
  );
  let released = 0;
  const ask = async (signal = ctx.signal) => {
    const input: Tensor = { name: 'in', datatype: 'FP32', shape: [1], data: Float32Array.of(1) };
    const request: InferOptions = {
      signal,
      deadlineMs: clock.mono() + 100_000,
      stream: 'lobby',
      released: () => {
        released += 1;
      },
    };
    const [by] = (await engine.infer('m', [input], request)).outputs.keys();
    return by;
  };
  return {
    clock,
    ctx,
    engine,
    ask,
    set served(value: boolean) {
      served = value;
    },
    set shed(error: Error) {
      shed = error;
    },
    get starts() {
      return starts;
    },
    get released() {
      return released;
    },
    said: (message: string) => ctx.lines.filter(({ msg }) => msg === message).length,
  };
}

describe('embedded as a fallback of Triton', () => {
  test('is not started while a server runs the model', async () => {
    const it = house();
    await using _engine = it.engine;
    assert.equal(await it.ask(), 'triton');
    assert.equal(it.starts, 0);
    assert.deepEqual(it.engine.states(), [{ state: 'ready', model: 'm' }]);
  });

  test('is not asked for what Triton shed', async () => {
    const it = house();
    await using _engine = it.engine;
    await it.ask();
    it.served = false;
    // It is shed in the moment in which the model goes over.
    it.shed = new SightlineError('inference.overload', 'gave way');
    const asked = assert.rejects(it.ask(), { code: 'inference.overload' });
    await it.clock.advance(300);
    await asked;
  });

  test('takes over what waits, at once and for what comes, and gives back; each is said once and counted', async () => {
    const it = house();
    await using _engine = it.engine;
    await it.ask();
    it.served = false;
    const waiting = [it.ask(), it.ask()];
    await it.clock.advance(300);
    assert.deepEqual(await Promise.all(waiting), ['embedded', 'embedded']);
    assert.equal(await it.ask(), 'embedded');
    assert.equal(it.starts, 1);
    assert.equal(it.released, 4, 'inputs are given back once, when nobody reads them any more');
    assert.deepEqual(it.engine.states(), [{ state: 'ready', model: 'm', reason: `the embedded engine runs it: ${away}` }]);
    await it.clock.advance(60_000);
    it.served = true;
    await it.clock.advance(300);
    assert.equal(await it.ask(), 'triton');
    assert.deepEqual(it.engine.states(), [{ state: 'ready', model: 'm' }]);
    assert.equal(it.said('embedded engine runs a model that no triton server can run'), 1);
    assert.equal(it.said('triton runs a model again'), 1);
    const counted = await it.ctx.metrics.registry.getSingleMetric('sightline_inference_fallbacks_total')?.get();
    assert.deepEqual(counted?.values, [{ labels: { model: 'm' }, value: 1 }]);
  });

  test('runs the first request of a model that no server can run', async () => {
    const it = house();
    await using _engine = it.engine;
    it.served = false;
    assert.equal(await it.ask(), 'embedded');
    assert.equal(it.released, 1);
  });

  test('names both reasons when it cannot run the model either', async () => {
    const it = house({ noWeights: true });
    await using _engine = it.engine;
    it.served = false;
    await assert.rejects(it.ask(), { code: 'model.missing' });
    assert.deepEqual(it.engine.states(), [
      { state: 'unavailable', model: 'm', reason: `${away}; the embedded engine: m has no weights` },
    ]);
  });

  test('gives a request up when it is told to, without a second run', async () => {
    const it = house();
    await using _engine = it.engine;
    await it.ask();
    it.served = false;
    const stop = new AbortController();
    const given = it.ask(stop.signal);
    stop.abort();
    await assert.rejects(given, { name: 'AbortError' });
    assert.equal(it.starts, 0);
  });
});
