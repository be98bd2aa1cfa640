import type { Context } from '../core/context.ts';
import { errorText, type SightlineError } from '../core/errors.ts';
import { type InferOptions, type InferResult, isShed, type Tensor } from '../core/inference.ts';
import type { FloodGate } from '../core/log.ts';
import { giveTensorBack } from '../core/tensor-memory.ts';
import { traceField } from '../core/trace.ts';
import type { FairQueue } from './fair-queue.ts';
import type { InferenceMetrics } from './metrics.ts';
import { lateError, overloadError } from './refusals.ts';
import { allFinite } from './tensor.ts';
import {
  awayReason,
  BadAnswer,
  failureKind,
  firstLine,
  givenUp,
  grpcCodes,
  inferenceError,
  TritonStatus,
} from './triton-failures.ts';
import type { PoolServer, TritonPool } from './triton-pool.ts';
import type { Seat } from './triton-seat.ts';
import type { Seats } from './triton-seats.ts';

/** One request, sent again to other servers, ends after so many. */
const mostTries = 4;
/** Runs that failed one after another before a server is left alone for a while with this model. */
const failuresToLeave = 3;
/** A server where the model fails again and again is tried again after so long at most. */
const brokenAgainMs = 10_000;
/** One that was lost with each of its requests: it may be another when it is there again. */
const lostAgainMs = 1500;
/** A server whose own queue is full gets nothing for so long. */
const queueFullMs = 250;

export interface UnansweredHouse {
  readonly pool: Pick<TritonPool, 'lost'>;
  readonly ctx: Context;
  readonly metrics: Pick<InferenceMetrics, 'failures' | 'shed'> & {
    readonly retries: { inc(labels: { model: string; reason: string }): void };
  };
  readonly flood: FloodGate;
  /** Waiting requests of all lanes changed. */
  readonly depthChanged: () => void;
}

/** An answer that has values which are not finite, where another server may know better. */
export interface Doubt {
  readonly seat: Seat;
  /** Another one did, and it was counted against this one: once for the answer, however many requests shared it. */
  proven: boolean;
}

/** A request from its arrival to its answer. */
export interface Waiting {
  readonly inputs: readonly Tensor[];
  readonly rows: number;
  readonly options: InferOptions;
  readonly stream: string;
  readonly priority: 'live' | 'background';
  readonly deadlineMs: number;
  readonly sinceMs: number;
  readonly answer: PromiseWithResolvers<InferResult>;
  tries: number;
  /** It failed together with others: it goes alone now, so that only the guilty one fails. */
  alone: boolean;
  /** The server that failed with it, as long as there are others. */
  avoid: PoolServer | undefined;
  /** It was answered with values that are not finite, and asked for once more. */
  doubt: Doubt | undefined;
  /** A server had it, failed and may still read it: it is not counted as what never ran, and its memory is not lent again. */
  ran: boolean;
  /** Its time is over: it must not wait again, nothing would end that. */
  over: boolean;
  /** Set while it is under way. */
  flight: { readonly seat: Seat; readonly gone: () => void } | undefined;
}

const notFinite = 'its answer has values that are not finite';

function finite(outputs: InferResult['outputs']): boolean {
  return [...outputs.values()].every(allFinite);
}

/** What becomes of the requests of one model that no server has answered: another try, a refusal, or shedding. */
export class Unanswered {
  readonly #model: string;
  readonly #house: UnansweredHouse;
  readonly #seats: Seats;
  readonly #queue: FairQueue<Waiting>;
  /** Two servers gave values that are not finite to the same request: so long nobody is asked once more for that. */
  #agreedUntilMs = Number.NEGATIVE_INFINITY;
  /** It was said that requests are shed, and no server has answered one since. */
  #outageSaid = false;

  constructor(model: string, house: UnansweredHouse, seats: Seats, queue: FairQueue<Waiting>) {
    this.#model = model;
    this.#house = house;
    this.#seats = seats;
    this.#queue = queue;
  }

  /**
   * An answer is in doubt while it has values that are not finite and another server may know better. Without another one, and where two
   * agreed of late, the model or the picture is at fault: then whoever reads the values finds them.
   */
  doubt(seat: Seat, outputs: InferResult['outputs']): Doubt | undefined {
    const looked = this.#house.ctx.clock.mono() >= this.#agreedUntilMs && this.#seats.elsewhere(seat);
    return looked && !finite(outputs) ? { seat, proven: false } : undefined;
  }

  /** Whether a request has its answer by this. If not it goes to another server, whose answer says whether this one is to blame. */
  stands(item: Waiting, seat: Seat, outputs: InferResult['outputs'], doubt: Doubt | undefined): boolean {
    this.#outageSaid = false;
    const before = item.doubt;
    if (before === undefined) {
      if (doubt === undefined || item.over || item.tries + 1 >= mostTries || finite(outputs)) return true;
      item.doubt = doubt;
      this.#again(item, seat, 'not finite', new BadAnswer(notFinite));
      return false;
    }
    if (!finite(outputs)) {
      if (seat !== before.seat) this.#agreedUntilMs = this.#house.ctx.clock.mono() + brokenAgainMs;
    } else if (!before.proven) {
      before.proven = true;
      this.#blame(before.seat, notFinite);
    }
    return true;
  }

