import type { Socket } from 'node:net';
import type { Principal } from '../core/access.ts';
import { maySee, mayWatch } from '../core/access.ts';
import type { Context } from '../core/context.ts';
import { errorText } from '../core/errors.ts';
import type { DoorSettings, DoorStats, FromDoor, RtspCounters, StreamUser, ToDoor } from '../core/media-door.ts';
import { createClips } from './clips.ts';
import { createHub } from './hub.ts';
import { type Intake, type IntakeWorker, startIntake } from './intake.ts';
import { createLiveFeed } from './live-feed.ts';
import { type RtspServer, startRtspServer } from './rtsp-server.ts';
import { createVideoStream } from './video-stream.ts';

/** What the media door does with the messages of the daemon: intake, hub, RTSP server, live feed and clips under one roof. */

export interface Door extends AsyncDisposable {
  /** Everything but `ping` and `stop`, in the order in which it comes. */
  receive(message: ToDoor, socket: Socket | undefined): void;
}

const statsEveryMs = 1000;
const noRtsp: RtspCounters = { clients: 0, turnedAway: 0, flooded: 0, loginsFailed: 0, handshakesFailed: 0, refused: {} };
/** The port of an RTSP server that could not be opened may be free by then: the door of a daemon that was killed lets go of it in a moment. */
const rtspAgainMs = 5000;
/** Who reads in open mode. */
const anybody: Principal = { user: 'anybody', role: 'viewer', cameras: 'all', pictures: false, via: 'open' };

