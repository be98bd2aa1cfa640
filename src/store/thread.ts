import { passed } from '../core/checkpoints.ts';
import { isSightlineError, SightlineError } from '../core/errors.ts';
import { identityOf } from '../core/file-identity.ts';
import { serveThread } from '../core/thread.ts';
import { createAlerts } from './alerts.ts';
import { createAudit } from './audit.ts';
import { createClips } from './clips.ts';
import { type OpenedDatabase, openDatabase, storeError } from './database.ts';
import { createEpochs } from './epochs.ts';
import { createErased } from './erased.ts';
import { createLedger } from './ledger.ts';
import { createOutbox } from './outbox.ts';
import { createReserve } from './reserve.ts';
import { createRetention } from './retention.ts';
import { createTrusted } from './trusted.ts';
import { createUsers } from './users.ts';
import { createWatchlist } from './watchlist.ts';

/** The store's thread: opens the file on `open`, then answers one call after the other, each a transaction. */

function openSubjects(directory: string) {
  const opened = openDatabase(directory);
  try {
    return prepareSubjects(opened, directory);
  } catch (error) {
    opened.close();
    throw storeError(error, opened.file);
  }
}

function prepareSubjects(opened: OpenedDatabase, directory: string) {
  const { db, file } = opened;
  const reserve = createReserve(directory);
  const erased = createErased(db);
  const subjects = {
    alerts: createAlerts(db, erased),
    outbox: createOutbox(db),
    ledger: createLedger(db),
    watchlist: createWatchlist(db, file, erased),
    audit: createAudit(db),
    users: createUsers(db),
    clips: createClips(db, erased),
    epochs: createEpochs(db),
    trusted: createTrusted(db),
    retention: createRetention(db, file, erased),
  };
  return { opened, subjects, reserve };
}

type Subjects = ReturnType<typeof openSubjects>['subjects'];

export interface Opened {
  readonly file: string;
  readonly identity: string | undefined;
  readonly migrated: OpenedDatabase['migrated'];
  readonly exposed: boolean;
  readonly olderLife: OpenedDatabase['olderLife'];
  /** Whether an erasure had been left unfinished, and was finished or has to wait (the disk is full). */
  readonly erasure: 'none' | 'finished' | 'waiting';
}

function finishErasure({ watchlist }: Subjects, file: string): Opened['erasure'] {
  try {
    if (!watchlist.hasUnfinished()) return 'none';
    watchlist.finish();
    return 'finished';
  } catch (error) {
    const failure = storeError(error, file);
    if (failure.code === 'store.full') return 'waiting';
    throw failure;
  }
}

