import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Infer, InferOptions, InferResult, ModelDescription, Tensor } from '../../src/core/inference.ts';
import { createBatcher } from '../../src/inference/batcher.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';

const model: ModelDescription = {
  name: 'm',
  version: '1',
  maxBatchSize: 4,
  inputs: [{ name: 'in', datatype: 'FP32', dims: [2] }],
  outputs: [{ name: 'out', datatype: 'FP32', dims: [1] }],
  parameters: {},
};

interface Run {
  readonly rows: number;
  readonly options: InferOptions;
  finish(): void;
  fail(error: Error): void;
}

/** An engine that is told when each run ends; its answer is the first number of each row times ten. */
function scripted(settings: Parameters<typeof createBatcher>[3] = {}) {
  const clock = new ManualClock();
  const ctx = testContext(clock);
  const runs: Run[] = [];
  const infer: Infer = (_model, [input], options) => {
    assert.ok(input?.data instanceof Float32Array);
    const { data, shape } = input;
    const rows = shape[0] ?? 0;
    assert.equal(data.length, 2 * rows);
    const answer = Promise.withResolvers<InferResult>();
    const out = Float32Array.from({ length: rows }, (_, row) => 10 * (data[2 * row] ?? 0));
    const output: Tensor = { name: 'out', datatype: 'FP32', shape: [rows, 1], data: out };
    runs.push({
      rows,
      options,
      finish: () => answer.resolve({ outputs: new Map([['out', output]]), queuedMs: 1, computeMs: 2 }),
      fail: answer.reject,
    });
    return answer.promise;
  };
  const batched = createBatcher(infer, model, ctx, settings);
  const ask = (values: readonly number[], over: Partial<InferOptions> = {}) => {
    const data = Float32Array.from(values.flatMap((value) => [value, -1]));
    const input: Tensor = { name: 'in', datatype: 'FP32', shape: [values.length, 2], data };
    const options = { signal: ctx.signal, deadlineMs: clock.mono() + 1000, stream: 'a', ...over };
    const outcome = batched('m', [input], options).then(({ outputs }) => {
      const output = outputs.get('out');
      assert.deepEqual(output?.shape, [values.length, 1]);
      return [...(output?.data ?? [])].map(Number);
    });
    outcome.catch(() => {});
    return outcome;
  };
  const shed = async (reason: string) => {
    const counter = await ctx.metrics.registry.getSingleMetric('sightline_inference_shed_total')?.get();
    return counter?.values.find(({ labels }) => labels['reason'] === reason)?.value ?? 0;
  };
  return { clock, ctx, runs, ask, shed, sizes: () => runs.map(({ rows }) => rows) };
}

describe('batcher', () => {
  it('gives an idle engine the first request at once and what came meanwhile together', async () => {
    const { runs, ask, sizes } = scripted();
    const answers = [ask([1]), ask([2]), ask([3])];
    assert.deepEqual(sizes(), [1]);
    runs[0]?.finish();
    assert.deepEqual(await answers[0], [10]);
    await Promise.resolve();
    assert.deepEqual(sizes(), [1, 2]);
    runs[1]?.finish();
    assert.deepEqual(await Promise.all(answers), [[10], [20], [30]]);
  });

  it('does not wait when the batch is full, and never makes it larger than the model allows', () => {
    const { ask, sizes } = scripted();
    for (const values of [[1], [2, 3], [4], [5], [6, 7, 8]]) void ask(values);
    assert.deepEqual(sizes(), [1, 4]);
    void ask([9, 10]);
    assert.deepEqual(sizes(), [1, 4, 3], 'five rows wait: three go, two would not fit');
  });

  it('sends what waits after 20 ms although a run goes on', async () => {
    const { clock, ask, sizes } = scripted();
    void ask([1]);
    void ask([2]);
    await clock.advance(19);
    assert.deepEqual(sizes(), [1]);
    await clock.advance(1);
    assert.deepEqual(sizes(), [1, 1]);
    void ask([3]);
    await clock.advance(20);
    assert.deepEqual(sizes(), [1, 1, 1]);
  });

  it('passes a request that fills the model through', async () => {
    const { runs, ask, sizes } = scripted();
    const answer = ask([1, 2, 3, 4]);
    assert.deepEqual(sizes(), [4]);
    runs[0]?.finish();
    assert.deepEqual(await answer, [10, 20, 30, 40]);
  });

  it('sheds what is late before its batch leaves, and nobody else', async () => {
    const { clock, runs, ask, shed, sizes } = scripted({ windowMs: 500 });
    void ask([1]);
    const late = ask([2], { deadlineMs: clock.mono() + 50 });
    const good = ask([3]);
    await clock.advance(60);
    runs[0]?.finish();
    await assert.rejects(late, { code: 'inference.deadline' });
    assert.deepEqual(sizes(), [1, 1]);
    runs[1]?.finish();
    assert.deepEqual(await good, [30]);
    assert.equal(await shed('deadline'), 1);
  });

  it('drops an aborted request before it runs, and gives up a run when everyone has', async () => {
    const { runs, ask, shed, sizes } = scripted();
    void ask([1]);
    const [first, second, third] = [new AbortController(), new AbortController(), new AbortController()];
    const dropped = ask([2], { signal: first.signal });
    const running = [ask([3], { signal: second.signal }), ask([4], { signal: third.signal })];
    first.abort();
    await assert.rejects(dropped, { name: 'AbortError' });
    assert.equal(await shed('aborted'), 1);
    runs[0]?.finish();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(sizes(), [1, 2]);
    second.abort();
    await assert.rejects(running[0] ?? Promise.resolve(), { name: 'AbortError' });
    assert.equal(runs[1]?.options.signal.aborted, false);
    third.abort();
    assert.equal(runs[1]?.options.signal.aborted, true);
  });

  it('runs as late as the latest of a batch, live when one of them is', async () => {
    const { clock, runs, ask } = scripted();
    void ask([1]);
    const now = clock.mono();
    void ask([2], { deadlineMs: now + 100, priority: 'background', stream: 'enrolment' });
    void ask([3], { deadlineMs: now + 300, stream: 'lobby' });
    runs[0]?.finish();
    await new Promise((resolve) => setImmediate(resolve));
    const { deadlineMs, priority, stream } = runs[1]?.options ?? {};
    assert.deepEqual({ deadlineMs, priority, stream }, { deadlineMs: now + 300, priority: 'live', stream: 'several cameras' });
  });

  it('holds a bounded number of rows and lets the oldest go', async () => {
    const { ask, shed } = scripted({ maxRows: 2, windowMs: 500 });
    void ask([1]);
    const oldest = ask([2]);
    void ask([3]);
    void ask([4]);
    await assert.rejects(oldest, { code: 'inference.overload' });
    assert.equal(await shed('overload'), 1);
  });

  it('fails everyone in a run that fails, and goes on', async () => {
    const { runs, ask } = scripted();
    void ask([1]);
    const together = [ask([2]), ask([3])];
    runs[0]?.finish();
    await new Promise((resolve) => setImmediate(resolve));
    runs[1]?.fail(new Error('broken'));
    for (const answer of together) await assert.rejects(answer, { message: 'broken' });
    const next = ask([5]);
    runs[2]?.finish();
    assert.deepEqual(await next, [50]);
  });
});
