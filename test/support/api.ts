import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startAlerts } from '../../src/alerts/history.ts';
import { createApiServices } from '../../src/composition/api-services.ts';
import { createCameraFigures } from '../../src/composition/camera-figures.ts';
import { createControlHandlers } from '../../src/composition/control-handlers.ts';
import { createDocuments } from '../../src/composition/documents.ts';
import { createEventFeed, type EventFeed } from '../../src/composition/event-feed.ts';
import type { Keep } from '../../src/composition/keep.ts';
import { createUserHandlers } from '../../src/composition/user-handlers.ts';
import { type Config, configSchema } from '../../src/config/schema.ts';
import { type Principal, permissions } from '../../src/core/access.ts';
import type { Context } from '../../src/core/context.ts';
import type { ReloadView } from '../../src/core/control.ts';
import type { Store } from '../../src/core/store.ts';
import type { CameraState } from '../../src/core/types.ts';
import type { NewUser } from '../../src/core/users.ts';
import { bindRoutes } from '../../src/http/api/route.ts';
import { apiRoutes } from '../../src/http/api/routes.ts';
import type { ClipFile } from '../../src/http/api/services.ts';
import { type Accounts, startAccounts } from '../../src/http/auth/accounts.ts';
import { hostName } from '../../src/http/auth/addresses.ts';
import { cookieName } from '../../src/http/auth/cookie.ts';
import { csrfToken } from '../../src/http/auth/secrets.ts';
import { createAuthPart } from '../../src/http/auth/start.ts';
import { tokenPrincipal } from '../../src/http/auth/tokens.ts';
import { type HttpNeeds, startHttpServer } from '../../src/http/server.ts';
import { startStore } from '../../src/store/store.ts';
import { startWatchlist, type Watchlist } from '../../src/watchlist/watchlist.ts';
import { ManualClock } from './clock.ts';
import { temporaryDirectory } from './directory.ts';
import { fakeDescriptionTools, fakePhoto, fakePhotoTools } from './photos.ts';
import { begin, rulesOf } from './sightings.ts';
import { emptyStatus } from './status.ts';
import { exampleCommit, exampleEvent, exampleLedgerRow } from './store.ts';

/** The whole HTTP server with login, store, alerts and watchlist behind it as in the daemon, and people who ask it. */

const all = { cameras: 'all', pictures: false } as const;

/** Users, each with a session of their own. */
const users: readonly NewUser[] = [
  { ...all, user: 'admin', role: 'admin' },
  { ...all, user: 'operator', role: 'operator' },
  { ...all, user: 'viewer', role: 'viewer' },
  { ...all, user: 'painter', role: 'viewer', pictures: true },
  { ...all, user: 'porter', role: 'operator', cameras: ['lobby'] },
  { ...all, user: 'stranger', role: 'admin', cameras: [] },
];

/** Those who ask: users, and `only-PERMISSION`, a token with that one scope. */
export const people: readonly string[] = [...users.map(({ user }) => user), ...permissions.map((scope) => `only-${scope}`)];

/** Three alerts: two of the lobby, the newer one acknowledged, and one that was seen there and then in the yard. */
export const alertIds = { lobby: 'alert-lobby', newer: 'alert-newer', yard: 'alert-yard' } as const;
export const clipBytes = Buffer.from(Array.from({ length: 1000 }, (_, at) => at % 251));

export interface TestApi extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly store: Store;
  readonly watchlist: Watchlist;
  readonly feed: EventFeed;
  /** Of Alex Example on the list banned. */
  readonly entry: { readonly id: string; readonly referenceId: string };
  readonly accounts: Accounts;
  /** Whose clip an alert has. */
  readonly clipCameras: Map<string, string>;
  /** Clips that were opened and not yet disposed. */
  openClips(): number;
  /** Headers by which somebody is known; as they are now. */
  credentials(name: string): Readonly<Record<string, string>>;
  principal(name: string): Principal;
  /** As `actor action subject`. */
  audited(): Promise<readonly string[]>;
  ask(name: string | undefined, path: string, init?: RequestInit & { readonly json?: unknown }): Promise<Response>;
}

export interface TestApiOptions {
  /** As `http.metrics`. */
  readonly metrics?: 'login' | 'loopback';
  readonly trustedProxy?: Config['http']['trustedProxy'];
  readonly needs?: Partial<HttpNeeds>;
  readonly host?: string;
}

const states: Readonly<Record<string, CameraState>> = {
  lobby: { state: 'live', since: 1000, codec: 'h264', width: 1280, height: 720, decode: 'software', otherCodes: [] },
  yard: { state: 'away', since: 2000, reason: 'connection refused', code: 'source.unreachable', retryAt: 5000 },
};

