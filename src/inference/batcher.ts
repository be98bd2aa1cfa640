import type { Context } from '../core/context.ts';
import type { Infer, InferOptions, InferResult, ModelDescription, Tensor } from '../core/inference.ts';
import { alike, cutOutputs, joinInputs } from './batches.ts';
import { createInferenceMetrics } from './metrics.ts';
import { abortReason, lateError, overloadError } from './refusals.ts';

export interface BatcherOptions {
  /** How long a request may wait for company while another batch runs. */
  readonly windowMs?: number;
  /** Rows that may wait; the oldest request goes when there are more. */
  readonly maxRows?: number;
}

interface Waiting {
  readonly inputs: readonly Tensor[];
  readonly rows: number;
  readonly options: InferOptions;
  readonly sinceMs: number;
  readonly answer: PromiseWithResolvers<InferResult>;
  /** Called when nobody waits for this request any more while it runs with others. */
  gone: () => void;
}

/**
 * Puts requests to one model together: small ones of many cameras become one run. An idle model gets the first request at once;
 * what arrives while it runs goes together when it is done, when the model's batch is full, or after the window, whichever is
 * first. Requests that are aborted or late before their batch leaves never run. A failing run fails everyone in it.
 */
export function createBatcher(infer: Infer, model: ModelDescription, ctx: Context, settings: BatcherOptions = {}): Infer {
  if (model.maxBatchSize <= 1) return infer;
  const windowMs = settings.windowMs ?? 20;
  const maxRows = settings.maxRows ?? 8 * model.maxBatchSize;
  const metrics = createInferenceMetrics(ctx.metrics);
  const waiting: Waiting[] = [];
  let running = 0;
  let timer: Disposable | undefined;

  function waitingRows(): number {
    return waiting.reduce((sum, request) => sum + request.rows, 0);
  }

  function consider(): void {
    while (waiting.length > 0 && (running === 0 || waitingRows() >= model.maxBatchSize))
      send(takeBatch(waiting, model.maxBatchSize));
    if (waiting.length > 0 && timer === undefined) {
      const limit = ctx.clock.deadline(windowMs);
      const fire = () => {
        timer = undefined;
        send(takeBatch(waiting, model.maxBatchSize));
        consider();
      };
      limit.signal.addEventListener('abort', fire, { once: true });
      timer = limit;
    } else if (waiting.length === 0) {
      timer?.[Symbol.dispose]();
      timer = undefined;
    }
  }

  function send(batch: readonly Waiting[]): void {
    const nowMs = ctx.clock.mono();
    const ready = batch.filter((request) => {
      if (nowMs < request.options.deadlineMs) return true;
      metrics.shed.inc({ reason: 'deadline' });
      request.answer.reject(lateError(model.name, request.options.stream, nowMs - request.sinceMs));
      return false;
    });
    if (ready.length === 0) return;
    running += 1;
    const rows = ready.reduce((sum, request) => sum + request.rows, 0);
    metrics.batch.observe({ model: model.name }, rows);
    void run(ready, rows, nowMs).finally(() => {
      running -= 1;
      consider();
    });
  }

  async function run(batch: readonly Waiting[], rows: number, startMs: number): Promise<void> {
    const [only, second] = batch;
    try {
      const inputs =
        second === undefined && only !== undefined ? only.inputs : joinInputs(batch.map((request) => request.inputs));
      const result = await infer(model.name, inputs, commonOptions(batch));
      let from = 0;
      for (const request of batch) {
        const queuedMs = startMs - request.sinceMs + result.queuedMs;
        const outputs =
          second === undefined ? result.outputs : cutOutputs(model.name, result.outputs, from, request.rows, rows);
        request.answer.resolve({ outputs, queuedMs, computeMs: result.computeMs });
        from += request.rows;
      }
    } catch (error) {
      for (const request of batch) request.answer.reject(error);
    }
  }

  return (name, inputs, options) => {
    const rows = inputs[0]?.shape[0] ?? 0;
    if (name !== model.name || rows < 1 || rows >= model.maxBatchSize) return infer(name, inputs, options);
    if (options.signal.aborted) return Promise.reject(abortReason(options.signal));
    const answer = Promise.withResolvers<InferResult>();
    const giveUp = () => {
      const at = waiting.indexOf(request);
      if (at >= 0) {
        waiting.splice(at, 1);
        metrics.shed.inc({ reason: 'aborted' });
      }
      request.gone();
      answer.reject(abortReason(options.signal));
    };
    const request: Waiting = { inputs, rows, options, sinceMs: ctx.clock.mono(), answer, gone: () => {} };
    options.signal.addEventListener('abort', giveUp, { once: true });
    waiting.push(request);
    while (waitingRows() > maxRows) {
      const oldest = waiting.shift();
      metrics.shed.inc({ reason: 'overload' });
      oldest?.answer.reject(overloadError(name, oldest.options.stream));
    }
    consider();
    return answer.promise.finally(() => options.signal.removeEventListener('abort', giveUp));
  };
}

/** Takes requests from the front, in order, while they fit together; always at least one. */
function takeBatch(waiting: Waiting[], ceiling: number): readonly Waiting[] {
  const first = waiting[0];
  let rows = 0;
  let count = 0;
  while (count < waiting.length) {
    const request = waiting[count];
    if (first === undefined || request === undefined || !alike(first.inputs, request.inputs)) break;
    if (count > 0 && rows + request.rows > ceiling) break;
    rows += request.rows;
    count += 1;
  }
  return waiting.splice(0, count);
}

/** One run for all: as late as the latest, as urgent as the most urgent, given up when everyone has given up. */
function commonOptions(batch: readonly Waiting[]): InferOptions {
  const [first] = batch;
  if (first !== undefined && batch.length === 1) return first.options;
  const everyone = new AbortController();
  let left = batch.length;
  for (const request of batch) {
    request.gone = () => {
      left -= 1;
      if (left === 0) everyone.abort(request.options.signal.reason);
    };
  }
  const streams = new Set(batch.map(({ options }) => options.stream));
  return {
    signal: everyone.signal,
    deadlineMs: Math.max(...batch.map(({ options }) => options.deadlineMs)),
    stream: streams.size === 1 ? (first?.options.stream ?? '') : 'several cameras',
    priority: batch.some(({ options }) => options.priority !== 'background') ? 'live' : 'background',
  };
}
