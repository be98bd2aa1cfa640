import { Backoff } from '../core/backoff.ts';
import type { Context } from '../core/context.ts';
import { errorText, isSightlineError, SightlineError } from '../core/errors.ts';
import { findIdentity } from '../core/file-identity.ts';
import { FloodGate } from '../core/log.ts';
import type { OutboxRow, Store } from '../core/store.ts';
import { startThread, type Thread, type ThreadCalls } from '../core/thread.ts';
import { createAuditRows } from './audit-rows.ts';
import type { Unreadable } from './outbox.ts';
import type { Opened, StoreHandlers } from './thread.ts';

export interface StoreOptions {
  /** The data directory; made with mode 0700. */
  readonly directory: string;
}

/** Calls that may wait for the thread; beyond, the disk hangs and callers are told so. */
const maxPending = 1024;

type Running = { readonly thread: Thread<StoreHandlers>; readonly opened: Opened };

async function startStoreThread(directory: string): Promise<Running> {
  const thread = await startThread<StoreHandlers>(new URL('./thread.ts', import.meta.url), {
    name: 'store',
    data: undefined,
    closes: true,
  });
  try {
    return { thread, opened: await thread.calls.open(directory) };
  } catch (error) {
    await thread[Symbol.asyncDispose]();
    throw error;
  }
}

/** Alone in its memory: a view of a larger buffer would take all of it along to the thread. */
function compact(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : Uint8Array.from(bytes);
}

/** The disk and not the call is to blame: it fails, was made read-only or went away. */
function diskFails(error: unknown): boolean {
  const code = isSightlineError(error, 'store.failed') ? error.details['sqlite'] : undefined;
  return typeof code === 'string' && /^SQLITE_(IOERR|READONLY|CANTOPEN|PERM)/.test(code);
}

function isDamage({ details }: SightlineError): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(String(details['sqlite']));
}

function missingText(file: string): string {
  return `${file} was deleted or replaced while sightline runs, nothing is kept; stop sightline, put a backup in its place, start again`;
}

const threadDown = 'its thread ended and is started again';

/** How often the file is looked for when nothing is written. */
const lookEveryMs = 2000;

/**
 * Opens the store in its thread, alone: a second owner of the directory is refused with `daemon.running` and the first one's pid.
 * Also throws `store.schema` (a newer program's file) and `store.failed` (damaged, not writable). When the thread dies it is started
 * again with growing delays; until then calls give `store.failed`.
 */
