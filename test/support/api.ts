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
import type { UserHandlers } from '../../src/composition/user-handlers.ts';
import { type Config, configSchema } from '../../src/config/schema.ts';
import { type Permission, type Principal, permissions } from '../../src/core/access.ts';
import type { Context } from '../../src/core/context.ts';
import { SightlineError } from '../../src/core/errors.ts';
import type { Store } from '../../src/core/store.ts';
import type { CameraState } from '../../src/core/types.ts';
import type { AnswerFile } from '../../src/http/api/route.ts';
import { bindRoutes } from '../../src/http/api/route.ts';
import { apiRoutes } from '../../src/http/api/routes.ts';
import type { Gate } from '../../src/http/gate.ts';
import { type HttpNeeds, startHttpServer } from '../../src/http/server.ts';
import { startStore } from '../../src/store/store.ts';
import { startWatchlist, type Watchlist } from '../../src/watchlist/watchlist.ts';
import { temporaryDirectory } from './directory.ts';
import { fakePhoto, fakePhotoTools } from './photos.ts';
import { begin, rulesOf } from './sightings.ts';
import { emptyStatus } from './status.ts';
import { exampleCommit, exampleEvent, exampleLedgerRow } from './store.ts';

/**
 * The HTTP server with store, alerts and watchlist behind it as in the daemon. Who asks is said by a bearer token that is a name
 * of `people`; logging in has tests of its own.
 */

const all = { cameras: 'all', pictures: false, via: 'token' } as const;

/** Those who ask. `only-PERMISSION` is an admin's token with that one scope. */
export const people: Readonly<Record<string, Principal>> = {
  admin: { ...all, user: 'admin', role: 'admin' },
  operator: { ...all, user: 'operator', role: 'operator' },
  viewer: { ...all, user: 'viewer', role: 'viewer' },
  painter: { ...all, user: 'painter', role: 'viewer', pictures: true },
  porter: { ...all, user: 'porter', role: 'operator', cameras: ['lobby'] },
  stranger: { ...all, user: 'stranger', role: 'admin', cameras: [] },
  ...Object.fromEntries(
    permissions.map((permission) => [
      `only-${permission}`,
      { ...all, user: 'machine', role: 'admin', scopes: [permission as Permission] } satisfies Principal,
    ]),
  ),
};

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
  /** Rows of the audit trail that the routes themselves have written. */
  readonly audit: readonly { readonly user: string; readonly action: string; readonly subject: string }[];
  clearAudit(): void;
  /** Ends what somebody's login lets them see, as logging out does. */
  revoke(name: string): void;
  ask(name: string | undefined, path: string, init?: RequestInit & { readonly json?: unknown }): Promise<Response>;
}

export interface TestApiOptions {
  /** As `http.metrics`. */
  readonly metrics?: 'login' | 'loopback';
  readonly needs?: Partial<HttpNeeds>;
  readonly host?: string;
}

const states: Readonly<Record<string, CameraState>> = {
  lobby: { state: 'live', since: 1000, codec: 'h264', width: 1280, height: 720, decode: 'software', otherCodes: [] },
  yard: { state: 'away', since: 2000, reason: 'connection refused', code: 'source.unreachable', retryAt: 5000 },
};

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

function clip(): AnswerFile {
  return {
    bytes: clipBytes.length,
    tag: createHash('sha256').update(clipBytes).digest('hex').slice(0, 16),
    read: async function* (start, end) {
      for (let at = start; at <= end; at += 100) yield clipBytes.subarray(at, Math.min(end + 1, at + 100));
    },
    [Symbol.asyncDispose]: async () => {},
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

export async function startTestApi(ctx: Context, options: TestApiOptions = {}): Promise<TestApi> {
  const directory = await temporaryDirectory();
  const store = await startStore({ directory: directory.path }, ctx);
  const config = testConfig();
  const watchlist = await startWatchlist(
    {
      store: store.watchlist,
      lists: config.lists,
      spaces: { face: { name: 'test@1', dimensions: 64, threshold: 0.5 } },
      photos: fakePhotoTools('test@1'),
      audit: (row) => store.audit.add(row),
      scanOnly: true,
    },
    ctx,
  );
  const entry = await fill(store, watchlist);
  const feed = createEventFeed(ctx.metrics);
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
    ctx,
  );
  const cameras = () => Object.entries(states).map(([camera, state]) => ({ camera, state }));
  const keep = { store, watchlist, engine: { name: 'embedded', states: () => [{ state: 'ready', model: 'face' }] } };
  const status = async () => ({ ...emptyStatus, cameras: cameras(), parts: parts() });
  const parts = () => [
    { name: 'store', ready: true },
    { name: 'camera yard', ready: false, reason: 'away: connection refused' },
  ];
  const control = createControlHandlers({
    keep: keep as unknown as Keep,
    users: {} as UserHandlers,
    log: ctx.log,
    now: () => begin + 10_000,
    running: {
      alerts,
      feed,
      outages: { of: () => undefined } as never,
      reload: async () => ({ state: 'unchanged', at: 1, changes: [], needsDaemonRestart: [], issues: [] }),
      status,
    },
  });
  const figures = createCameraFigures(ctx.clock);
  const audit: { user: string; action: string; subject: string }[] = [];
  const logins = new Map<string, AbortController>();
  const gate: Gate = {
    identify: async ({ headers }) => {
      const name = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
      if (name === undefined) return undefined;
      const principal = Object.hasOwn(people, name) ? people[name] : undefined;
      if (principal === undefined) throw new SightlineError('http.auth', 'the token is none of this server');
      const login = logins.get(name) ?? new AbortController();
      logins.set(name, login);
      return { principal, signal: login.signal };
    },
    requireSameSite: () => {},
    requireMetrics: async (request) => {
      const caller = await gate.identify(request);
      if (options.metrics === 'loopback') return;
      if (caller === undefined) throw new SightlineError('http.auth', 'log in');
      const { role, scopes } = caller.principal;
      if (role !== 'admin' || scopes?.includes('metrics.read') === false)
        throw new SightlineError('http.forbidden', 'not for you');
    },
  };
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
        open: async (id) => (id === alertIds.lobby || id === alertIds.yard ? clip() : undefined),
        index: async (id) => (id === alertIds.lobby ? { at: 5, frames: [{ time: 0, boxes: [] }] } : undefined),
      },
      door: () => ({ ready: { rtspPort: 8554 }, stats: undefined }),
      status,
      parts,
      audit: { note: ({ user }, action, subject) => void audit.push({ user, action, subject }) },
      requireMetrics: gate.requireMetrics,
      colourOf: () => '#e69f00',
      documents: createDocuments(),
    },
    ctx,
  );
  const server = await startHttpServer(
    { host: options.host ?? '127.0.0.1', port: 0 },
    { routes: bindRoutes(apiRoutes, services), gate, ...options.needs },
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
    audit,
    clearAudit: () => {
      audit.length = 0;
    },
    revoke: (name) => {
      logins.get(name)?.abort();
      logins.delete(name);
    },
    ask: async (name, path, { json, ...init } = {}) =>
      await fetch(`${url}${path}`, {
        ...init,
        headers: {
          ...(name === undefined ? {} : { authorization: `Bearer ${name}` }),
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...Object.fromEntries(new Headers(init.headers)),
        },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      }),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
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