  /** What becomes of requests whose run failed, and of the server. */
  failed(seat: Seat, batch: readonly Waiting[], error: unknown, left: string | undefined): void {
    const waiting = batch.filter((item) => !item.over);
    const kind = left !== undefined ? 'left' : failureKind(error);
    if (kind !== 'full' && kind !== 'shed') for (const item of waiting) item.ran = true;
    const reason = left ?? firstLine(errorText(error));
    const cause = left === undefined ? error : new TritonStatus(grpcCodes.unavailable, `the server was left: ${left}`);
    const again = (why: string) => {
      for (const item of waiting) this.#again(item, seat, why, cause);
    };
    switch (kind) {
      case 'left':
        again('left');
        return;
      case 'server':
        // One that is there again at once and lost again by the next request has trouble with this model.
        if (this.#house.pool.lost(seat.server, awayReason(error))) this.#blame(seat, reason, lostAgainMs);
        again('server');
        return;
      case 'reset':
        this.#blame(seat, reason);
        again('reset');
        return;
      case 'model':
        this.#seats.leave(seat, reason);
        again('model');
        return;
      case 'dead-model':
        this.#seats.leave(seat, `${reason} (unload and load the model, or start the server anew)`);
        again('dead model');
        return;
      case 'no-region':
        again('shared memory');
        return;
      case 'broken':
        this.#blame(seat, reason);
        if (batch.length > 1) {
          for (const item of waiting) item.alone = true;
          again('alone');
        } else if ((batch[0]?.tries ?? 0) === 0) again('broken');
        else this.#refuse(waiting, inferenceError(error, this.#model, seat.server.name));
        return;
      case 'full':
        // No quick try again: room comes with its next answers.
        seat.pausedUntilMs = this.#house.ctx.clock.mono() + queueFullMs;
        for (const item of waiting) {
          if (item.tries + 1 < mostTries) this.#again(item, seat, 'queue full', error);
          else this.shed(item, 'overload');
        }
        return;
      case 'shed':
        for (const item of waiting) this.shed(item, 'overload');
        return;
      case 'late':
        seat.failures += 1;
        for (const item of waiting) this.late(item, seat);
        return;
      default:
        // The served model may be another one than it was.
        if (error instanceof TritonStatus && seat.state.is === 'ready') seat.state = { is: 'unknown' };
        if (batch.length > 1 && error instanceof TritonStatus) {
          for (const item of waiting) item.alone = true;
          again('alone');
        } else this.#refuse(waiting, inferenceError(error, this.#model, seat.server.name));
    }
  }

  #blame(seat: Seat, reason: string, mostMs = brokenAgainMs): void {
    seat.failures += 1;
    if (seat.failures >= failuresToLeave) this.#seats.leave(seat, reason, mostMs);
  }

  /** Out of time: whether there was a server that could have been in time makes the difference. */
  #tooLate({ stream, sinceMs }: Waiting): SightlineError {
    if (!this.#seats.answering) return this.#seats.unavailable();
    return lateError(this.#model, stream, this.#house.ctx.clock.mono() - sinceMs);
  }

  /** Out of time while a server had it. */
  late(item: Waiting, { server }: Seat): void {
    const fields = { model: this.#model, stream: item.stream, server: server.name, ...traceField(item.options.trace) };
    this.#house.flood.warn('inference request not answered in time', fields);
    this.#refuse([item], this.#tooLate(item));
  }

  #refuse(items: readonly Waiting[], error: SightlineError): void {
    for (const item of items) {
      this.#house.metrics.failures.inc({ model: this.#model });
      item.answer.reject(error);
    }
  }

  /** Back to the front of its stream, as long as there is time and it was not tried too often. */
  #again(item: Waiting, seat: Seat, reason: string, error: unknown): void {
    item.tries += 1;
    item.avoid = seat.server;
    if (this.#house.ctx.clock.mono() >= item.deadlineMs) this.shed(item, 'deadline');
    else if (item.tries >= mostTries) this.#refuse([item], givenUp(error, this.#model, seat.server.name));
    else {
      this.#house.metrics.retries.inc({ model: this.#model, reason });
      this.#queue.putBack(item);
      this.#house.depthChanged();
    }
  }

  /** For what was not answered and will not be sent, or not once more. */
  shed(item: Waiting, reason: 'deadline' | 'overload'): void {
    const { metrics, flood } = this.#house;
    const name = this.#model;
    const { stream } = item;
    const error = reason === 'deadline' ? this.#tooLate(item) : overloadError(name, stream);
    const outage = !this.#seats.answering;
    const why = outage && reason === 'deadline' ? 'no server' : reason;
    // An outage may last for days: after its first line it is told by the metrics, and by the parts that are not ready.
    if (!outage || !this.#outageSaid)
      flood.warn('inference request shed', { model: name, stream, reason: why, ...traceField(item.options.trace) });
    this.#outageSaid = outage;
    if (item.ran) {
      this.#refuse([item], error);
      return;
    }
    metrics.shed.inc({ reason });
    item.answer.reject(error);
    // Nobody has read it, and nobody will: what no server could run goes to the fallback.
    if (isShed(error)) for (const { data } of item.inputs) giveTensorBack(data);
  }
}
