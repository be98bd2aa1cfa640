import { AV_CODEC_ID_H264, AV_CODEC_ID_HEVC } from 'node-av/constants';
import type { Context } from '../core/context.ts';
import type { FloodGate } from '../core/log.ts';
import type { Label } from '../gen/sightline/bridge/v1/bridge.ts';
import { type Annotator, createAnnotator } from './annotator.ts';
import { stamp, type UnitSource, type VideoUnit } from './demux.ts';
import type { NalCoding } from './key-pictures.ts';
import type { MediaSender, SentFormat } from './media-sender.ts';
import { parameterSetsOf, readConfiguration, toAnnexB } from './nal-units.ts';
import type { Picture } from './pictures.ts';
import type { TextMasks } from './text-masks.ts';
import type { TimeBase } from './times.ts';
import { type ClockedUnit, createUnitClock, type UnitClock } from './unit-clock.ts';

/** One camera's video for people: every unit as the camera sent it, always, and the annotated stream while it is wanted. */
export interface CameraVideo extends AsyncDisposable {
  /** The same source; what is read of it goes to the door as well. Files at full speed are nothing to watch. */
  tap(units: UnitSource, watchable: boolean): UnitSource;
  /** The frames from now on are of this epoch. */
  begin(epoch: VideoEpoch): void;
  /** A decoded frame of the main source has its time. */
  shown(picture: Picture): void;
  /** Whether there are pictures of the camera. */
  signal(live: boolean): void;
  want(annotated: boolean): void;
  label(labels: readonly Label[]): void;
  readonly annotator: Pick<Annotator, 'hold' | 'seen'>;
  readonly dropped: { readonly clean: number; readonly annotated: number };
}

export interface VideoEpoch {
  readonly epoch: number;
  readonly timeBase: TimeBase;
  readonly frameRate: number | undefined;
  readonly size: { readonly width: number; readonly height: number };
}

export interface CameraVideoOptions {
  readonly camera: string;
  /** Of its settings. */
  readonly revision: string;
  readonly sender: MediaSender;
  readonly texts: TextMasks;
  readonly flood: FloodGate;
  epoch(signal: AbortSignal): Promise<number>;
}

const codings: ReadonlyMap<number, NalCoding> = new Map<number, NalCoding>([
  [AV_CODEC_ID_H264, 'h264'],
  [AV_CODEC_ID_HEVC, 'h265'],
]);

/** Half of what the media door takes; real ones have some hundred bytes. */
const setsLimitBytes = 32 * 1024;

interface CleanUnit {
  readonly data: Buffer;
  readonly key: boolean;
  readonly receivedMonoUs: bigint;
  readonly parameterSets: Buffer;
}

/** Of one open of the source. */
interface Clean {
  readonly coding: NalCoding;
  readonly live: boolean;
  readonly clock: UnitClock<CleanUnit>;
  readonly lengthBytes: number | undefined;
  /** The latest. */
  parameterSets: Buffer;
  /** Units that are not what they should be. */
  malformed: number;
}

