import { setGlobalProxyFromEnv } from 'node:http';
import type { Context } from '../core/context.ts';
import type { ModelDescription, Tensor } from '../core/inference.ts';
import type { ModelShelf } from '../core/model-shelf.ts';
import { startThread } from '../core/thread.ts';
import { contractDifferences } from '../inference/contract.ts';
import type { EmbeddedHandlers } from '../inference/embedded-thread.ts';
import { describeModel, listModels } from '../inference/repository.ts';
import { tensorArrays } from '../inference/tensor.ts';
import { createModelShelf, type ShelfOptions } from '../models/shelf.ts';

/** Free axes of a trial run: small, and a multiple of every stride. */
const trialSize = 64;

/**
 * Loads a network in a thread of its own, compares it with its description and, when they agree, runs it once with one and once with
 * two of everything: declared sizes say nothing about what the graph does inside.
 */
async function inspectNetwork(model: ModelDescription, file: string): Promise<readonly string[]> {
  const module = new URL('../inference/embedded-thread.ts', import.meta.url);
  await using thread = await startThread<EmbeddedHandlers>(module, { name: 'inspection', data: { threads: 1 }, closes: true });
  const session = await thread.calls.load(model.name, file);
  const differences = contractDifferences(model, session);
  if (differences.length > 0) return differences;
  const failures: string[] = [];
  for (const batch of model.maxBatchSize > 1 ? [1, 2] : [1]) {
    try {
      await thread.calls.run(model.name, blankInputs(model, batch));
    } catch (error) {
      failures.push(`it does not run with a batch of ${batch}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return failures;
}

function blankInputs(model: ModelDescription, batch: number): Tensor[] {
  return model.inputs.map(({ name, datatype, dims }) => {
    const sizes = dims.map((size) => (size > 0 ? size : trialSize));
    const shape = model.maxBatchSize > 0 ? [batch, ...sizes] : sizes;
    const count = shape.reduce((product, size) => product * size, 1);
    return { name, datatype, shape, data: new tensorArrays[datatype](count) };
  });
}

/**
 * The weights of a repository, for `sightline models`. Downloads go through the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY
 * of `env` name.
 */
export function openModelShelf(
  options: ShelfOptions,
  env: Readonly<Record<string, string | undefined>>,
  ctx: Context,
): ModelShelf & Disposable {
  const restore = setGlobalProxyFromEnv(env);
  const shelf = createModelShelf(options, { listModels, describeModel, inspect: inspectNetwork }, ctx);
  return { ...shelf, [Symbol.dispose]: restore };
}
