import type { Database } from 'better-sqlite3';
import type { Permission, Role } from '../core/access.ts';
import { SightlineError } from '../core/errors.ts';
import type { AddressKind, SessionRecord, TokenRecord, UserRecord } from '../core/store.ts';

interface UserRow {
  readonly name: string;
  readonly role: Role;
  readonly cameras: string;
  readonly pictures: number;
  readonly disabled: number;
  readonly password_hash: string;
  readonly stream_md5: string | null;
  readonly stream_sha256: string | null;
  readonly created_at: number;
}

interface SessionRow {
  readonly hash: string;
  readonly user: string;
  readonly created_at: number;
  readonly last_seen_at: number;
  readonly expires_at: number;
  readonly address_kind: AddressKind;
}

interface TokenRow {
  readonly id: string;
  readonly hash: string;
  readonly name: string;
  readonly scopes: string;
  readonly cameras: string;
  readonly created_by: string;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly last_used_at: number | null;
}

function fromUserRow(row: UserRow): UserRecord {
  const { name, role, stream_md5: md5, stream_sha256: sha256 } = row;
  return {
    name,
    role,
    cameras: JSON.parse(row.cameras) as UserRecord['cameras'],
    pictures: row.pictures === 1,
    disabled: row.disabled === 1,
    passwordHash: row.password_hash,
    ...(md5 === null || sha256 === null ? {} : { ha1: { md5, sha256 } }),
    createdAt: row.created_at,
  };
}

function toUserRow(user: UserRecord): UserRow {
  return {
    name: user.name,
    role: user.role,
    cameras: JSON.stringify(user.cameras),
    pictures: user.pictures ? 1 : 0,
    disabled: user.disabled ? 1 : 0,
    password_hash: user.passwordHash,
    stream_md5: user.ha1?.md5 ?? null,
    stream_sha256: user.ha1?.sha256 ?? null,
    created_at: user.createdAt,
  };
}

function fromTokenRow(row: TokenRow): TokenRecord {
  return {
    id: row.id,
    hash: row.hash,
    name: row.name,
    scopes: JSON.parse(row.scopes) as readonly Permission[],
    cameras: JSON.parse(row.cameras) as TokenRecord['cameras'],
    createdBy: row.created_by,
    createdAt: row.created_at,
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
    ...(row.last_used_at === null ? {} : { lastUsedAt: row.last_used_at }),
  };
}

function exists(what: string, name: string): SightlineError {
  return new SightlineError('user.exists', `there is ${what} ${name} already; names differ by more than upper and lower case`, {
    details: { name, conflict: true },
  });
}

function isEnabledAdmin(user: { readonly role: Role; readonly disabled: number | boolean }): boolean {
  return user.role === 'admin' && !user.disabled;
}