function createHandlers() {
  let state: ReturnType<typeof openSubjects> | undefined;

  /** A call on one subject, its errors in our words. */
  function on<A extends unknown[], R>(run: (subjects: Subjects, ...args: A) => R): (...args: A) => R {
    return (...args) => {
      if (state === undefined) throw new SightlineError('store.failed', 'the store is not open');
      try {
        return run(state.subjects, ...args);
      } catch (error) {
        throw storeError(error, state.opened.file);
      }
    };
  }

  /** The same for a call that deletes: on a full disk it has the reserve. */
  function deleting<A extends unknown[], R>(run: (subjects: Subjects, ...args: A) => R): (...args: A) => R {
    const attempt = on(run);
    return (...args) => {
      try {
        return attempt(...args);
      } catch (error) {
        if (!isSightlineError(error, 'store.full') || state?.reserve.spend() !== true) throw error;
        return attempt(...args);
      }
    };
  }

  function isThere(): boolean {
    return state !== undefined && identityOf(state.opened.file) === state.opened.identity;
  }

  return {
    open: (directory: string): Opened => {
      state = openSubjects(directory);
      const { file, identity, migrated, exposed, olderLife } = state.opened;
      const erasure = finishErasure(state.subjects, file);
      state.reserve.restore();
      return { file, identity, migrated, exposed, olderLife, erasure };
    },
    close: (): void => {
      state?.opened.close();
      state = undefined;
    },
    /** Whether the file is still where it was opened: SQLite writes on into one that was deleted. */
    isThere,
    commit: on((all, ...args: Parameters<Subjects['alerts']['commit']>) => {
      if (!isThere()) throw new SightlineError('store.failed', 'the file of the store is gone', { details: { missing: true } });
      const queued = all.alerts.commit.immediate(...args);
      passed('transaction committed', args[0].events);
      return queued;
    }),
    loadOpen: on((all) => all.alerts.loadOpen()),
    getAlert: on((all, id: string) => all.alerts.get(id)),
    listAlerts: on((all, ...args: Parameters<Subjects['alerts']['list']>) => all.alerts.list(...args)),
    snapshot: on((all, id: string) => all.alerts.snapshot(id)),
    pending: on((all, ...args: Parameters<Subjects['outbox']['pending']>) => all.outbox.pending(...args)),
    acknowledge: on((all, ids: readonly number[]) => {
      all.outbox.acknowledge(ids);
      passed('removal committed', ids);
    }),
    deadLetter: on((all, ...args: Parameters<Subjects['outbox']['deadLetter']>) => all.outbox.deadLetter.immediate(...args)),
    outboxCounts: on((all) => all.outbox.counts()),
    queryLedger: on((all, ...args: Parameters<Subjects['ledger']['query']>) => all.ledger.query(...args)),
    loadWatchlist: on((all) => all.watchlist.load()),
    referenceImage: on((all, id: string) => all.watchlist.image(id)),
    putEntry: on((all, ...args: Parameters<Subjects['watchlist']['put']>) => all.watchlist.put.immediate(...args)),
    replaceVector: on((all, ...args: Parameters<Subjects['watchlist']['replaceVector']>) =>
      all.watchlist.replaceVector.immediate(...args),
    ),
    removeReference: deleting((all, id: string) => all.watchlist.removeReference(id)),
    markRemoved: deleting((all, entryId: string) => all.watchlist.markRemoved(entryId)),
    erase: deleting((all, ...args: Parameters<Subjects['watchlist']['erase']>) => all.watchlist.erase(...args)),
    addAudit: on((all, ...args: Parameters<Subjects['audit']['add']>) => all.audit.add(...args)),
    listAudit: on((all, limit: number) => all.audit.list(limit)),
    queryAudit: on((all, ...args: Parameters<Subjects['audit']['query']>) => all.audit.query(...args)),
    loadUsers: on((all) => all.users.load()),
    addUser: on((all, ...args: Parameters<Subjects['users']['add']>) => all.users.add.immediate(...args)),
    // Whoever loses rights loses them on a full disk too.
    replaceUser: deleting((all, ...args: Parameters<Subjects['users']['replace']>) => all.users.replace.immediate(...args)),
    removeUser: deleting((all, ...args: Parameters<Subjects['users']['remove']>) => all.users.remove.immediate(...args)),
    addSession: on((all, ...args: Parameters<Subjects['users']['addSession']>) => all.users.addSession.immediate(...args)),
    endSessions: deleting((all, hashes: readonly string[]) => all.users.endSessions.immediate(hashes)),
    touchUsers: on((all, ...args: Parameters<Subjects['users']['touch']>) => all.users.touch.immediate(...args)),
    addToken: on((all, ...args: Parameters<Subjects['users']['addToken']>) => all.users.addToken.immediate(...args)),
    removeToken: deleting((all, id: string) => all.users.removeToken(id)),
    offerSetup: on((all, ...args: Parameters<Subjects['users']['offerSetup']>) => all.users.offerSetup.immediate(...args)),
    completeSetup: on((all, ...args: Parameters<Subjects['users']['completeSetup']>) =>
      all.users.completeSetup.immediate(...args),
    ),
    addClip: on((all, ...args: Parameters<Subjects['clips']['add']>) => all.clips.add.immediate(...args)),
    getClip: on((all, alertId: string) => all.clips.get(alertId)),
    clipsOfEntry: on((all, entryId: string) => all.clips.ofEntry(entryId)),
    clipIds: on((all) => all.clips.ids()),
    surplusClips: on((all, ...args: Parameters<Subjects['clips']['surplus']>) => all.clips.surplus(...args)),
    removeClips: deleting((all, alertIds: readonly string[]) => all.clips.remove.immediate(alertIds)),
    clipTotals: on((all) => all.clips.totals()),
    trustedClock: on((all) => all.trusted.get()),
    trustClock: on((all, at: number) => all.trusted.put(at)),
    nextEpoch: on((all, camera: string) => all.epochs.next(camera)),
    sweep: deleting((all, ...args: Parameters<Subjects['retention']['sweep']>) => all.retention.sweep.immediate(...args)),
    finishSweep: on((all, now: number) => {
      all.retention.finish(now);
      state?.reserve.restore();
    }),
  };
}

export type StoreHandlers = ReturnType<typeof createHandlers>;

await serveThread(createHandlers);
