import { isAbort } from '../core/errors.ts';
import type { ServerCounts, ServerReading } from '../core/served-models.ts';
import type { ModelStatistics } from '../gen/inference/grpc_service.ts';
import { grpcCodes, TritonStatus } from './triton-failures.ts';
import type { PoolServer } from './triton-pool.ts';

/** A server that has not said by then is asked again the next time. */
const answerWithinMs = 1000;

/** A server's own counters of a model. */
export function countsOf({ inferenceCount, executionCount, inferenceStats }: ModelStatistics): ServerCounts {
  const { success, fail, queue, computeInput, computeInfer, computeOutput } = inferenceStats ?? {};
  const seconds = (part: { readonly ns: bigint } | undefined) => Number(part?.ns ?? 0n) / 1e9;
  return {
    requests: Number(success?.count ?? 0n),
    failures: Number(fail?.count ?? 0n),
    inferences: Number(inferenceCount),
    executions: Number(executionCount),
    requestSeconds: seconds(success),
    queueSeconds: seconds(queue),
    computeInputSeconds: seconds(computeInput),
    computeInferSeconds: seconds(computeInfer),
    computeOutputSeconds: seconds(computeOutput),
  };
}

/**
 * What a server counts of each version of these models, one asked after the other. A model that it does not have is left out; `failed` is called, and the
 * rest left out, when it does not answer. Never rejects.
 */
export async function askStatistics(
  { name: server, client }: Pick<PoolServer, 'name' | 'client'>,
  models: readonly string[],
  signal: AbortSignal,
  failed: () => void,
): Promise<readonly ServerReading[]> {
  const readings: ServerReading[] = [];
  for (const model of models) {
    try {
      for (const statistics of await client.statistics({ timeoutMs: answerWithinMs, signal }, model))
        readings.push({ server, model, version: statistics.version, counts: countsOf(statistics) });
    } catch (error) {
      if (error instanceof TritonStatus && unknownModel.has(error.status)) continue;
      if (!isAbort(error)) failed();
      return readings;
    }
  }
  return readings;
}

/** How servers say that they do not have a model: Triton 2.51 and the protocol's own way. */
const unknownModel: ReadonlySet<number> = new Set([grpcCodes.invalidArgument, grpcCodes.notFound]);