export function createUsers(db: Database) {
  const userColumns = 'name, role, cameras, pictures, disabled, password_hash, stream_md5, stream_sha256, created_at';
  const users = db.prepare<[], UserRow>(`SELECT ${userColumns} FROM users ORDER BY name`);
  const sessions = db.prepare<[], SessionRow>('SELECT * FROM sessions ORDER BY created_at, hash');
  const tokens = db.prepare<[], TokenRow>('SELECT * FROM tokens ORDER BY name');
  const userLike = db.prepare<[string], UserRow>(`SELECT ${userColumns} FROM users WHERE name = ?`);
  const countUsers = db.prepare<[], number>('SELECT count(*) FROM users').pluck();
  const otherAdmins = db
    .prepare<[string], number>("SELECT count(*) FROM users WHERE role = 'admin' AND disabled = 0 AND name <> ?")
    .pluck();
  const insertUser = db.prepare<[UserRow]>(`
    INSERT INTO users (${userColumns}) VALUES (@name, @role, @cameras, @pictures, @disabled, @password_hash, @stream_md5,
      @stream_sha256, @created_at)`);
  const updateUser = db.prepare<[UserRow]>(`
    UPDATE users SET role = @role, cameras = @cameras, pictures = @pictures, disabled = @disabled,
      password_hash = @password_hash, stream_md5 = @stream_md5, stream_sha256 = @stream_sha256 WHERE name = @name`);
  const deleteUser = db.prepare<[string]>('DELETE FROM users WHERE name = ?');
  const insertSession = db.prepare<[SessionRecord]>(`
    INSERT INTO sessions (hash, user, created_at, last_seen_at, expires_at, address_kind)
    VALUES (@hash, @user, @createdAt, @lastSeenAt, @expiresAt, @addressKind)`);
  const touchSession = db.prepare<[number, string]>('UPDATE sessions SET last_seen_at = ? WHERE hash = ?');
  const deleteSession = db.prepare<[string]>('DELETE FROM sessions WHERE hash = ?');
  const tokenLike = db.prepare<[string], string>('SELECT id FROM tokens WHERE name = ?').pluck();
  const insertToken = db.prepare<[TokenRow]>(`
    INSERT INTO tokens (id, hash, name, scopes, cameras, created_by, created_at, expires_at, last_used_at)
    VALUES (@id, @hash, @name, @scopes, @cameras, @created_by, @created_at, @expires_at, @last_used_at)`);
  const seen = db.prepare<[], { readonly user: string; readonly at: number }>(
    'SELECT name AS user, last_seen_at AS at FROM users WHERE last_seen_at IS NOT NULL ORDER BY name',
  );
  const touchUser = db.prepare<[number, string]>('UPDATE users SET last_seen_at = ? WHERE name = ?');
  const touchToken = db.prepare<[number, string]>('UPDATE tokens SET last_used_at = ? WHERE id = ?');
  const deleteToken = db.prepare<[string]>('DELETE FROM tokens WHERE id = ?');
  const putLink = db.prepare<[string, number]>(
    'INSERT INTO setup_link (id, hash, expires_at) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at',
  );
  const takeLink = db.prepare<[string, number]>('DELETE FROM setup_link WHERE hash = ? AND expires_at > ?');

  /** Exactly so written. */
  function requireUser(name: string): UserRow {
    const found = userLike.get(name);
    if (found?.name === name) return found;
    throw new SightlineError('user.unknown', `there is no user ${name}`, { details: { name } });
  }

  function requireAdminBeside(user: UserRow): void {
    if (!isEnabledAdmin(user) || (otherAdmins.get(user.name) ?? 0) > 0) return;
    throw new SightlineError('user.refused', `${user.name} is the last admin; make somebody else an admin first`, {
      details: { name: user.name, conflict: true },
    });
  }

  function requireNobody(): void {
    if ((countUsers.get() ?? 0) === 0) return;
    throw new SightlineError('user.exists', 'sightline is set up already: log in, or have an admin add you', {
      details: { conflict: true },
    });
  }

  function endSessions(hashes: readonly string[]): void {
    for (const hash of hashes) deleteSession.run(hash);
  }

  return {
    load: () => ({
      users: users.all().map(fromUserRow),
      sessions: sessions.all().map(
        (row): SessionRecord => ({
          hash: row.hash,
          user: row.user,
          createdAt: row.created_at,
          lastSeenAt: row.last_seen_at,
          expiresAt: row.expires_at,
          addressKind: row.address_kind,
        }),
      ),
      tokens: tokens.all().map(fromTokenRow),
      seen: seen.all(),
    }),
    add: db.transaction((user: UserRecord): void => {
      if (userLike.get(user.name) !== undefined) throw exists('a user', user.name);
      insertUser.run(toUserRow(user));
    }),
    replace: db.transaction((user: UserRecord, endedSessions: readonly string[], endedTokens: readonly string[]): void => {
      const before = requireUser(user.name);
      if (!isEnabledAdmin(user)) requireAdminBeside(before);
      updateUser.run(toUserRow(user));
      endSessions(endedSessions);
      for (const id of endedTokens) deleteToken.run(id);
    }),
    remove: db.transaction((name: string, endedTokens: readonly string[]): void => {
      requireAdminBeside(requireUser(name));
      deleteUser.run(name);
      for (const id of endedTokens) deleteToken.run(id);
    }),
    addSession: db.transaction((session: SessionRecord, endedSessions: readonly string[]): void => {
      requireUser(session.user);
      endSessions(endedSessions);
      insertSession.run(session);
    }),
    endSessions: db.transaction(endSessions),
    touch: db.transaction(
      (used: {
        readonly users: readonly { readonly user: string; readonly at: number }[];
        readonly sessions: readonly { readonly hash: string; readonly at: number }[];
        readonly tokens: readonly { readonly id: string; readonly at: number }[];
      }): void => {
        for (const { user, at } of used.users) touchUser.run(at, user);
        for (const { hash, at } of used.sessions) touchSession.run(at, hash);
        for (const { id, at } of used.tokens) touchToken.run(at, id);
      },
    ),
    addToken: db.transaction((token: TokenRecord): void => {
      if (tokenLike.get(token.name) !== undefined) throw exists('a token', token.name);
      insertToken.run({
        id: token.id,
        hash: token.hash,
        name: token.name,
        scopes: JSON.stringify(token.scopes),
        cameras: JSON.stringify(token.cameras),
        created_by: token.createdBy,
        created_at: token.createdAt,
        expires_at: token.expiresAt ?? null,
        last_used_at: token.lastUsedAt ?? null,
      });
    }),
    removeToken: (id: string): void => {
      if (deleteToken.run(id).changes === 0)
        throw new SightlineError('user.unknown', `there is no token ${id}`, { details: { id } });
    },
    offerSetup: db.transaction((link: { readonly hash: string; readonly expiresAt: number }): void => {
      requireNobody();
      putLink.run(link.hash, link.expiresAt);
    }),
    completeSetup: db.transaction((hash: string, user: UserRecord, now: number): void => {
      requireNobody();
      if (takeLink.run(hash, now).changes === 0)
        throw new SightlineError(
          'http.auth',
          'the set-up link is not the newest one, or is over; the log has the newest, and "sightline users setup-link" makes another',
        );
      insertUser.run(toUserRow(user));
    }),
  };
}
