import type { Database } from 'better-sqlite3';
import type { Alert } from '../core/alerts.ts';
import { passed } from '../core/checkpoints.ts';
import { SightlineError } from '../core/errors.ts';
import type { AlertCommit, AlertQuery, CooldownRecord, EpisodeRecord } from '../core/store.ts';
import { type Erased, withoutEntry } from './erased.ts';
import { createLedger } from './ledger.ts';

interface AlertRow {
  readonly alert: string;
  readonly revision: number;
}

interface EpisodeRow {
  readonly id: string;
  readonly entry_id: string;
  readonly kind: EpisodeRecord['kind'];
  readonly open: number;
  readonly started_at: number;
  readonly last_seen_at: number;
  readonly state: string;
}

/** An outbox row without its event, which the caller has: `event` is its place in the commit. */
export interface QueuedEvent {
  readonly id: number;
  readonly output: string;
  readonly event: number;
}

/** Largest page of `list`. */
const maxPage = 1000;

/** An alert is open until it was closed, resolved or rejected once. */
function isOpen(alert: Alert): boolean {
  return !alert.steps.some(({ state }) => state === 'closed' || state === 'resolved' || state === 'rejected');
}

function mentions(alert: Alert, entryId: string): boolean {
  return alert.entry?.id === entryId || alert.top.some((candidate) => candidate.entryId === entryId);
}

function parse(text: string): Alert {
  return JSON.parse(text) as Alert;
}

function encodeCursor(row: { readonly first_seen_at: number; readonly id: string }): string {
  return Buffer.from(JSON.stringify([row.first_seen_at, row.id])).toString('base64url');
}

