import type { InferResult, ModelDescription, Tensor } from '../core/inference.ts';
import { giveTensorBack, isTensorMemory } from '../core/tensor-memory.ts';
import { copyInputs, cutOutputs, joinInputs } from './batches.ts';
import { answerProblems } from './triton-contract.ts';
import { BadAnswer } from './triton-failures.ts';
import type { PoolServer } from './triton-pool.ts';
import type { SharedTensors } from './triton-shared.ts';
import type { InferRequest } from './triton-wire.ts';

/** A tensor from here on is copied into memory that is lent again: a message of its own would be collected, which costs more. */
const largeBytes = 64 * 1024;

interface Passenger {
  readonly inputs: readonly Tensor[];
  readonly rows: number;
}

/** What goes to a server in one request: one or several that are alike. */
export interface Cargo<T extends Passenger> {
  readonly model: ModelDescription;
  readonly requests: readonly T[];
  readonly timeoutMs: number;
  /** Gives it up. */
  readonly signal: AbortSignal;
  /** Milliseconds for the server's own queue; absent: as the server has it. */
  readonly queueTimeoutMs?: number;
  readonly traceparent?: string;
}

/**
 * Runs requests together on a server; each with its outputs. `heard` is called when there is an answer as the model's description
 * says. Rejects with `BadAnswer` when it is another, and as the client does.
 */
export async function fly<T extends Passenger>(
  cargo: Cargo<T>,
  server: PoolServer,
  shared: SharedTensors | undefined,
  heard: (outputs: InferResult['outputs']) => void,
): Promise<readonly (readonly [T, InferResult['outputs']])[]> {
  const { model, requests, timeoutMs, signal, queueTimeoutMs, traceparent } = cargo;
  const { name, version } = model;
  const [first, second] = requests;
  let own = second === undefined ? [] : joinInputs(requests.map(({ inputs }) => inputs));
  const inputs = second === undefined ? (first?.inputs ?? []) : own;
  const rows = requests.reduce((sum, request) => sum + request.rows, 0);
  const placed = shared?.place(inputs);
  if (placed === undefined && inputs.some(({ data }) => data.byteLength >= largeBytes && !isTensorMemory(data)))
    own = copyInputs(inputs);
  const request: InferRequest = {
    model: name,
    version,
    inputs: placed?.inputs ?? (own.length > 0 ? own : inputs),
    ...(queueTimeoutMs === undefined ? {} : { parameters: { timeout: BigInt(Math.round(queueTimeoutMs * 1000)) } }),
  };
  try {
    const answer = await server.client.infer(request, {
      timeoutMs,
      signal,
      ...(traceparent === undefined ? {} : { traceparent }),
    });
    placed?.done();
    const outputs = new Map(answer.outputs.map((output) => [output.name, output]));
    const problems = answerProblems(model, rows, outputs);
    if (problems.length > 0) throw new BadAnswer(`its answer is not as described: ${problems.join('; ')}`);
    heard(outputs);
    // The server has read it.
    for (const { data } of own) giveTensorBack(data);
    let from = 0;
    return requests.map((one) => {
      const own = second === undefined ? outputs : cutOutputs(name, outputs, from, one.rows, rows);
      from += one.rows;
      return [one, own];
    });
  } catch (error) {
    // It has answered, whatever it said.
    if (error instanceof BadAnswer) placed?.done();
    else placed?.failed(error);
    throw error;
  }
}
