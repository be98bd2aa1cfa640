import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, resolve } from 'node:path';
import type { Principal, Role } from '../../src/core/access.ts';
import { may, permissions } from '../../src/core/access.ts';
import type { Alert, AlertEvent, AlertState, AlertStep } from '../../src/core/alerts.ts';
import type { CameraState } from '../../src/core/types.ts';
import { cameraViews, type describedEntry, entryViews, lists, statusOf } from './viewer-canned.ts';
import { pictureOf, type ViewerMaterial } from './viewer-material.ts';

/**
 * A stub of the daemon's HTTP server for the pages: the real files over real HTTP under a strict policy, answers made up here. The
 * player is a stub too (it draws a still picture), for what video does is tested elsewhere.
 */

const viewer = resolve(import.meta.dirname, '../../src/http/viewer');
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'self'";
const pages: Readonly<Record<string, string>> = {
  '/': 'index.html',
  '/login': 'login.html',
  '/setup': 'setup.html',
  '/watchlist': 'watchlist.html',
  '/health': 'health.html',
  '/users': 'users.html',
};

const stubFeed = `export class LiveFeed { constructor(o) { o.ticket(); } state = { word: 'live', text: 'live' }; retry() {} close() {} }`;
const stubPlayer = `export class Player {
  notice = ''; figures = { fps: 25, delayMs: 84, decoder: 'webcodecs' };
  constructor(o) {
    o.canvas.dataset.variant = o.variant; const i = new Image();
    i.onload = () => { const c = o.canvas; c.width = 1280; c.height = 720; c.getContext('2d').drawImage(i, 0, 0, 1280, 720); };
    i.src = new URL('../stub/' + o.camera + '.jpg', import.meta.url).href;
    const s = { cashdesk: { word: 'delayed', text: 'delayed by 3 s' }, lift: { word: 'behind', text: 'live, inference behind' } }[o.camera];
    setTimeout(() => o.onState(s ?? { word: 'live', text: 'live' }), 0);
  }
  setVariant(variant) {}
  close() {}
}`;

export interface StubUser {
  readonly password: string;
  readonly role: Role;
  readonly pictures: boolean;
  readonly disabled?: boolean;
  /** All without. */
  readonly cameras?: readonly string[];
}

export interface ViewerStub extends AsyncDisposable {
  readonly url: string;
  /** Method and path of everything that was asked, in order. */
  readonly asked: string[];
  /** Bodies of what changed something, by `METHOD path`. */
  readonly sent: Map<string, unknown>;
  readonly alerts: Map<string, { alert: Alert; revision: number }>;
  readonly users: Map<string, StubUser>;
  /** Makes an alert and tells it to those who listen. */
  alert(alert: Alert): void;
  camera(camera: string, state: CameraState): void;
  /** Ends all event connections; new ones are refused until `open`. */
  cutEvents(): void;
  openEvents(): void;
  readonly listeners: number;
  setupNeeded: boolean;
  /** So many requests for alerts fail from now on. */
  failAlerts(count: number): void;
  /** Until the end of each session, from now on. */
  sessionLeftMs: number;
  /** A proxy before the server sends requests of the API to its login. */
  proxyEnded: boolean;
  /** From the decision of an alert until its clip is there. */
  clipAfterMs: number;
  /** On the watchlist beside those of `entryViews`. */
  readonly described: ReturnType<typeof describedEntry>[];
  /** What the check of a photo says. */
  check: ViewerMaterial['check'];
}

const steps: Readonly<Record<string, AlertState>> = { acknowledge: 'acknowledged', resolve: 'resolved', reject: 'rejected' };

