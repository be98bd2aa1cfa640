import type { ControlHandlers } from '../core/control.ts';
import { SightlineError } from '../core/errors.ts';
import type { Accounts, Actor } from '../http/auth/accounts.ts';
import { setupLink } from '../http/auth/start.ts';

/** The handlers of the control socket that are about users. */
export type UserHandlers = Pick<ControlHandlers, Extract<keyof ControlHandlers, `users.${string}`>>;

export interface UserParts {
  readonly accounts: Accounts;
  /** Where the pages are (`pagesAt`); undefined where none are served. */
  readonly pages?: () => string | undefined;
}

export function createUserHandlers({ accounts, pages }: UserParts): UserHandlers {
  const by = (actor: string): Actor => ({ user: actor, via: 'control' });
  return {
    'users.list': async () => ({ users: accounts.list() }),
    'users.add': ({ actor, ...user }) => accounts.add(user, by(actor)),
    'users.remove': async ({ user, actor }) => {
      const { tokens } = await accounts.remove(user, by(actor));
      return { removed: user, tokens };
    },
    'users.passwd': ({ user, password, actor }) => accounts.change(user, { password }, by(actor)),
    'users.streamPassword': async ({ user, remove, actor }) => {
      if (!remove) return { password: await accounts.makeStreamPassword(user, by(actor)) };
      await accounts.removeStreamPassword(user, by(actor));
      return {};
    },
    'users.tokens': async () => ({ tokens: accounts.listTokens() }),
    'users.addToken': async ({ actor, ...request }) => {
      const scopes = [...new Set(request.scopes)];
      const { token, view } = await accounts.addToken({ ...request, scopes }, by(actor));
      return { ...view, token };
    },
    'users.removeToken': async ({ name, actor }) => {
      const ids = accounts.listTokens().flatMap((token) => (token.name === name ? [token.id] : []));
      if (ids.length === 0) throw new SightlineError('user.unknown', `there is no token ${name}`, { details: { name } });
      for (const id of ids) await accounts.removeToken(id, by(actor));
      return { removed: ids };
    },
    'users.setupLink': async ({ actor }) => {
      const at = pages?.();
      if (at === undefined)
        throw new SightlineError(
          'control.unavailable',
          'a set-up link needs a running daemon that serves pages (http.enabled); "sightline users add" makes users without',
        );
      const link = setupLink(at, await accounts.offerSetup());
      accounts.audit.note(by(actor), 'setup.link', 'first user');
      return { link };
    },
  };
}
