import { randomUUID } from 'node:crypto';
import { type Permission, type Principal, permissionsOf, roles } from '../../core/access.ts';
import type { TokenRecord } from '../../core/store.ts';
import { keptHash, newSecret } from './secrets.ts';

/** API tokens as they are now, in memory. Pure but for the secrets that it draws. */

/** What finds a token in a leaked file (secret scanners look for such). */
export const tokenPrefix = 'sl_';

export interface NewToken {
  readonly name: string;
  readonly scopes: readonly Permission[];
  readonly cameras: 'all' | readonly string[];
  readonly expiresAt?: number;
}

export interface Tokens {
  /** Not among the others before `put`. */
  make(request: NewToken, createdBy: string, now: number): { readonly token: string; readonly record: TokenRecord };
  put(record: TokenRecord): void;
  use(token: string, now: number): { readonly record: TokenRecord; readonly signal: AbortSignal } | undefined;
  all(): readonly TokenRecord[];
  /** Undefined when there is none. */
  remove(id: string): TokenRecord | undefined;
  /** What goes on with tokens that are over ends; gives those it ends now. */
  endOver(now: number): readonly TokenRecord[];
  takeTouched(): readonly TokenRecord[];
}

interface Live {
  record: TokenRecord;
  readonly controller: AbortController;
  touched: boolean;
}

/** A token is nobody: its name begins with what no name of a user can. */
export function tokenUser(name: string): string {
  return `token:${name}`;
}

/** The least role that has all of its scopes: what goes by role, such as the clean picture of a masked camera, stays with people. */
export function tokenPrincipal({ name, scopes, cameras }: TokenRecord): Principal {
  const role = roles.find((candidate) =>
    scopes.every((scope) => scope === 'pictures' || permissionsOf(candidate).includes(scope)),
  );
  return {
    user: tokenUser(name),
    role: role ?? 'admin',
    cameras,
    pictures: scopes.includes('pictures'),
    scopes,
    via: 'token',
  };
}

/** The person behind whoever makes a token: that of a token is of who made that one. */
export function makerOf(all: readonly TokenRecord[], user: string): string {
  return all.find(({ name }) => tokenUser(name) === user)?.createdBy ?? user;
}

function isOver({ expiresAt }: TokenRecord, now: number): boolean {
  return expiresAt !== undefined && now >= expiresAt;
}

export function createTokens(stored: readonly TokenRecord[]): Tokens {
  const byHash = new Map<string, Live>();

  function put(record: TokenRecord): void {
    byHash.set(record.hash, { record, controller: new AbortController(), touched: false });
  }
  for (const record of stored) put(record);

  return {
    make: ({ name, scopes, cameras, expiresAt }, createdBy, now) => {
      const token = `${tokenPrefix}${newSecret()}`;
      const record: TokenRecord = {
        id: randomUUID(),
        hash: keptHash(token),
        name,
        scopes,
        cameras,
        createdBy,
        createdAt: now,
        ...(expiresAt === undefined ? {} : { expiresAt }),
      };
      return { token, record };
    },
    put,
    use: (token, now) => {
      const found = byHash.get(keptHash(token));
      if (found === undefined || isOver(found.record, now)) return undefined;
      found.record = { ...found.record, lastUsedAt: now };
      found.touched = true;
      return { record: found.record, signal: found.controller.signal };
    },
    all: () => [...byHash.values()].map(({ record }) => record).toSorted((a, b) => a.name.localeCompare(b.name)),
    remove: (id) => {
      const found = [...byHash.values()].find(({ record }) => record.id === id);
      if (found === undefined) return undefined;
      byHash.delete(found.record.hash);
      found.controller.abort();
      return found.record;
    },
    endOver: (now) => {
      const over = [...byHash.values()].filter(({ record, controller }) => isOver(record, now) && !controller.signal.aborted);
      for (const { controller } of over) controller.abort();
      return over.map(({ record }) => record);
    },
    takeTouched: () => {
      const touched = [...byHash.values()].filter((token) => token.touched);
      for (const token of touched) token.touched = false;
      return touched.map(({ record }) => record);
    },
  };
}
