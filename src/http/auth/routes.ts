import { z } from 'zod';
import { may, type Permission, type Principal, permissions, roles } from '../../core/access.ts';
import { SightlineError } from '../../core/errors.ts';
import type { Store } from '../../core/store.ts';
import { writeTicket } from '../../core/tickets.ts';
import {
  tokenName,
  tokenScopes,
  tokenView,
  typedPassword,
  userCameras,
  userName,
  userRole,
  userView,
} from '../../core/users.ts';
import { json, nothing, type Route, type RouteRequest, routesOf } from '../api/route.ts';
import { time } from '../api/shared.ts';
import type { Accounts, Actor } from './accounts.ts';
import { addressKind } from './addresses.ts';
import type { Auth, Caller } from './auth.ts';
import type { Login } from './login.ts';
import { csrfToken } from './secrets.ts';

/** Logging in and out, users, tokens, tickets, the audit trail. */

export interface AuthServices {
  readonly auth: Auth;
  readonly login: Login;
  readonly accounts: Accounts;
  readonly audit: Pick<Store['audit'], 'query'>;
  /** Of `core/tickets.ts`, of this run. */
  readonly ticketKey: Uint8Array;
  /** Wall clock, milliseconds. */
  now(): number;
  /** CLOCK_MONOTONIC, milliseconds. */
  mono(): number;
}

const route = routesOf<AuthServices>();
const group = 'Login and users';

const sessionView = z.object({
  user: z.string(),
  role: z.enum(roles),
  cameras: userCameras,
  pictures: z.boolean(),
  permissions: z.array(z.enum(permissions)),
  csrf: z
    .string()
    .exactOptional()
    .describe('To be sent as X-CSRF with every method that changes something; absent for tokens, which need none.'),
  via: z.enum(['session', 'token', 'proxy']),
  expiresAt: z
    .number()
    .exactOptional()
    .describe('When the session ends at the latest, milliseconds since 1970; absent for tokens and behind a proxy.'),
});

