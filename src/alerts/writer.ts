import type { AlertEvent } from '../core/alerts.ts';
import { passed } from '../core/checkpoints.ts';
import type { Context } from '../core/context.ts';
import { errorText, isSightlineError } from '../core/errors.ts';
import { FloodGate } from '../core/log.ts';
import type { AlertCommit, AlertStore, OutboxRow } from '../core/store.ts';
import { createCommitBuilder } from './commit.ts';

export interface AlertWriterOptions {
  readonly store: Pick<AlertStore, 'commit'>;
  /** Events in the order in which they were decided. */
  readonly publish: {
    /** Written; `rows` are the messages queued for the outputs. */
    stored(events: readonly AlertEvent[], rows: readonly OutboxRow[]): void;
    /** The store did not take them: `durable` is false, and a restart forgets them. */
    unstored(events: readonly AlertEvent[]): void;
  };
  /** Read for every transaction. */
  readonly outputs: () => readonly string[];
  /** One was lost while the store was busy. */
  readonly dropped: (what: 'event' | 'ledger') => void;
}

/** Writes decisions before they are published, one transaction at a time. */
export interface AlertWriter extends AsyncDisposable {
  /** Never waits: what comes while a transaction is written makes the next one. */
  add(commit: AlertCommit): void;
  /** Resolves when everything added so far is stored or was published from memory. */
  flush(): Promise<void>;
  /** Whether the store has taken this event. */
  kept(event: AlertEvent): boolean;
}

/** What waits for the store while it is busy; beyond it the least important goes, counted. */
const eventsWaiting = 1000;
const rowsWaiting = 5000;

export function createAlertWriter(options: AlertWriterOptions, ctx: Context): AlertWriter {
  const { store, publish } = options;
  const { clock, metrics } = ctx;
  const flood = new FloodGate(ctx.log, clock);
  const unstored = metrics.counter('sightline_alert_unstored_total', 'Events published from memory because the store failed.');
  const waiting = createCommitBuilder({ events: eventsWaiting, ledger: rowsWaiting, dropped: options.dropped });
  const kept = new WeakSet<AlertEvent>();
  let writing: Promise<void> | undefined;

  /** One transaction for all that gathered while the one before was written. */
  async function write(): Promise<void> {
    await Promise.resolve(); // what is decided in the same turn belongs together
    for (let commit = waiting.take(options.outputs()); commit !== undefined; commit = waiting.take(options.outputs()))
      await writeOne(commit);
    writing = undefined;
  }

  async function writeOne(commit: AlertCommit): Promise<void> {
    let rows: readonly OutboxRow[];
    try {
      rows = await store.commit(commit);
    } catch (error) {
      const full = isSightlineError(error, 'store.full');
      flood.warn(full ? 'disk full, alerts are published from memory' : 'alerts were not stored', {
        events: commit.events.length,
        reason: errorText(error),
      });
      unstored.inc(commit.events.length);
      if (commit.events.length > 0) publish.unstored(commit.events.map(undurable));
      return;
    }
    if (commit.events.length === 0) return;
    passed('stored', commit.events);
    for (const event of commit.events) kept.add(event);
    const storedMs = clock.mono();
    publish.stored(
      commit.events.map((event) => stamped(event, storedMs)),
      rows.map((row) => ({ ...row, event: stamped(row.event, storedMs) })),
    );
  }

  async function flush(): Promise<void> {
    while (writing !== undefined) await writing;
  }

  return {
    add: (commit) => {
      waiting.add(commit);
      writing ??= write();
    },
    flush,
    kept: (event) => kept.has(event),
    [Symbol.asyncDispose]: async () => {
      await flush();
      flood[Symbol.dispose]();
    },
  };
}

/** As it is published when the store did not take it. */
export function undurable(event: AlertEvent): AlertEvent {
  return { ...event, alert: { ...event.alert, durable: false } };
}

function stamped(event: AlertEvent, storedMs: number): AlertEvent {
  return { ...event, alert: { ...event.alert, stages: { ...event.alert.stages, storedMs } } };
}
