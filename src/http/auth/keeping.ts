import type { Context } from '../../core/context.ts';
import { errorText } from '../../core/errors.ts';
import { FloodGate } from '../../core/log.ts';
import type { AddressKind, SessionRecord, UserStore } from '../../core/store.ts';
import type { Sessions } from './sessions.ts';
import { type Tokens, tokenUser } from './tokens.ts';

/**
 * Keeps what is in memory of sessions and tokens in the store, late where it must be: nobody waits at the door because the disk is full.
 * Ends what is over.
 */

export interface CredentialKeeping extends AsyncDisposable {
  /** A new session and the id for its cookie. It holds although it could not be stored; then a restart ends it. */
  open(user: string, addressKind: AddressKind): Promise<{ readonly id: string; readonly record: SessionRecord }>;
  /** At once in memory; in the store now, or as soon as it takes writes. */
  close(hash: string): Promise<void>;
}

const overEveryMs = 10_000;
const storeEveryMs = 60_000;
/** Sessions whose end could not be stored yet. */
const maxUnended = 10_000;

export interface KeepingOptions {
  readonly store: Pick<UserStore, 'addSession' | 'endSessions' | 'touch'>;
  readonly sessions: Sessions;
  readonly tokens: Tokens;
  /** A user has no session left, or a token is over. */
  readonly onOver: (user: string, cause: 'logout') => void;
}

export function startCredentialKeeping(options: KeepingOptions, ctx: Context): CredentialKeeping {
  const { store, sessions, tokens, onOver } = options;
  const { clock, metrics } = ctx;
  const flood = new FloodGate(ctx.log, clock);
  const failures = metrics.counter(
    'sightline_auth_store_failures_total',
    'Sessions and times of use that were not stored at once.',
  );
  const open = metrics.gauge('sightline_auth_sessions', 'Sessions that are logged in.');
  open.set(sessions.size);
  const unended = new Set<string>();

  async function tryTo(what: string, run: () => Promise<void>): Promise<boolean> {
    try {
      await run();
      return true;
    } catch (error) {
      failures.inc();
      flood.warn(what, { reason: errorText(error) });
      return false;
    }
  }

  async function storeEnds(hashes: readonly string[]): Promise<void> {
    for (const hash of hashes) if (unended.size < maxUnended) unended.add(hash);
    const all = [...unended];
    if (all.length === 0) return;
    const isStored = await tryTo('sessions that ended are still in the store', () => store.endSessions(all));
    if (isStored) for (const hash of all) unended.delete(hash);
  }

  function sayOver(ended: readonly SessionRecord[]): void {
    open.set(sessions.size);
    const usersOf = new Set(ended.map(({ user }) => user));
    for (const user of usersOf) if (sessions.of(user).length === 0) onOver(user, 'logout');
  }

  async function endOver(): Promise<void> {
    const now = clock.now();
    const over = sessions.endOver(now);
    if (over.length > 0) {
      sayOver(over);
      await storeEnds(over.map(({ hash }) => hash));
    }
    for (const { name } of tokens.endOver(now)) onOver(tokenUser(name), 'logout');
  }

  async function storeUse(): Promise<void> {
    await storeEnds([]);
    const used = {
      users: sessions.takeSeen(),
      sessions: sessions.takeTouched().map(({ hash, lastSeenAt }) => ({ hash, at: lastSeenAt })),
      tokens: tokens.takeTouched().flatMap(({ id, lastUsedAt }) => (lastUsedAt === undefined ? [] : [{ id, at: lastUsedAt }])),
    };
    if (used.users.length + used.sessions.length + used.tokens.length === 0) return;
    await tryTo('when sessions were used was not stored', () => store.touch(used));
  }

  const ending = clock.every(overEveryMs, endOver);
  const storing = clock.every(storeEveryMs, storeUse);

  return {
    open: async (user, addressKind) => {
      const { id, record, ended } = sessions.open(user, addressKind, clock.now());
      open.set(sessions.size);
      await tryTo('session was not stored and ends with this run', () => store.addSession(record, ended));
      return { id, record };
    },
    close: async (hash) => {
      sayOver(sessions.end([hash]));
      await storeEnds([hash]);
    },
    [Symbol.asyncDispose]: async () => {
      ending[Symbol.dispose]();
      storing[Symbol.dispose]();
      await storeUse();
      flood[Symbol.dispose]();
    },
  };
}
