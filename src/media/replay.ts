import { packetAt, rtpTimestamp } from './rtp.ts';
import { type PacketisedUnit, packetisedUnit } from './video-stream.ts';

/** How a new reader is given the pictures that were before it. Pure. */

/**
 * `original`: with the times they had. FFmpeg reads them as fast as they come; GStreamer's jitter buffer follows the earliest arrival,
 * so both are where the camera is after a moment. `hurried`: with times right before the newest one, for players that keep the pace
 * from the first picture on and would stay as far behind as that is old, for ever. `none`: the reader waits for a key frame.
 */
export type Replay = 'original' | 'hurried' | 'none';

/** By what they say of themselves: mpv and what is made with it, VLC. */
const pacedPlayers = /^(?:lib)?(?:mpv|vlc)\b/i;

/** The address may say it, `?replay=hurried`; otherwise it depends on the client. */
export function replayFor(uri: string, userAgent: string | undefined): Replay {
  const asked = URL.parse(uri)?.searchParams.get('replay');
  if (asked === 'original' || asked === 'hurried' || asked === 'none') return asked;
  return pacedPlayers.test(userAgent ?? '') ? 'hurried' : 'original';
}

/**
 * The same pictures in the same order, a tick of the clock apart, the newest where it was. Copies: the originals are shared. Each
 * carries the moment of the newest, for that is what a sender report may say: theirs are no times of a capture.
 */
export function hurried(units: readonly PacketisedUnit[]): PacketisedUnit[] {
  const shown = units.toSorted((a, b) => (a.pts90k < b.pts90k ? -1 : a.pts90k > b.pts90k ? 1 : 0));
  const newest = shown.at(-1);
  if (newest === undefined) return [];
  const ticksBefore = new Map(shown.map((unit, index) => [unit, shown.length - 1 - index]));
  return units.map((unit) => {
    const ticks = ticksBefore.get(unit) ?? 0;
    const pts90k = newest.pts90k - BigInt(ticks);
    const { count, octets, key, sequence } = unit;
    const bytes = Buffer.from(unit.bytes);
    for (let at = 0; at < bytes.length; ) {
      const { begin, end } = packetAt(bytes, at);
      bytes.writeUInt32BE(rtpTimestamp(pts90k), begin + 4);
      at = end;
    }
    const captureTimeMs = newest.captureTimeMs - ticks / 90;
    return packetisedUnit({ bytes, count, octets }, { pts90k, captureTimeMs, key, sequence });
  });
}
