import { may, maySee, type Permission, type Principal, type RevokeCause, roles } from '../../core/access.ts';
import type { Context } from '../../core/context.ts';
import { SightlineError } from '../../core/errors.ts';
import type { StreamUser } from '../../core/media-door.ts';
import type { AddressKind, SessionRecord, Store, TokenRecord, UserRecord } from '../../core/store.ts';
import { streamHa1 } from '../../core/stream-login.ts';
import type { NewUser, TokenView, UserChanges, UserView } from '../../core/users.ts';
import { type AuditNotes, createAuditNotes } from './audit.ts';
import { type CredentialKeeping, startCredentialKeeping } from './keeping.ts';
import { createPasswords, requireGoodPassword } from './passwords.ts';
import { keptHash, newSecret, newStreamPassword } from './secrets.ts';
import { createSessions, type Sessions } from './sessions.ts';
import { createTokens, makerOf, type NewToken, type Tokens, tokenUser } from './tokens.ts';

/**
 * Who may come in: users, their sessions, tokens, the set-up link. All of it is in memory too, so that who asks is told without the disk.
 * Changes are carried out one after the other, stored first, and leave an audit row.
 */

/** Who did it, for the audit trail; a `Principal` is one. */
export interface Actor extends Pick<Principal, 'user' | 'via'> {
  /** Fires when they lose what let them in: what they asked for and is not stored by then is refused with `http.forbidden`. */
  readonly signal?: AbortSignal;
}

export interface Accounts extends AsyncDisposable {
  readonly audit: AuditNotes;
  readonly sessions: Sessions;
  readonly tokens: Tokens;
  readonly keeping: CredentialKeeping;
  /** Those who may read streams by a password of their own. */
  streamUsers(): readonly StreamUser[];
  /** Called with the whole list whenever it changes. */
  onChange(listener: (users: readonly StreamUser[]) => void): void;
  /** Called with the name of a principal whose streams and tickets must end. */
  onRevoke(listener: (user: string, cause: RevokeCause) => void): void;
  user(name: string): UserRecord | undefined;
  /** Fires when that user loses rights. */
  rightsOf(name: string): AbortSignal;
  /** Errors: `user.unknown`. */
  principal(name: string, via: Principal['via']): Principal;
  list(): readonly UserView[];
  view(name: string): UserView;
  /** Takes as long for a user that is none. Rejects with `http.limited` when too many are asked for at once. */
  checkPassword(name: string, password: string): Promise<boolean>;
  /** Opens a session for whom the password is of; undefined when it is of nobody. Errors: `http.forbidden` for one who is disabled, `http.limited`. */
  logIn(name: string, password: string, addressKind: AddressKind): Promise<OpenedSession | undefined>;
  /** For somebody who proved who they are in another way. */
  openSession(name: string, addressKind: AddressKind): Promise<OpenedSession>;
  /** Errors: `user.exists`, `user.refused`. */
  add(user: NewUser, by: Actor): Promise<UserView>;
  /**
   * Ends the user's sessions where the password changes or they are disabled, but `keepSession`; with lost rights those tokens of their making
   * that may do more than they. Errors: `user.unknown`, `user.refused`.
   */
  change(name: string, changes: UserChanges, by: Actor, keepSession?: string): Promise<UserView>;
  /** With all tokens of their making, whose names it gives. */
  remove(name: string, by: Actor): Promise<{ readonly tokens: readonly string[] }>;
  /** A new one for streams; it is shown once and kept nowhere. */
  makeStreamPassword(name: string, by: Actor): Promise<string>;
  removeStreamPassword(name: string, by: Actor): Promise<void>;
  listTokens(): readonly TokenView[];
  addToken(request: NewToken, by: Actor): Promise<{ readonly token: string; readonly view: TokenView }>;
  removeToken(id: string, by: Actor): Promise<void>;
  /** The secret of a new set-up link, which takes the place of the one before; `user.exists` once there is a user. */
  offerSetup(): Promise<string>;
  /** Makes the first admin. Errors: `http.auth`, `user.exists`, `user.refused`. */
  completeSetup(secret: string, user: string, password: string): Promise<void>;
  readonly needsSetup: boolean;
}

