import type { InferOptions, InferResult, ModelDescription, Tensor } from '../core/inference.ts';
import { giveTensorBack } from '../core/tensor-memory.ts';
import { type Trace, traceField } from '../core/trace.ts';
import { alike } from './batches.ts';
import { type FairLimits, FairQueue } from './fair-queue.ts';
import type { InferenceMetrics } from './metrics.ts';
import { abortReason, closedError } from './refusals.ts';
import { failureKind, TooManyRows } from './triton-failures.ts';
import { type Cargo, fly } from './triton-flight.ts';
import type { PoolServer, TritonPool } from './triton-pool.ts';
import type { Flight, Seat } from './triton-seat.ts';
import { Seats } from './triton-seats.ts';
import type { SharedTensors } from './triton-shared.ts';
import { type Doubt, Unanswered, type UnansweredHouse, type Waiting } from './triton-unanswered.ts';

/** Tensors of requests above this go alone: joining copies them, and the server's own batching puts them together without. */
const largestJoinedRow = 2 ** 20;
/** A call ends so long after the deadline of its requests: what is cancelled is computed all the same, unseen by us. */
const afterDeadlineMs = 2000;
/** Timers hold 31 bits of milliseconds. */
const longestTimerMs = 2 ** 31 - 1;

export interface LaneHouse extends UnansweredHouse {
  readonly pool: TritonPool;
  readonly metrics: UnansweredHouse['metrics'] &
    InferenceMetrics & { readonly sent: { inc(labels: { model: string; server: string }): void } };
  readonly limits: FairLimits;
  /** Sends the time that is left as the server's queue time-out as well. */
  readonly queueTimeout: boolean;
  readonly shared: (server: PoolServer) => SharedTensors | undefined;
  readonly answered: (server: PoolServer, model: string, roundTripMs: number) => void;
}

/**
 * The requests of one model to all servers: a bounded fair queue, batches of what is alike, and a seat per server. Requests wait here
 * while no server has room; those that cannot be answered before their deadline never leave.
 */
export class Lane {
  readonly model: ModelDescription;
  readonly #house: LaneHouse;
  readonly #queue: FairQueue<Waiting>;
  readonly #underWay = new Set<Waiting>();
  readonly #unanswered: Unanswered;
  readonly seats: Seats;
  readonly #closed = new AbortController();
  readonly #joins: boolean;
  /** Milliseconds that requests have from arrival to deadline, the mean of late. */
  #budgetMs: number | undefined;
  /** What waits may go when it is over. */
  #pause: Disposable | undefined;
  /** When there was last no server to send to: waiting for one is not waiting for room. */
  #aloneMs = Number.NEGATIVE_INFINITY;
  /** The queue may have something for a server: at most one round of sending in a tick. */
  #pumping = false;

