import { mediaClockRate } from '../core/media-time.ts';
import { movieHead, presentationStart, type Sample, sampleBytes } from './mp4.ts';
import type { IndexBox } from './overlay-ring.ts';
import type { KeptUnit, RingUnit } from './packet-ring.ts';
import type { SampleDescription } from './sample-description.ts';

/**
 * Which units make a clip, and when each is shown. Within an epoch the time stamps decide; between two epochs the camera time does, so that
 * a camera that was away leaves a gap as long as it was. A clip has one description: where parameter sets change, it keeps the
 * side on which the sighting is, because players differ in what they make of a second one. Pure but for its own memory.
 */
export interface ClipPlan {
  /** `write`: these pieces come next in the file. `restart`: what was written so far goes, then the pieces. `end`: nothing comes any more. */
  take(kept: KeptUnit): { readonly step: 'write' | 'restart' | 'skip' | 'end'; readonly pieces: readonly Uint8Array[] };
  /** Undefined while there is nothing to show. */
  finish(boxesOf: (epoch: number, pts: bigint) => readonly IndexBox[] | undefined): FinishedClip | undefined;
  /** Camera time of the last unit taken. */
  readonly lastMs: number | undefined;
}

export interface FinishedClip {
  /** Everything before the samples. */
  readonly head: Buffer;
  readonly index: ClipIndex;
  /** Camera time of the first and the last picture shown. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Entries named in the index. */
  readonly entries: readonly string[];
}

/** The file beside the video. Names are not in it: whoever shows it adds them by the entries' ids. */
export interface ClipIndex {
  readonly camera: string;
  /** Seconds in the clip at which the sighting is. */
  readonly at: number;
  readonly fps: number;
  /** In the order of presentation; frames without metadata are left out. */
  readonly frames: readonly {
    /** Seconds in the clip. */
    readonly time: number;
    /** 90 kHz in the clip. */
    readonly pts: number;
    readonly boxes: readonly IndexBox[];
  }[];
}

export interface ClipSpan {
  readonly camera: string;
  readonly atMs: number;
  readonly toMs: number;
}

/** Room for the index below the 4 GiB that the boxes' own sizes allow, and more than any clip needs. */
const largestPayload = 2 ** 30;

interface Shown extends Sample {
  readonly captureMs: number;
  readonly epoch: number;
  readonly ownPts: bigint;
}

/** Longer gaps are shown as this: an hour. */
const longestGap = 3600 * mediaClockRate;

export function createClipPlan(span: ClipSpan): ClipPlan {
  let samples: Shown[] = [];
  let payload = 0;
  let description: SampleDescription | undefined;
  /** What turns the time stamps of the epoch in hand into those of the file: `stamp - base + offset`. */
  let run: { readonly epoch: number; readonly base: bigint; readonly offset: number; readonly keyPts: bigint } | undefined;

  /** The run that begins with this unit: shown after the last picture by as much as camera time went on. */
  function begin({ dts, pts, epoch, captureMs }: RingUnit): NonNullable<typeof run> {
    const last = samples.at(-1);
    if (last === undefined) return { epoch, base: dts, offset: 0, keyPts: pts };
    const passed = Math.round(((captureMs - last.captureMs) * mediaClockRate) / 1000);
    return { epoch, base: dts, offset: last.pts + passed - Number(pts - dts), keyPts: pts };
  }

  /** The same run, moved where decoding would go back or leap ahead. */
  function held(current: NonNullable<typeof run>, dts: bigint): NonNullable<typeof run> {
    const last = samples.at(-1)?.dts;
    if (last === undefined) return current;
    const step = Number(dts - current.base) + current.offset - last;
    const allowed = Math.min(longestGap, Math.max(1, step));
    return step === allowed ? current : { ...current, offset: current.offset + allowed - step };
  }

  function take({ unit, description: described }: KeptUnit): ReturnType<ClipPlan['take']> {
    if (unit.captureMs > span.toMs) return { step: 'end', pieces: [] };
    const changed = description !== undefined && description !== described;
    if (changed && unit.captureMs > span.atMs) return { step: 'end', pieces: [] };
    if (changed) {
      samples = [];
      payload = 0;
      run = undefined;
    }
    description = described;
    if (run?.epoch !== unit.epoch && !unit.key) return { step: 'skip', pieces: [] };
    const current = run?.epoch === unit.epoch ? run : begin(unit);
    // Pictures shown before the key unit need others that are not there.
    const pieces = unit.pts < current.keyPts ? [] : sampleBytes(described, unit.nals);
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    if (bytes === 0) return { step: changed ? 'restart' : 'skip', pieces: [] };
    if (payload + bytes > largestPayload) return { step: 'end', pieces: [] };
    run = held(current, unit.dts);
    payload += bytes;
    samples.push({
      dts: Number(unit.dts - run.base) + run.offset,
      pts: Number(unit.pts - run.base) + run.offset,
      key: unit.key,
      bytes,
      captureMs: unit.captureMs,
      epoch: unit.epoch,
      ownPts: unit.pts,
    });
    return { step: changed ? 'restart' : 'write', pieces };
  }

  return {
    take,
    finish: (boxesOf) => {
      const [first] = samples;
      if (first === undefined || description === undefined) return undefined;
      const shown = samples.toSorted((a, b) => a.pts - b.pts);
      const start = presentationStart(samples);
      const seconds = (pts: number) => Math.round(((pts - start) / mediaClockRate) * 1e6) / 1e6;
      const nearest = shown.reduce((best, sample) => (distance(sample, span) < distance(best, span) ? sample : best), first);
      const fromMs = shown[0]?.captureMs ?? first.captureMs;
      const lastShown = shown.at(-1) ?? first;
      const frames = shown.flatMap(({ epoch, ownPts, pts }) => {
        const boxes = boxesOf(epoch, ownPts);
        return boxes === undefined ? [] : [{ time: seconds(pts), pts: pts - start, boxes }];
      });
      const length = seconds(lastShown.pts);
      const fps = length > 0 ? Math.round(((shown.length - 1) / length) * 100) / 100 : 0;
      return {
        head: movieHead(samples, description, fromMs),
        index: { camera: span.camera, at: seconds(nearest.pts), fps, frames },
        fromMs,
        toMs: lastShown.captureMs,
        entries: [...new Set(frames.flatMap(({ boxes }) => boxes.flatMap(({ match }) => match?.entryId ?? [])))],
      };
    },
    get lastMs() {
      return samples.at(-1)?.captureMs;
    },
  };
}

function distance({ captureMs }: Shown, { atMs }: ClipSpan): number {
  return Math.abs(captureMs - atMs);
}
