import type { TrackLabel } from '../alerts/recognition.ts';
import type { ListConfig } from '../config/schema.ts';
import type { LiveBox } from '../core/live-messages.ts';
import type { OverlayFrame } from '../core/media-door.ts';
import { toPts90k } from '../core/media-time.ts';
import type { Detection, FrameMeta, TrackRef } from '../core/types.ts';
import { colourOf } from './worker-link.ts';

/** A frame's boxes with the names known at this moment, for whoever looks at the camera. Pure. */
export function overlayOf(
  frame: FrameMeta,
  label: (track: TrackRef) => TrackLabel,
  lists: Readonly<Record<string, ListConfig>>,
): OverlayFrame {
  const { camera, epoch, time } = frame;
  return {
    camera,
    epoch,
    pts90k: toPts90k(time.pts, time.timeBase),
    time: time.cameraTimeMs,
    predicted: frame.predicted,
    boxes: frame.detections.map((detection) =>
      boxOf(detection, frame, label({ camera, epoch, trackId: detection.trackId }), lists),
    ),
  };
}

/** A ten-thousandth of the picture is finer than a pixel of 4K and half as long as JSON. */
function fractionOf(pixels: number, whole: number): number {
  return Math.round((pixels / whole) * 1e4) / 1e4;
}

function boxOf(
  { trackId, label, score, box }: Detection,
  { width, height }: FrameMeta,
  known: TrackLabel,
  lists: Readonly<Record<string, ListConfig>>,
): LiveBox {
  const { entryId, list, kind, text, decided } = known;
  return {
    track: trackId,
    label,
    box: [
      fractionOf(box.left, width),
      fractionOf(box.top, height),
      fractionOf(box.width, width),
      fractionOf(box.height, height),
    ],
    score: Math.round(score * 100) / 100,
    ...(entryId === undefined || list === undefined || kind === undefined
      ? {}
      : { match: { entryId, name: text, list, kind, similarity: Math.round(known.score * 1000) / 1000 } }),
    colour: colourOf(list, lists),
    decided,
  };
}