/** Undefined for text that is no cursor of ours. */
export function decodeCursor(cursor: string): { readonly firstSeenAt: number; readonly id: string } | undefined {
  try {
    const [firstSeenAt, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    return typeof firstSeenAt === 'number' && typeof id === 'string' ? { firstSeenAt, id } : undefined;
  } catch {
    return undefined;
  }
}

export function createAlerts(db: Database, erased: Erased) {
  const ledger = createLedger(db);
  const storedRevision = db.prepare<[string], { revision: number }>('SELECT revision FROM alerts WHERE id = ?');
  const putAlert = db.prepare(`
    INSERT INTO alerts (id, episode_id, entry_id, open, revision, first_seen_at, last_seen_at, stored_at, alert, snapshot_id)
    VALUES (@id, @episodeId, @entryId, @open, @revision, @firstSeenAt, @lastSeenAt, @now, @alert, @snapshotId)
    ON CONFLICT (id) DO UPDATE SET open = @open, revision = @revision, first_seen_at = @firstSeenAt, last_seen_at = @lastSeenAt,
      stored_at = @now, alert = @alert, snapshot_id = CASE
        WHEN @snapshotId IS NOT NULL THEN @snapshotId
        -- The picture of another camera is not for everybody who may read the alert from now on.
        WHEN json_extract(alert, '$.camera') = json_extract(@alert, '$.camera') THEN snapshot_id
      END`);
  const putCamera = db.prepare('INSERT OR IGNORE INTO alert_cameras (alert_id, camera) VALUES (?, ?)');
  const putSnapshot = db.prepare('INSERT INTO snapshots (alert_id, stored_at, guard, image) VALUES (?, ?, zeroblob(4096), ?)');
  const putEvent = db.prepare(`
    INSERT INTO events (alert_id, revision, entry_id, final, camera, created_at, alert, step, snapshot_id)
    VALUES (@alertId, @revision, @entryId, @final, @camera, @now, @alert, @step, @snapshotId)`);
  const putOutbox = db.prepare('INSERT INTO outbox (output, event_id) VALUES (?, ?)');
  const waiting = db.prepare<[string, number], { id: number; output: string }>(`
    SELECT outbox.id, output FROM outbox JOIN events ON events.id = event_id WHERE alert_id = ? AND revision = ? ORDER BY outbox.id`);
  const dropSnapshots = db.prepare(`
    DELETE FROM snapshots WHERE alert_id = ?
      AND NOT EXISTS (SELECT 1 FROM alerts WHERE snapshot_id = snapshots.id)
      AND NOT EXISTS (SELECT 1 FROM events WHERE snapshot_id = snapshots.id)`);
  const putEpisode = db.prepare(`
    INSERT INTO episodes (id, entry_id, kind, open, started_at, last_seen_at, state)
    VALUES (@id, @entryId, @kind, @open, @startedAt, @lastSeenAt, @state)
    ON CONFLICT (id) DO UPDATE SET open = @open, last_seen_at = @lastSeenAt, state = @state`);
  const putCooldown = db.prepare(
    'INSERT INTO cooldowns (key, at) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET at = excluded.at',
  );

  const openEpisodes = db.prepare<[], EpisodeRow>('SELECT * FROM episodes WHERE open = 1 ORDER BY started_at, id');
  const openAlerts = db.prepare<[], AlertRow>(`
    SELECT alert, revision FROM alerts WHERE open = 1 OR episode_id IN (SELECT id FROM episodes WHERE open = 1)
    ORDER BY first_seen_at, id`);
  const cooldowns = db.prepare<[], CooldownRecord>('SELECT key, at FROM cooldowns ORDER BY key');
  const one = db.prepare<[string], AlertRow>('SELECT alert, revision FROM alerts WHERE id = ?');
  const image = db.prepare<[string], { image: Uint8Array }>(
    'SELECT image FROM snapshots JOIN alerts ON alerts.snapshot_id = snapshots.id WHERE alerts.id = ?',
  );
  const page = db.prepare<[Record<string, unknown>], { id: string; first_seen_at: number; alert: string }>(`
    SELECT id, first_seen_at, alert FROM alerts
    WHERE (@from IS NULL OR last_seen_at >= @from) AND (@to IS NULL OR first_seen_at < @to)
      AND (@entryId IS NULL OR entry_id = @entryId) AND (@open IS NULL OR open = @open)
      AND (@camera IS NULL OR EXISTS (SELECT 1 FROM alert_cameras WHERE alert_id = alerts.id AND camera = @camera))
      AND (@ofCameras IS NULL OR json_extract(alert, '$.camera') IN (SELECT value FROM json_each(@ofCameras)))
      AND (@list IS NULL OR json_extract(alert, '$.entry.list') = @list)
      AND (@state IS NULL OR json_extract(alert, '$.state') = @state)
      AND (@afterId IS NULL OR (first_seen_at, id) < (@afterTime, @afterId))
    ORDER BY first_seen_at DESC, id DESC LIMIT @limit`);

  function commitEvent(commit: AlertCommit, place: number, now: number): readonly QueuedEvent[] {
    const event = commit.events[place];
    if (event === undefined) return [];
    const { revision, step } = event;
    const stored = storedRevision.get(event.alert.id)?.revision ?? 0;
    if (revision <= stored) return waiting.all(event.alert.id, revision).map((row) => ({ ...row, event: place }));
    const alert = erased
      .ids()
      .filter((id) => mentions(event.alert, id))
      .reduce(withoutEntry, event.alert);
    const entryId = alert.entry?.id ?? null;
    const gone = entryId !== null && erased.has(entryId);
    // Of an erased entry only the end is still told.
    if (gone && isOpen(alert)) return [];
    const snapshot = gone ? undefined : event.snapshot;
    const snapshotId = snapshot === undefined ? null : putSnapshot.run(alert.id, now, snapshot).lastInsertRowid;
    const text = JSON.stringify(alert);
    if (!gone) {
      putAlert.run({
        id: alert.id,
        episodeId: alert.episodeId,
        entryId,
        open: isOpen(alert) ? 1 : 0,
        revision,
        firstSeenAt: alert.firstSeenAt,
        lastSeenAt: alert.lastSeenAt,
        now,
        alert: text,
        snapshotId,
      });
      for (const camera of new Set([alert.camera, ...alert.cameras])) putCamera.run(alert.id, camera);
    }
    const queued: QueuedEvent[] = [];
    if (commit.outputs.length > 0) {
      const eventId = putEvent.run({
        alertId: alert.id,
        revision,
        entryId,
        final: isOpen(alert) ? 0 : 1,
        camera: alert.camera,
        now,
        alert: text,
        step: JSON.stringify(step),
        snapshotId,
      }).lastInsertRowid;
      for (const output of new Set(commit.outputs)) {
        queued.push({ id: Number(putOutbox.run(output, eventId).lastInsertRowid), output, event: place });
      }
    }
    dropSnapshots.run(alert.id);
    return queued;
  }

  return {
    /** An event whose revision is stored already is left alone; its rows that still wait are returned. */
    commit: db.transaction((commit: AlertCommit, now: number): readonly QueuedEvent[] => {
      passed('transaction begun', commit.events);
      const queued = commit.events.flatMap((_event, place) => commitEvent(commit, place, now));
      for (const episode of commit.episodes) {
        if (!erased.has(episode.entryId)) putEpisode.run({ ...episode, open: episode.open ? 1 : 0 });
      }
      for (const { key, at } of commit.cooldowns) {
        if (!erased.ids().some((id) => key.includes(id))) putCooldown.run(key, at);
      }
      ledger.add(
        commit.ledger.filter(({ entryId }) => entryId === undefined || !erased.has(entryId)),
        now,
      );
      passed('transaction written', commit.events);
      return queued;
    }),
    loadOpen: () => ({
      episodes: openEpisodes.all().map(
        (row): EpisodeRecord => ({
          id: row.id,
          entryId: row.entry_id,
          kind: row.kind,
          open: row.open === 1,
          startedAt: row.started_at,
          lastSeenAt: row.last_seen_at,
          state: row.state,
        }),
      ),
      alerts: openAlerts.all().map(({ alert, revision }) => ({ alert: parse(alert), revision })),
      cooldowns: cooldowns.all(),
    }),
    get: (id: string) => {
      const row = one.get(id);
      return row === undefined ? undefined : { alert: parse(row.alert), revision: row.revision };
    },
    list: (query: AlertQuery) => {
      const limit = Math.max(1, Math.min(maxPage, Math.trunc(query.limit)));
      const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
      if (query.cursor !== undefined && after === undefined)
        throw new SightlineError('control.request', 'the cursor is not one that a page gave');
      const rows = page.all({
        from: query.from ?? null,
        to: query.to ?? null,
        entryId: query.entryId ?? null,
        open: query.open === undefined ? null : query.open ? 1 : 0,
        camera: query.camera ?? null,
        ofCameras: query.ofCameras === undefined ? null : JSON.stringify(query.ofCameras),
        list: query.list ?? null,
        state: query.state ?? null,
        afterTime: after?.firstSeenAt ?? null,
        afterId: after?.id ?? null,
        limit: limit + 1,
      });
      const shown = rows.slice(0, limit);
      const last = shown.at(-1);
      const alerts = shown.map(({ alert }) => parse(alert));
      return rows.length > limit && last !== undefined ? { alerts, cursor: encodeCursor(last) } : { alerts };
    },
    snapshot: (alertId: string): Uint8Array | undefined => image.get(alertId)?.image,
  };
}
