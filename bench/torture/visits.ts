import { readFileSync } from 'node:fs';

/** The planted visits: who shows a face on which camera when, by the film's ground truth and what the cameras said of their clocks. */

export interface FilmTruth {
  readonly fps: number;
  readonly frame_count: number;
  readonly face_intervals: readonly { readonly id: string; readonly from: number; readonly to: number }[];
  readonly frames: readonly {
    readonly faces: readonly { readonly id: string; readonly visible: number; readonly box: readonly number[] }[];
  }[];
}

export function readTruth(file: string): FilmTruth {
  return JSON.parse(readFileSync(file, 'utf8'));
}

export interface PlantedVisit {
  readonly camera: string;
  readonly person: string;
  readonly round: number;
  /** Wall clock. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Wall clock of the moments, `lookEveryMs` apart, at which the face is clear. */
  readonly looksMs: readonly number[];
}

/** From a media time on, the wall clock of the film's begin. */
export interface FilmClock {
  readonly mediaMs: number;
  readonly zeroMs: number;
}

/** What a detector at 5 frames a second may look at. */
export const lookEveryMs = 200;
const clear = { visible: 0.9, heightPx: 24 } as const;

function wallMs(clocks: readonly FilmClock[], mediaMs: number): number {
  const clock = clocks.findLast((one) => one.mediaMs <= mediaMs) ?? clocks[0];
  if (clock === undefined) throw new Error('a camera did not say when it began its film');
  return clock.zeroMs + mediaMs;
}

export function plantedVisits(
  truth: FilmTruth,
  options: {
    readonly people: readonly string[];
    readonly rounds: number;
    readonly clocks: ReadonlyMap<string, readonly FilmClock[]>;
  },
): readonly PlantedVisit[] {
  const frameMs = 1000 / truth.fps;
  const step = Math.round(lookEveryMs / frameMs);
  const listed = truth.face_intervals.filter(({ id }) => options.people.includes(id));
  const visits: PlantedVisit[] = [];
  for (const [camera, clocks] of options.clocks) {
    for (let round = 0; round < options.rounds; round += 1) {
      const at = (frame: number) => wallMs(clocks, (round * truth.frame_count + frame) * frameMs);
      for (const { id, from, to } of listed) {
        const looksMs: number[] = [];
        for (let frame = from; frame <= to; frame += step) {
          const face = truth.frames[frame]?.faces.find((one) => one.id === id);
          if (face !== undefined && face.visible >= clear.visible && (face.box[3] ?? 0) >= clear.heightPx)
            looksMs.push(at(frame));
        }
        visits.push({ camera, person: id, round, fromMs: at(from), toMs: at(to), looksMs });
      }
    }
  }
  return visits.toSorted((a, b) => a.fromMs - b.fromMs);
}