  constructor(model: ModelDescription, house: LaneHouse) {
    this.model = model;
    this.#house = house;
    this.#queue = new FairQueue(house.limits);
    this.seats = new Seats(model, house, () => this.pump(), this.#closed.signal);
    this.#unanswered = new Unanswered(model.name, house, this.seats, this.#queue);
    const texts = [...model.inputs, ...model.outputs].some(({ datatype }) => datatype === 'BYTES');
    this.#joins = model.maxBatchSize > 1 && !texts;
  }

  get depth(): number {
    return this.#queue.depth;
  }

  /** `sinceMs`: when it was asked for, where that is not now. */
  infer(
    inputs: readonly Tensor[],
    options: InferOptions,
    sinceMs: number = this.#house.ctx.clock.mono(),
  ): Promise<InferResult> {
    const { clock } = this.#house.ctx;
    if (options.signal.aborted) return Promise.reject(abortReason(options.signal));
    if (this.#closed.signal.aborted) return Promise.reject(closedError());
    const item: Waiting = {
      inputs,
      rows: this.model.maxBatchSize > 0 ? (inputs[0]?.shape[0] ?? 1) : 1,
      options,
      stream: options.stream,
      priority: options.priority ?? 'live',
      deadlineMs: options.deadlineMs,
      sinceMs,
      answer: Promise.withResolvers<InferResult>(),
      tries: 0,
      alone: false,
      avoid: undefined,
      doubt: undefined,
      ran: false,
      over: false,
      flight: undefined,
    };
    const leftMs = options.deadlineMs - clock.mono();
    if (leftMs <= 0) {
      this.#unanswered.shed(item, 'deadline');
      return item.answer.promise;
    }
    const budgetMs = options.deadlineMs - sinceMs;
    this.#budgetMs = this.#budgetMs === undefined ? budgetMs : this.#budgetMs + (budgetMs - this.#budgetMs) / 8;
    const limit = clock.deadline(Math.min(leftMs, longestTimerMs), options.signal);
    const giveUp = () => {
      item.over = true;
      const waiting = this.#queue.remove(item);
      if (waiting) this.#house.depthChanged();
      if (options.signal.aborted) {
        if (waiting && !item.ran) this.#house.metrics.shed.inc({ reason: 'aborted' });
        item.flight?.gone();
        item.answer.reject(abortReason(options.signal));
      } else if (waiting) this.#unanswered.shed(item, 'deadline');
      else if (item.flight !== undefined) {
        // The server goes on with it whatever we say: what it still has to do counts until it answers.
        this.#unanswered.late(item, item.flight.seat);
      }
    };
    limit.signal.addEventListener('abort', giveUp, { once: true });
    const tooMuch = this.#queue.push(item);
    if (tooMuch !== undefined) this.#unanswered.shed(tooMuch, 'overload');
    this.#house.depthChanged();
    this.pump();
    return item.answer.promise.finally(() => {
      limit.signal.removeEventListener('abort', giveUp);
      limit[Symbol.dispose]();
    });
  }

  /** Everything that waits is refused; what is under way is given up. */
  close(): void {
    this.#closed.abort();
    this.#pause?.[Symbol.dispose]();
    for (const item of this.#queue.drain()) item.answer.reject(closedError());
    this.seats.close();
  }

  /** Sends what can be sent. */
  pump(): void {
    if (this.#pumping || this.#closed.signal.aborted) return;
    this.#pumping = true;
    // What arrives in one turn of the loop can go together.
    queueMicrotask(() => {
      this.#pumping = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#closed.signal.aborted) return;
    if (this.#queue.depth > 0) this.#sendWaiting();
    if (!this.seats.answering) this.#turnAway();
  }

  #sendWaiting(): void {
    this.seats.check();
    if (this.seats.usable().length === 0) {
      this.#aloneMs = this.#house.ctx.clock.mono();
      return;
    }
    this.#refuseTooLarge();
    /** Servers for which there is nothing but what failed there before, or is too large for them. */
    const passed = new Set<Seat>();
    while (this.#queue.depth > 0) {
      const seat = this.seats.choose(this.#budgetMs ?? 0, passed);
      if (seat === undefined) return;
      const most = this.#portion(seat);
      if (most === 0) {
        this.#sendAt(seat.nextMs);
        return;
      }
      const batch = this.#take(seat, most);
      if (batch.length === 0) passed.add(seat);
      else void this.#fly(seat, batch);
    }
  }

  /** Sends again at that time, unless an answer or a request comes before and does so; when it is over, only they do. */
  #sendAt(atMs: number): void {
    const { clock } = this.#house.ctx;
    this.#pause?.[Symbol.dispose]();
    this.#pause = undefined;
    const pauseMs = atMs - clock.mono();
    if (pauseMs <= 0) return;
    const limit = clock.deadline(pauseMs);
    this.#pause = limit;
    limit.signal.addEventListener('abort', () => this.pump(), { once: true });
  }

  #joinable(item: Waiting): boolean {
    return (
      this.#joins &&
      !item.alone &&
      item.inputs.reduce((sum, { data }) => sum + data.byteLength, 0) <= largestJoinedRow * item.rows
    );
  }

  /** What no server takes in one request: whoever made it of more rows than a server has that is left makes it anew, of fewer. */
  #refuseTooLarge(): void {
    const most = Math.max(...this.seats.usable().map(({ ceiling }) => ceiling));
    const large = [...this.#queue.items()].filter(({ rows }) => rows > most);
    for (const item of large)
      if (this.#queue.remove(item)) item.answer.reject(new TooManyRows(this.model.name, item.rows, most));
    if (large.length > 0) this.#house.depthChanged();
  }

  /**
   * Rows that go to a server now, in one request; 0 where they wait for an answer of it. What goes alone waits for no company: the
   * server's own batching puts together what there is room for.
   */
  #portion(seat: Seat): number {
    const budgetMs = this.#budgetMs ?? 0;
    let rows = 0;
    for (const item of this.#queue.items()) {
      if (!this.#joinable(item) || item.tries > 0) return Math.min(seat.ceiling, seat.room(budgetMs));
      rows += item.rows;
    }
    return seat.portion(rows, budgetMs, this.#house.ctx.clock.mono());
  }

  /**
   * Requests that go together to a server, of so many rows at most, in turn of their streams; what cannot be answered in time is shed on
   * the way.
   */
  #take(seat: Seat, most: number): readonly Waiting[] {
    const batch: Waiting[] = [];
    const skipped: Waiting[] = [];
    let rows = 0;
    const hope = this.#shedUseless(seat, most);
    while (batch.length === 0) {
      const item = hope ? this.#queue.next() : this.#takeFreshest();
      if (item === undefined) break;
      const failedHere = item.avoid === seat.server && this.seats.elsewhere(seat);
      if (failedHere || item.rows > seat.ceiling) skipped.push(item);
      else {
        batch.push(item);
        rows = item.rows;
      }
    }
    for (const item of skipped.reverse()) this.#queue.putBack(item);
    const [first] = batch;
    if (first !== undefined && this.#joinable(first)) {
      let endMs = first.deadlineMs;
      const nowMs = this.#house.ctx.clock.mono();
      while (rows < most) {
        const more = this.#queue.nextThat(
          (item) => rows + item.rows <= most && this.#joinable(item) && alike(first.inputs, item.inputs),
        );
        if (more === undefined) break;
        // Everyone in a batch waits for all of it.
        if (nowMs + seat.expectedMs(rows + more.rows) > Math.min(endMs, more.deadlineMs)) {
          this.#queue.putBack(more);
          break;
        }
        endMs = Math.min(endMs, more.deadlineMs);
        batch.push(more);
        rows += more.rows;
      }
    }
    this.#house.depthChanged();
    return batch;
  }

  /** The one with most time left. */
  #takeFreshest(): Waiting | undefined {
    let freshest: Waiting | undefined;
    for (const item of this.#queue.items())
      if (freshest === undefined || item.deadlineMs > freshest.deadlineMs) freshest = item;
    if (freshest !== undefined) this.#queue.remove(freshest);
    return freshest;
  }

  /**
   * Sheds what cannot make its deadline, and what has waited for room for half of its time while its stream has newer ones that have
   * more time left: parts of one request do not give way to each other. While more waits than can be under way, everyone needs the time
   * of a whole request: the oldest would go alone otherwise, each just in time, and the server would run single rows. False where nothing
   * that waits is expected to make it and the server has nothing to do: it may still prove to be faster.
   */
  #shedUseless(seat: Seat, most: number): boolean {
    const nowMs = this.#house.ctx.clock.mono();
    const idle = seat.rows === 0;
    const waiting = [...this.#queue.items()];
    const crowded = waiting.reduce((sum, { rows }) => sum + rows, 0) > seat.room(this.#budgetMs ?? 0);
    const inTime = (item: Waiting) => {
      const rows = crowded && this.#joinable(item) ? Math.max(item.rows, most) : item.rows;
      return nowMs + seat.expectedMs(rows, idle ? 1 : 4) <= item.deadlineMs;
    };
    const hope = !idle || waiting.some(inTime);
    const late = (item: Waiting) => nowMs >= item.deadlineMs || (hope && !inTime(item));
    const givesWay = ({ deadlineMs, sinceMs, priority, tries }: Waiting, stream: readonly Waiting[]) =>
      priority === 'live' &&
      tries === 0 &&
      nowMs - Math.max(sinceMs, this.#aloneMs) > (deadlineMs - sinceMs) / 2 &&
      stream.some((other) => other.deadlineMs > deadlineMs);
    for (const item of this.#queue.dropOldest((item, stream) => late(item) || givesWay(item, stream)))
      this.#unanswered.shed(item, late(item) ? 'deadline' : 'overload');
    return hope;
  }

  async #fly(seat: Seat, batch: readonly Waiting[]): Promise<void> {
    const { ctx, metrics } = this.#house;
    const { server } = seat;
    const { name } = this.model;
    const rows = batch.reduce((sum, item) => sum + item.rows, 0);
    const sentMs = ctx.clock.mono();
    const stop = new AbortController();
    let left: string | undefined;
    const flight: Flight = {
      rows,
      sentMs,
      leave: (reason) => {
        left = reason;
        stop.abort();
      },
    };
    let here = batch.length;
    const gone = () => {
      here -= 1;
      if (here === 0) stop.abort();
    };
    for (const item of batch) {
      item.flight = { seat, gone };
      this.#underWay.add(item);
    }
    seat.add(flight);
    metrics.batch.observe({ model: name }, rows);
    metrics.sent.inc({ model: name, server: server.name });
    const leftMs = Math.max(1, Math.max(...batch.map((item) => item.deadlineMs)) - sentMs);
    const trace = this.#traceOf(batch);
    const cargo: Cargo<Waiting> = {
      model: this.model,
      requests: batch,
      timeoutMs: leftMs + afterDeadlineMs,
      signal: stop.signal,
      ...(this.#house.queueTimeout ? { queueTimeoutMs: leftMs } : {}),
      ...(trace === undefined ? {} : { traceparent: trace.traceparent }),
    };
    let doubt: Doubt | undefined;
    const heard = (outputs: InferResult['outputs']) => {
      const nowMs = ctx.clock.mono();
      doubt = this.#unanswered.doubt(seat, outputs);
      seat.remove(flight, nowMs, doubt === undefined ? 'answered' : 'doubted');
      if (doubt === undefined) this.seats.answered(seat);
      this.#house.answered(server, name, nowMs - sentMs);
    };
    try {
      const answers = await fly(cargo, server, this.#house.shared(server), heard);
      const computeMs = ctx.clock.mono() - sentMs;
      for (const [item, outputs] of answers) {
        if (!this.#unanswered.stands(item, seat, outputs, doubt)) continue;
        const queuedMs = sentMs - item.sinceMs;
        metrics.queued.observe({ model: name }, queuedMs / 1000);
        metrics.compute.observe({ model: name }, computeMs / 1000);
        item.answer.resolve({ outputs, queuedMs, computeMs });
        // The server has read them. Of who gave up before nobody knows what they do with theirs, nor of a server that had them before.
        if (!item.over && !item.ran) for (const { data } of item.inputs) giveTensorBack(data);
      }
    } catch (error) {
      seat.remove(flight, ctx.clock.mono(), left === undefined && failureKind(error) === 'late' ? 'late' : 'failed');
      if (this.#closed.signal.aborted) for (const item of batch) item.answer.reject(closedError());
      else this.#unanswered.failed(seat, batch, error, left);
    } finally {
      for (const item of batch) {
        item.flight = undefined;
        this.#underWay.delete(item);
      }
    }
    this.pump();
  }

  /** The one trace that a message has room for; the log says whose requests went with it. */
  #traceOf(batch: readonly Waiting[]): Trace | undefined {
    const [trace, ...others] = batch.flatMap(({ options }) => options.trace ?? []);
    if (trace !== undefined && others.length > 0) {
      const fields = { model: this.model.name, ...traceField(trace), with: others.map(({ id }) => id) };
      this.#house.ctx.log.debug(fields, 'traced requests share a message');
    }
    return trace;
  }

  /**
   * No server answers: who would not wait for one is told so. What is under way to one that hangs goes on there, unseen by whoever asked: its
   * answer is how we know that the server is back.
   */
  #turnAway(): void {
    const leaving = [...this.#queue.items()].filter(({ options }) => options.impatient === true);
    for (const item of leaving) if (this.#queue.remove(item)) this.#unanswered.shed(item, 'deadline');
    if (leaving.length > 0) this.#house.depthChanged();
    for (const item of this.#underWay) {
      const seat = item.flight?.seat;
      if (item.options.impatient !== true || item.over || seat === undefined) continue;
      if (!seat.stalled && seat.server.state !== 'away') continue;
      item.over = true;
      this.#unanswered.late(item, seat);
    }
  }
}