function sessionOf(principal: Principal, { csrf, expiresAt }: Pick<Caller, 'csrf' | 'expiresAt'>) {
  const { user, role, cameras, pictures, via } = principal;
  const allowed: readonly Permission[] = permissions.filter((permission) => may(principal, permission));
  return {
    ...{ user, role, cameras, pictures, permissions: allowed, via },
    ...(csrf === undefined ? {} : { csrf }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

type Asked = Pick<RouteRequest<'any', unknown, unknown, unknown>, 'raw' | 'principal'>;

function callerOf({ raw }: Pick<Asked, 'raw'>, { auth }: AuthServices): Caller {
  const caller = auth.callerOf(raw);
  if (caller === undefined) throw new SightlineError('http.auth', 'log in first');
  return caller;
}

function actorOf(request: Pick<Asked, 'raw'>, services: AuthServices): Actor {
  const { principal, signal } = callerOf(request, services);
  return { user: principal.user, via: principal.via, signal };
}

/** A person with an account, and no token. */
function requirePerson({ principal }: Pick<Asked, 'principal'>): void {
  if (principal.via === 'token')
    throw new SightlineError('http.forbidden', 'this is for users alone; a token has no password', {
      details: { via: 'token' },
    });
}

function requireSelfOrManager({ principal }: Pick<Asked, 'principal'>, user: string): void {
  if (may(principal, 'users.manage') || (principal.user === user && principal.via !== 'token')) return;
  throw new SightlineError('http.forbidden', `${principal.user} does not have the permission users.manage`, {
    details: { permission: 'users.manage' },
  });
}

const credentials = z.strictObject({ user: z.string().min(1).max(200), password: typedPassword });
const userParams = z.strictObject({ user: userName });
const timeMs = z.number().int().min(0).max(8.64e15);

export const authRoutes: readonly Route<AuthServices>[] = [
  route({
    method: 'GET',
    path: '/api/v1/session',
    access: 'any',
    group,
    says: 'Who is logged in, what they may do, and their CSRF token.',
    secret: true,
    answers: { 200: { says: 'Somebody is.', json: sessionView } },
    handle: (request, services) => {
      const caller = callerOf(request, services);
      return json(sessionOf(caller.principal, caller));
    },
  }),
  route({
    method: 'POST',
    path: '/api/v1/session',
    access: 'open',
    group,
    says: 'Logs in by user and password; the session is in the cookie `sightline`. After failures the next attempt has to wait (429, Retry-After).',
    body: credentials,
    secret: true,
    answers: { 200: { says: 'Logged in.', json: sessionView } },
    handle: async ({ raw, body, principal: _before }, { auth, login, accounts }) => {
      const { id, record } = await login.logIn(raw, body.user, body.password);
      // The id of before is not logged in by this: it ends, so that nobody who planted it has a use of it.
      const old = auth.sessionIn(raw);
      if (old !== undefined) await accounts.keeping.close(old);
      return json(sessionOf(accounts.principal(record.user, 'session'), { ...record, csrf: csrfToken(id) }), 200, {
        'set-cookie': auth.cookie(raw, { id, expiresAt: record.expiresAt }),
      });
    },
  }),
  route({
    method: 'DELETE',
    path: '/api/v1/session',
    access: 'any',
    group,
    says: 'Logs out. Whom a trusted proxy let in logs out there.',
    answers: { 204: { says: 'Logged out.' } },
    handle: async (request, services) => {
      const { principal, session } = callerOf(request, services);
      if (session !== undefined) {
        services.auth.audit.note(principal, 'session.logout', principal.user);
        await services.accounts.keeping.close(session);
      }
      return { kind: 'empty', status: 204, headers: { 'set-cookie': services.auth.cookie(request.raw, undefined) } };
    },
  }),
  route({
    method: 'PUT',
    path: '/api/v1/session/password',
    access: 'any',
    group,
    says: "Gives oneself another password. One's other sessions and streams end.",
    body: z.strictObject({ old: typedPassword, new: typedPassword }),
    answers: { 204: { says: 'It holds from now on.' } },
    handle: async (request, services) => {
      requirePerson(request);
      const { principal, session } = callerOf(request, services);
      await services.login.confirm(request.raw, principal, request.body.old);
      await services.accounts.change(principal.user, { password: request.body.new }, actorOf(request, services), session);
      return nothing;
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/setup',
    access: 'open',
    group,
    says: 'Whether the first user is still to be made, by the link in the log.',
    answers: { 200: { says: 'Whether it is.', json: z.object({ needed: z.boolean() }) } },
    handle: (_request, { accounts }) => json({ needed: accounts.needsSetup }),
  }),
  route({
    method: 'POST',
    path: '/api/v1/setup',
    access: 'open',
    group,
    says: 'Makes the first user, an admin, by the token of the set-up link, and logs them in.',
    body: z.strictObject({ token: z.string().min(1).max(200), user: userName, password: typedPassword }),
    secret: true,
    answers: { 201: { says: 'Made, and logged in.', json: sessionView } },
    handle: async ({ raw, body: { token, user, password } }, { auth, login, accounts }) => {
      await login.setUp(raw, () => accounts.completeSetup(token, user, password));
      const { id, record } = await accounts.openSession(user, addressKind(auth.seenAs(raw).address));
      return json(sessionOf(accounts.principal(user, 'session'), { ...record, csrf: csrfToken(id) }), 201, {
        'set-cookie': auth.cookie(raw, { id, expiresAt: record.expiresAt }),
      });
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/users',
    access: 'users.manage',
    group,
    says: 'Every user.',
    answers: { 200: { says: 'By name.', json: z.object({ items: z.array(userView) }) } },
    handle: (_request, { accounts }) => json({ items: accounts.list() }),
  }),
  route({
    method: 'POST',
    path: '/api/v1/users',
    access: 'users.manage',
    group,
    says: 'Adds a user. Without a password a trusted proxy alone lets them in.',
    body: z.strictObject({
      user: userName,
      password: typedPassword.exactOptional(),
      role: userRole,
      cameras: userCameras.default('all'),
      pictures: z.boolean().default(false).describe('Photos of the watchlist, which admins see in any case.'),
    }),
    answers: { 201: { says: 'Added.', json: userView } },
    handle: async (request, services) => json(await services.accounts.add(request.body, actorOf(request, services)), 201),
  }),
  route({
    method: 'PATCH',
    path: '/api/v1/users/{user}',
    access: 'users.manage',
    group,
    says: 'Changes a user. Who loses rights loses their streams with them, and those tokens of their making that may do more than they; disabled, all of these and their sessions; with another password, their sessions.',
    params: userParams,
    body: z.strictObject({
      role: userRole.exactOptional(),
      cameras: userCameras.exactOptional(),
      pictures: z.boolean().exactOptional(),
      disabled: z.boolean().exactOptional(),
      password: typedPassword.exactOptional(),
    }),
    answers: { 200: { says: 'As it is now.', json: userView } },
    handle: async (request, services) =>
      json(await services.accounts.change(request.params.user, request.body, actorOf(request, services))),
  }),
  route({
    method: 'DELETE',
    path: '/api/v1/users/{user}',
    access: 'users.manage',
    group,
    says: 'Removes a user with their sessions and all tokens of their making (`createdBy` of GET tokens). The last admin stays.',
    params: userParams,
    answers: { 204: { says: 'Removed.' } },
    handle: async (request, services) => {
      await services.accounts.remove(request.params.user, actorOf(request, services));
      return nothing;
    },
  }),
  route({
    method: 'POST',
    path: '/api/v1/users/{user}/stream-password',
    access: 'any',
    group,
    says: "A new password for RTSP, shown this once; the one before ends. One's own, or anybody's with `users.manage`.",
    params: userParams,
    secret: true,
    answers: { 200: { says: 'The password.', json: z.object({ password: z.string() }) } },
    handle: async (request, services) => {
      requireSelfOrManager(request, request.params.user);
      return json({
        password: await services.accounts.makeStreamPassword(request.params.user, actorOf(request, services)),
      });
    },
  }),
  route({
    method: 'DELETE',
    path: '/api/v1/users/{user}/stream-password',
    access: 'any',
    group,
    says: 'Takes it away; streams that were opened with it end.',
    params: userParams,
    answers: { 204: { says: 'There is none.' } },
    handle: async (request, services) => {
      requireSelfOrManager(request, request.params.user);
      await services.accounts.removeStreamPassword(request.params.user, actorOf(request, services));
      return nothing;
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/tokens',
    access: 'users.manage',
    group,
    says: 'Every token for programs, without its secret.',
    answers: { 200: { says: 'By name.', json: z.object({ items: z.array(tokenView) }) } },
    handle: (_request, { accounts }) => json({ items: accounts.listTokens() }),
  }),
  route({
    method: 'POST',
    path: '/api/v1/tokens',
    access: 'users.manage',
    group,
    says: 'Makes a token, to be sent as `Authorization: Bearer`. Its text is shown this once.',
    body: z.strictObject({
      name: tokenName,
      scopes: tokenScopes.describe('What it may do.'),
      cameras: userCameras.default('all'),
      expiresAt: timeMs.exactOptional().describe('Milliseconds since 1970; absent: it holds until it is removed.'),
    }),
    secret: true,
    answers: { 201: { says: 'Made.', json: z.object({ ...tokenView.shape, token: z.string() }) } },
    handle: async (request, services) => {
      const { body } = request;
      if (body.expiresAt !== undefined && body.expiresAt <= services.now())
        throw new SightlineError('user.refused', `expiresAt ${body.expiresAt} is past; give a time that is to come`);
      const { token, view } = await services.accounts.addToken(
        { ...body, scopes: [...new Set(body.scopes)] },
        actorOf(request, services),
      );
      return json({ ...view, token }, 201);
    },
  }),
  route({
    method: 'DELETE',
    path: '/api/v1/tokens/{id}',
    access: 'users.manage',
    group,
    says: 'Removes a token; what goes on with it ends.',
    params: z.strictObject({ id: z.string().min(1).max(100) }),
    answers: { 204: { says: 'Removed.' } },
    handle: async (request, services) => {
      await services.accounts.removeToken(request.params.id, actorOf(request, services));
      return nothing;
    },
  }),
  route({
    method: 'POST',
    path: '/api/v1/tickets',
    access: 'live',
    group,
    says: 'A ticket for the live feed, to be sent in its `hello` within half a minute.',
    secret: true,
    answers: { 200: { says: 'The ticket.', json: z.object({ ticket: z.string(), expiresAt: z.number() }) } },
    handle: ({ principal }, { ticketKey, now, mono }) => {
      // A ticket has no scopes: that of a token gives no more than the least role that has `live`.
      const bearer: Principal = principal.scopes === undefined ? principal : { ...principal, role: 'viewer', pictures: false };
      return json(writeTicket(bearer, ticketKey, { now, mono }));
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/audit',
    access: 'audit.read',
    group,
    says: 'Who did what, newest first.',
    query: z.strictObject({
      from: time.exactOptional(),
      to: time.exactOptional(),
      actor: z.string().min(1).max(200).exactOptional(),
      limit: z.coerce.number().int().min(1).max(1000).default(100),
      cursor: z.string().max(1000).exactOptional(),
    }),
    answers: {
      200: {
        says: 'A page.',
        json: z.object({
          items: z.array(
            z.object({
              at: z.number(),
              actor: z.string(),
              action: z.string(),
              subject: z.string(),
              details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
            }),
          ),
          cursor: z.string().exactOptional().describe('For the next page; absent on the last.'),
        }),
      },
    },
    handle: async ({ query }, { audit }) => json(await audit.query(query)),
  }),
];