export function startCameraVideo(options: CameraVideoOptions, ctx: Context): CameraVideo {
  const { camera, revision, sender, flood } = options;
  const stream = sender.stream({ camera, variant: 'clean', revision });
  const annotator = createAnnotator({ ...options, stream: sender.stream({ camera, variant: 'annotated', revision }) }, ctx);
  let clean: Clean | undefined;
  let droppedBefore = 0;
  let current: VideoEpoch | undefined;
  let format: SentFormat | undefined;
  const said = new Set<string>();

  function sayOnce(reason: string): void {
    if (!said.has(reason)) ctx.log.info({ camera, reason }, 'camera video is not passed on');
    said.add(reason);
  }

  function lost(): number {
    return clean === undefined ? 0 : clean.clock.dropped + clean.malformed;
  }

  function openClean(units: UnitSource, watchable: boolean): Clean | undefined {
    const { parameters, kind, timeBase } = units;
    const coding = codings.get(parameters.codecId);
    const configuration = coding && readConfiguration(parameters.extradata, coding);
    if (!watchable) sayOnce('it is a file at full speed');
    else if (coding === undefined) sayOnce('it is neither H.264 nor H.265; annotated video is shown');
    else if (configuration === undefined) sayOnce('its parameter sets cannot be read; annotated video is shown');
    else if (configuration.parameterSets.length > setsLimitBytes)
      sayOnce('its parameter sets are too long; annotated video is shown');
    if (!watchable || coding === undefined || configuration === undefined) return undefined;
    if (configuration.parameterSets.length > setsLimitBytes) return undefined;
    const live = kind === 'live';
    return {
      coding,
      live,
      clock: createUnitClock<CleanUnit>({ timeBase, live, reorder: parameters.videoDelay }),
      ...configuration,
      malformed: 0,
    };
  }

  function send({ coding, live }: Clean, units: readonly ClockedUnit<CleanUnit>[]): void {
    for (const { item, epoch, pts, dts, cameraTimeUs } of units) {
      const { data, key, parameterSets } = item;
      if (format?.epoch !== epoch || format.parameterSets !== parameterSets)
        format = { epoch, codec: coding, ...(current?.size ?? { width: 0, height: 0 }), parameterSets };
      // A file's units are as old as their frames, which were held back to its pace.
      const receivedMonoUs = live ? item.receivedMonoUs : BigInt(Math.round(ctx.clock.mono() * 1000));
      stream.send({ key, data, pts, dts, receivedMonoUs, captureTimeUs: cameraTimeUs }, format);
    }
  }

  function take(to: Clean, { packet, receivedMonoUs }: VideoUnit): void {
    const bytes = packet.data;
    const data = bytes === null ? undefined : toAnnexB(bytes, to.lengthBytes);
    if (data === undefined) {
      to.malformed += 1;
      flood.warn('a unit of a camera cannot be passed on', { camera });
      return;
    }
    const key = packet.isKeyframe;
    const sets = key ? parameterSetsOf(data, to.coding) : undefined;
    if (sets !== undefined && sets.length > setsLimitBytes) {
      to.malformed += 1;
      flood.warn('a unit of a camera has too long parameter sets to be passed on', { camera, bytes: sets.length });
      return;
    }
    const renewed = sets !== undefined && sets.length > 0 && !sets.equals(to.parameterSets);
    if (renewed) to.parameterSets = sets;
    const item = { data, key, receivedMonoUs, parameterSets: to.parameterSets };
    send(to, to.clock.push({ pts: stamp(packet.pts), dts: stamp(packet.dts), renewed }, item));
  }

  return {
    annotator,
    tap: (units, watchable) => {
      droppedBefore += lost();
      const opened = openClean(units, watchable);
      clean = opened;
      if (opened === undefined) return units;
      return {
        ...units,
        // Not a value of this moment.
        get broken() {
          return units.broken;
        },
        read: async () => {
          const unit = await units.read();
          if (unit !== undefined) take(opened, unit);
          return unit;
        },
        [Symbol.asyncDispose]: () => units[Symbol.asyncDispose](),
      };
    },
    begin: (epoch) => {
      current = epoch;
      annotator.begin(epoch);
    },
    shown: ({ frame, pts, cameraTimeUs }) => {
      if (clean === undefined || current === undefined) return;
      const given = stamp(frame.pts) ?? stamp(frame.bestEffortTimestamp);
      send(clean, clean.clock.shown({ epoch: current.epoch, given, pts, cameraTimeUs }));
    },
    signal: (live) => annotator.signal(live),
    want: (annotated) => annotator.want(annotated),
    label: (labels) => annotator.label(labels),
    get dropped() {
      return { clean: stream.dropped + droppedBefore + lost(), annotated: annotator.dropped };
    },
    [Symbol.asyncDispose]: async () => {
      stream[Symbol.dispose]();
      await annotator[Symbol.asyncDispose]();
    },
  };
}
