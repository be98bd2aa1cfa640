import type { FrameTime } from './types.ts';

/** The clock of video as it is served: 90 kHz, as RTP has it for video (RFC 3551 section 5). */
export const mediaClockRate = 90_000;

/**
 * A time stamp in 90 kHz, rounded to the nearest and halves away from zero as FFmpeg's `av_rescale_q` does. Metadata and video meet by
 * this number: whoever serves either uses this function.
 */
export function toPts90k(pts: bigint, timeBase: FrameTime['timeBase']): bigint {
  const numerator = pts * BigInt(timeBase.numerator) * BigInt(mediaClockRate);
  const denominator = BigInt(timeBase.denominator);
  const half = denominator / 2n;
  return (numerator >= 0n ? numerator + half : numerator - half) / denominator;
}