export interface OpenedSession {
  /** For the cookie; kept nowhere else. */
  readonly id: string;
  readonly record: SessionRecord;
}

/** A set-up link holds for a day. */
const setupMs = 86_400_000;

function tokenView({ hash: _hash, ...view }: TokenRecord): TokenView {
  return view;
}

export function userPrincipal({ name, role, cameras, pictures }: UserRecord, via: Principal['via']): Principal {
  return { user: name, role, cameras, pictures, via };
}

/** Whether somebody may see or do less than before. */
export function losesRights(before: UserRecord, after: UserRecord): boolean {
  const had = before.cameras;
  const has = after.cameras;
  const fewerCameras = has !== 'all' && (had === 'all' || had.some((camera) => !has.includes(camera)));
  const lowerRole = roles.indexOf(after.role) < roles.indexOf(before.role);
  return fewerCameras || lowerRole || (before.pictures && !after.pictures) || (!before.disabled && after.disabled);
}

function sorted(user: Pick<UserRecord, 'cameras'>): string {
  return user.cameras === 'all' ? 'all' : user.cameras.toSorted().join(' ');
}

function isSetUp(): SightlineError {
  return new SightlineError('user.exists', 'sightline is set up already: log in, or have an admin add you', {
    details: { conflict: true },
  });
}

/** In the audit trail these are no users: what nobody or the program itself has done. */
const reservedNames = ['nobody', 'sightline'];

function requireFreeName(name: string): void {
  if (!reservedNames.includes(name.toLowerCase())) return;
  throw new SightlineError('user.refused', `${name} stands for the system in the audit trail; choose another name`, {
    details: { name },
  });
}

