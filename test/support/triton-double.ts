import assert from 'node:assert/strict';
import type { Context } from '../../src/core/context.ts';
import type { InferOptions, Tensor } from '../../src/core/inference.ts';
import type { TritonEngine } from '../../src/inference/triton.ts';
import type { TestContext } from './context.ts';
import { until } from './until.ts';

/** A model that doubles numbers and misbehaves on demand, requests to it, and steady load: what tests of Triton's engine share. */

/** Doubles what it gets, after the pause that a row asks for; how it misbehaves says the row's third number. */
export const doubleConfig = `
max_batch_size: 8
input [ { name: "in" data_type: TYPE_FP32 dims: [ 3 ] } ]
output [ { name: "out" data_type: TYPE_FP32 dims: [ 1 ] } ]
`;
export const doubleBody = `
rows = inputs["in"]
time.sleep(float(rows[:, 1].max()) / 1000)
if (rows[:, 2] == 1).any():
    raise RuntimeError("failing on demand")
if (rows[:, 2] == 2).any():
    return pb_utils.InferenceResponse([pb_utils.Tensor("out", np.zeros((len(rows), 2), np.float32))])
if (rows[:, 2] == 3).any():
    os._exit(1)
return pb_utils.InferenceResponse([pb_utils.Tensor("out", 2 * rows[:, :1])])
`;
export const modes = { well: 0, raises: 1, wrongShape: 2, dies: 3 };

export function row(value: number, over: { readonly pauseMs?: number; readonly mode?: number } = {}): Tensor {
  const data = Float32Array.of(value, over.pauseMs ?? 0, over.mode ?? modes.well);
  return { name: 'in', datatype: 'FP32', shape: [1, 3], data };
}

export function within(ctx: Context, ms: number, stream = 'lobby'): InferOptions {
  return { signal: ctx.signal, deadlineMs: ctx.clock.mono() + ms, stream };
}

export async function ask(
  engine: TritonEngine,
  ctx: Context,
  input: Tensor,
  ms = 20_000,
  stream = 'lobby',
): Promise<readonly number[]> {
  const { outputs } = await engine.infer('double', [input], within(ctx, ms, stream));
  return [...(outputs.get('out')?.data ?? [])].map(Number);
}

export async function total(ctx: TestContext, name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
  const metric = await ctx.metrics.registry.getSingleMetric(name)?.get();
  return (metric?.values ?? [])
    .filter((value) => Object.entries(labels).every(([key, text]) => (value.labels as Record<string, unknown>)[key] === text))
    .reduce((sum, { value }) => sum + value, 0);
}

/** Asks all the time, so many at once, until stopped; every answer must be right. */
export function load(engine: TritonEngine, ctx: Context, atOnce = 4) {
  let stopped = false;
  const counts = { answered: 0, failed: 0, lastFailure: '' };
  const loops = Array.from({ length: atOnce }, async (_, stream) => {
    for (let value = 0; !stopped; value += 1) {
      try {
        assert.deepEqual(await ask(engine, ctx, row(value, { pauseMs: 5 }), 30_000, `camera ${stream}`), [2 * value]);
        counts.answered += 1;
      } catch (error) {
        counts.failed += 1;
        counts.lastFailure = String(error);
        // What fails at once must not keep the loop of events for itself.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  });
  const stop = async () => {
    stopped = true;
    await Promise.all(loops);
  };
  return {
    counts,
    async more(count = 20): Promise<void> {
      const goal = counts.answered + count;
      await until(`${count} more answers, ${counts.lastFailure}`, () => counts.answered >= goal, 60_000);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
