import type { AlertEvent } from '../core/alerts.ts';
import { Backoff } from '../core/backoff.ts';
import type { Context } from '../core/context.ts';
import { isAbort } from '../core/errors.ts';
import { FloodGate } from '../core/log.ts';
import type { OutboxRow, OutboxStore } from '../core/store.ts';
import type { CameraId } from '../core/types.ts';
import type { DeliveryResult, Output } from './output.ts';
import { ageAtCommitMs } from './payload.ts';

/**
 * Carries the rows of one output from the store to it, at least once and in order per camera.
 *
 * Rows stand in a lane per camera; only the head of a lane is ever under way, so that nothing can overtake. Among the lanes the
 * oldest head goes first, at most `output.window` at once. New rows arrive by `notify` and go out without the database being
 * read. Only `memoryRows` are held; what does not fit stays in the store, `behind` is set, and pages are read from after the last
 * row seen as soon as there is room. A taken row is removed from the store in batches; a crash before that repeats it under the
 * same alert id and revision. When an output never answers about a row because the connection ends on it every time, that row is
 * sent alone, and given up after `maxCuts` such ends, so that it cannot keep all others from leaving.
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
  /** Flushing at disposal takes at most this long. */
  readonly flushMs: number;
}

export const outboxTuning: OutboxTuning = {
  memoryRows: 128,
  pageRows: 32,
  unstoredEvents: 256,
  maxRetries: 8,
  retryFirstMs: 500,
  retryMaxMs: 30_000,
  maxCuts: 5,
  flushMs: 3000,
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
  /** Rows and events in memory that are not settled. */
  readonly depth: number;
}

interface Item {
  /** Absent for events the store could not take. */
  readonly rowId?: number;
  readonly order: number;
  readonly camera: CameraId;
  readonly event: AlertEvent;
  readonly createdAt: number;
  /** CLOCK_MONOTONIC when it was announced; absent for rows read from the store. */
  readonly announcedMono?: number;
  retries: number;
  cuts: number;
  /** Was under way when the connection was cut: sent alone until it has been answered. */
  suspect: boolean;
  /** The store was changed since it was read. */
  stale: boolean;
}

interface Lane {
  readonly items: Item[];
  busy: boolean;
}

/** Rows whose clock is ahead of ours by more than this are of unknown age. */
const clockSlackMs = 5000;

/** Milliseconds since the event happened; infinite when that cannot be known. */
function ageMs(item: Item, wallMs: number, monoMs: number): number {
  const waited = item.announcedMono === undefined ? wallMs - item.createdAt : monoMs - item.announcedMono;
  return waited < -clockSlackMs ? Number.POSITIVE_INFINITY : Math.max(0, waited) + ageAtCommitMs(item.event);
}

