import type { Permission, Role } from './access.ts';
import type { Alert, AlertEvent, AlertState, LedgerReason, LedgerRow } from './alerts.ts';
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
  /** Only alerts whose sighting, the one described, is of one of these cameras. */
  readonly ofCameras?: readonly CameraId[];
  /** List of the entry. */
  readonly list?: string;
  readonly state?: AlertState;
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
  /** Only rows of these cameras. */
  readonly ofCameras?: readonly CameraId[];
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
  /** How it is known: by faces, by clothed bodies, or by words alone. */
  readonly kind: 'face' | 'body' | 'description';
  readonly notes: string;
  readonly reason: string;
  readonly addedBy: string;
  readonly addedAt: number;
  readonly expiresAt?: number;
  /** Own open threshold (cosine); the embedding space's default otherwise. */
  readonly threshold?: number;
}

/** One enrolled photo or description; `negative` examples lower matches of this entry that look more like them. */
export interface ReferenceRecord {
  readonly id: string;
  readonly entryId: string;
  readonly negative: boolean;
  readonly space: string;
  readonly vector: Float32Array;
  /** What to look for, in words. Then there is no picture: `image` is empty, `box` is nowhere, `quality` is 1. */
  readonly text?: string;
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

export interface AuditQuery {
  /** From this time on, and before that one; milliseconds since 1970. */
  readonly from?: number;
  readonly to?: number;
  readonly actor?: string;
  readonly limit: number;
  /** Opaque; from the previous page. */
  readonly cursor?: string;
}

export interface AuditPage {
  readonly items: readonly AuditRow[];
  readonly cursor?: string;
}

/** Rows are added and never changed; retention alone deletes them. */
export interface AuditStore {
  /**
   * Never rejects. Resolves once the row is stored or, while the store takes no writes, kept to be stored in its turn; one that is lost is
   * counted and in the log.
   */
  add(row: AuditRow): Promise<void>;
  /** Newest first. A cursor that is none: `control.request`. */
  query(query: AuditQuery): Promise<AuditPage>;
  list(limit: number): Promise<readonly AuditRow[]>;
}

/** Somebody who may log in. No secret is in it: hashes alone. */
export interface UserRecord {
  readonly name: string;
  readonly role: Role;
  readonly cameras: 'all' | readonly CameraId[];
  readonly pictures: boolean;
  readonly disabled: boolean;
  /** As `http/auth/passwords.ts` writes it. */
  readonly passwordHash: string;
  /** Of the stream password (`StreamUser`), where there is one. */
  readonly ha1?: { readonly md5: string; readonly sha256: string };
  readonly createdAt: number;
}

export type AddressKind = 'loopback' | 'private' | 'public';

export interface SessionRecord {
  /** SHA-256 of the session id, base64url. */
  readonly hash: string;
  readonly user: string;
  readonly createdAt: number;
  readonly lastSeenAt: number;
  /** However much it is used. */
  readonly expiresAt: number;
  readonly addressKind: AddressKind;
}

/** A token for programs. */
export interface TokenRecord {
  readonly id: string;
  /** SHA-256 of the token, base64url. */
  readonly hash: string;
  readonly name: string;
  readonly scopes: readonly Permission[];
  readonly cameras: 'all' | readonly CameraId[];
  readonly createdBy: string;
  readonly createdAt: number;
  readonly expiresAt?: number;
  readonly lastUsedAt?: number;
}

/**
 * Who may come in. Names differ by more than upper and lower case. `user.refused` with `details.conflict` where no enabled admin
 * would be left; `user.unknown`, `user.exists`.
 */
export interface UserStore {
  load(): Promise<{
    readonly users: readonly UserRecord[];
    readonly sessions: readonly SessionRecord[];
    readonly tokens: readonly TokenRecord[];
    /** When users were last there, also those who have no session any more. */
    readonly seen: readonly { readonly user: string; readonly at: number }[];
  }>;
  add(user: UserRecord): Promise<void>;
  /** Replaces the record of that name and ends these sessions and, by their ids, tokens. */
  replace(user: UserRecord, endedSessions: readonly string[], endedTokens: readonly string[]): Promise<void>;
  /** With their sessions and, by their ids, these tokens. */
  remove(name: string, endedTokens: readonly string[]): Promise<void>;
  /** Adds one, ends others in its favour. */
  addSession(session: SessionRecord, endedSessions: readonly string[]): Promise<void>;
  endSessions(hashes: readonly string[]): Promise<void>;
  /** When sessions and tokens were used last, and users were last there; those that are gone are passed over. */
  touch(used: {
    readonly users: readonly { readonly user: string; readonly at: number }[];
    readonly sessions: readonly { readonly hash: string; readonly at: number }[];
    readonly tokens: readonly { readonly id: string; readonly at: number }[];
  }): Promise<void>;
  addToken(token: TokenRecord): Promise<void>;
  removeToken(id: string): Promise<void>;
  /** Takes the place of an earlier link. `user.exists` once there is a user. */
  offerSetup(link: { readonly hash: string; readonly expiresAt: number }): Promise<void>;
  /** Makes the first user and takes the link away. `http.auth` when the link is another or over, `user.exists` once there is a user. */
  completeSetup(hash: string, user: UserRecord): Promise<void>;
}

export interface Retention {
  readonly alertsMs: number;
  readonly snapshotsMs: number;
  readonly ledgerMs: number;
  /** Absent: a year. */
  readonly auditMs?: number;
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
  readonly users: UserStore;
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
