/**
 * Spares the detector in still scenes. The picture is cut into cells; a cell whose mean grey leaves its running mean by more than the
 * threshold is motion. Means of cells swallow sensor noise, running means swallow slow light; what is slower still than that (somebody
 * drifting by less than a pixel a frame) is found by `refresh`.
 */

export type MotionVerdict = 'motion' | 'refresh' | 'still';

export interface MotionGate {
  /**
   * Whether this frame has to be considered: every one while nothing moves, so that the first that shows something wakes; otherwise some,
   * to know when it ends. Those between are `motion`.
   */
  wants(mediaMs: number): boolean;
  /**
   * `motion` and `refresh` ask for detection. `grey` is row-major without padding, any size (a new size begins anew), `mediaMs`
   * media time. The first frame is always `motion`.
   */
  consider(grey: Uint8Array, width: number, height: number, mediaMs: number): MotionVerdict;
  /** Whether the last look showed anything; until it is told, it may have. */
  looked(foundAny: boolean): void;
}

export interface MotionGateOptions {
  /** Difference of a cell's mean grey from its running mean, 0 to 255. */
  readonly threshold: number;
  readonly keepMs: number;
  readonly refreshMs: number;
  /** Where the last look found nothing; counts where it is longer. */
  readonly refreshEmptyMs: number;
}

/** Cells are at least this wide, so that noise averages out: deviation 10 a pixel is 1.25 a cell. */
const leastCellPixels = 8;
const cellsAtMost = 64;
/** Time in which the running mean follows a change by 63 %. */
const adaptMs = 2000;
/** While something moves, one frame in this time is considered: the running means follow as well by 10 frames a second as by 25. */
const awakeEveryMs = 95;

interface Grid {
  readonly width: number;
  readonly height: number;
  /** Where each column and row of cells begins, and the end of the last. */
  readonly xs: readonly number[];
  readonly ys: readonly number[];
  readonly background: Float32Array;
}

/** `length` pixels in equal parts of at least `leastCellPixels`. */
function cuts(length: number, atMost: number): readonly number[] {
  const parts = Math.min(atMost, Math.max(1, Math.floor(length / leastCellPixels)));
  return Array.from({ length: parts + 1 }, (_, i) => Math.round((i * length) / parts));
}

function createGrid(width: number, height: number): Grid {
  const xs = cuts(width, cellsAtMost);
  const ys = cuts(height, cellsAtMost);
  return { width, height, xs, ys, background: new Float32Array((xs.length - 1) * (ys.length - 1)) };
}

function cellMeans(grey: Uint8Array, { width, xs, ys }: Grid): Float32Array {
  const columns = xs.length - 1;
  const rows = ys.length - 1;
  const means = new Float32Array(columns * rows);
  for (let row = 0; row < rows; row += 1) {
    const top = ys[row] ?? 0;
    const bottom = ys[row + 1] ?? 0;
    for (let column = 0; column < columns; column += 1) {
      const left = xs[column] ?? 0;
      const right = xs[column + 1] ?? 0;
      let sum = 0;
      for (let y = top; y < bottom; y += 1) {
        const end = y * width + right;
        for (let i = y * width + left; i < end; i += 1) sum += grey[i] ?? 0;
      }
      means[row * columns + column] = sum / ((bottom - top) * (right - left));
    }
  }
  return means;
}

export function createMotionGate(options: MotionGateOptions): MotionGate {
  const { threshold, keepMs, refreshMs } = options;
  const refreshEmptyMs = Math.max(refreshMs, options.refreshEmptyMs);
  let grid: Grid | undefined;
  let adaptedMs = 0;
  let frames = 0;
  let motionMs = 0;
  let lookedMs = 0;
  let empty = false;
  let consideredMs = Number.NEGATIVE_INFINITY;

  function moved(grey: Uint8Array, width: number, height: number, mediaMs: number): boolean {
    if (grid === undefined || grid.width !== width || grid.height !== height) {
      grid = createGrid(width, height);
      grid.background.set(cellMeans(grey, grid));
      adaptedMs = mediaMs;
      frames = 1;
      return true;
    }
    const means = cellMeans(grey, grid);
    const { background } = grid;
    frames += 1;
    // A plain mean of the first frames, so that the noise of the very first does not stay for seconds.
    const share = Math.max(1 / frames, 1 - Math.exp(-Math.max(0, mediaMs - adaptedMs) / adaptMs));
    adaptedMs = mediaMs;
    let motion = false;
    for (let i = 0; i < means.length; i += 1) {
      const difference = (means[i] ?? 0) - (background[i] ?? 0);
      if (Math.abs(difference) > threshold) motion = true;
      background[i] = (background[i] ?? 0) + share * difference;
    }
    return motion;
  }

  return {
    wants: (mediaMs) => grid === undefined || mediaMs - motionMs > keepMs || mediaMs - consideredMs >= awakeEveryMs,
    consider(grey, width, height, mediaMs) {
      consideredMs = mediaMs;
      if (moved(grey, width, height, mediaMs)) motionMs = mediaMs;
      else if (mediaMs - motionMs > keepMs) {
        if (mediaMs - lookedMs < (empty ? refreshEmptyMs : refreshMs)) return 'still';
        lookedMs = mediaMs;
        return 'refresh';
      }
      lookedMs = mediaMs;
      return 'motion';
    },
    looked(foundAny) {
      empty = !foundAny;
    },
  };
}
