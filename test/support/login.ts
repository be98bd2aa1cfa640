import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { Config } from '../../src/config/schema.ts';
import type { Certificate } from '../../src/core/pem-files.ts';
import { type BoundRoute, bindRoutes, routesOf } from '../../src/http/api/route.ts';
import { type Accounts, startAccounts } from '../../src/http/auth/accounts.ts';
import { createAuthPart, sayHowToSetUp } from '../../src/http/auth/start.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { startStore } from '../../src/store/store.ts';
import { type TestContext, testContext } from './context.ts';

/** The HTTP server with its login on a store of its own, and somebody who asks it. */

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** Of a JSON answer. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  readonly value: any;
}

export interface Question {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Certificate authority, for https. */
  readonly ca?: string;
}

export function ask(base: string, method: string, path: string, { body, headers, ca }: Question = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const all = { ...(text === undefined ? {} : { 'content-type': 'application/json' }), ...headers };
    const open = base.startsWith('https:') ? secureRequest : request;
    const outgoing = open(`${base}${path}`, { method, headers: all, agent: false, ca }, (response) => {
      let received = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        received += chunk;
      });
      const done = () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: received,
          value: /^[[{]/.test(received) ? JSON.parse(received) : undefined,
        });
      response.on('end', done);
      response.on('error', done);
    });
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}

/** A browser with one cookie. */
export class Person {
  readonly base: string;
  readonly always: Readonly<Record<string, string>>;
  cookie = '';
  csrf = '';

  constructor(base: string, always: Readonly<Record<string, string>> = {}) {
    this.base = base;
    this.always = always;
  }

  async ask(method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
    const reply = await ask(this.base, method, path, {
      body,
      headers: {
        ...this.always,
        ...(this.cookie === '' ? {} : { cookie: `other=1; ${this.cookie}` }),
        ...(this.csrf === '' ? {} : { 'x-csrf': this.csrf }),
        ...headers,
      },
    });
    const [set] = [reply.headers['set-cookie'] ?? []].flat();
    if (set !== undefined) this.cookie = set.split(';')[0] ?? '';
    if (typeof reply.value?.csrf === 'string') this.csrf = reply.value.csrf;
    return reply;
  }

  logIn(user: string, password: string): Promise<Reply> {
    return this.ask('POST', '/api/v1/session', { user, password });
  }
}

/** A stream for whoever has `live`: `open`, then nothing until the caller may no longer see it. */
const streamRoute = routesOf<{ readonly opened: () => void }>()({
  method: 'GET',
  path: '/api/v1/stream-of-a-test',
  access: 'live',
  group: 'test',
  says: 'Goes on for as long as it may.',
  answers: { 200: { says: 'It goes on.', media: 'text/event-stream' } },
  handle: ({ signal }, { opened }) => {
    async function* chunks(): AsyncGenerator<string> {
      yield 'open\n';
      opened();
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    }
    return { kind: 'stream', media: 'text/event-stream', chunks: chunks() };
  },
});

const metricsRoute = routesOf<object>()({
  method: 'GET',
  path: '/metrics',
  access: 'metrics.read',
  group: 'test',
  says: 'Metrics.',
  answers: { 200: { says: 'Them.' } },
  handle: () => ({ kind: 'text', media: 'text/plain', text: 'sightline_up 1\n' }),
});

export interface Door extends AsyncDisposable {
  readonly base: string;
  readonly accounts: Accounts;
  readonly ctx: TestContext;
  readonly store: Awaited<ReturnType<typeof startStore>>;
  readonly ticketKey: Uint8Array;
  /** Streams of the test route that were opened. */
  readonly streams: () => number;
  /** Names whose streams were to end, in order. */
  readonly revoked: readonly string[];
  /** The link that the log has. */
  setupToken(): string;
}

export async function startDoor(
  directory: string,
  http: Partial<Pick<Config['http'], 'metrics' | 'trustedProxy'>> = {},
  tls?: Certificate,
): Promise<Door> {
  const stack = new AsyncDisposableStack();
  try {
    return await openDoor(stack, directory, http, tls);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function openDoor(
  stack: AsyncDisposableStack,
  directory: string,
  http: NonNullable<Parameters<typeof startDoor>[1]>,
  tls: Parameters<typeof startDoor>[2],
): Promise<Door> {
  const ctx = stack.use(testContext());
  const store = stack.use(await startStore({ directory }, ctx));
  const accounts = stack.use(await startAccounts(store, ctx));
  const ticketKey = Buffer.alloc(32, 7);
  const part = stack.use(
    await createAuthPart({ accounts, store, http: { metrics: 'login', ...http } as Config['http'], ticketKey }, ctx),
  );
  let streams = 0;
  const extra: readonly BoundRoute[] = [
    ...bindRoutes([streamRoute], {
      opened: () => {
        streams += 1;
      },
    }),
    ...bindRoutes([metricsRoute], {}),
  ];
  const server = stack.use(
    await startHttpServer(
      { host: '127.0.0.1', port: 0 },
      { routes: [...part.routes, ...extra], gate: part.auth, ...(tls === undefined ? {} : { tls }) },
      ctx,
    ),
  );
  const revoked: string[] = [];
  accounts.onRevoke((user, cause) => revoked.push(`${user} ${cause}`));
  const base = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${server.address.port}`;
  await sayHowToSetUp(accounts, base, ctx);
  return {
    base,
    accounts,
    ctx,
    store,
    ticketKey,
    streams: () => streams,
    revoked,
    setupToken: () => String(ctx.lines.find(({ link }) => link !== undefined)?.['link']).split('#')[1] ?? '',
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A door that is set up, with an admin `ada` who is logged in. */
export async function startSetUpDoor(...args: Parameters<typeof startDoor>): Promise<Door & { readonly ada: Person }> {
  const door = await startDoor(...args);
  const ada = new Person(door.base);
  const made = await ada.ask('POST', '/api/v1/setup', { token: door.setupToken(), user: 'ada', password: adaPassword });
  if (made.status !== 201) throw new Error(`set-up failed: ${made.text}`);
  return { ...door, ada };
}

export const adaPassword = 'a horse that is correct';
