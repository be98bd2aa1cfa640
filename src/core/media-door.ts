import type { Principal, RevokeCause } from './access.ts';
import type { LiveFrame } from './live-messages.ts';
import type { CameraId, CameraState } from './types.ts';

/**
 * What the daemon and the media door say to each other over the channel between parent and child, in Node's `advanced` serialisation.
 * Both are of one build: no versions. Video never takes this way; it comes from the workers over media.sock.
 */

/** Realm of the RTSP door; part of every HA1, so it never changes. */
export const streamRealm = 'sightline';

/** Somebody who may read streams with a password of their own. HA1 as RFC 7616 section 3.4.2 has it: user:realm:password, hex. */
export interface StreamUser {
  readonly principal: Principal;
  readonly ha1: { readonly md5: string; readonly sha256: string };
  /** For one connection of the legacy view: withdrawn soon, which ends logins with it and not what was opened with one. */
  readonly lent?: true;
}

export interface DoorCamera {
  readonly camera: CameraId;
  /** Some of the picture is masked: the clean stream is for admins. */
  readonly masked: boolean;
  /** Of its settings (`bridge.proto`): annotated video that was made with others is shown to nobody. */
  readonly revision: string;
}

export interface DoorSettings {
  /** Socket that workers send video to. */
  readonly mediaSocket: string;
  readonly rtsp:
    | {
        readonly host: string;
        readonly port: number;
        readonly udp: boolean;
        /** Nobody is asked for a password. The configuration allows it on loopback alone. */
        readonly open: boolean;
        readonly maxReaders: number;
        readonly tls?: { readonly port: number; readonly certFile: string; readonly keyFile: string };
      }
    | undefined;
  /** What each camera's encoded video of the last seconds may take, for clips. */
  readonly ring: { readonly seconds: number; readonly bytes: number };
  /** Key of the tickets (`core/tickets.ts`), this run's. */
  readonly ticketKey: Uint8Array;
  readonly logLevel: string;
}

export interface ClipRequest {
  /** Of the alert. */
  readonly id: string;
  readonly camera: CameraId;
  /** Camera time of the sighting, milliseconds since 1970. */
  readonly atMs: number;
  readonly beforeMs: number;
  readonly afterMs: number;
  /** Written beside each other as `<path>.mp4` and `<path>.json`, each under another name until it is whole. */
  readonly path: string;
}

/**
 * `busy`: too many at once. `empty`: no video of that moment is in memory. `disk`: the disk did not take it. `cancelled`: it was to be
 * forgotten. `gone`: the door ended meanwhile; said by the daemon.
 */
export type ClipFailure = 'busy' | 'empty' | 'disk' | 'cancelled' | 'failed' | 'gone';

/** Boxes of one frame: the live message, with the time stamp of its own epoch. */
export interface OverlayFrame extends Omit<LiveFrame, 'type' | 'pts'> {
  readonly epoch: number;
  /** `toPts90k` of the frame. */
  readonly pts90k: bigint;
}

export type ToDoor =
  | { readonly type: 'configure'; readonly settings: DoorSettings }
  /** The whole list, whenever it changes; answered by `camerasTaken`. */
  | { readonly type: 'cameras'; readonly id: number; readonly cameras: readonly DoorCamera[] }
  | { readonly type: 'users'; readonly users: readonly StreamUser[] }
  /** Workers that may send video, with the secrets of their bridges and their cameras; the whole list. */
  | {
      readonly type: 'workers';
      readonly workers: readonly { readonly worker: string; readonly token: string; readonly cameras: readonly CameraId[] }[];
    }
  | { readonly type: 'overlay'; readonly frame: OverlayFrame }
  | { readonly type: 'state'; readonly camera: CameraId; readonly state: CameraState | undefined }
  /** Ends the live feeds of this user and makes the tickets given so far worthless; for `rights` ends their RTSP sessions too. */
  | {
      readonly type: 'revoke';
      readonly user: string;
      readonly cause: RevokeCause;
      /** CLOCK_MONOTONIC: tickets of until then. */
      readonly atMono: number;
    }
  /** Comes with the socket of a WebSocket upgrade that the HTTP server has read the head of. Nothing is done with it before `given`. */
  | {
      readonly type: 'live';
      readonly id: number;
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly head: Uint8Array;
      /** Where it comes from, for the limit of one place; absent where that is not known or speaks for many. */
      readonly place?: string;
    }
  /**
   * The daemon has closed its copy of that socket; `liveTaken` answers. Until then it goes on reading, and what the client sends could end
   * there: the client must hear nothing that makes it speak.
   */
  | { readonly type: 'given'; readonly id: number }
  | { readonly type: 'clip'; readonly request: ClipRequest }
  /** An entry is being erased: no clip that is still written names it, and these are given up. Answered by `forgotten`. */
  | { readonly type: 'forget'; readonly entryId: string; readonly clips: readonly string[] }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'stop' };

