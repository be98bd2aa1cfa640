import type { Context } from '../core/context.ts';
import { errorText, isAbort } from '../core/errors.ts';
import { redact } from '../core/redact.ts';
import { pairFrames } from './pairing.ts';
import type { Picture, PictureStream } from './pictures.ts';
import { createSourceRetry } from './retry.ts';
import type { TimeBase } from './times.ts';

/**
 * The substream on which a camera's detectors look while its pictures come from the main stream. It comes back by itself; as
 * long as it is away, detection runs on the main stream.
 */
export interface DetectStream extends AsyncDisposable {
  /**
   * The frame of the substream that was filmed with this main frame; the caller frees it. `later`: a later main frame is nearer
   * to what the substream shows next. `away`: there is none, and waiting would not help.
   */
  match(main: Picture, frameMs: number): Promise<Picture | 'later' | 'away'>;
}

export interface DetectStreamOptions {
  readonly camera: string;
  open(): Promise<PictureStream>;
  /** Of the main stream. */
  readonly timeBase: TimeBase;
  /** Both streams are files at full speed: neither runs ahead of the other, and frames are waited for as long as it takes. */
  readonly paced: boolean;
}

/** Frames of a substream are small: this many are a second or more of it. */
const ringFrames = 32;
/** How long a live main frame waits for its counterpart. */
const waitMs = 250;

export function startDetectStream(options: DetectStreamOptions, ctx: Context): DetectStream {
  const { camera, paced } = options;
  const ring: { readonly picture: Picture; readonly atMs: number }[] = [];
  const closing = new AbortController();
  const signal = AbortSignal.any([ctx.signal, closing.signal]);
  let state: 'opening' | 'live' | 'away' = 'opening';
  let changed = Promise.withResolvers<void>();
  /** The latest frame that made room for newer ones. */
  let lostMs: number | undefined;

  function tell(): void {
    changed.resolve();
    changed = Promise.withResolvers();
  }

  function discard(count: number): void {
    for (const { picture } of ring.splice(0, count)) picture.frame.free();
  }

  function timeOf(picture: Picture, { num, den }: TimeBase): number {
    return paced ? (Number(picture.pts) * num * 1000) / den : picture.cameraTimeUs / 1000;
  }

  async function read(stream: PictureStream): Promise<void> {
    for (let picture = await stream.next(); picture !== undefined; picture = await stream.next()) {
      if (state !== 'live') ctx.log.info({ camera, width: picture.width, height: picture.height }, 'substream live');
      state = 'live';
      // Another time line: nothing before it can be compared with anything after.
      if (picture.restarted) {
        discard(ring.length);
        lostMs = undefined;
      }
      ring.push({ picture, atMs: timeOf(picture, stream.timeBase) });
      tell();
      while (paced && ring.length >= ringFrames && !signal.aborted) await changed.promise;
      if (ring.length > ringFrames) {
        lostMs = ring[0]?.atMs;
        discard(1);
      }
    }
  }

  async function run(): Promise<void> {
    const retry = createSourceRetry();
    while (!signal.aborted) {
      let trouble: unknown;
      try {
        await using stream = await options.open();
        const interrupt = () => stream.interrupt();
        signal.addEventListener('abort', interrupt, { once: true });
        try {
          await read(stream);
        } finally {
          signal.removeEventListener('abort', interrupt);
        }
      } catch (error) {
        if (signal.aborted) return;
        trouble = error;
      }
      if (state === 'live') retry.reset();
      state = 'away';
      tell();
      if (signal.aborted || (paced && trouble === undefined)) return;
      const reason = trouble === undefined ? 'it ended' : redact(errorText(trouble));
      ctx.log.warn({ camera, reason }, 'substream away, detecting on the main stream');
      if (paced) return;
      await ctx.clock.sleep(retry.next(trouble), signal);
    }
  }

  const running = run().catch((error: unknown) => {
    if (!isAbort(error)) throw error;
  });

  return {
    match: async (main, frameMs) => {
      const atMs = timeOf(main, options.timeBase);
      using limit = paced ? undefined : ctx.clock.deadline(waitMs, signal);
      limit?.signal.addEventListener('abort', tell, { once: true });
      while (true) {
        discard(ring.findIndex((entry) => entry.atMs >= atMs - frameMs / 2) < 0 ? ring.length : 0);
        const pairing = pairFrames(
          ring.map((entry) => entry.atMs),
          atMs,
          frameMs,
        );
        if (pairing.kind === 'pair') {
          discard(pairing.index);
          const found = ring.shift();
          tell();
          if (found !== undefined) return found.picture;
        }
        // The main stream is far behind: what was filmed with its frames is gone, and will be for all of the next ones.
        if (pairing.kind === 'later') return lostMs !== undefined && lostMs >= atMs - frameMs / 2 ? 'away' : 'later';
        tell();
        if (state === 'away' || limit?.signal.aborted === true || signal.aborted) return 'away';
        await changed.promise;
      }
    },
    [Symbol.asyncDispose]: async () => {
      closing.abort(new DOMException('the substream was closed', 'AbortError'));
      tell();
      await running;
      discard(ring.length);
    },
  };
}
