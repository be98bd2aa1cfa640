import type { Context } from '../core/context.ts';
import type { LiveFrame, LiveState } from '../core/live-messages.ts';
import { FloodGate } from '../core/log.ts';
import type { DoorCamera, DoorStats, OverlayFrame } from '../core/media-door.ts';
import type { CameraId, CameraState } from '../core/types.ts';
import { Channel, type RtspStream } from './channel.ts';
import type { RefusedReason } from './intake.ts';
import type { IntakeFormat, IntakeUnit, StreamVariant } from './intake-wire.ts';
import { JoinedClock } from './joined-clock.ts';
import { splitAnnexB } from './nal.ts';
import type { RingUnit } from './packet-ring.ts';
import type { ServedUnit } from './served-unit.ts';
import { createWanted, type Wanted } from './wanted.ts';

/** Everything that comes of a camera, on one clock, to everybody who asked for it. Nothing here waits for a reader. */

const variants: readonly StreamVariant[] = ['clean', 'annotated'];
/** Boxes of an epoch whose video has not come: for this long and so many. */
const holdMs = 1000;
const holdFrames = 128;
const tickMs = 500;
/** Video without its boxes for longer than this is said to people. */
const behindMs = 1000;
/** Video that came within this is video that comes. */
const flowsMs = 3000;
/** Metadata that is kept: a group of pictures of 20 s at 30 frames a second. */
const recentFrames = 600;

/** What the hub tells of. Calls must return at once and not throw. */
export interface HubSink {
  /** Before the first unit that it describes. */
  configured(camera: CameraId, variant: StreamVariant): void;
  unit(camera: CameraId, variant: StreamVariant, unit: ServedUnit): void;
  /** Units until the next key frame cannot be decoded by those who had the ones before; `withdrawn`: which may not be shown any more. */
  cut(camera: CameraId, variant: StreamVariant, withdrawn: boolean): void;
  frame(frame: LiveFrame): void;
  state(state: LiveState): void;
  /** Cameras were added or removed, or who may watch them has changed. */
  cameras(): void;
}

export interface HubOptions {
  /** `name`: path of the stream. `onReaders`: how many read it over RTSP, whenever that changes. */
  makeStream(options: { readonly name: string; readonly onReaders: (count: number) => void }): RtspStream;
  /** Somebody watches the annotated stream, or nobody does any more. */
  onWant(camera: CameraId, annotated: boolean): void;
  onClean(camera: CameraId, unit: RingUnit): void;
}

export interface Hub<S extends RtspStream = RtspStream> extends Disposable {
  /** Who is told; one. */
  listen(sink: HubSink): void;
  /**
   * Returns those that masks were put on or taken off: other people may watch them now, and of them nothing is kept that shows what these
   * may not see. Of a camera with other settings no annotated picture is kept, and none is taken that was made with the ones before.
   */
  setCameras(cameras: readonly DoorCamera[]): readonly CameraId[];
  format(format: IntakeFormat): void;
  unit(unit: IntakeUnit): RefusedReason | undefined;
  overlay(frame: OverlayFrame): void;
  state(camera: CameraId, state: CameraState | undefined): void;
  camera(camera: CameraId): DoorCamera | undefined;
  /** What is said of a camera to somebody who begins to watch it. */
  stateOf(camera: CameraId): LiveState | undefined;
  channel(camera: CameraId, variant: StreamVariant): Channel | undefined;
  /** Metadata of the last moments from this joined time on; without it the newest one alone. */
  framesFrom(camera: CameraId, pts: number | undefined): readonly LiveFrame[];
  /** One more, or one less, watches by the live feed. */
  watch(camera: CameraId, variant: StreamVariant, by: 1 | -1): void;
  /** Of a path: `CAMERA` or `CAMERA/annotated`. */
  stream(path: string): { readonly stream: S; readonly camera: DoorCamera; readonly variant: StreamVariant } | undefined;
  stats(): DoorStats['streams'];
  /** Metadata that came for nothing, since the start: of epochs that are over, or too much of one that has no video. */
  readonly framesLost: number;
}

interface HubCamera {
  info: DoorCamera;
  readonly clock: JoinedClock;
  readonly channels: Readonly<Record<StreamVariant, Channel>>;
  readonly wanted: Wanted;
  readonly held: { readonly frame: OverlayFrame; readonly sinceMono: number }[];
  cleanFormat: RingUnit['format'] | undefined;
  /** Of the settings that annotated units are made with. */
  annotatedRevision: string | undefined;
  state: CameraState | undefined;
  /** Newest joined times of video and of metadata. */
  newestUnit: number | undefined;
  newestFrame: number | undefined;
  unitMono: number;
  /** The last ones, for whoever comes and is shown the last group of pictures. */
  recent: LiveFrame[];
  inferenceBehindMs: number | undefined;
}

