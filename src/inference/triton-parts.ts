import type { InferOptions, InferResult, Tensor } from '../core/inference.ts';
import { cutInputs, joinOutputs } from './batches.ts';
import { checkInputs } from './tensor.ts';
import { TooManyRows } from './triton-failures.ts';
import type { Lane } from './triton-lane.ts';

type Inputs = readonly Tensor[];

/**
 * Runs a request; one of more rows than a server takes as several, `atOnce` of them at a time, so that they do not drive each other out of
 * the queue. All parts or none: what remains is given up when one of them fails. It begins anew with smaller parts when the servers that
 * took such ones are gone.
 */
export async function inferInParts(
  lane: Lane,
  inputs: Inputs,
  options: InferOptions,
  { atOnce, sinceMs }: { readonly atOnce: number; readonly sinceMs: number },
): Promise<InferResult> {
  while (true) {
    const parts = split(lane, inputs);
    for (const part of parts ?? [inputs]) checkInputs(lane.model, part);
    try {
      const run = (part: Inputs, signal: AbortSignal) => lane.infer(part, { ...options, signal }, sinceMs);
      return await (parts === undefined ? run(inputs, options.signal) : inferAll(parts, run, options.signal, atOnce));
    } catch (error) {
      if (!(error instanceof TooManyRows) || cutInputs(inputs, 0, 1) === undefined) throw error;
    }
  }
}

/** The parts of a request of more rows than a server takes; undefined where it goes as it is, or cannot be cut. */
function split({ model, seats }: Lane, inputs: Inputs): readonly Inputs[] | undefined {
  const rows = inputs[0]?.shape[0] ?? 0;
  const { ceiling } = seats;
  if (model.maxBatchSize === 0 || rows <= ceiling) return undefined;
  const parts: Inputs[] = [];
  for (let from = 0; from < rows; from += ceiling) {
    const part = cutInputs(inputs, from, Math.min(ceiling, rows - from));
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return parts;
}

async function inferAll(
  parts: readonly Inputs[],
  run: (part: Inputs, signal: AbortSignal) => Promise<InferResult>,
  wanted: AbortSignal,
  atOnce: number,
): Promise<InferResult> {
  const others = new AbortController();
  const signal = AbortSignal.any([wanted, others.signal]);
  const answers: InferResult[] = [];
  const left = parts.entries();
  const inTurn = async () => {
    for (const [at, part] of left) answers[at] = await run(part, signal);
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, inTurn));
  } catch (error) {
    others.abort();
    throw error;
  }
  return {
    outputs: joinOutputs(answers.map(({ outputs }) => outputs)),
    queuedMs: Math.max(...answers.map(({ queuedMs }) => queuedMs)),
    computeMs: Math.max(...answers.map(({ computeMs }) => computeMs)),
  };
}
