/**
 * Boxes of a clip. Pure.
 *
 * @import { Alert } from '../../../core/alerts.ts'
 * @import { LiveBox } from '../../../core/live-messages.ts'
 */

/**
 * @typedef {object} ClipIndex
 * @property {number} [fps]
 * @property {readonly { readonly time: number, readonly boxes: readonly LiveBox[] }[]} frames
 * @property {number} at seconds in the clip
 * @property {string} [camera] where the clip is from; an alert that goes on elsewhere has another one by now
 */

/** Of the last frame that is not later than `seconds`. @param {ClipIndex} index @param {number} seconds */
export function boxesAt({ frames, fps = 25 }, seconds) {
  let low = 0;
  let high = frames.length;
  // A picture is shown from a little before its time on, as clocks of players round.
  const until = seconds + 0.5 / fps;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((frames[middle]?.time ?? 0) <= until) low = middle + 1;
    else high = middle;
  }
  const frame = frames[low - 1];
  return frame === undefined || until - frame.time > 1 ? [] : frame.boxes;
}

/**
 * The track of the sighting, which may have no name yet in its frame: that of the alert, or, where the alert goes on with another one by now,
 * the one in that frame to which this clip gives the alert's entry later.
 *
 * @param {ClipIndex} index
 * @param {Pick<Alert, 'camera' | 'track' | 'entry'>} alert
 * @returns {number | undefined}
 */
export function sightedTrack(index, { camera, track, entry }) {
  const there = new Set(boxesAt(index, index.at).map((box) => box.track));
  if ((index.camera ?? camera) === track.camera && there.has(track.trackId)) return track.trackId;
  for (const { boxes } of index.frames)
    for (const box of boxes)
      if (there.has(box.track) && entry !== undefined && box.match?.entryId === entry.id) return box.track;
  return undefined;
}
