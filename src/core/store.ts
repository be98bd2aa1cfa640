import type { Alert, AlertEvent, LedgerReason, LedgerRow } from './alerts.ts';
import type { CameraId, MatchKind } from './types.ts';

/**
 * What the store can do, one interface per subject; `store/` implements them on SQLite in a thread of its own, and each room is
 * given only its own. Every method is one transaction. Errors: `store.full`, `store.failed`.
 */

/** A message that must reach an output. `dedupe` is unique: writing it twice keeps the first. */
export interface OutboxRow {
  readonly id: number;
  readonly output: string;
  readonly alertId: string;
  readonly revision: number;
  readonly camera: CameraId;
  readonly createdAt: number;
  readonly event: AlertEvent;
}

export interface EpisodeRecord {
  readonly id: string;
  readonly entryId: string;
  readonly kind: MatchKind | 'unknown';
  readonly open: boolean;
  readonly startedAt: number;
  readonly lastSeenAt: number;
  /** The reducer's own state, JSON; opaque to the store. */
  readonly state: string;
}

export interface CooldownRecord {
  /** Rule and entry, as the rules define it. */
  readonly key: string;
  /** Event time of the alert that was sent. */
  readonly at: number;
}

/** What one decision of the alert room leaves behind; written before anything is published. */
export interface AlertCommit {
  readonly events: readonly AlertEvent[];
  readonly episodes: readonly EpisodeRecord[];
  readonly cooldowns: readonly CooldownRecord[];
  readonly ledger: readonly LedgerRow[];
  /** Outputs every event is queued for. */
  readonly outputs: readonly string[];
}

export interface AlertQuery {
  readonly from?: number;
  readonly to?: number;
  readonly camera?: CameraId;
  readonly entryId?: string;
  readonly open?: boolean;
  readonly limit: number;
  /** Opaque; from the previous page. */
  readonly cursor?: string;
}

export interface AlertStore {
  /** Returns the outbox rows it made. */
  commit(commit: AlertCommit): Promise<readonly OutboxRow[]>;
  loadOpen(): Promise<{
    readonly episodes: readonly EpisodeRecord[];
    readonly alerts: readonly { alert: Alert; revision: number }[];
    readonly cooldowns: readonly CooldownRecord[];
  }>;
  get(id: string): Promise<{ readonly alert: Alert; readonly revision: number } | undefined>;
  list(query: AlertQuery): Promise<{ readonly alerts: readonly Alert[]; readonly cursor?: string }>;
  snapshot(alertId: string): Promise<Uint8Array | undefined>;
}

export interface OutboxStore {
  /** Oldest first, not yet acknowledged, of this output. */
  pending(output: string, limit: number): Promise<readonly OutboxRow[]>;
  acknowledge(ids: readonly number[]): Promise<void>;
  /** Moves a message that will never be taken to the dead-letter table. */
  deadLetter(id: number, reason: string): Promise<void>;
  counts(): Promise<{ readonly waiting: number; readonly dead: number }>;
}

export interface LedgerQuery {
  readonly camera?: CameraId;
  readonly from: number;
  readonly to: number;
  readonly reason?: LedgerReason;
  readonly limit: number;
}

export interface LedgerStore {
  query(query: LedgerQuery): Promise<readonly LedgerRow[]>;
}

/** A person or thing on a list. */
export interface EntryRecord {
  readonly id: string;
  readonly name: string;
  readonly list: string;
  readonly kind: 'face' | 'body';
  readonly notes: string;
  readonly reason: string;
  readonly addedBy: string;
  readonly addedAt: number;
  readonly expiresAt?: number;
  /** Own open threshold (cosine); the embedding space's default otherwise. */
  readonly threshold?: number;
}

/** One enrolled photo; `negative` examples lower matches of this entry that look more like them. */
export interface ReferenceRecord {
  readonly id: string;
  readonly entryId: string;
  readonly negative: boolean;
  readonly space: string;
  readonly vector: Float32Array;
  /** JPEG of the enrolled crop. */
  readonly image: Uint8Array;
  readonly quality: number;
  /** Enrolled although the photo was refused: the entry's threshold is raised for it. */
  readonly accepted: boolean;
  readonly source: string;
  readonly addedAt: number;
}

export interface WatchlistStore {
  load(): Promise<{ readonly entries: readonly EntryRecord[]; readonly references: readonly ReferenceRecord[] }>;
  put(entry: EntryRecord, references: readonly ReferenceRecord[]): Promise<void>;
  removeReference(id: string): Promise<void>;
  /** Erases the entry, its references, its alerts' snapshots and its rows everywhere, overwriting the bytes (secure_delete, WAL truncated). */
  erase(entryId: string): Promise<void>;
}

export interface AuditRow {
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

export interface AuditStore {
  add(row: AuditRow): Promise<void>;
  list(limit: number): Promise<readonly AuditRow[]>;
}

export interface Retention {
  readonly alertsMs: number;
  readonly snapshotsMs: number;
  readonly ledgerMs: number;
}

export interface Store extends AsyncDisposable {
  readonly alerts: AlertStore;
  readonly outbox: OutboxStore;
  readonly ledger: LedgerStore;
  readonly watchlist: WatchlistStore;
  readonly audit: AuditStore;
  /** Next epoch number of a camera; never given twice, also across restarts. */
  nextEpoch(camera: CameraId): Promise<number>;
  /** Deletes what is older than its retention, by wall clock. */
  sweep(
    nowMs: number,
    retention: Retention,
  ): Promise<{ readonly alerts: number; readonly snapshots: number; readonly ledger: number }>;
  /** `full` after a disk-full error until a write succeeds again. */
  readonly state: 'ready' | 'full' | 'failed';
  /** Resolves when the thread ends by itself. */
  readonly died: Promise<Error>;
}