export async function startStore({ directory }: StoreOptions, ctx: Context): Promise<Store> {
  const { clock, metrics } = ctx;
  const log = ctx.log.child({ room: 'store' });
  const failures = metrics.counter('sightline_store_errors_total', 'Calls that the store could not carry out.', ['code']);
  const restarts = metrics.counter('sightline_store_restarts_total', 'Times the store thread was started again.');
  const healthy = metrics.gauge('sightline_store_ready', '1 while the store takes writes, 0 while it is full or down.');
  const expired = metrics.counter(
    'sightline_outbox_expired_total',
    'Messages deleted by retention before an output took them.',
  );
  const spoilt = metrics.counter(
    'sightline_outbox_unreadable_total',
    'Messages put aside because what the store holds of them cannot be read.',
  );
  const commits = metrics.histogram('sightline_store_commit_seconds', 'Time to commit a decision, waiting included.', {
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2],
  });

  const ended = new AbortController();
  const backoff = new Backoff({ firstMs: 200, maxMs: 30_000 });
  let running: Running | undefined = await startStoreThread(directory);
  const { file, identity } = running.opened;
  const flood = new FloodGate(log, clock);
  let state: Store['state'] = 'ready';
  let reason: string | undefined;
  /** Why no write that happens to succeed makes it whole again, until a restart. */
  let damage: string | undefined;
  /** Why what is written is written nowhere: the file was deleted or replaced. */
  let missing: string | undefined;
  /** What the owner should know although all works. */
  let notice: string | undefined;
  let healing: Promise<void> | undefined;

  function become(next: Store['state'], why?: string): void {
    const lasting = damage ?? missing;
    const to = lasting === undefined ? next : 'failed';
    reason = lasting ?? why;
    if (to === state) return;
    if (to === 'ready') log.info({ was: state }, 'store takes writes again');
    if (to === 'full') log.error({ directory }, 'disk is full, alerts are not kept until there is space');
    state = to;
    healthy.set(to === 'ready' ? 1 : 0);
  }

  function suffer(failure: SightlineError): void {
    if (damage !== undefined) return;
    damage = failure.message;
    log.error({ reason: damage }, 'store is damaged');
    become('failed');
  }

  function setMissing(gone: boolean): void {
    if (gone === (missing !== undefined)) return;
    missing = gone ? missingText(file) : undefined;
    if (missing !== undefined) log.error({ reason: missing }, 'store is gone');
    if (gone || running === undefined) become('failed', threadDown);
    else become('ready');
  }

  function welcome({ opened }: Running): void {
    const { from, to } = opened.migrated;
    if (from === to) log.info({ file: opened.file, schema: to }, 'store open');
    else if (from === 0) log.info({ file: opened.file, schema: to }, 'store made');
    else log.info({ file: opened.file, from, to }, 'store migrated, a copy was kept');
    if (opened.erasure === 'finished') log.info('an unfinished erasure was finished');
    if (opened.erasure === 'waiting') log.error('an erasure is unfinished until there is space on the disk');
    if (opened.olderLife.length > 0) {
      notice = `${opened.file} is new beside what an earlier one left (${opened.olderLife.join(', ')}): watchlist and history begin anew; if that is not meant, stop sightline, put a backup in its place, start again`;
      log.warn({ reason: notice }, 'store begins anew where an older one was');
    }
    if (opened.exposed) log.warn({ directory }, 'others may look into the data directory, give it mode 0700');
  }

  function watch(current: Running): void {
    void current.thread.died.then((error) => {
      running = undefined;
      become('failed', threadDown);
      log.error({ err: error }, 'store thread ended');
      healing = heal();
    });
  }

  async function heal(): Promise<void> {
    const signal = AbortSignal.any([ctx.signal, ended.signal]);
    while (!signal.aborted) {
      try {
        await clock.sleep(backoff.next(), signal);
        // Another file would be opened, or an empty one made, and pass for the one that was lost.
        if ((await findIdentity(file)) !== identity) throw new SightlineError('store.failed', missingText(file));
        const next = await startStoreThread(directory);
        restarts.inc();
        running = next;
        watch(next);
        welcome(next);
        become('ready');
        return;
      } catch (error) {
        if (signal.aborted) return;
        flood.error('store thread does not start', { err: error, attempt: backoff.attempt });
      }
    }
  }

  async function call<T>(kind: 'read' | 'write', run: (calls: ThreadCalls<StoreHandlers>) => Promise<T>): Promise<T> {
    try {
      if (running === undefined) {
        const why = ended.signal.aborted ? 'the store is closed' : 'the store thread is down and will be started again';
        throw new SightlineError('store.failed', why);
      }
      if (kind === 'write' && missing !== undefined) throw new SightlineError('store.failed', missing);
      if (running.thread.pending >= maxPending) {
        throw new SightlineError('store.failed', `${maxPending} calls wait for the disk; no more are taken`);
      }
      const result = await run(running.thread.calls);
      if (kind === 'write') {
        backoff.reset();
        become('ready');
      }
      return result;
    } catch (error) {
      const failure = isSightlineError(error, 'thread.exited')
        ? new SightlineError('store.failed', `the store thread ended during a call: ${errorText(error)}`, { cause: error })
        : error;
      const code = isSightlineError(failure) ? failure.code : 'store.failed';
      failures.inc({ code });
      if (isSightlineError(failure) && isDamage(failure)) suffer(failure);
      else if (isSightlineError(failure) && failure.details['missing'] === true) setMissing(true);
      else if (code === 'store.full') become('full', 'full');
      else if (kind === 'write' && diskFails(failure) && state !== 'failed') {
        log.error({ directory, err: failure }, 'disk takes no writes, alerts are not kept until it does');
        become('failed', errorText(failure));
      }
      throw failure;
    }
  }

  const audit = createAuditRows((row) => call('write', (thread) => thread.addAudit(row)), { ...ctx, log });

  /** One that cannot be buried now is passed over and met again. */
  async function bury(output: string, { id, alertId, reason }: Unreadable): Promise<void> {
    try {
      await call('write', (thread) => thread.deadLetter(id, `unreadable: ${reason}`, clock.now()));
      spoilt.inc();
      log.error({ output, alert: alertId, reason }, 'message in the store cannot be read and is never sent');
    } catch (error) {
      log.error({ output, alert: alertId, reason, err: error }, 'message in the store can neither be read nor put aside');
    }
  }

  welcome(running);
  healthy.set(1);
  watch(running);
  const looking = clock.every(lookEveryMs, async () => {
    try {
      if (running === undefined) setMissing((await findIdentity(file)) !== identity);
      else setMissing(!(await running.thread.calls.isThere()));
      audit.retry();
    } catch (error) {
      if (!isSightlineError(error, 'thread.exited')) flood.error('store cannot be looked for', { reason: errorText(error) });
    }
  });

  return {
    alerts: {
      commit: async (commit) => {
        const started = clock.mono();
        const now = clock.now();
        const events = commit.events.map((event) =>
          event.snapshot === undefined ? event : { ...event, snapshot: compact(event.snapshot) },
        );
        const queued = await call('write', (thread) => thread.commit({ ...commit, events }, now));
        commits.observe((clock.mono() - started) / 1000);
        return queued.flatMap(({ id, output, event: place }): OutboxRow[] => {
          const event = commit.events[place];
          if (event === undefined) return [];
          const { alert, revision } = event;
          return [{ id, output, alertId: alert.id, revision, camera: alert.camera, createdAt: now, event }];
        });
      },
      loadOpen: () => call('read', (thread) => thread.loadOpen()),
      get: (id) => call('read', (thread) => thread.getAlert(id)),
      list: (query) => call('read', (thread) => thread.listAlerts(query)),
      snapshot: (alertId) => call('read', (thread) => thread.snapshot(alertId)),
    },
    outbox: {
      pending: async (output, limit, afterId) => {
        const { rows, unreadable } = await call('read', (thread) => thread.pending(output, limit, afterId));
        for (const row of unreadable) await bury(output, row);
        return rows;
      },
      acknowledge: (ids) => call('write', (thread) => thread.acknowledge(ids)),
      deadLetter: (id, reason) => call('write', (thread) => thread.deadLetter(id, reason, clock.now())),
      counts: () => call('read', (thread) => thread.outboxCounts()),
    },
    ledger: { query: (query) => call('read', (thread) => thread.queryLedger(query)) },
    watchlist: {
      load: () => call('read', (thread) => thread.loadWatchlist()),
      image: (referenceId) => call('read', (thread) => thread.referenceImage(referenceId)),
      put: (entry, references) =>
        call('write', (thread) =>
          thread.putEntry(
            entry,
            references.map((reference) => ({
              ...reference,
              vector: reference.vector.slice(),
              image: compact(reference.image),
            })),
          ),
        ),
      replaceVector: (referenceId, space, vector) =>
        call('write', (thread) => thread.replaceVector(referenceId, space, vector.slice())),
      removeReference: (id) => call('write', (thread) => thread.removeReference(id)),
      markRemoved: (entryId) => call('write', (thread) => thread.markRemoved(entryId)),
      erase: (entryId) => call('write', (thread) => thread.erase(entryId, clock.now())),
    },
    audit: {
      add: (row) => audit.add(row),
      query: async (query) => {
        await audit.settled();
        return await call('read', (thread) => thread.queryAudit(query));
      },
      list: async (limit) => {
        await audit.settled();
        return await call('read', (thread) => thread.listAudit(limit));
      },
    },
    users: {
      load: () => call('read', (thread) => thread.loadUsers()),
      add: (user) => call('write', (thread) => thread.addUser(user)),
      replace: (user, endedSessions, endedTokens) =>
        call('write', (thread) => thread.replaceUser(user, endedSessions, endedTokens)),
      remove: (name, endedTokens) => call('write', (thread) => thread.removeUser(name, endedTokens)),
      addSession: (session, endedSessions) => call('write', (thread) => thread.addSession(session, endedSessions)),
      endSessions: (hashes) => call('write', (thread) => thread.endSessions(hashes)),
      touch: (used) => call('write', (thread) => thread.touchUsers(used)),
      addToken: (token) => call('write', (thread) => thread.addToken(token)),
      removeToken: (id) => call('write', (thread) => thread.removeToken(id)),
      offerSetup: (link) => call('write', (thread) => thread.offerSetup(link)),
      completeSetup: (hash, user) => call('write', (thread) => thread.completeSetup(hash, user, clock.now())),
    },
    clips: {
      add: (clip, entries) => call('write', (thread) => thread.addClip(clip, entries)),
      get: (alertId) => call('read', (thread) => thread.getClip(alertId)),
      ofEntry: (entryId) => call('read', (thread) => thread.clipsOfEntry(entryId)),
      ids: () => call('read', (thread) => thread.clipIds()),
      surplus: (keep) => call('read', (thread) => thread.surplusClips(keep)),
      remove: (alertIds) => call('write', (thread) => thread.removeClips(alertIds)),
      totals: () => call('read', (thread) => thread.clipTotals()),
    },
    clock: {
      trusted: () => call('read', (thread) => thread.trustedClock()),
      trust: (at) => call('write', (thread) => thread.trustClock(at)),
    },
    nextEpoch: (camera) => call('write', (thread) => thread.nextEpoch(camera)),
    sweep: async (nowMs, retention) => {
      let total = { alerts: 0, snapshots: 0, ledger: 0, outbox: 0 };
      let more = true;
      while (more) {
        const swept = await call('write', (thread) => thread.sweep(nowMs, retention));
        total = {
          alerts: total.alerts + swept.alerts,
          snapshots: total.snapshots + swept.snapshots,
          ledger: total.ledger + swept.ledger,
          outbox: total.outbox + swept.outbox,
        };
        more = swept.more;
      }
      await call('write', (thread) => thread.finishSweep(nowMs));
      if (total.outbox > 0) {
        expired.inc(total.outbox);
        log.warn({ count: total.outbox }, 'messages that no output took were deleted by retention');
      }
      return total;
    },
    get state() {
      return state;
    },
    get reason() {
      return state === 'ready' ? notice : reason;
    },
    [Symbol.asyncDispose]: async () => {
      await audit[Symbol.asyncDispose]();
      ended.abort();
      looking[Symbol.dispose]();
      await healing;
      flood[Symbol.dispose]();
      const last = running;
      running = undefined;
      await last?.thread[Symbol.asyncDispose]();
    },
  };
}
