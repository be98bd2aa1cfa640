import type { Alert, AlertEvent, LedgerReason, LedgerRow } from './alerts.ts';
import type { Box, CameraId, FivePoints, MatchKind } from './types.ts';

/**
 * What the store can do, one interface per subject; `store/` implements them on SQLite in a thread of its own, and each room is
 * given only its own. Every method is one transaction. Errors: `store.full`, `store.failed`.
 */

/** A message that must reach an output. Ids rise with every commit and are never given twice. */
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
  /**
   * Returns the outbox rows it made. An event whose revision is stored already is not written again (its rows that still wait are
   * returned), so a commit whose outcome is unknown may be repeated. The counts of ledger rows are added to the stored row of the
   * same track, kind, entry and reason.
   */
  commit(commit: AlertCommit): Promise<readonly OutboxRow[]>;
  loadOpen(): Promise<{
    readonly episodes: readonly EpisodeRecord[];
    readonly alerts: readonly { alert: Alert; revision: number }[];
    readonly cooldowns: readonly CooldownRecord[];
  }>;
  get(id: string): Promise<{ readonly alert: Alert; readonly revision: number } | undefined>;
  /** Latest first seen first; `from` and `to` select alerts that were in view in between. A cursor that is none: `control.request`. */
  list(query: AlertQuery): Promise<{ readonly alerts: readonly Alert[]; readonly cursor?: string }>;
  snapshot(alertId: string): Promise<Uint8Array | undefined>;
}

/** The clip of an alert; its files lie beside the store. */
export interface ClipRecord {
  readonly alertId: string;
  readonly camera: CameraId;
  /** Of its files together. */
  readonly bytes: number;
  /** Camera time of the first and the last picture, milliseconds since 1970. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Wall clock. */
  readonly storedAt: number;
}

export interface ClipStore {
  /** `entries` are named in its files. False, and nothing written: the alert is gone or one of the entries is erased, so the files must go. */
  add(clip: ClipRecord, entries: readonly string[]): Promise<boolean>;
  get(alertId: string): Promise<ClipRecord | undefined>;
  /** Alerts whose clips are of this entry or name it. */
  ofEntry(entryId: string): Promise<readonly string[]>;
  /** Alerts that have a clip. */
  ids(): Promise<readonly string[]>;
  /** What must go, oldest first: stored before that time, or more than so many bytes together, or of alerts that are gone. */
  surplus(keep: { readonly storedBefore: number; readonly bytes: number }): Promise<readonly string[]>;
  remove(alertIds: readonly string[]): Promise<void>;
  totals(): Promise<{ readonly clips: number; readonly bytes: number }>;
}

export interface OutboxStore {
  /** Oldest first, not yet acknowledged, of this output; with `afterId` only rows of greater id, so that a reader can page on. */
  pending(output: string, limit: number, afterId?: number): Promise<readonly OutboxRow[]>;
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
  /** The object in pixels of `image`, so that it can be embedded again; faces have their five points. */
  readonly box: Box;
  readonly landmarks?: FivePoints;
  readonly quality: number;
  /** Enrolled although the photo was refused: the entry's threshold is raised for it. */
  readonly accepted: boolean;
  readonly source: string;
  readonly addedAt: number;
}

/** A reference without its picture. */
export type ReferenceHead = Omit<ReferenceRecord, 'image'>;

export interface LoadedWatchlist {
  readonly entries: readonly EntryRecord[];
  /** Of these entries. */
  readonly references: readonly ReferenceHead[];
  /** Marked by `markRemoved` and not erased yet: nobody to be matched, but to be erased. */
  readonly removed: readonly EntryRecord[];
}

export interface WatchlistStore {
  load(): Promise<LoadedWatchlist>;
  image(referenceId: string): Promise<Uint8Array | undefined>;
  /** Writes the entry and adds these references, or replaces those of the same id; others stay. */
  put(entry: EntryRecord, references: readonly ReferenceRecord[]): Promise<void>;
  /** The same picture embedded anew. */
  replaceVector(referenceId: string, space: string, vector: Float32Array): Promise<void>;
  /** Erases it as `erase` does. */
  removeReference(id: string): Promise<void>;
  /** Remembers that the entry is to be erased, before that is tried: `load` gives it as `removed` from then on. */
  markRemoved(entryId: string): Promise<void>;
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

/** The wall clock that was believed last (`clock-trust.ts`), milliseconds since 1970. */
export interface ClockStore {
  /** Undefined in a store that is new. */
  trusted(): Promise<number | undefined>;
  trust(at: number): Promise<void>;
}

export interface Store extends AsyncDisposable {
  readonly alerts: AlertStore;
  readonly outbox: OutboxStore;
  readonly ledger: LedgerStore;
  readonly watchlist: WatchlistStore;
  readonly audit: AuditStore;
  readonly clips: ClipStore;
  readonly clock: ClockStore;
  /** Next epoch number of a camera; never given twice, also across restarts. */
  nextEpoch(camera: CameraId): Promise<number>;
  /** Deletes what was written longer ago than its retention, by wall clock; alerts of open episodes stay. `outbox`: messages no output took in that time. */
  sweep(
    nowMs: number,
    retention: Retention,
  ): Promise<{ readonly alerts: number; readonly snapshots: number; readonly ledger: number; readonly outbox: number }>;
  /**
   * `full` after a disk-full error and `failed` after an error of the disk, until a write succeeds again; `failed` also while its
   * thread is down: calls give `store.failed`, and it starts another one by itself. `failed` until a restart once the file was found
   * damaged, and while it is not where it was opened: then nothing is written.
   */
  readonly state: 'ready' | 'full' | 'failed';
  /** Why it is not ready, in words; `full` for that. Of one that is: that it began anew beside files of an older one. */
  readonly reason: string | undefined;
}