export async function startViewerStub(material: ViewerMaterial): Promise<ViewerStub> {
  const listeners = new Set<ServerResponse>();
  const sessions = new Map<string, string>();
  const asked: string[] = [];
  const sent = new Map<string, unknown>();
  const alerts = new Map<string, { alert: Alert; revision: number }>();
  const users = new Map<string, StubUser>([
    ['nadia', { password: 'a quiet night', role: 'admin', pictures: true }],
    ['omar', { password: 'a long shift', role: 'operator', pictures: false }],
    ['vera', { password: 'only looking', role: 'viewer', pictures: false }],
    ['wim', { password: 'long gone', role: 'viewer', pictures: false, disabled: true }],
  ]);
  let eventsOpen = true;
  let setupNeeded = false;
  let failing = 0;
  let sessionLeftMs = 86_400_000 * 7;
  let proxyEnded = false;
  const described: ReturnType<typeof describedEntry>[] = [];
  let clipAfterMs = 10_000;
  let check = material.check;
  let lastSession = 0;

  const tell = (event: string, data: unknown) => {
    for (const listener of listeners) listener.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  };
  const take = (alert: Alert, step: AlertStep): AlertEvent => {
    const revision = (alerts.get(alert.id)?.revision ?? 0) + 1;
    alerts.set(alert.id, { alert, revision });
    const event = { alert, step, revision };
    tell('alert', event);
    return event;
  };

  const principalOf = (request: IncomingMessage): Principal | undefined => {
    const id = /sightline=(\w+)/.exec(request.headers.cookie ?? '')?.[1];
    const name = sessions.get(id ?? '');
    const user = users.get(name ?? '');
    if (name === undefined || user === undefined) return undefined;
    return { user: name, role: user.role, cameras: user.cameras ?? 'all', pictures: user.pictures, via: 'session' };
  };
  const idOf = (request: IncomingMessage) => /sightline=(\w+)/.exec(request.headers.cookie ?? '')?.[1] ?? '';
  const sessionOf = (principal: Principal, id: string) => ({
    ...principal,
    permissions: permissions.filter((permission) => may(principal, permission)),
    csrf: `csrf of ${id}`,
    expiresAt: Date.now() + sessionLeftMs,
  });

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://stub');
    const method = request.method ?? 'GET';
    const path = url.pathname;
    const json = (value: unknown, status = 200, headers: Record<string, string> = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
    };
    const empty = () => void response.writeHead(204).end();
    const problem = (status: number, code: string, detail: string, details = {}, headers = {}) =>
      json({ type: 'about:blank', title: 'Problem', status, detail, code, details }, status, headers);
    if (proxyEnded && path.startsWith('/api/'))
      return void response.writeHead(302, { location: 'http://login.invalid/' }).end();
    if (!path.startsWith('/api/')) return await file(path, response, material);
    const api = path.slice('/api/v1/'.length);
    asked.push(`${method} ${api}`);
    const body = method === 'GET' ? undefined : await bodyOf(request);
    if (body !== undefined) sent.set(`${method} ${api}`, body);
    const open = (name: string, status: number) => {
      lastSession += 1;
      sessions.set(`s${lastSession}`, name);
      const user = users.get(name);
      if (user === undefined) throw new Error('no such user');
      const principal: Principal = {
        user: name,
        role: user.role,
        cameras: user.cameras ?? 'all',
        pictures: user.pictures,
        via: 'session',
      };
      json(sessionOf(principal, `s${lastSession}`), status, {
        'set-cookie': `sightline=s${lastSession}; HttpOnly; SameSite=Strict; Path=/`,
      });
    };

    if (api === 'setup') {
      if (method === 'GET') return json({ needed: setupNeeded });
      const { token, user, password } = body as { token: string; user: string; password: string };
      if (token !== 'one-time') return problem(401, 'http.auth', 'the set-up link is not the one of this start');
      users.set(user, { password, role: 'admin', pictures: true });
      setupNeeded = false;
      return open(user, 201);
    }
    if (api === 'session' && method === 'POST') {
      const { user, password } = body as { user: string; password: string };
      if (users.get(user)?.password !== password) return problem(401, 'http.auth', 'user or password is wrong');
      return open(user, 200);
    }
    const principal = principalOf(request);
    if (principal === undefined) return problem(401, 'http.auth', 'log in first');
    if (method !== 'GET' && request.headers['x-csrf'] !== `csrf of ${idOf(request)}`)
      return problem(403, 'http.forbidden', 'X-CSRF is missing or wrong', { reason: 'csrf' });
    if (api === 'session') {
      if (method === 'GET') return json(sessionOf(principal, idOf(request)));
      sessions.delete(/sightline=(\w+)/.exec(request.headers.cookie ?? '')?.[1] ?? '');
      return empty();
    }
    if (api === 'events') {
      if (!eventsOpen) return void request.socket.destroy();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('retry: 3000\n\n');
      listeners.add(response);
      response.on('close', () => listeners.delete(response));
      return;
    }
    if (api === 'tickets') return json({ ticket: 'stub', expiresAt: Date.now() + 30_000 });
    if (api === 'cameras') return json({ items: cameraViews(Date.now()) });
    if (api === 'lists') return json({ items: lists });
    if (api === 'status') return json(statusOf(Date.now()));
    if (api === 'alerts') {
      if (failing > 0) {
        failing -= 1;
        return problem(503, 'store.busy', 'the store is busy');
      }
      const entry = url.searchParams.get('entry');
      const wanted = url.searchParams.get('open');
      const items = [...alerts.values()]
        .map(({ alert }) => alert)
        .filter((alert) => entry === null || alert.entry?.id === entry)
        .filter(
          ({ state }) => wanted === null || ['opened', 'updated', 'acknowledged'].includes(state) === (wanted === 'true'),
        );
      items.sort((a, b) => b.firstSeenAt - a.firstSeenAt || (a.id < b.id ? 1 : -1));
      const start = Number(url.searchParams.get('cursor') ?? 0);
      const end = start + Number(url.searchParams.get('limit') ?? 50);
      return json({ items: items.slice(start, end), ...(end < items.length ? { cursor: String(end) } : {}) });
    }
    const one = /^alerts\/([^/]+)(?:\/(.+))?$/.exec(api);
    if (one !== null) {
      const known = alerts.get(one[1] ?? '');
      if (known === undefined) return problem(404, 'alert.unknown', `there is no alert ${one[1]}`);
      const { alert } = known;
      const what = one[2];
      if (what === undefined) return json({ ...alert, revision: known.revision });
      if (what === 'snapshot') return picture(response, pictureOf(material, 'sighting', alert.entry?.id ?? alert.label));
      if (what === 'reference') {
        if (!may(principal, 'pictures')) return problem(403, 'http.forbidden', 'no pictures');
        return picture(response, pictureOf(material, 'reference', alert.entry?.id ?? ''));
      }
      if (what === 'clip/index') {
        const dueAt = alert.decidedAt + clipAfterMs;
        if (Date.now() < dueAt)
          return problem(404, 'clip.unknown', `alert ${alert.id} has no clip: it is being written`, { dueAt });
        return json(material.clipIndex);
      }
      if (what === 'clip') return ranged(request, response, material.clip);
      const state = steps[what];
      if (state === undefined) return problem(404, 'http.unknown', 'no such route');
      const { reason, negative } = body as { reason?: string; negative?: boolean };
      const step: AlertStep = { state, at: Date.now(), actor: principal.user, ...(reason === undefined ? {} : { reason }) };
      const after: Alert = { ...alert, state, steps: [...alert.steps, step] };
      take(after, step);
      return json({ ...after, ...(negative === true ? { negative: { referenceId: 'n1' } } : {}) });
    }
    if (api === 'watchlist' && method === 'GET') return json({ items: [...entryViews(Date.now()), ...described] });
    if (api === 'watchlist/check') {
      const { width, height, faces } = check;
      return json({ width, height, refusals: [], faces });
    }
    if (api === 'watchlist')
      return problem(422, 'photo.refused', 'refused', { refusals: [{ reason: 'blurred', message: 'the face is blurred' }] });
    const reference = /^watchlist\/references\/([^/]+)\/picture$/.exec(api);
    if (reference !== null) {
      if (!may(principal, 'pictures')) return problem(403, 'http.forbidden', 'no pictures');
      return picture(response, pictureOf(material, 'reference', reference[1] ?? ''));
    }
    if (api.startsWith('watchlist/') && method === 'DELETE') return empty();
    if (api === 'users' && method === 'GET')
      return json({
        items: [...users].map(([user, { role, pictures, disabled = false }], index) => ({
          user,
          role,
          cameras: index === 2 ? ['lobby', 'cashdesk'] : 'all',
          pictures,
          disabled,
          password: true,
          streamPassword: index === 0,
          createdAt: Date.now() - 86_400_000 * 30,
          sessions: 1,
          lastSeenAt: Date.now() - 60_000 * 17 * (index + 1),
        })),
      });
    if (api === 'users') return json({}, 201);
    if (/^users\/[^/]+\/stream-password$/.test(api)) return json({ password: 'kx7v-2mqp-94tr-hh8w' });
    if (api === 'tokens')
      return json({
        items: [
          {
            id: 't1',
            name: 'Home Assistant',
            scopes: ['live', 'alerts.read'],
            cameras: 'all',
            createdBy: 'nadia',
            createdAt: Date.now() - 86_400_000 * 9,
            lastUsedAt: Date.now() - 4000,
          },
        ],
      });
    if (api === 'audit')
      return json({
        items: [
          {
            at: Date.now() - 60_000,
            actor: 'nadia',
            action: 'session.login',
            subject: 'nadia',
            details: { address: 'loopback' },
          },
          {
            at: Date.now() - 400_000,
            actor: 'omar',
            action: 'alert.acknowledged',
            subject: 'a1',
            details: { camera: 'lobby' },
          },
          {
            at: Date.now() - 700_000,
            actor: 'nadia',
            action: 'picture.viewed',
            subject: 'ada-left',
            details: { what: 'watchlist' },
          },
          {
            at: Date.now() - 900_000,
            actor: 'nadia',
            action: 'watchlist.enrolled',
            subject: 'ada',
            details: { list: 'banned' },
          },
        ],
      });
    return problem(404, 'http.unknown', `no route ${api}`);
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error) => response.writeHead(500).end(String(error)));
  });
  server.listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    sent,
    alerts,
    users,
    alert: (alert) => void take(alert, alert.steps.at(-1) ?? { state: alert.state, at: alert.decidedAt, actor: 'sightline' }),
    camera: (camera, state) => tell('camera', { camera, state }),
    cutEvents: () => {
      eventsOpen = false;
      for (const listener of listeners) listener.destroy();
    },
    openEvents: () => {
      eventsOpen = true;
    },
    failAlerts: (count) => {
      failing = count;
    },
    get listeners() {
      return listeners.size;
    },
    get sessionLeftMs() {
      return sessionLeftMs;
    },
    set sessionLeftMs(ms) {
      sessionLeftMs = ms;
    },
    get proxyEnded() {
      return proxyEnded;
    },
    set proxyEnded(ended) {
      proxyEnded = ended;
    },
    get check() {
      return check;
    },
    set check(found) {
      check = found;
    },
    described,
    get clipAfterMs() {
      return clipAfterMs;
    },
    set clipAfterMs(ms) {
      clipAfterMs = ms;
    },
    get setupNeeded() {
      return setupNeeded;
    },
    set setupNeeded(needed) {
      setupNeeded = needed;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? undefined : JSON.parse(text);
}

