import type { FaceFigures, FaceFlaw } from '../core/probe.ts';
import { quantile } from '../core/quantile.ts';
import type { Detection, FrameMeta, Quality } from '../core/types.ts';
import { trackKey } from '../core/types.ts';

/** Counts faces by their heights and by what they are worth. Pure. */

/** The rules by which Sightline itself compares faces; the composition takes them from where they are kept. */
export interface FaceRules {
  /** Lower faces are not compared. */
  readonly minFaceHeightPx: number;
  /** Whether a comparison of a crop of this quality says something about the person. */
  isUsable(quality: Quality): boolean;
  /** What makes a crop worth less than it could be, most of all. */
  worst(quality: Quality): Exclude<FaceFlaw, 'too_small'>;
}

export interface FaceTally {
  see(frame: FrameMeta): void;
  readonly looks: number;
  figures(): FaceFigures;
}

/** An alert never rests on a single look, however good (docs/decisions/evidence.md). */
const usableLooksOfATrack = 2;
/** Lower edges of the histogram above the least height: where comparisons begin to lose little (see watchlist/quality.ts). */
const edges = [40, 55, 80, 120] as const;

interface Track {
  bestHeightPx: number;
  looks: number;
  usable: number;
}

export function createFaceTally(rules: FaceRules): FaceTally {
  const heights: number[] = [];
  const tracks = new Map<string, Track>();
  const flaws: Record<FaceFlaw, number> = {
    too_small: 0,
    small: 0,
    blurred: 0,
    turned: 0,
    tilted: 0,
    cut_off: 0,
    uncertain: 0,
  };
  let usableLooks = 0;

  /** Undefined: usable. */
  function flawOf({ box, crop }: Detection): FaceFlaw | undefined {
    if (box.height < rules.minFaceHeightPx) return 'too_small';
    // A face high enough without a crop had no points to cut it by.
    if (crop === undefined) return 'uncertain';
    return rules.isUsable(crop.quality) ? undefined : rules.worst(crop.quality);
  }

  return {
    see: (frame) => {
      if (frame.predicted) return;
      for (const detection of frame.detections) {
        if (detection.label !== 'face') continue;
        const key = trackKey({ camera: frame.camera, epoch: frame.epoch, trackId: detection.trackId });
        const track = tracks.get(key) ?? { bestHeightPx: 0, looks: 0, usable: 0 };
        tracks.set(key, track);
        track.looks += 1;
        heights.push(detection.box.height);
        track.bestHeightPx = Math.max(track.bestHeightPx, detection.box.height);
        const flaw = flawOf(detection);
        if (flaw === undefined) {
          usableLooks += 1;
          track.usable += 1;
        } else flaws[flaw] += 1;
      }
    },
    get looks() {
      return heights.length;
    },
    figures: () => {
      const [p10, median, p90] = [0.1, 0.5, 0.9].map((share) => quantile(heights, share));
      const best = quantile(
        [...tracks.values()].map(({ bestHeightPx }) => bestHeightPx),
        0.5,
      );
      const bounds = [0, rules.minFaceHeightPx, ...edges.filter((edge) => edge > rules.minFaceHeightPx)];
      return {
        looks: heights.length,
        tracks: tracks.size,
        briefTracks: [...tracks.values()].filter(({ looks }) => looks === 1).length,
        ...(p10 === undefined || median === undefined || p90 === undefined ? {} : { heightPx: { p10, median, p90 } }),
        ...(best === undefined ? {} : { bestHeightPx: best }),
        histogram: bounds.map((fromPx, index) => {
          const toPx = bounds[index + 1];
          const looks = heights.filter((height) => height >= fromPx && (toPx === undefined || height < toPx)).length;
          return { fromPx, ...(toPx === undefined ? {} : { toPx }), looks };
        }),
        usableLooks,
        usableTracks: [...tracks.values()].filter(({ usable }) => usable >= usableLooksOfATrack).length,
        flaws: { ...flaws },
      };
    },
  };
}
