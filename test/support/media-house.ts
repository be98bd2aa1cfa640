import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type MediaDoor, type MediaDoorOptions, startMediaDoor } from '../../src/composition/media-door.ts';
import type { Principal } from '../../src/core/access.ts';
import { systemClock } from '../../src/core/clock.ts';
import { type DoorSettings, type StreamUser, streamRealm } from '../../src/core/media-door.ts';
import { writeTicket } from '../../src/core/tickets.ts';
import { type TestContext, testContext } from './context.ts';
import { temporaryDirectory } from './directory.ts';
import type { Encoded } from './encoded.ts';
import { connectMediaWorker, type MediaWorker } from './media-worker.ts';

/** The media door's real process behind an HTTP server that hands its upgrades over, as the daemon does. */

export const houseCameras = ['lobby', 'door', 'vault'];
export const ticketKey = Buffer.alloc(32, 7);
export const admin: Principal = { user: 'ada', role: 'admin', cameras: 'all', pictures: true, via: 'session' };
export const viewer: Principal = { user: 'vic', role: 'viewer', cameras: ['lobby', 'vault'], pictures: false, via: 'session' };
/** As the daemon writes it now, or has written it a while ago. */
export function ticket(principal: Principal, options: { readonly agoMs?: number; readonly key?: Uint8Array } = {}): string {
  const { agoMs = 0, key = ticketKey } = options;
  const then = { now: () => systemClock.now() - agoMs, mono: () => systemClock.mono() - agoMs };
  return writeTicket(principal, key, then).ticket;
}

export interface MediaHouse extends AsyncDisposable {
  readonly ctx: TestContext;
  readonly door: MediaDoor;
  readonly settings: DoorSettings;
  readonly url: string;
  readonly server: Server;
  readonly wants: string[];
  readonly clips: string[];
  worker(): Promise<MediaWorker>;
  /** No camera has ever sent anything. */
  reset(): void;
}

export async function startMediaHouse(
  change: Partial<MediaDoorOptions> = {},
  rtsp: Partial<NonNullable<DoorSettings['rtsp']>> = {},
): Promise<MediaHouse> {
  const ctx = testContext();
  const directory = await temporaryDirectory();
  const wants: string[] = [];
  const clips: string[] = [];
  const settings: DoorSettings = {
    mediaSocket: join(directory.path, 'media.sock'),
    rtsp: { host: '127.0.0.1', port: 0, udp: true, open: true, maxReaders: 16, ...rtsp },
    ring: { seconds: 10, bytes: 2 ** 24 },
    ticketKey,
    logLevel: 'debug',
  };
  const door = await startMediaDoor(
    {
      settings,
      onWant: (camera, annotated) => wants.push(`${camera} ${annotated}`),
      onClip: (answer) => clips.push(`${answer.id} ${answer.type === 'clipFailed' ? answer.code : 'done'}`),
      ...change,
    },
    ctx,
  );
  door.workers([{ worker: 'w1', token: 'secret', cameras: houseCameras }]);
  const list = houseCameras.map((camera) => ({ camera, masked: camera === 'vault', revision: '' }));
  door.cameras(list);
  const server = createServer((_request, response) => response.end());
  server.on('upgrade', (request, socket, head) => door.live(request, socket, head));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    ctx,
    door,
    settings,
    server,
    wants,
    clips,
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/live`,
    reset: () => {
      door.cameras([]);
      door.cameras(list);
    },
    worker: () => connectMediaWorker(settings.mediaSocket, 'w1', 'secret'),
    [Symbol.asyncDispose]: async () => {
      await door[Symbol.asyncDispose]();
      // Sockets that were handed over must not keep it.
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await directory[Symbol.asyncDispose]();
      ctx[Symbol.dispose]();
    },
  };
}

/** Somebody with a password for streams. */
export function streamUser(principal: Principal, password: string): StreamUser {
  const ha1 = (algorithm: string) => createHash(algorithm).update(`${principal.user}:${streamRealm}:${password}`).digest('hex');
  return { principal, ha1: { md5: ha1('md5'), sha256: ha1('sha256') } };
}

/** Units of the clip from `from` on, with their boxes where `door` is given. */
export function play(
  worker: MediaWorker,
  from: number,
  to: number,
  options: {
    readonly camera?: string;
    readonly epoch?: number;
    readonly beginMs?: number;
    readonly base?: bigint;
    readonly door?: MediaDoor;
    readonly variant?: 'clean' | 'annotated';
    readonly of: Encoded;
  },
): void {
  const { camera = 'lobby', epoch = 1, beginMs = 1_000_000, base = 0n, variant = 'clean', of } = options;
  for (const { key, pts, dts, nals } of of.units.slice(from, to)) {
    const captureMs = beginMs + Number(pts) / 90;
    const box = { track: 1, label: 'person', box: [0, 0, 1, 1] as const, score: 0.5, colour: '#9a9a9a', decided: false };
    options.door?.overlay({
      camera,
      epoch,
      pts90k: pts + base,
      time: captureMs,
      predicted: false,
      boxes: [{ ...box, box: [...box.box] }],
    });
    worker.unit({ camera, epoch, variant, key, pts: pts + base, dts: dts + base, captureMs, nals });
  }
}

/** Sockets that a process has open. */
export function sockets(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(join(folder, fd)).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;
}