export async function startAccounts(store: Pick<Store, 'users' | 'audit'>, ctx: Context): Promise<Accounts> {
  const { clock } = ctx;
  const stored = await store.users.load();
  const users = new Map(stored.users.map((user) => [user.name, user]));
  const rights = new Map<string, AbortController>();
  const sessions = createSessions(stored.sessions, stored.seen);
  const tokens = createTokens(stored.tokens);
  const audit = createAuditNotes(store.audit, clock);
  const passwords = createPasswords(ctx);
  const changeListeners = new Set<(users: readonly StreamUser[]) => void>();
  const revokeListeners = new Set<(user: string, cause: RevokeCause) => void>();
  const keeping = startCredentialKeeping({ store: store.users, sessions, tokens, onOver: revoke }, ctx);
  let line: Promise<unknown> = Promise.resolve();

  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = line.then(run);
    line = turn.catch(() => {});
    return turn;
  }

  /** Between asking and now there may have been a password to be hashed, or a body to be waited for. */
  function inTurnOf<T>({ user, signal }: Actor, run: () => Promise<T>): Promise<T> {
    return inTurn(async () => {
      if (signal?.aborted !== true) return run();
      throw new SightlineError('http.forbidden', `${user} has lost rights since this was asked for, and it was not done`, {
        details: { name: user },
      });
    });
  }

  function find(name: string): UserRecord {
    const found = users.get(name);
    if (found !== undefined) return found;
    throw new SightlineError('user.unknown', `there is no user ${name}`, { details: { name } });
  }

  function view(name: string): UserView {
    const user = find(name);
    const own = sessions.of(name);
    const lastSeenAt = sessions.lastSeenAt(name);
    return {
      user: user.name,
      role: user.role,
      cameras: user.cameras === 'all' ? 'all' : [...user.cameras],
      pictures: user.pictures,
      disabled: user.disabled,
      password: user.passwordHash !== '',
      streamPassword: user.ha1 !== undefined,
      createdAt: user.createdAt,
      sessions: own.length,
      ...(lastSeenAt === undefined ? {} : { lastSeenAt }),
    };
  }

  function streamUsers(): readonly StreamUser[] {
    return [...users.values()].flatMap((user) =>
      user.ha1 === undefined || user.disabled ? [] : [{ principal: userPrincipal(user, 'rtsp'), ha1: user.ha1 }],
    );
  }

  let said = JSON.stringify(streamUsers());
  function announce(): void {
    const list = streamUsers();
    const text = JSON.stringify(list);
    if (text === said) return;
    said = text;
    for (const listener of changeListeners) listener(list);
  }

  function revoke(user: string, cause: RevokeCause): void {
    if (cause === 'rights') {
      sessions.interrupt(user);
      rights.get(user)?.abort();
      rights.delete(user);
    }
    for (const listener of revokeListeners) listener(user, cause);
  }

  function openSession(name: string, addressKind: AddressKind): Promise<OpenedSession> {
    if (!find(name).disabled) return keeping.open(name, addressKind);
    throw new SightlineError('http.forbidden', `${name} is disabled; an admin can change that`, { details: { name } });
  }

  /** They are no longer stored: what goes on with them ends. */
  function endTokens(ended: readonly TokenRecord[], by: Actor, maker: string): void {
    for (const { id, name } of ended) {
      tokens.remove(id);
      revoke(tokenUser(name), 'rights');
      audit.note(by, 'token.remove', name, { id, maker });
    }
  }

  /** In turn: stores it, then lets it be so. */
  async function replace(
    after: UserRecord,
    endedSessions: readonly string[],
    isRevoked: boolean,
    endedTokens: readonly TokenRecord[] = [],
  ): Promise<void> {
    await store.users.replace(
      after,
      endedSessions,
      endedTokens.map(({ id }) => id),
    );
    users.set(after.name, after);
    // The door first learns who may come in, then whom to send away: nobody slips in between with what they had.
    announce();
    sessions.end(endedSessions);
    if (isRevoked) revoke(after.name, 'rights');
  }

  return {
    audit,
    sessions,
    tokens,
    keeping,
    streamUsers,
    onChange: (listener) => void changeListeners.add(listener),
    onRevoke: (listener) => void revokeListeners.add(listener),
    user: (name) => users.get(name),
    rightsOf: (name) => {
      const found = rights.get(name) ?? new AbortController();
      rights.set(name, found);
      return found.signal;
    },
    principal: (name, via) => userPrincipal(find(name), via),
    list: () => [...users.keys()].toSorted((a, b) => a.localeCompare(b)).map(view),
    view,
    checkPassword: (name, password) => passwords.verify(password, users.get(name)?.passwordHash),
    logIn: async (name, password, addressKind) => {
      const passwordHash = users.get(name)?.passwordHash;
      if (!(await passwords.verify(password, passwordHash))) return undefined;
      // Meanwhile they may have been removed, or given another password.
      return inTurn(async () => (users.get(name)?.passwordHash === passwordHash ? openSession(name, addressKind) : undefined));
    },
    openSession: (name, addressKind) => inTurn(() => openSession(name, addressKind)),
    add: async ({ user: name, password, role, cameras, pictures }, by) => {
      requireFreeName(name);
      if (password !== undefined) requireGoodPassword(password, name);
      const passwordHash = password === undefined ? '' : await passwords.hash(password);
      return inTurnOf(by, async () => {
        const user = { name, role, cameras, pictures, disabled: false, passwordHash, createdAt: clock.now() };
        await store.users.add(user);
        users.set(name, user);
        audit.note(by, 'user.add', name, { role, cameras: sorted(user), pictures });
        return view(name);
      });
    },
    change: async (name, { password, ...changes }, by, keepSession) => {
      find(name);
      if (password !== undefined) requireGoodPassword(password, name);
      const passwordHash = password === undefined ? undefined : await passwords.hash(password);
      return inTurnOf(by, async () => {
        const before = find(name);
        const after = { ...before, ...changes, ...(passwordHash === undefined ? {} : { passwordHash }) };
        const endsSessions = passwordHash !== undefined || (after.disabled && !before.disabled);
        const ended = sessions.of(name).flatMap(({ hash }) => (endsSessions && hash !== keepSession ? [hash] : []));
        const loses = losesRights(before, after);
        const left = userPrincipal(after, 'session');
        const mayStill = (scope: Permission) => !after.disabled && may(left, scope);
        // Who manages users can give themselves every camera.
        const sees = (cameras: TokenRecord['cameras']) =>
          mayStill('users.manage') || (cameras === 'all' ? after.cameras === 'all' : cameras.every((one) => maySee(left, one)));
        const exceeds = ({ createdBy, scopes, cameras }: TokenRecord) =>
          createdBy === name && !(scopes.every(mayStill) && sees(cameras));
        const lost = loses ? tokens.all().filter(exceeds) : [];
        await replace(after, ended, passwordHash !== undefined || loses, lost);
        const changed = {
          ...(after.role === before.role ? {} : { role: after.role }),
          ...(sorted(after) === sorted(before) ? {} : { cameras: sorted(after) }),
          ...(after.pictures === before.pictures ? {} : { pictures: after.pictures }),
          ...(after.disabled === before.disabled ? {} : { disabled: after.disabled }),
        };
        if (Object.keys(changed).length > 0) audit.note(by, 'user.change', name, changed);
        if (passwordHash !== undefined) audit.note(by, 'user.password', name);
        endTokens(lost, by, name);
        return view(name);
      });
    },
    remove: (name, by) =>
      inTurnOf(by, async () => {
        const made = tokens.all().filter(({ createdBy }) => createdBy === name);
        await store.users.remove(
          name,
          made.map(({ id }) => id),
        );
        users.delete(name);
        announce();
        sessions.end(sessions.of(name).map(({ hash }) => hash));
        sessions.forget(name);
        revoke(name, 'rights');
        audit.note(by, 'user.remove', name);
        endTokens(made, by, name);
        return { tokens: made.map((token) => token.name) };
      }),
    makeStreamPassword: (name, by) =>
      inTurnOf(by, async () => {
        const password = newStreamPassword();
        const before = find(name);
        await replace({ ...before, ha1: streamHa1(name, password) }, [], before.ha1 !== undefined);
        audit.note(by, 'user.stream_password', name);
        return password;
      }),
    removeStreamPassword: (name, by) =>
      inTurnOf(by, async () => {
        const { ha1, ...rest } = find(name);
        if (ha1 === undefined) return;
        await replace(rest, [], true);
        audit.note(by, 'user.stream_password_remove', name);
      }),
    listTokens: () => tokens.all().map(tokenView),
    addToken: (request, by) =>
      inTurnOf(by, async () => {
        const maker = makerOf(tokens.all(), by.user);
        const user = users.get(maker);
        // Since they were let in they may have been removed: nothing they make outlives that.
        if (by.via !== 'control' && (user === undefined || user.disabled || !may(userPrincipal(user, by.via), 'users.manage')))
          throw new SightlineError('http.forbidden', `${by.user} may make no tokens any more`, { details: { name: by.user } });
        const { token, record } = tokens.make(request, maker, clock.now());
        await store.users.addToken(record);
        tokens.put(record);
        const cameras = sorted(record);
        audit.note(by, 'token.add', record.name, { id: record.id, scopes: record.scopes.join(' '), cameras });
        return { token, view: tokenView(record) };
      }),
    removeToken: (id, by) =>
      inTurnOf(by, async () => {
        await store.users.removeToken(id);
        const removed = tokens.remove(id);
        if (removed === undefined) return;
        revoke(tokenUser(removed.name), 'rights');
        audit.note(by, 'token.remove', removed.name, { id });
      }),
    offerSetup: async () => {
      const secret = newSecret();
      await store.users.offerSetup({ hash: keptHash(secret), expiresAt: clock.now() + setupMs });
      return secret;
    },
    completeSetup: async (secret, name, password) => {
      if (users.size > 0) throw isSetUp();
      requireFreeName(name);
      requireGoodPassword(password, name);
      const passwordHash = await passwords.hash(password);
      await inTurn(async () => {
        const user: UserRecord = {
          name,
          role: 'admin',
          cameras: 'all',
          pictures: true,
          disabled: false,
          passwordHash,
          createdAt: clock.now(),
        };
        await store.users.completeSetup(keptHash(secret), user);
        users.set(name, user);
        audit.note({ user: name, via: 'open' }, 'setup.done', name);
      });
    },
    get needsSetup() {
      return users.size === 0;
    },
    [Symbol.asyncDispose]: async () => {
      await line;
      await keeping[Symbol.asyncDispose]();
    },
  };
}
