import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/core/clock.ts';
import type { ModelDescription, Tensor } from '../src/core/inference.ts';
import { createLogger } from '../src/core/log.ts';
import { createMetrics } from '../src/core/metrics.ts';
import { startEmbedded } from '../src/inference/embedded.ts';
import { describeModel, listModels } from '../src/inference/repository.ts';
import { realRepository } from '../test/support/repository.ts';
import { quantile } from './support/quantile.ts';
import { progress, publish } from './support/table.ts';

const usage = `usage: node bench/models.ts [--repository DIR]

Memory and time of each model whose weights are there: one thread, one crop (or one 640 x 384 picture for detectors of free size).
Each model runs in a process of its own. Memory is what the process grew by until it had run, kept code and arena included.
Without --repository: the shared test data's weights. Prints a table, writes bench/results/models.json.`;

const runs = 40;
const { values } = parseArgs({
  options: { repository: { type: 'string' }, one: { type: 'string' }, help: { type: 'boolean' } },
});

function inputOf({ inputs, maxBatchSize }: ModelDescription): Tensor {
  const [input] = inputs;
  if (input === undefined) throw new Error('a model without inputs');
  const free = [640, 384];
  const dims = input.dims.map((size) => (size > 0 ? size : (free.pop() ?? 1)));
  const shape = maxBatchSize > 0 ? [1, ...dims] : dims;
  const data = new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(0.5);
  return { name: input.name, datatype: 'FP32', shape, data };
}

async function measure(repository: string, model: string): Promise<{ ramMiB: number; msPerRun: number }> {
  const controller = new AbortController();
  const log = createLogger({ level: 'error', destination: process.stderr });
  const ctx = { log, clock: systemClock, metrics: createMetrics(), signal: controller.signal };
  await using engine = await startEmbedded({ repository, threads: 1 }, ctx);
  const description = await describeModel(repository, model);
  const before = process.memoryUsage().rss;
  await engine.load(model);
  const times: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const options = { signal: ctx.signal, deadlineMs: systemClock.mono() + 60_000, stream: 'bench' };
    times.push((await engine.infer(model, [inputOf(description)], options)).computeMs);
  }
  const ramMiB = (process.memoryUsage().rss - before) / 2 ** 20;
  return { ramMiB: Math.round(ramMiB), msPerRun: Number(quantile(times, 0.5).toPrecision(2)) };
}

if (values.help) console.log(usage);
else if (values.one !== undefined && values.repository !== undefined) {
  console.log(JSON.stringify(await measure(values.repository, values.one)));
} else {
  await using shared = values.repository === undefined ? await realRepository() : undefined;
  const repository = values.repository ?? shared?.directory ?? '';
  const rows: { model: string; ramMiB: number; msPerRun: number }[] = [];
  for (const model of await listModels(repository)) {
    if ((await describeModel(repository, model)).weights === undefined) continue;
    const output = execFileSync(process.execPath, [import.meta.filename, '--repository', repository, '--one', model], {
      encoding: 'utf8',
    });
    rows.push({ model, ...JSON.parse(output) });
    progress(model);
  }
  publish({
    name: 'models',
    title: `Each model alone, median of ${runs} runs`,
    columns: ['model', 'MiB', 'ms a run'],
    rows: rows.map(({ model, ramMiB, msPerRun }) => [model, String(ramMiB), String(msPerRun)]),
    figures: { runs, rows },
  });
}
