import type { Box, Crop, FivePoints } from '../core/types.ts';
import { CameraTimeSource, type Frame, type Rect, type Object as WireObject } from '../gen/sightline/bridge/v1/bridge.ts';
import type { FrameClock, TimeBase } from './times.ts';
import type { TrackedObject } from './track.ts';

/** What the worker says of frames, as messages of the bridge. Pure. */

export interface SeenObject {
  readonly tracked: TrackedObject;
  readonly crop: Crop | undefined;
}

export interface SeenFrame {
  readonly camera: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly timeBase: TimeBase;
  readonly clock: Pick<FrameClock, 'pts' | 'cameraTimeUs' | 'cameraTimeSource'>;
  readonly receivedMonoUs: bigint;
  readonly decodedMonoUs: bigint;
  /** 0 when no detector looked at this frame: its objects are predictions. */
  readonly detectedMonoUs: bigint;
  readonly width: number;
  readonly height: number;
  readonly objects: readonly SeenObject[];
  readonly endedTracks: readonly number[];
  /** The source is a camera, not a file. */
  readonly live: boolean;
}

function rect(box: Box): Rect {
  return { left: box.left, top: box.top, width: box.width, height: box.height };
}

function flat(points: FivePoints | undefined): number[] {
  return points === undefined ? [] : points.flatMap(({ x, y }) => [x, y]);
}

function wireObject({ tracked, crop }: SeenObject): WireObject {
  return {
    trackId: tracked.trackId,
    label: tracked.label,
    model: tracked.model,
    score: tracked.score,
    box: rect(tracked.box),
    landmarks: flat(tracked.landmarks),
    personTrackId: tracked.personTrackId ?? 0,
    crop:
      crop === undefined
        ? undefined
        : {
            jpeg: Buffer.from(crop.jpeg.buffer, crop.jpeg.byteOffset, crop.jpeg.byteLength),
            rect: rect(crop.rect),
            width: crop.width,
            height: crop.height,
            landmarks: flat(crop.landmarks),
            box: rect(crop.box),
            quality: crop.quality,
          },
  };
}

/** `sentMonoUs` is filled in when the batch leaves. */
export function frameToWire(seen: SeenFrame): Frame {
  return {
    camera: seen.camera,
    epoch: seen.epoch,
    sequence: BigInt(seen.sequence),
    pts: seen.clock.pts,
    timeBaseNum: seen.timeBase.num,
    timeBaseDen: seen.timeBase.den,
    receivedMonoUs: seen.receivedMonoUs,
    cameraTimeUs: BigInt(seen.clock.cameraTimeUs),
    cameraTimeSource: seen.clock.cameraTimeSource === 'rtcp' ? CameraTimeSource.RTCP : CameraTimeSource.ARRIVAL,
    width: seen.width,
    height: seen.height,
    predicted: seen.detectedMonoUs === 0n,
    objects: seen.objects.map(wireObject),
    decodedMonoUs: seen.decodedMonoUs,
    detectedMonoUs: seen.detectedMonoUs,
    sentMonoUs: 0n,
    endedTracks: [...seen.endedTracks],
    live: seen.live,
  };
}