const unchanged: ReloadView = { state: 'unchanged', at: 1, changes: [], needsDaemonRestart: [], issues: [] };

function testConfig(): Config {
  const mask: [number, number][] = [
    [0, 0],
    [0.2, 0],
    [0.2, 1],
  ];
  return configSchema.parse({
    lists: { banned: { severity: 'high', purpose: 'site safety' }, staff: { kind: 'ignore' } },
    cameras: { lobby: { source: 'x.mp4' }, yard: { source: 'y.mp4', masks: [mask] } },
  });
}

function clip(camera: string, disposed: () => void): ClipFile {
  return {
    record: { camera },
    bytes: clipBytes.length,
    tag: createHash('sha256').update(clipBytes).digest('hex').slice(0, 16),
    read: async function* (start, end) {
      for (let at = start; at <= end; at += 100) yield clipBytes.subarray(at, Math.min(end + 1, at + 100));
    },
    [Symbol.asyncDispose]: async () => disposed(),
  };
}

async function fill(store: Store, watchlist: Watchlist): Promise<TestApi['entry']> {
  const enrolled = await watchlist.enrol({
    photo: fakePhoto({ person: 'alex' }),
    source: 'alex.jpg',
    name: 'Alex Example',
    list: 'banned',
    actor: 'kim',
  });
  const entry = { id: enrolled.entry.id, name: 'Alex Example', list: 'banned' };
  const top = [{ entryId: entry.id, entryName: entry.name, list: 'banned', score: 0.71 }];
  const picture = fakePhoto({ person: 'alex', variant: 3 });
  const of = { entry, top, referenceId: enrolled.reference.id };
  const yard = { camera: 'yard', cameras: ['lobby', 'yard'], track: { camera: 'yard', epoch: 2, trackId: 1 } };
  const seen = { state: 'acknowledged', at: begin + 9000, actor: 'kim' } as const;
  const later = { firstSeenAt: begin + 5000, lastSeenAt: begin + 6000, state: seen.state };
  await store.alerts.commit(
    exampleCommit({
      events: [
        exampleEvent({ ...of, id: alertIds.lobby, firstSeenAt: begin, lastSeenAt: begin + 1000 }, 1, picture),
        exampleEvent({ ...of, ...later, id: alertIds.newer, steps: [seen] }, 2, picture),
        exampleEvent({ ...of, ...yard, id: alertIds.yard, firstSeenAt: begin + 2000, lastSeenAt: begin + 3000 }, 1, picture),
      ],
      ledger: [exampleLedgerRow({ at: begin }), exampleLedgerRow({ at: begin, track: yard.track })],
    }),
  );
  return { id: entry.id, referenceId: enrolled.reference.id };
}

/** How each is known. A session that was ended is opened anew. */
async function letIn(accounts: Accounts): Promise<ReadonlyMap<string, () => Readonly<Record<string, string>>>> {
  const known = new Map<string, () => Readonly<Record<string, string>>>();
  const by = { user: 'admin', via: 'control' } as const;
  for (const user of users) {
    await accounts.add(user, by);
    let { id } = await accounts.openSession(user.user, 'loopback');
    known.set(user.user, () => {
      if (accounts.sessions.use(id, Date.now()) === undefined)
        ({ id } = accounts.sessions.open(user.user, 'loopback', Date.now()));
      return { cookie: `${cookieName}=${id}`, 'x-csrf': csrfToken(id) };
    });
  }
  for (const scope of permissions) {
    const { token } = await accounts.addToken({ name: scope, scopes: [scope], cameras: 'all' }, by);
    known.set(`only-${scope}`, () => ({ authorization: `Bearer ${token}` }));
  }
  return known;
}

