import { aborted } from '../core/aborted.ts';
import type { AlertEvent } from '../core/alerts.ts';
import { Backoff } from '../core/backoff.ts';
import { passed } from '../core/checkpoints.ts';
import type { Context } from '../core/context.ts';
import { isAbort } from '../core/errors.ts';
import { FloodGate } from '../core/log.ts';
import type { OutboxRow, OutboxStore } from '../core/store.ts';
import { ageMs, type Item, Lanes, type Taken } from './lanes.ts';
import type { Delivery, DeliveryResult, Output } from './output.ts';

/**
 * Carries the rows of one output from the store to it, at least once and in order per camera.
 *
 * New rows arrive by `notify` and go out without the store being read. Only `memoryRows` are held; what does not fit stays in
 * the store, `behind` is set, and pages are read from after `cursor` as soon as there is room. What is announced during the read
 * that reaches the end follows it from memory: under steady load the store would otherwise be read for every row from then on. Of those held live ones go first,
 * then the oldest, at most `output.window` at once, half of it late ones, and per camera one live and one late. A taken row is removed from the store in batches; a crash before that repeats it
 * under the same alert id and revision. Rows that were under way when the other side cut the connection are suspects: each is
 * sent alone until it has been answered, and given up after `maxCuts` further cuts, so that one poisonous row cannot keep all
 * others from leaving.
 */

export interface OutboxTuning {
  /** Rows held in memory. */
  readonly memoryRows: number;
  readonly pageRows: number;
  /** Events that could not be stored (disk full) and wait in memory. */
  readonly unstoredEvents: number;
  /** Refusals of the kind `retry` after which a row is given up. */
  readonly maxRetries: number;
  readonly retryFirstMs: number;
  readonly retryMaxMs: number;
  readonly maxCuts: number;
  /** Between two removals of taken rows: under load one transaction for many costs the disk what one for each would. */
  readonly removeEveryMs: number;
  /** Flushing at disposal takes at most this long. */
  readonly flushMs: number;
  /** How often an idle loop asks the store whether there are rows that nobody announced. */
  readonly sweepEveryMs: number;
}

export const outboxTuning: OutboxTuning = {
  memoryRows: 128,
  pageRows: 32,
  unstoredEvents: 256,
  maxRetries: 8,
  retryFirstMs: 500,
  retryMaxMs: 30_000,
  maxCuts: 5,
  removeEveryMs: 20,
  flushMs: 3000,
  sweepEveryMs: 30_000,
};

export interface OutboxOptions {
  readonly output: Output;
  readonly store: OutboxStore;
  /** `alerting.liveFor`, read for every delivery. */
  readonly liveForMs: () => number;
  readonly tuning?: Partial<OutboxTuning>;
}

export interface Outbox extends AsyncDisposable {
  /** Rows of this output that were just written, by rising id. */
  notify(rows: readonly OutboxRow[]): void;
  /** Events the store could not take: delivered from memory, lost with the process. */
  notifyUnstored(events: readonly AlertEvent[]): void;
  /** Reads again what is not under way, after rows were changed or erased in the store. */
  refresh(): void;
  /** Events in memory that are not settled. */
  readonly depth: number;
}

type StoredItem = Item & { readonly rowId: number };

/** What earlier attempts of an item came to. */
interface Attempts {
  retries: number;
  cuts: number;
}