export function startOutbox(options: OutboxOptions, ctx: Context): Outbox {
  const { output, store } = options;
  const { clock, log, metrics } = ctx;
  const tuning = { ...outboxTuning, ...options.tuning };
  const labels = { output: output.name };
  const flood = new FloodGate(log, clock);
  const stop = new AbortController();

  const lanes = new Map<CameraId, Lane>();
  /** Taken, and to be removed from the store by the next batch. */
  const settled: number[] = [];
  /** Taken or given up, and still in the store. */
  const leaving = new Set<number>();
  const unstored: AlertEvent[] = [];
  let depth = 0;
  let underWay = 0;
  let suspects = 0;
  let nextOrder = 1;
  /** All rows of the store up to this id are in memory or settled. */
  let cursor = 0;
  let newest = 0;
  let behind = true;
  /** Counts refreshes: a page that was asked for before one is not used. */
  let round = 0;
  let reading = false;
  let removing = false;
  let stopped = false;
  let idle: (() => void) | undefined;

  const published = metrics.counter('sightline_output_published_total', 'Deliveries attempted', ['output', 'topic']);
  const acknowledged = metrics.histogram('sightline_output_acknowledged_seconds', 'From handing over to being taken', {
    buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
    labels: ['output'],
  });
  const waiting = metrics.gauge('sightline_output_waiting', 'Alert messages in memory that have not been taken', ['output']);
  const dead = metrics.counter('sightline_output_dead_letters_total', 'Alert messages given up', ['output', 'reason']);
  const retried = metrics.counter('sightline_output_retries_total', 'Deliveries to be repeated', ['output', 'reason']);
  const dropped = metrics.counter(
    'sightline_output_unstored_dropped_total',
    'Alert messages lost because neither disk nor memory took them',
    ['output'],
  );

  function enqueue(fields: Pick<Item, 'rowId' | 'camera' | 'event' | 'createdAt' | 'announcedMono'>): void {
    const item: Item = { ...fields, order: nextOrder++, retries: 0, cuts: 0, suspect: false, stale: false };
    const lane = lanes.get(item.camera) ?? { items: [], busy: false };
    lane.items.push(item);
    lanes.set(item.camera, lane);
    depth += 1;
  }

  function admitUnstored(): void {
    while (!behind && depth < tuning.memoryRows) {
      const event = unstored.shift();
      if (event === undefined) return;
      enqueue({ camera: event.alert.camera, event, createdAt: clock.now(), announcedMono: clock.mono() });
    }
  }

  /** Takes the head of a lane out of memory. */
  function drop(lane: Lane, item: Item): void {
    lane.items.shift();
    if (lane.items.length === 0) lanes.delete(item.camera);
    depth -= 1;
    if (item.suspect) suspects -= 1;
  }

  function settle(lane: Lane, item: Item): void {
    drop(lane, item);
    if (item.rowId !== undefined) leaving.add(item.rowId);
  }

  function ready(): Lane | undefined {
    let best: Lane | undefined;
    for (const lane of lanes.values()) {
      const head = lane.items[0];
      if (lane.busy || head === undefined) continue;
      if (suspects > 0 && !head.suspect) continue;
      if (best === undefined || head.order < (best.items[0]?.order ?? 0)) best = lane;
    }
    return best;
  }

  function pump(): void {
    if (stopped) return;
    while (underWay < (suspects > 0 ? Math.min(1, output.window) : output.window)) {
      const lane = ready();
      if (lane === undefined) break;
      void carry(lane);
    }
    if (behind && !reading && depth <= tuning.memoryRows - tuning.pageRows) void read();
    admitUnstored();
    waiting.set(labels, depth + unstored.length);
    if (depth === 0 && !behind && unstored.length === 0) idle?.();
  }

  async function carry(lane: Lane): Promise<void> {
    const item = lane.items[0];
    if (item === undefined) return;
    lane.busy = true;
    underWay += 1;
    const alone = underWay === 1;
    const began = clock.mono();
    const age = ageMs(item, clock.now(), began);
    const liveForMs = options.liveForMs();
    const late = age >= liveForMs;
    published.inc({ ...labels, topic: late ? 'late' : 'live' });
    const result = await output.deliver({
      event: item.event,
      late,
      expiresAt: clock.now() + liveForMs - (late ? 0 : age),
      cuts: item.cuts,
      sameRun: item.announcedMono !== undefined,
    });
    underWay -= 1;
    if (result.kind === 'taken') acknowledged.observe(labels, (clock.mono() - began) / 1000);
    await conclude(lane, item, result, alone);
    lane.busy = false;
    if (item.stale && lane.items[0] === item) {
      drop(lane, item);
      startOver();
    }
    pump();
  }

  async function conclude(lane: Lane, item: Item, result: DeliveryResult, alone: boolean): Promise<void> {
    switch (result.kind) {
      case 'taken':
        settle(lane, item);
        if (item.rowId !== undefined) settled.push(item.rowId);
        void remove();
        return;
      case 'refused':
        return giveUp(lane, item, result.reason);
      case 'retry': {
        item.retries += 1;
        if (item.retries > tuning.maxRetries) return giveUp(lane, item, result.reason);
        retried.inc({ ...labels, reason: result.reason });
        flood.warn('alert message refused for now', { output: output.name, alert: item.event.alert.id, reason: result.reason });
        const backoff = new Backoff({ firstMs: tuning.retryFirstMs * 2 ** (item.retries - 1), maxMs: tuning.retryMaxMs });
        pump();
        return pause(backoff.next());
      }
      case 'lost':
        retried.inc({ ...labels, reason: 'lost' });
        if (!result.closed) return;
        if (alone && item.suspect) item.cuts += 1;
        if (!item.suspect) {
          item.suspect = true;
          suspects += 1;
        }
        if (item.cuts >= tuning.maxCuts) return giveUp(lane, item, 'connection closed');
    }
  }

  async function pause(ms: number): Promise<void> {
    try {
      await clock.sleep(ms, stop.signal);
    } catch (error) {
      if (!isAbort(error)) throw error;
    }
  }

  async function giveUp(lane: Lane, item: Item, reason: string): Promise<void> {
    dead.inc({ ...labels, reason });
    log.error(
      { output: output.name, alert: item.event.alert.id, revision: item.event.revision, reason },
      'alert message given up',
    );
    settle(lane, item);
    const { rowId } = item;
    if (rowId === undefined) return;
    await persist(() => store.deadLetter(rowId, reason));
    leaving.delete(rowId);
  }

  /** Repeats a write until it succeeds or everything stops; the row it is about is not sent again meanwhile. */
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

  /** One batch at a time; what is taken meanwhile makes the next one. */
  async function remove(): Promise<void> {
    if (removing) return;
    removing = true;
    while (settled.length > 0) {
      const batch = settled.splice(0);
      await persist(() => store.acknowledge(batch));
      for (const id of batch) leaving.delete(id);
    }
    removing = false;
    idle?.();
  }

  function isHeld(rowId: number): boolean {
    return leaving.has(rowId) || lanes.values().some(({ items }) => items[0]?.rowId === rowId);
  }

  async function read(): Promise<void> {
    reading = true;
    const began = round;
    try {
      const rows = await store.pending(output.name, tuning.pageRows, cursor);
      if (began === round) {
        for (const row of rows) {
          cursor = row.id;
          if (isHeld(row.id)) continue;
          enqueue({ rowId: row.id, camera: row.camera, event: row.event, createdAt: row.createdAt });
        }
        newest = Math.max(newest, cursor);
        behind = rows.length === tuning.pageRows || newest > cursor;
      }
    } catch (error) {
      flood.warn('outbox cannot read the store', { output: output.name, err: error });
      await pause(tuning.retryFirstMs);
    }
    reading = false;
    pump();
  }

  function startOver(): void {
    round += 1;
    cursor = 0;
    behind = true;
  }

  /** What is under way stays until it is answered; unless it is taken then, it is read again too. */
  function refresh(): void {
    startOver();
    for (const [camera, lane] of lanes) {
      const kept = lane.items.filter((item, place) => item.rowId === undefined || (place === 0 && lane.busy));
      for (const item of kept) item.stale = item.rowId !== undefined;
      depth -= lane.items.length - kept.length;
      suspects -= lane.items.filter((item) => item.suspect && !kept.includes(item)).length;
      lane.items.splice(0, lane.items.length, ...kept);
      if (kept.length === 0) lanes.delete(camera);
    }
    pump();
  }

  function notify(rows: readonly OutboxRow[]): void {
    for (const row of rows) {
      newest = Math.max(newest, row.id);
      if (behind || depth >= tuning.memoryRows) behind = true;
      else if (row.id > cursor) {
        cursor = row.id;
        enqueue({ rowId: row.id, camera: row.camera, event: row.event, createdAt: row.createdAt, announcedMono: clock.mono() });
      }
    }
    pump();
  }

  function notifyUnstored(events: readonly AlertEvent[]): void {
    unstored.push(...events);
    const excess = unstored.splice(0, Math.max(0, unstored.length - tuning.unstoredEvents));
    if (excess.length > 0) dropped.inc(labels, excess.length);
    pump();
  }

  async function flush(): Promise<void> {
    using limit = clock.deadline(tuning.flushMs);
    const expired = new Promise<void>((resolve) => limit.signal.addEventListener('abort', () => resolve(), { once: true }));
    const done = new Promise<void>((resolve) => {
      idle = () => {
        if (settled.length === 0 && !removing && (output.window === 0 || (depth === 0 && !behind))) resolve();
      };
    });
    pump();
    idle?.();
    await Promise.race([done, expired]);
    stopped = true;
    stop.abort();
    if (depth > 0 || behind) log.info({ output: output.name, inMemory: depth }, 'alert messages stay in the outbox');
    flood[Symbol.dispose]();
  }

  output.onWindow(pump);
  pump();
  let stopping: Promise<void> | undefined;
  return {
    notify,
    notifyUnstored,
    refresh,
    get depth() {
      return depth + unstored.length;
    },
    [Symbol.asyncDispose]() {
      stopping ??= flush();
      return stopping;
    },
  };
}