export type FromDoor =
  /**
   * What of `configure` came true. `rtspError`: why the RTSP server could not be opened; `rtspsError`: why RTSPS beside it could not. The
   * rest works all the same, it is tried again, and this is said again whenever it has changed.
   */
  | {
      readonly type: 'ready';
      readonly rtspPort?: number;
      readonly rtspsPort?: number;
      readonly rtspError?: string;
      readonly rtspsError?: string;
    }
  /** Without what `configure` asked for the process is of no use, and ends. */
  | { readonly type: 'failed'; readonly reason: string }
  /** The socket of `live` has arrived: the daemon sends the next one. */
  | { readonly type: 'liveTaken'; readonly id: number }
  /** Its ticket was right. */
  | { readonly type: 'liveKnown'; readonly id: number }
  /** From now on nothing is given out that the cameras of this id do not allow. */
  | { readonly type: 'camerasTaken'; readonly id: number }
  /** Whether somebody watches the annotated stream of a camera. */
  | { readonly type: 'want'; readonly camera: CameraId; readonly annotated: boolean }
  | {
      readonly type: 'clipDone';
      readonly id: string;
      readonly bytes: number;
      /** Camera time of the first and the last frame, milliseconds since 1970. */
      readonly fromMs: number;
      readonly toMs: number;
      /** Who is named in its boxes. */
      readonly entries: readonly string[];
    }
  /** Nothing of it is left on the disk. `reason` is for people. */
  | { readonly type: 'clipFailed'; readonly id: string; readonly code: ClipFailure; readonly reason: string }
  /** What the door was writing of these clips is gone; answers about them came before. */
  | { readonly type: 'forgotten'; readonly entryId: string }
  | { readonly type: 'stats'; readonly stats: DoorStats }
  | { readonly type: 'pong'; readonly id: number };

/** Once a second. Counters count since the door started. */
export interface DoorStats {
  readonly rtspReaders: number;
  readonly liveSubscribers: number;
  readonly rssBytes: number;
  readonly cpuSeconds: number;
  readonly streams: readonly {
    readonly camera: CameraId;
    readonly variant: 'clean' | 'annotated';
    readonly readers: number;
    readonly units: number;
    readonly bytes: number;
    /** Units that readers lost because they were too slow, all readers together. */
    readonly lost: number;
  }[];
  /**
   * What of the workers was not taken, by reason: `camera` (not the worker's), `epoch` (over), `token`, `protocol`, `unwanted`
   * (annotated video that nobody watches any more), and `metadata` (boxes whose video never came or whose epoch is over).
   */
  readonly refused: Readonly<Record<string, number>>;
  readonly ringBytes: number;
  readonly clips: ClipCounters;
  readonly rtsp: RtspCounters;
  /** Of the live feed: metadata that slow subscribers lost, and connections that were not taken or made room. */
  readonly live: { readonly framesLost: number; readonly refused: number };
}

/** Since the RTSP server was opened, but `clients`, which are those of now. */
export interface RtspCounters {
  readonly clients: number;
  /** Connections beyond the limits. */
  readonly turnedAway: number;
  /** Connections that were ended for what they sent without a login. */
  readonly flooded: number;
  readonly loginsFailed: number;
  /** RTSPS connections that did not come to be. */
  readonly handshakesFailed: number;
  /** Answers other than 200, by status. */
  readonly refused: Readonly<Record<string, number>>;
}

export interface ClipCounters {
  /** Requests that are not answered yet. */
  readonly waiting: number;
  readonly written: number;
  readonly failed: number;
  /** Units that no clip can show: before a first key frame, without parameter sets, or of a group of pictures larger than the ring. */
  readonly unusable: number;
  /** Boxes of frames that were dropped because there were too many. */
  readonly overlaysDropped: number;
}
