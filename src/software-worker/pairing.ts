/**
 * Which frame of the substream belongs to a frame of the main stream, pure. Times are milliseconds on a clock both share: camera
 * time of live sources, time stamps of files.
 */
export type Pairing =
  /** Index of the substream frame that is nearest to this main frame, and to no other. */
  | { readonly kind: 'pair'; readonly index: number }
  /** The substream's next frame is nearer to a later main frame. */
  | { readonly kind: 'later' }
  /** Nothing of the substream has come so far. */
  | { readonly kind: 'unknown' };

/**
 * `times` are those of the substream's frames, growing; `frameMs` is the main stream's interval. Frames that lie before this main
 * frame by more than half of it belonged to earlier ones.
 */
export function pairFrames(times: readonly number[], mainMs: number, frameMs: number): Pairing {
  const index = times.findIndex((time) => time >= mainMs - frameMs / 2);
  const time = times[index];
  if (time === undefined) return { kind: 'unknown' };
  return time <= mainMs + frameMs / 2 ? { kind: 'pair', index } : { kind: 'later' };
}