export function createDoor(send: (message: FromDoor) => void, ctx: Context): Door {
  const clips = createClips({ clock: ctx.clock, log: ctx.log.child({ room: 'clips' }), report: send });
  const hub = createHub(
    {
      makeStream: (options) => createVideoStream(options, ctx),
      onWant: (camera, annotated) => send({ type: 'want', camera, annotated }),
      onClean: (camera, unit) => clips.unit(camera, unit),
    },
    ctx,
  );
  const feed = createLiveFeed({ hub, onKnown: (id) => send({ type: 'liveKnown', id }) }, ctx);
  let users: ReadonlyMap<string, StreamUser> = new Map();
  let workers: readonly IntakeWorker[] = [];
  let intake: Intake | undefined;
  let rtsp: RtspServer | undefined;
  /** A connection that the daemon still has its hand on. */
  let arriving: { readonly message: Extract<ToDoor, { type: 'live' }>; readonly socket: Socket } | undefined;
  let rtspTrouble: string | undefined;
  let configured = false;

  function openRtsp(settings: NonNullable<DoorSettings['rtsp']>): Promise<RtspServer> {
    const { host, port, udp, open, maxReaders, tls } = settings;
    return startRtspServer(
      {
        host,
        port,
        udp,
        maxReaders,
        ...(tls === undefined ? {} : { tls }),
        onTlsChange: sayReady,
        find: (path) => hub.stream(path)?.stream,
        access: {
          user: (name) => users.get(name),
          ...(open ? { anonymous: anybody } : {}),
          authorise: (principal, path) => {
            const found = hub.stream(path);
            // Nobody learns of cameras that are not theirs.
            if (found === undefined || !maySee(principal, found.camera.camera)) return 'unknown';
            const { camera, variant } = found;
            return mayWatch(principal, camera.camera, { variant, masked: camera.masked }) ? 'ok' : 'forbidden';
          },
        },
      },
      ctx,
    );
  }

  async function configure(settings: DoorSettings): Promise<void> {
    feed.setTicketKey(settings.ticketKey);
    clips.configure(settings.ring);
    intake = await startIntake(
      {
        socketPath: settings.mediaSocket,
        sink: {
          format: (format) => hub.format(format),
          unit: (unit) => hub.unit(unit),
          gone: (cameras) => {
            for (const camera of cameras) clips.away(camera);
          },
        },
      },
      ctx,
    );
    intake.setWorkers(workers);
    await serve(settings.rtsp);
  }

  function sayReady(): void {
    if (rtsp === undefined) return;
    const { port, tlsPort, tlsTrouble } = rtsp;
    send({
      type: 'ready',
      rtspPort: port,
      ...(tlsPort === undefined ? {} : { rtspsPort: tlsPort }),
      ...(tlsTrouble === undefined ? {} : { rtspsError: tlsTrouble }),
    });
  }

  /** Says `ready`, with an RTSP server or without, and goes on until there is one if there should be. */
  async function serve(wanted: DoorSettings['rtsp']): Promise<void> {
    if (wanted === undefined) {
      send({ type: 'ready' });
      return;
    }
    try {
      rtsp = await openRtsp(wanted);
      sayReady();
    } catch (error) {
      if (ctx.signal.aborted) return;
      const rtspError = errorText(error);
      if (rtspTrouble !== rtspError) {
        ctx.log.error({ reason: rtspError, retryInMs: rtspAgainMs }, 'rtsp server is not open');
        send({ type: 'ready', rtspError });
      }
      rtspTrouble = rtspError;
      ctx.clock.sleep(rtspAgainMs, ctx.signal).then(
        () => serve(wanted),
        () => {},
      );
    }
  }

  function stats(): DoorStats {
    const { user, system } = process.cpuUsage();
    return {
      rtspReaders: rtsp?.readers ?? 0,
      liveSubscribers: feed.subscribers,
      rssBytes: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / 1e6,
      streams: hub.stats(),
      refused: { ...intake?.refused, metadata: hub.framesLost },
      ringBytes: clips.ringBytes,
      clips: clips.counters,
      rtsp: rtsp?.counters ?? noRtsp,
      live: { framesLost: feed.framesLost, refused: feed.refused },
    };
  }

  const telling = ctx.clock.every(statsEveryMs, () => {
    if (configured) send({ type: 'stats', stats: stats() });
  });

  return {
    receive: (message, socket) => {
      switch (message.type) {
        case 'configure':
          if (configured) return;
          configured = true;
          configure(message.settings).catch((error: unknown) => {
            send({ type: 'failed', reason: errorText(error) });
            throw error;
          });
          return;
        case 'cameras':
          for (const camera of hub.setCameras(message.cameras)) clips.cut(camera);
          clips.keepOnly(message.cameras.map(({ camera }) => camera));
          rtsp?.recheck();
          send({ type: 'camerasTaken', id: message.id });
          return;
        case 'users':
          users = new Map(message.users.map((user) => [user.principal.user, user]));
          rtsp?.recheck();
          return;
        case 'workers':
          workers = message.workers;
          intake?.setWorkers(workers);
          return;
        case 'overlay':
          hub.overlay(message.frame);
          clips.overlay(message.frame);
          return;
        case 'state':
          hub.state(message.camera, message.state);
          if (message.state !== undefined && message.state.state !== 'live') clips.away(message.camera);
          return;
        case 'revoke':
          // A recorder stands on its stream password: that somebody logs out of a browser is nothing to it.
          if (message.cause === 'rights') rtsp?.revoke(message.user);
          feed.revoke(message.user, message.atMono);
          return;
        case 'live':
          // It is read from as soon as it is here: one that breaks before it is taken must not take the door with it.
          socket?.on('error', () => {});
          arriving?.socket.destroy();
          // A client that has gone meanwhile leaves a message without a socket.
          arriving = socket === undefined ? undefined : { message, socket };
          return;
        case 'given':
          if (arriving?.message.id === message.id) feed.take(arriving.message, arriving.socket);
          else arriving?.socket.destroy();
          arriving = undefined;
          send({ type: 'liveTaken', id: message.id });
          return;
        case 'clip':
          clips.request(message.request);
          return;
        case 'forget':
          void clips.forget(message.entryId, message.clips).then(() => send({ type: 'forgotten', entryId: message.entryId }));
          return;
        case 'ping':
        case 'stop':
          return;
      }
    },
    [Symbol.asyncDispose]: async () => {
      telling[Symbol.dispose]();
      await intake?.[Symbol.asyncDispose]();
      await Promise.all([clips[Symbol.asyncDispose](), feed[Symbol.asyncDispose](), rtsp?.[Symbol.asyncDispose]()]);
      hub[Symbol.dispose]();
    },
  };
}