async function file(path: string, response: ServerResponse, material: ViewerMaterial): Promise<void> {
  const still = /^\/stub\/(\w+)\.jpg$/.exec(path);
  if (still !== null) return picture(response, pictureOf(material, 'still', still[1] ?? ''));
  const send = (text: string | Buffer, type: string) =>
    void response
      .writeHead(200, { 'content-type': type, 'content-security-policy': policy, 'cache-control': 'no-cache' })
      .end(text);
  if (path === '/live/feed.js') return send(stubFeed, types['.js'] ?? '');
  if (path === '/live/player.js') return send(stubPlayer, types['.js'] ?? '');
  const name = pages[path] ?? (path.startsWith('/alerts/') ? 'alert.html' : path.slice(1));
  try {
    return send(await readFile(join(viewer, name)), types[extname(name)] ?? 'application/octet-stream');
  } catch {
    response.writeHead(404).end();
  }
}

function picture(response: ServerResponse, jpeg: Uint8Array): void {
  response.writeHead(200, { 'content-type': 'image/jpeg' }).end(jpeg);
}

function ranged(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array): void {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const start = Number(from ?? 0);
  const end = to === undefined || to === '' ? bytes.length - 1 : Number(to);
  const headers = { 'content-type': 'video/mp4', 'accept-ranges': 'bytes', 'content-length': end - start + 1 };
  const range = from === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${bytes.length}` };
  response.writeHead(from === undefined ? 200 : 206, { ...headers, ...range }).end(bytes.subarray(start, end + 1));
}