export async function startTestApi(ctx: Context, options: TestApiOptions = {}): Promise<TestApi> {
  const directory = await temporaryDirectory();
  const store = await startStore({ directory: directory.path }, ctx);
  const config = testConfig();
  const watchlist = await startWatchlist(
    {
      store: store.watchlist,
      lists: config.lists,
      spaces: {
        face: { name: 'test@1', dimensions: 64, threshold: 0.5 },
        description: { name: 'bodies@1', dimensions: 64, threshold: 0.3 },
      },
      photos: fakePhotoTools('test@1'),
      descriptions: fakeDescriptionTools('bodies@1'),
      audit: (row) => store.audit.add(row),
      scanOnly: true,
    },
    ctx,
  );
  const entry = await fill(store, watchlist);
  const accounts = await startAccounts(store, ctx);
  const feed = createEventFeed(ctx.metrics);
  const clipCameras = new Map<string, string>([
    [alertIds.lobby, 'lobby'],
    [alertIds.yard, 'yard'],
  ]);
  let openClips = 0;
  let ids = 0;
  const alerts = await startAlerts(
    {
      ...rulesOf({}),
      newId: () => `id-${++ids}`,
      isListed: () => true,
      store: store.alerts,
      // What the feed says is the test's.
      publish: { stored: () => {}, unstored: () => {} },
    },
    // However long a test takes, nobody leaves meanwhile.
    { ...ctx, clock: new ManualClock({ wall: begin + 10_000 }) },
  );
  const cameras = () => Object.entries(states).map(([camera, state]) => ({ camera, state }));
  const keep = { store, watchlist, engine: { name: 'embedded', states: () => [{ state: 'ready', model: 'face' }] } };
  const status = async () => ({ ...emptyStatus, cameras: cameras(), parts: parts(), lastReload: unchanged });
  const parts = () => [
    { name: 'store', ready: true },
    { name: 'camera yard', ready: false, reason: 'away: connection refused' },
  ];
  const control = createControlHandlers({
    keep: keep as unknown as Keep,
    users: createUserHandlers({ accounts }),
    now: () => begin + 10_000,
    running: {
      alerts,
      feed,
      outages: { of: () => undefined } as never,
      reload: async () => unchanged,
      status,
    },
  });
  const figures = createCameraFigures(ctx.clock);
  const part = await createAuthPart(
    {
      accounts,
      store,
      http: { metrics: options.metrics ?? 'login', trustedProxy: options.trustedProxy },
      ticketKey: Buffer.alloc(32, 7),
    },
    ctx,
  );
  const known = await letIn(accounts);
  const services = createApiServices(
    {
      keep: keep as unknown as Keep,
      control,
      feed,
      figures,
      config: () => config,
      cameras,
      newestOverlay: (camera) =>
        camera === 'lobby' ? { camera, epoch: 1, pts90k: 900_000n, time: begin, predicted: false, boxes: [] } : undefined,
      clips: {
        open: async (id) => {
          const camera = clipCameras.get(id);
          if (camera === undefined) return undefined;
          openClips += 1;
          return clip(camera, () => {
            openClips -= 1;
          });
        },
        index: async (id) => {
          const camera = clipCameras.get(id);
          return camera === undefined ? undefined : { camera, fps: 25, at: 5, frames: [{ time: 0, pts: 0, boxes: [] }] };
        },
        absence: ({ camera }) =>
          camera === 'yard' ? { reason: 'it is being written', dueAt: begin } : { reason: 'it was never written' },
      },
      door: () => ({ ready: { rtspPort: 8554 }, stats: undefined }),
      status,
      parts,
      audit: part.auth.audit,
      hostOf: (request) => hostName(part.auth.seenAs(request).host),
      requireMetrics: (request) => part.auth.requireMetrics(request),
      documents: createDocuments(),
    },
    ctx,
  );
  const server = await startHttpServer(
    { host: options.host ?? '127.0.0.1', port: 0 },
    { routes: [...part.routes, ...bindRoutes(apiRoutes, services)], gate: part.auth, ...options.needs },
    ctx,
  );
  const url = `${options.needs?.tls === undefined ? 'http' : 'https'}://127.0.0.1:${server.address.port}`;
  return {
    url,
    port: server.address.port,
    store,
    watchlist,
    feed,
    entry,
    accounts,
    clipCameras,
    openClips: () => openClips,
    credentials: (name) => known.get(name)?.() ?? { authorization: `Bearer ${name}` },
    principal: (name) => {
      const token = accounts.tokens.all().find((record) => `only-${record.name}` === name);
      return token === undefined ? accounts.principal(name, 'session') : tokenPrincipal(token);
    },
    audited: async () => (await store.audit.list(1000)).map(({ actor, action, subject }) => `${actor} ${action} ${subject}`),
    ask: async (name, path, { json, ...init } = {}) =>
      await fetch(`${url}${path}`, {
        ...init,
        headers: {
          ...(name === undefined ? {} : (known.get(name)?.() ?? { authorization: `Bearer ${name}` })),
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...Object.fromEntries(new Headers(init.headers)),
        },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      }),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      part[Symbol.dispose]();
      await accounts[Symbol.asyncDispose]();
      await alerts[Symbol.asyncDispose]();
      await watchlist[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** A folder of pages, as small as they can be. */
export function writePages(folder: string): string {
  const pages = join(folder, 'viewer');
  mkdirSync(join(pages, 'live'), { recursive: true });
  writeFileSync(join(pages, 'index.html'), '<!doctype html><title>first</title>');
  writeFileSync(join(pages, 'alert.html'), '<!doctype html><title>alert</title>');
  writeFileSync(join(pages, 'live', 'player.js'), 'export {};\n');
  writeFileSync(join(pages, '.secret'), 'no');
  return pages;
}