export function pathOf(camera: CameraId, variant: StreamVariant): string {
  return variant === 'clean' ? camera : `${camera}/annotated`;
}

export function createHub<S extends RtspStream>(
  options: Omit<HubOptions, 'makeStream'> & { makeStream(options: Parameters<HubOptions['makeStream']>[0]): S },
  ctx: Context,
): Hub<S> {
  let sink: HubSink | undefined;
  const cameras = new Map<CameraId, HubCamera>();
  const paths = new Map<string, { readonly stream: S; readonly camera: CameraId; readonly variant: StreamVariant }>();
  const flood = new FloodGate(ctx.log, ctx.clock);
  let framesLost = 0;

  function add(info: DoorCamera): HubCamera {
    const { camera } = info;
    const wanted = createWanted((annotated) => {
      // What was shown to the last one must not be shown to the next.
      if (!annotated) cut(camera, 'annotated');
      options.onWant(camera, annotated);
    }, ctx.clock);
    const channel = (variant: StreamVariant): Channel => {
      const stream = options.makeStream({
        name: pathOf(camera, variant),
        onReaders: variant === 'annotated' ? (count) => wanted.set('rtsp', count) : () => {},
      });
      paths.set(pathOf(camera, variant), { stream, camera, variant });
      return new Channel(variant, stream);
    };
    const added: HubCamera = {
      info,
      clock: new JoinedClock(),
      channels: { clean: channel('clean'), annotated: channel('annotated') },
      wanted,
      held: [],
      cleanFormat: undefined,
      annotatedRevision: undefined,
      state: undefined,
      newestUnit: undefined,
      newestFrame: undefined,
      unitMono: Number.NEGATIVE_INFINITY,
      recent: [],
      inferenceBehindMs: undefined,
    };
    cameras.set(camera, added);
    return added;
  }

  function remove({ info: { camera }, channels, wanted }: HubCamera): void {
    cameras.delete(camera);
    wanted[Symbol.dispose]();
    for (const variant of variants) {
      paths.delete(pathOf(camera, variant));
      channels[variant].rtsp.end();
    }
  }

  function cut(camera: CameraId, variant: StreamVariant, withdrawn = false): void {
    cameras.get(camera)?.channels[variant].cut(withdrawn);
    sink?.cut(camera, variant, withdrawn);
  }

  function loseFrame(camera: CameraId, reason: string): void {
    framesLost += 1;
    flood.warn('metadata of a camera is not shown', { camera, reason });
  }

  function pass(known: HubCamera, { epoch, pts90k, ...frame }: OverlayFrame): void {
    const pts = known.clock.at(epoch, pts90k);
    if (pts === undefined) {
      loseFrame(frame.camera, 'its time cannot be');
      return;
    }
    known.newestFrame = Math.max(known.newestFrame ?? pts, pts);
    const shown: LiveFrame = { type: 'frame', ...frame, pts };
    known.recent.push(shown);
    if (known.recent.length > recentFrames) known.recent.shift();
    sink?.frame(shown);
  }

  function release(known: HubCamera): void {
    const { clock, held } = known;
    for (let first = held[0]; first !== undefined && first.frame.epoch <= (clock.epoch ?? -1); first = held[0]) {
      held.shift();
      pass(known, first.frame);
    }
  }

  function liveState(known: HubCamera): LiveState | undefined {
    const { state, info, inferenceBehindMs } = known;
    if (state === undefined) return undefined;
    return {
      type: 'state',
      camera: info.camera,
      state: state.state,
      since: state.since,
      ...(state.reason === undefined ? {} : { reason: state.reason }),
      ...(inferenceBehindMs === undefined || state.state !== 'live' ? {} : { inferenceBehindMs }),
    };
  }

  function tell(known: HubCamera): void {
    const said = liveState(known);
    if (said !== undefined) sink?.state(said);
  }

  /** Video goes on while its boxes stay away. */
  function measure(known: HubCamera, mono: number): void {
    const flows = mono - known.unitMono < flowsMs;
    const behind = ((known.newestUnit ?? 0) - (known.newestFrame ?? 0)) / 90;
    const before = known.inferenceBehindMs;
    known.inferenceBehindMs = flows && behind > behindMs ? Math.round(behind) : undefined;
    if (before !== known.inferenceBehindMs) tell(known);
  }

  const ticking = ctx.clock.every(tickMs, () => {
    const mono = ctx.clock.mono();
    for (const known of cameras.values()) {
      measure(known, mono);
      const [first] = known.held;
      if (first === undefined || mono - first.sinceMono < holdMs) continue;
      known.clock.begin(first.frame.epoch, first.frame.pts90k, first.frame.time);
      release(known);
    }
  });

  return {
    listen: (listener) => {
      sink = listener;
    },
    setCameras: (list) => {
      const named = new Set(list.map(({ camera }) => camera));
      for (const known of [...cameras.values()]) if (!named.has(known.info.camera)) remove(known);
      const remasked: CameraId[] = [];
      for (const info of list) {
        const known = cameras.get(info.camera) ?? add(info);
        if (known.info.masked !== info.masked) {
          remasked.push(info.camera);
          for (const variant of variants) cut(info.camera, variant, true);
        } else if (known.info.revision !== info.revision) cut(info.camera, 'annotated', true);
        known.info = info;
      }
      sink?.cameras();
      return remasked;
    },
    format: ({ camera, variant, codec, width, height, parameterSets, revision }) => {
      const known = cameras.get(camera);
      if (known === undefined) return;
      const sets = splitAnnexB(parameterSets);
      if (variant === 'clean') known.cleanFormat = { codec, width, height, parameterSets: sets };
      else known.annotatedRevision = revision;
      if (known.channels[variant].announce({ codec, width, height }, sets)) sink?.configured(camera, variant);
    },
    unit: ({ camera, variant, epoch, key, pts, dts, captureMs, data }) => {
      const known = cameras.get(camera);
      if (known === undefined) return 'camera';
      // Workers hear of the last one's leaving a moment later.
      if (variant === 'annotated' && !known.wanted.now) return 'unwanted';
      // Masks may be other ones: what was drawn before the worker knew of it ends here.
      if (variant === 'annotated' && known.annotatedRevision !== known.info.revision) return 'epoch';
      const time = known.clock.unit(epoch, { pts, dts, captureMs });
      if (time === undefined) return 'epoch';
      if (time.began) {
        for (const each of variants) cut(camera, each);
        known.newestFrame = time.pts;
      }
      const nals = splitAnnexB(data);
      const taken = known.channels[variant].take(nals, { key, pts: time.pts, dts: time.dts, captureMs });
      if (taken === undefined) return 'protocol';
      if (variant === 'clean') {
        known.newestUnit = Math.max(known.newestUnit ?? time.pts, time.pts);
        known.unitMono = ctx.clock.mono();
        const format = known.cleanFormat;
        if (format !== undefined) options.onClean(camera, { epoch, key, pts, dts, captureMs, nals, format });
      }
      if (taken.configured) sink?.configured(camera, variant);
      sink?.unit(camera, variant, taken.unit);
      if (known.held.length > 0) release(known);
      return undefined;
    },
    overlay: (frame) => {
      const known = cameras.get(frame.camera);
      if (known === undefined) return;
      const { clock, held } = known;
      if (clock.at(frame.epoch, frame.pts90k) !== undefined) pass(known, frame);
      else if (clock.epoch !== undefined && frame.epoch <= clock.epoch) loseFrame(frame.camera, 'its epoch is over');
      else {
        held.push({ frame, sinceMono: ctx.clock.mono() });
        if (held.length <= holdFrames) return;
        held.shift();
        loseFrame(frame.camera, 'its video has not come');
      }
    },
    state: (camera, state) => {
      const known = cameras.get(camera);
      if (known === undefined) return;
      known.state = state;
      // The last picture from before is not shown to whoever comes; the annotated stream says what is the matter.
      if (state?.state === 'away' || state?.state === 'failed' || state?.state === 'ended') cut(camera, 'clean');
      tell(known);
    },
    camera: (camera) => cameras.get(camera)?.info,
    stateOf: (camera) => {
      const known = cameras.get(camera);
      return known === undefined ? undefined : liveState(known);
    },
    channel: (camera, variant) => cameras.get(camera)?.channels[variant],
    framesFrom: (camera, pts) => {
      const recent = cameras.get(camera)?.recent ?? [];
      return pts === undefined ? recent.slice(-1) : recent.filter((frame) => frame.pts >= pts);
    },
    watch: (camera, variant, by) => {
      const known = cameras.get(camera);
      if (known === undefined) return;
      const channel = known.channels[variant];
      channel.subscribers += by;
      if (variant === 'annotated') known.wanted.set('live', channel.subscribers);
    },
    stream: (path) => {
      const found = paths.get(path);
      const info = found === undefined ? undefined : cameras.get(found.camera)?.info;
      return found === undefined || info === undefined
        ? undefined
        : { stream: found.stream, camera: info, variant: found.variant };
    },
    stats: () =>
      [...cameras.values()].flatMap(({ info: { camera }, channels }) =>
        variants.map((variant) => {
          const { rtsp, subscribers, units, bytes, lost } = channels[variant];
          return { camera, variant, readers: rtsp.readers + subscribers, units, bytes, lost: rtsp.lost + lost };
        }),
      ),
    get framesLost() {
      return framesLost;
    },
    [Symbol.dispose]: () => {
      ticking[Symbol.dispose]();
      for (const known of [...cameras.values()]) remove(known);
      flood[Symbol.dispose]();
    },
  };
}
