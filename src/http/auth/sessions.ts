import type { AddressKind, SessionRecord } from '../../core/store.ts';
import { keptHash, newSecret } from './secrets.ts';

/** Sessions as they are now, in memory: who asks is answered without the store. Pure but for the ids that it draws. */

const hour = 3_600_000;
/** A session ends this long after its last request, and that long after its login. */
export const idleMs = 12 * hour;
export const absoluteMs = 7 * 24 * hour;
/** The one that was used least lately gives way. */
const maxOfUser = 20;

export interface Session {
  readonly record: SessionRecord;
  /** Fires when it ends, or when its user lost rights. */
  readonly signal: AbortSignal;
}

export interface Seen {
  readonly user: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

interface Live {
  record: SessionRecord;
  controller: AbortController;
  touched: boolean;
}

export interface Sessions {
  /** A new one, with the hashes of those that end in its favour. */
  open(
    user: string,
    addressKind: AddressKind,
    now: number,
  ): { readonly id: string; readonly record: SessionRecord; readonly ended: readonly string[] };
  /** By its id, and marks it as used; undefined when there is none or it is over. */
  use(id: string, now: number): Session | undefined;
  of(user: string): readonly SessionRecord[];
  /** Gives those that were there. */
  end(hashes: readonly string[]): readonly SessionRecord[];
  /** Ends what goes on in these sessions, and not they themselves. */
  interrupt(user: string): void;
  /** Those that are over by now, ended. */
  endOver(now: number): readonly SessionRecord[];
  /** Those used since it was last asked. */
  takeTouched(): readonly SessionRecord[];
  /** When a user was last there, in a session that may be over. */
  lastSeenAt(user: string): number | undefined;
  /** Users who were there since it was last asked. */
  takeSeen(): readonly Seen[];
  /** A user who is gone was never here. */
  forget(user: string): void;
  readonly size: number;
}

function isOver({ lastSeenAt, expiresAt }: SessionRecord, now: number): boolean {
  return now >= expiresAt || now - lastSeenAt >= idleMs;
}

/** `seen`: when users were last there, as stored. */
export function createSessions(stored: readonly SessionRecord[], seen: readonly Seen[] = []): Sessions {
  const live = new Map<string, Live>(
    stored.map((record) => [record.hash, { record, controller: new AbortController(), touched: false }]),
  );

  const seenAt = new Map(seen.map(({ user, at }) => [user, at]));
  const unstored = new Set<string>();

  function see(user: string, now: number): void {
    seenAt.set(user, now);
    unstored.add(user);
  }

  function of(user: string): readonly SessionRecord[] {
    return [...live.values()].map(({ record }) => record).filter((record) => record.user === user);
  }

  function end(hashes: readonly string[]): readonly SessionRecord[] {
    return hashes.flatMap((hash) => {
      const found = live.get(hash);
      live.delete(hash);
      found?.controller.abort();
      return found === undefined ? [] : [found.record];
    });
  }

  return {
    open: (user, addressKind, now) => {
      const id = newSecret();
      const record = {
        hash: keptHash(id),
        user,
        createdAt: now,
        lastSeenAt: now,
        expiresAt: now + absoluteMs,
        addressKind,
      };
      const others = of(user).toSorted((a, b) => b.lastSeenAt - a.lastSeenAt);
      const ended = others.slice(maxOfUser - 1).map(({ hash }) => hash);
      end(ended);
      live.set(record.hash, { record, controller: new AbortController(), touched: false });
      see(user, now);
      return { id, record, ended };
    },
    use: (id, now) => {
      const found = live.get(keptHash(id));
      if (found === undefined || isOver(found.record, now)) return undefined;
      found.record = { ...found.record, lastSeenAt: now };
      found.touched = true;
      see(found.record.user, now);
      return { record: found.record, signal: found.controller.signal };
    },
    of,
    end,
    interrupt: (user) => {
      for (const session of live.values()) {
        if (session.record.user !== user) continue;
        const { controller } = session;
        session.controller = new AbortController();
        controller.abort();
      }
    },
    endOver: (now) => {
      const over = [...live.values()].filter(({ record }) => isOver(record, now));
      return end(over.map(({ record }) => record.hash));
    },
    takeTouched: () => {
      const touched = [...live.values()].filter((session) => session.touched);
      for (const session of touched) session.touched = false;
      return touched.map(({ record }) => record);
    },
    lastSeenAt: (user) => seenAt.get(user),
    takeSeen: () => {
      const users = [...unstored];
      unstored.clear();
      return users.flatMap((user) => {
        const at = seenAt.get(user);
        return at === undefined ? [] : [{ user, at }];
      });
    },
    forget: (user) => {
      seenAt.delete(user);
      unstored.delete(user);
    },
    get size() {
      return live.size;
    },
  };
}
