import type { Context } from '../core/context.ts';
import { isAbort, SightlineError } from '../core/errors.ts';
import type { VideoFormat, VideoStream } from './video-stream.ts';

/** A film as a camera: its access units leave at their own pace, and with time stamps that go on it begins again at its end. */

export interface DemuxedUnit {
  readonly nals: readonly Uint8Array[];
  readonly pts90k: bigint;
  readonly dts90k: bigint;
  readonly durationTicks: bigint;
  readonly key: boolean;
}

/** One pass through a file. */
export interface FileDemuxer extends AsyncDisposable {
  readonly format: VideoFormat;
  /** Undefined at the end. */
  read(): Promise<DemuxedUnit | undefined>;
}

export interface FilmOptions {
  readonly stream: Pick<VideoStream, 'announce' | 'push' | 'end'>;
  /** Called again for every round. */
  open(): Promise<FileDemuxer>;
  /** The stream ends after so many rounds; absent: it never does. */
  readonly rounds?: number;
  /** Media time, milliseconds: the first round begins at the first key frame from there on. */
  readonly beginAtMs?: number;
}

const ticksPerMs = 90;
/** Further behind than this the film goes on from now instead of hurrying: the machine slept. */
const maxLagMs = 1000;

interface Anchor {
  readonly monoMs: number;
  readonly wallMs: number;
  readonly ticks: bigint;
}

/** Plays until the signal fires, or for its rounds. Rejects with what `open` and `read` throw, `source.format` for an empty film. */
export async function playFilm(options: FilmOptions, ctx: Context): Promise<void> {
  const { clock, signal } = ctx;
  let offset = 0n;
  let heldBack = 0n;
  let anchor: Anchor | undefined;

  async function playRound(beginAtMs: number): Promise<void> {
    await using film = await options.open();
    options.stream.announce(film.format);
    let first: DemuxedUnit | undefined;
    let filmBegan: bigint | undefined;
    let end = 0n;
    for (let unit = await film.read(); unit !== undefined; unit = await film.read()) {
      filmBegan ??= unit.dts90k;
      if (first === undefined && beginAtMs > 0) {
        if (!unit.key || Number(unit.dts90k - filmBegan) < beginAtMs * ticksPerMs) continue;
      }
      first ??= unit;
      const sent = unit.dts90k - first.dts90k + offset;
      const shown = unit.pts90k - first.pts90k + offset;
      // Where pictures are sent out of order an encoder holds them back: none leaves before it was captured.
      if (shown - sent > heldBack) heldBack = shown - sent;
      anchor ??= { monoMs: clock.mono(), wallMs: clock.now(), ticks: sent };
      const due = anchor.monoMs + Number(sent - anchor.ticks) / ticksPerMs;
      const wait = due - clock.mono();
      if (wait > 0) await clock.sleep(wait, signal);
      else if (wait < -maxLagMs) anchor = { monoMs: clock.mono(), wallMs: clock.now(), ticks: sent };
      signal.throwIfAborted();
      const captureTimeMs = anchor.wallMs + Number(shown - heldBack - anchor.ticks) / ticksPerMs;
      options.stream.push({ nals: unit.nals, pts90k: shown, captureTimeMs, key: unit.key });
      end = sent + unit.durationTicks;
    }
    if (filmBegan === undefined) throw new SightlineError('source.format', 'the film has no pictures');
    // Begun behind its last key frame it gives nothing, and the next round is a whole one.
    if (first !== undefined) offset = end;
  }

  try {
    await playRound(options.beginAtMs ?? 0);
    for (let round = 1; round !== options.rounds; round += 1) await playRound(0);
  } catch (error) {
    if (!isAbort(error)) throw error;
  } finally {
    options.stream.end();
  }
}
