import type { AlertEvent, LedgerRow } from '../core/alerts.ts';
import type { AlertCommit, CooldownRecord, EpisodeRecord } from '../core/store.ts';

/** What is lost when more is owed than memory may hold, or when the store will never take it. */
export type Lost = 'event' | 'ledger' | 'episode' | 'cooldown';

/** Of each; an event may carry a picture. The oldest go first, counted. */
const limits = { event: 1000, episode: 1000, cooldown: 5000, ledger: 5000 };
/** Events in a transaction: what is owed after a night must not need more space than a disk has just got back. */
const pieceEvents = 50;

/** What the store did not take and must still be given: the newest of each alert and episode, which is what history shows. */
export interface Owed {
  /** Newer than all before it; its events were published already. */
  add(commit: AlertCommit): void;
  /** The next piece to be written, queued for no output; undefined when nothing is owed. */
  peek(): AlertCommit | undefined;
  /** The store took the piece of the last `peek`, or, when nothing is owed, a commit. */
  settle(): void;
  /** The piece of the last `peek` will never be taken. */
  drop(): void;
  newest(alertId: string): AlertEvent | undefined;
  /** Nothing of this entry is written any more: it is being erased, and what is still decided about it comes after. */
  forget(entryId: string): void;
  /** Alerts that are owed. */
  readonly alerts: number;
  readonly empty: boolean;
}

export function createOwed(lost: (what: Lost, count: number) => void): Owed {
  const events = new Map<string, AlertEvent>();
  const episodes = new Map<string, EpisodeRecord>();
  const cooldowns = new Map<string, CooldownRecord>();
  let ledger: LedgerRow[] = [];
  const forgotten = new Set<string>();
  let shown: AlertCommit | undefined;

  function isEmpty(): boolean {
    return events.size + episodes.size + cooldowns.size + ledger.length === 0;
  }

  /** As the newest, which is dropped last. */
  function put<T>(kept: Map<string, T>, what: keyof typeof limits, key: string, value: T): void {
    kept.delete(key);
    kept.set(key, value);
    const [oldest] = kept.keys();
    if (kept.size <= limits[what] || oldest === undefined) return;
    kept.delete(oldest);
    lost(what, 1);
  }

  function addEvent(event: AlertEvent): void {
    const { alert } = event;
    if (alert.entry !== undefined && forgotten.has(alert.entry.id)) return;
    const top = alert.top.filter(({ entryId }) => !forgotten.has(entryId));
    const before = events.get(alert.id);
    // The picture of another camera is not for everybody who may read the alert from now on.
    const snapshot = event.snapshot ?? (before?.alert.camera === alert.camera ? before.snapshot : undefined);
    put(events, 'event', alert.id, {
      ...event,
      alert: top.length === alert.top.length ? alert : { ...alert, top },
      ...(snapshot === undefined ? {} : { snapshot }),
    });
  }

  function add(commit: Omit<AlertCommit, 'outputs'>): void {
    for (const event of commit.events) addEvent(event);
    for (const record of commit.episodes) {
      if (!forgotten.has(record.entryId)) put(episodes, 'episode', record.id, record);
    }
    for (const record of commit.cooldowns) {
      if (![...forgotten].some((id) => record.key.includes(id))) put(cooldowns, 'cooldown', record.key, record);
    }
    ledger.push(...commit.ledger.filter(({ entryId }) => entryId === undefined || !forgotten.has(entryId)));
    const excess = ledger.splice(0, Math.max(0, ledger.length - limits.ledger));
    lost('ledger', excess.length);
  }

  function take(piece: AlertCommit): void {
    for (const { alert } of piece.events) events.delete(alert.id);
    for (const { id } of piece.episodes) episodes.delete(id);
    for (const { key } of piece.cooldowns) cooldowns.delete(key);
    if (piece.ledger.length > 0) ledger = [];
    shown = undefined;
  }

  return {
    add,
    peek: () => {
      if (isEmpty()) return undefined;
      const first = [...events.values()].slice(0, pieceEvents);
      const last = first.length === events.size;
      shown = {
        events: first,
        episodes: last ? [...episodes.values()] : [],
        cooldowns: last ? [...cooldowns.values()] : [],
        ledger: last ? ledger : [],
        outputs: [],
      };
      return shown;
    },
    settle: () => {
      if (shown !== undefined) take(shown);
      if (isEmpty()) forgotten.clear();
    },
    drop: () => {
      if (shown === undefined) return;
      lost('event', shown.events.length);
      lost('episode', shown.episodes.length);
      lost('cooldown', shown.cooldowns.length);
      lost('ledger', shown.ledger.length);
      take(shown);
    },
    newest: (alertId) => events.get(alertId),
    forget: (entryId) => {
      forgotten.add(entryId);
      const kept = {
        events: [...events.values()],
        episodes: [...episodes.values()],
        cooldowns: [...cooldowns.values()],
        ledger,
      };
      events.clear();
      episodes.clear();
      cooldowns.clear();
      ledger = [];
      add(kept);
    },
    get alerts() {
      return events.size;
    },
    get empty() {
      return isEmpty();
    },
  };
}
