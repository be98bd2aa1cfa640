import type { AlertEvent } from '../core/alerts.ts';
import { passed } from '../core/checkpoints.ts';
import type { Context } from '../core/context.ts';
import { errorText, isSightlineError } from '../core/errors.ts';
import { SeldomGate } from '../core/log.ts';
import type { AlertCommit, AlertStore, OutboxRow } from '../core/store.ts';
import { createCommitBuilder } from './commit.ts';
import { createOwed, type Lost } from './owed.ts';
import { createPictures, type HideFaces } from './pictures.ts';

export interface AlertWriterOptions {
  readonly store: Pick<AlertStore, 'commit'>;
  /** Events in the order in which they were decided. */
  readonly publish: {
    /** Written; `rows` are the messages queued for the outputs. */
    stored(events: readonly AlertEvent[], rows: readonly OutboxRow[]): void;
    /** The store did not take them: `durable` is false. They are written when it takes writes again; a restart before that forgets them. */
    unstored(events: readonly AlertEvent[]): void;
  };
  /** Read for every transaction. */
  readonly outputs: () => readonly string[];
  /** Faces of others in pictures, before those are stored or published; absent: such pictures are left out. */
  readonly hideFaces?: HideFaces | undefined;
  /** Lost while the store was busy or took nothing. */
  readonly dropped: (what: Lost, count: number) => void;
}

/** Writes decisions before they are published, one transaction at a time. */
export interface AlertWriter extends AsyncDisposable {
  /** Never waits: what comes while a transaction is written makes the next one. */
  add(commit: AlertCommit): void;
  /** Resolves when everything added so far is stored or was published from memory. */
  flush(): Promise<void>;
  /** Whether the store has taken this event. */
  kept(event: AlertEvent): boolean;
  /** The newest of an alert that was published from memory and is not written yet: the store knows an older one, or none. */
  owed(alertId: string): AlertEvent | undefined;
  /** The entry is about to be erased: what memory holds of it is not written any more. */
  forget(entryId: string): void;
}

/** What waits for the store while it is busy; beyond it the least important goes, counted. */
const eventsWaiting = 1000;
const rowsWaiting = 5000;

/** How often what is owed is tried when nothing new is decided. */
const payEveryMs = 2000;

export function createAlertWriter(options: AlertWriterOptions, ctx: Context): AlertWriter {
  const { store, publish } = options;
  const { clock, log, metrics } = ctx;
  const trouble = new SeldomGate(log, clock);
  const unstored = metrics.counter('sightline_alert_unstored_total', 'Events published from memory because the store failed.');
  const dropped = (what: Lost, count: number) => {
    if (count > 0) options.dropped(what, count);
  };
  const waiting = createCommitBuilder({ events: eventsWaiting, ledger: rowsWaiting, dropped: (what) => dropped(what, 1) });
  const owed = createOwed(dropped);
  const pictures = createPictures(options.hideFaces, ctx);
  const owing = metrics.gauge('sightline_alert_owed', 'Alerts published from memory that the store has yet to take.');
  owing.set(0);
  const kept = new WeakSet<AlertEvent>();
  let writing: Promise<void> | undefined;

  /** One transaction for all that gathered while the one before was written, and before it what is owed. */
  async function write(): Promise<void> {
    await Promise.resolve(); // what is decided in the same turn belongs together
    let commit = waiting.take(options.outputs());
    do {
      if (commit !== undefined && pictures.needed(commit)) commit = await pictures.ready(commit);
      const failure = await pay();
      if (commit !== undefined) await writeOne(commit, failure);
      commit = waiting.take(options.outputs());
    } while (commit !== undefined);
    owing.set(owed.alerts);
    writing = undefined;
  }

  /** Gives the store what it did not take; what is newer must not be written before. Returns why it still takes nothing. */
  async function pay(): Promise<unknown> {
    for (let piece = owed.peek(); piece !== undefined; piece = owed.peek()) {
      try {
        await store.commit(piece);
      } catch (error) {
        if (!isLasting(error)) return error;
        log.error({ alerts: piece.events.length, reason: errorText(error) }, 'alerts told from memory will not be in history');
        owed.drop();
        continue;
      }
      for (const event of piece.events) kept.add(event);
      owed.settle();
      if (owed.empty) trouble.over('alerts told from memory are in history now');
    }
    return undefined;
  }

  async function writeOne(commit: AlertCommit, failure: unknown): Promise<void> {
    let rows: readonly OutboxRow[];
    try {
      if (failure !== undefined) throw failure;
      rows = await store.commit(commit);
    } catch (error) {
      fall(commit, error);
      return;
    }
    owed.settle();
    if (commit.events.length === 0) return;
    trouble.over('alerts are stored again');
    passed('stored', commit.events);
    for (const event of commit.events) kept.add(event);
    const storedMs = clock.mono();
    publish.stored(
      commit.events.map((event) => stamped(event, storedMs)),
      rows.map((row) => ({ ...row, event: stamped(row.event, storedMs) })),
    );
  }

  /** Tells people all the same, from memory. */
  function fall(commit: AlertCommit, error: unknown): void {
    const { length } = commit.events;
    const full = isSightlineError(error, 'store.full');
    trouble.warn(full ? 'disk full, alerts are published from memory' : 'alerts were not stored', 'events', length, {
      reason: errorText(error),
    });
    if (isLasting(error)) {
      dropped('event', length);
      dropped('ledger', commit.ledger.length);
    } else owed.add(commit);
    unstored.inc(length);
    if (length > 0) publish.unstored(commit.events.map(undurable));
  }

  async function flush(): Promise<void> {
    while (writing !== undefined) await writing;
  }

  const paying = clock.every(payEveryMs, () => {
    if (!owed.empty) writing ??= write();
  });

  return {
    add: (commit) => {
      waiting.add(commit);
      writing ??= write();
    },
    flush,
    kept: (event) => kept.has(event),
    owed: (alertId) => owed.newest(alertId),
    forget: (entryId) => owed.forget(entryId),
    [Symbol.asyncDispose]: async () => {
      paying[Symbol.dispose]();
      await flush();
      pictures[Symbol.dispose]();
      if (owed.empty) return;
      writing = write();
      await writing;
      if (owed.alerts === 0) return;
      dropped('event', owed.alerts);
      log.error({ alerts: owed.alerts }, 'alerts told from memory will not be in history');
    },
  };
}

/** No later attempt will do better: the file is damaged, or this is nothing the store can hold. */
function isLasting(error: unknown): boolean {
  return isSightlineError(error) && error.details['lasting'] === true;
}

/** As it is published when the store did not take it. */
export function undurable(event: AlertEvent): AlertEvent {
  return { ...event, alert: { ...event.alert, durable: false } };
}

function stamped(event: AlertEvent, storedMs: number): AlertEvent {
  return { ...event, alert: { ...event.alert, stages: { ...event.alert.stages, storedMs } } };
}