export function startOutbox(options: OutboxOptions, ctx: Context): Outbox {
  const { output, store } = options;
  const { clock, log } = ctx;
  const tuning = { ...outboxTuning, ...options.tuning };
  const labels = { output: output.name };
  const meter = createMeter(ctx);
  const flood = new FloodGate(log, clock);
  const stop = new AbortController();
  /** From the begin of flushing on. */
  const hurry = new AbortController();

  const lanes = new Lanes();
  const attempts = new WeakMap<Item, Attempts>();
  const unstored: Item[] = [];
  /** Taken, and to be removed from the store by the next batch. */
  const settled: number[] = [];
  let removedMono = Number.NEGATIVE_INFINITY;
  /** Taken or given up, and still in the store. */
  const leaving = new Set<number>();
  /** All rows of the store up to this id are in memory or settled. */
  let cursor = 0;
  let newest = 0;
  let behind = true;
  /** Announced since the read under way began, as many as fit. */
  let arrived: StoredItem[] = [];
  /** Counts refreshes: a page that was asked for before one is not used. */
  let round = 0;
  let reading: Promise<void> | undefined;
  let removing: Promise<void> | undefined;
  let whenIdle: (() => void) | undefined;

  /** Starts whatever can be started now; called after every change. */
  function pump(): void {
    while (!behind && lanes.depth < tuning.memoryRows) {
      const item = unstored.shift();
      if (item === undefined) break;
      lanes.add(item);
    }
    if (!stop.signal.aborted) {
      while (lanes.underWay < (lanes.cautious ? Math.min(1, output.window) : output.window)) {
        const taken = lanes.take(isLate, Math.max(1, Math.floor(output.window / 2)));
        if (taken === undefined) break;
        void carry(taken);
      }
      if (behind && lanes.depth <= tuning.memoryRows - tuning.pageRows) {
        reading ??= read().finally(() => {
          reading = undefined;
          pump();
        });
      }
    }
    if (settled.length > 0) {
      removing ??= remove().finally(() => {
        removing = undefined;
        pump();
      });
    }
    meter.waiting.set(labels, lanes.depth + unstored.length);
    whenIdle?.();
  }

  function isLate(item: Item): boolean {
    return ageMs(item, clock.now(), clock.mono()) >= options.liveForMs();
  }

  async function carry({ item, late }: Taken): Promise<void> {
    const alone = lanes.underWay === 1;
    const began = clock.mono();
    const age = ageMs(item, clock.now(), began);
    const liveForMs = options.liveForMs();
    meter.published.inc({ ...labels, topic: late ? 'late' : 'live' });
    passed('row taken', [item.event]);
    const result = await handOver({
      event: item.event,
      late,
      expiresAt: clock.now() + liveForMs - (late ? 0 : age),
      cuts: attempts.get(item)?.cuts ?? 0,
      sameRun: item.announcedMono !== undefined,
    });
    if (result.kind === 'taken') {
      passed('puback received', [item.event]);
      meter.acknowledged.observe(labels, (clock.mono() - began) / 1000);
    }
    await conclude(item, result, alone);
    pump();
  }

  /** A row that an output stumbles over, say one of another version, must not end the loop. */
  async function handOver(delivery: Delivery): Promise<DeliveryResult> {
    try {
      return await output.deliver(delivery);
    } catch (error) {
      flood.error('output failed on an alert message', { output: output.name, alert: delivery.event.alert.id, err: error });
      return { kind: 'refused', reason: 'internal error' };
    }
  }

  async function conclude(item: Item, result: DeliveryResult, alone: boolean): Promise<void> {
    const tried = attempts.get(item) ?? { retries: 0, cuts: 0 };
    attempts.set(item, tried);
    switch (result.kind) {
      case 'taken':
        lanes.remove(item);
        if (item.rowId === undefined) return;
        leaving.add(item.rowId);
        settled.push(item.rowId);
        return;
      case 'refused':
        return giveUp(item, result.reason);
      case 'retry':
        tried.retries += 1;
        if (tried.retries > tuning.maxRetries) return giveUp(item, result.reason);
        return retryLater(item, result.reason, tried.retries);
      case 'lost':
        meter.retried.inc({ ...labels, reason: 'connection lost' });
        if (result.closed && alone && lanes.isSuspect(item)) tried.cuts += 1;
        if (tried.cuts >= tuning.maxCuts) return giveUp(item, 'connection closed');
        if (result.closed) lanes.suspect(item, true);
        return release(item);
    }
  }

  /** The lane of the item waits; the others go on. */
  async function retryLater(item: Item, reason: string, retries: number): Promise<void> {
    meter.retried.inc({ ...labels, reason });
    flood.warn('alert message refused for now', { output: output.name, alert: item.event.alert.id, reason });
    lanes.rest(item);
    pump();
    await pause(new Backoff({ firstMs: tuning.retryFirstMs * 2 ** (retries - 1), maxMs: tuning.retryMaxMs }).next());
    release(item);
  }

  function release(item: Item): void {
    // Its row is read again, and so must be those behind it.
    if (!lanes.release(item)) startOver();
  }

  async function giveUp(item: Item, reason: string): Promise<void> {
    const { rowId, event } = item;
    meter.dead.inc({ ...labels, reason });
    flood.error('alert message given up', { output: output.name, alert: event.alert.id, revision: event.revision, reason });
    lanes.remove(item);
    if (rowId === undefined) return;
    leaving.add(rowId);
    pump();
    await persist(() => store.deadLetter(rowId, reason));
    leaving.delete(rowId);
  }

  /** Repeats a write until it succeeds or everything stops; the rows it is about are not sent again meanwhile. */
  async function persist(write: () => Promise<void>): Promise<void> {
    const backoff = new Backoff({ firstMs: tuning.retryFirstMs, maxMs: tuning.retryMaxMs });
    while (true) {
      try {
        return await write();
      } catch (error) {
        flood.warn('outbox cannot write to the store', { output: output.name, err: error });
        if (stop.signal.aborted) return;
        await pause(backoff.next());
      }
    }
  }

  async function pause(ms: number, signal = stop.signal): Promise<void> {
    try {
      await clock.sleep(ms, signal);
    } catch (error) {
      if (!isAbort(error)) throw error;
    }
  }

  /** One batch at a time; what is taken meanwhile makes the next one. */
  async function remove(): Promise<void> {
    const restMs = removedMono + tuning.removeEveryMs - clock.mono();
    if (restMs > 0) await pause(restMs, hurry.signal);
    removedMono = clock.mono();
    const batch = settled.splice(0);
    await persist(() => store.acknowledge(batch));
    passed('row removed', batch);
    for (const id of batch) leaving.delete(id);
  }

  async function read(): Promise<void> {
    const began = round;
    // Announced rows are in the store: what the answer lacks of them is no longer there.
    const announced = newest;
    arrived = [];
    try {
      const rows = await store.pending(output.name, tuning.pageRows, cursor);
      passed(
        'row read',
        rows.map(({ event }) => event),
      );
      if (began !== round) return;
      for (const row of rows) {
        cursor = row.id;
        if (!leaving.has(row.id) && !lanes.holds(row.id)) lanes.add(rowItem(row));
      }
      if (rows.length < tuning.pageRows) {
        cursor = Math.max(cursor, announced);
        for (const item of arrived) follow(item);
      }
      newest = Math.max(newest, cursor);
      behind = rows.length === tuning.pageRows || newest > cursor;
    } catch (error) {
      flood.warn('outbox cannot read the store', { output: output.name, err: error });
      await pause(tuning.retryFirstMs);
    }
  }

  /** Takes a row into memory, all before it being there; false when there is no room. */
  function follow(item: StoredItem): boolean {
    if (item.rowId <= cursor) return true;
    if (lanes.depth >= tuning.memoryRows) return false;
    cursor = item.rowId;
    lanes.add(item);
    return true;
  }

  function startOver(): void {
    lanes.forget();
    round += 1;
    cursor = 0;
    behind = true;
  }

  function isIdle(): boolean {
    return lanes.depth === 0 && unstored.length === 0 && !behind && leaving.size === 0;
  }

  async function sweep(): Promise<void> {
    if (!isIdle()) return;
    try {
      const [unannounced] = await store.pending(output.name, 1);
      if (unannounced === undefined || !isIdle()) return;
      startOver();
      pump();
    } catch (error) {
      flood.warn('outbox cannot read the store', { output: output.name, err: error });
    }
  }

  async function flush(): Promise<void> {
    sweeping[Symbol.dispose]();
    hurry.abort();
    using limit = clock.deadline(tuning.flushMs);
    const expired = aborted(limit.signal);
    const flushed = new Promise<void>((resolve) => {
      whenIdle = () => {
        if (isIdle() || (output.window === 0 && leaving.size === 0)) resolve();
      };
    });
    pump();
    await Promise.race([flushed, expired]);
    whenIdle = undefined;
    stop.abort();
    await Promise.race([Promise.all([reading, removing]), expired]);
    if (!isIdle()) log.info({ output: output.name, inMemory: lanes.depth }, 'alert messages stay in the outbox');
    flood[Symbol.dispose]();
  }

  output.onWindow(pump);
  const sweeping = clock.every(tuning.sweepEveryMs, sweep);
  pump();
  let stopping: Promise<void> | undefined;
  return {
    notify(rows) {
      for (const row of rows) {
        newest = Math.max(newest, row.id);
        const item = { ...rowItem(row), announcedMono: clock.mono() };
        if (!behind) behind = !follow(item);
        else if (reading !== undefined && arrived.length < tuning.memoryRows) arrived.push(item);
      }
      pump();
    },
    notifyUnstored(events) {
      for (const event of events) {
        unstored.push({ camera: event.alert.camera, event, createdAt: clock.now(), announcedMono: clock.mono() });
      }
      const excess = unstored.splice(0, Math.max(0, unstored.length - tuning.unstoredEvents));
      if (excess.length > 0) meter.dropped.inc(labels, excess.length);
      pump();
    },
    refresh() {
      startOver();
      pump();
    },
    get depth() {
      return lanes.depth + unstored.length;
    },
    [Symbol.asyncDispose]() {
      stopping ??= flush();
      return stopping;
    },
  };
}

function rowItem(row: OutboxRow): StoredItem {
  return { rowId: row.id, camera: row.camera, event: row.event, createdAt: row.createdAt };
}

function createMeter({ metrics }: Context) {
  return {
    published: metrics.counter('sightline_output_published_total', 'Deliveries attempted', ['output', 'topic']),
    acknowledged: metrics.histogram('sightline_output_acknowledged_seconds', 'From handing over to being taken', {
      buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
      labels: ['output'],
    }),
    waiting: metrics.gauge('sightline_output_waiting', 'Alert messages in memory that have not been taken', ['output']),
    dead: metrics.counter('sightline_output_dead_letters_total', 'Alert messages given up', ['output', 'reason']),
    retried: metrics.counter('sightline_output_retries_total', 'Deliveries to be repeated', ['output', 'reason']),
    dropped: metrics.counter(
      'sightline_output_unstored_dropped_total',
      'Alert messages lost because neither disk nor memory took them',
      ['output'],
    ),
  };
}
