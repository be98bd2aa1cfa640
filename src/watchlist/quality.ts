import type { Quality } from '../core/types.ts';
import type { PhotoAnalysis, PhotoSubject } from './photos.ts';
import type { PhotoKind } from './spaces.ts';

/** Which photos are refused, why, and what would help. Pure. */

export type RefusalReason =
  | 'nobody'
  | 'several'
  | 'no_such_subject'
  | 'too_small'
  | 'blurred'
  | 'tilted'
  | 'turned'
  | 'cut_off'
  | 'uncertain';

export interface Refusal {
  readonly reason: RefusalReason;
  /** What is wrong, with numbers, and what would do. */
  readonly message: string;
}

export interface PhotoLimits {
  /** Height of the box in pixels of the photo. */
  readonly minHeightPx: number;
  /** Variance of the Laplacian at the embedder's size (`Quality.sharpness`). */
  readonly minSharpness: number;
  /** Roll either way. Alignment turns a face upright; beyond this the detector's points are not reliable. */
  readonly maxRollDegrees: number;
  /** Nose from the middle of the eyes in eye distances: half of a face is hidden from about 0.5 on. */
  readonly maxYaw: number;
  /** Share of the box inside the picture. */
  readonly minVisible: number;
  /** Detector confidence. */
  readonly minScore: number;
}

/**
 * Faces, by degrading calibration photos step by step and comparing each with another photo of the same person (default face
 * embedder, undegraded cosine 0.90 on average): nothing is lost down to 80 px, 0.04 at 55 px, 0.15 at 40 px, 0.34 at 30 px; 0.05 at
 * sharpness 28, 0.2 at 10, 0.35 at 4; nothing up to 30 degrees, up to 0.5 at 40. Yaw, visible share and score are not measured: the
 * photos are frontal, whole and certain. Bodies: half the input height of the person embedder; the rest is taken over from faces.
 */
export const photoLimits: Readonly<Record<PhotoKind, PhotoLimits>> = {
  face: { minHeightPx: 80, minSharpness: 20, maxRollDegrees: 35, maxYaw: 0.5, minVisible: 0.95, minScore: 0.5 },
  body: {
    minHeightPx: 128,
    minSharpness: 20,
    maxRollDegrees: 180,
    maxYaw: Number.POSITIVE_INFINITY,
    minVisible: 0.8,
    minScore: 0.4,
  },
};

function place({ box }: PhotoSubject, index: number): string {
  return `${index + 1} at ${Math.round(box.left)},${Math.round(box.top)} (${Math.round(box.width)} x ${Math.round(box.height)} px)`;
}

/** From left to right, as they are numbered for a person who picks one. */
export function inReadingOrder(subjects: readonly PhotoSubject[]): readonly PhotoSubject[] {
  return subjects.toSorted((a, b) => a.box.left + a.box.width / 2 - (b.box.left + b.box.width / 2));
}

/** The subject to enrol: the only one, or number `pick` counted from 1 from the left. */
export function choose(analysis: PhotoAnalysis, kind: PhotoKind, pick?: number): PhotoSubject | Refusal {
  const subjects = inReadingOrder(analysis.subjects);
  const [first] = subjects;
  const [one, many] = kind === 'face' ? ['face', 'faces'] : ['body', 'bodies'];
  if (first === undefined) {
    return {
      reason: 'nobody',
      message: `no ${one} was found on this photo of ${analysis.width} x ${analysis.height} px; take one where the ${one} is upright, lit and at least ${photoLimits[kind].minHeightPx} px high`,
    };
  }
  const places = subjects.map(place).join('; ');
  if (pick !== undefined) {
    const picked = Number.isInteger(pick) ? subjects[pick - 1] : undefined;
    if (picked !== undefined) return picked;
    return { reason: 'no_such_subject', message: `there is no ${one} number ${pick} on this photo, only ${places}` };
  }
  if (subjects.length === 1) return first;
  return {
    reason: 'several',
    message: `${subjects.length} ${many} are on this photo: ${places}; say which by its number (enroll --face N), or crop it`,
  };
}

function whole(value: number): string {
  return String(Math.round(value));
}

/** Everything that is wrong with a photo of this quality; empty when it will do. */
export function judge(quality: Quality, kind: PhotoKind, limits: PhotoLimits = photoLimits[kind]): readonly Refusal[] {
  const it = `the ${kind}`;
  const found: Refusal[] = [];
  const refuse = (reason: RefusalReason, message: string) => found.push({ reason, message });
  if (quality.heightPx < limits.minHeightPx) {
    refuse('too_small', `${it} is ${whole(quality.heightPx)} px high; photos of at least ${limits.minHeightPx} px work`);
  }
  if (quality.sharpness < limits.minSharpness) {
    refuse(
      'blurred',
      `${it} is blurred (sharpness ${whole(quality.sharpness)}, at least ${limits.minSharpness} is needed); take one without motion and in focus, not enlarged from a small picture`,
    );
  }
  if (Math.abs(quality.rollDegrees) > limits.maxRollDegrees) {
    refuse(
      'tilted',
      `${it} is tilted by ${whole(Math.abs(quality.rollDegrees))} degrees; turn the photo upright, up to ${limits.maxRollDegrees} degrees work`,
    );
  }
  if (Math.abs(quality.yaw) > limits.maxYaw) {
    refuse('turned', `${it} looks to the side; take one that faces the camera`);
  }
  if (quality.visible < limits.minVisible) {
    refuse(
      'cut_off',
      `${it} is cut off by the edge of the photo (${whole(quality.visible * 100)} % visible); take one that shows all of it`,
    );
  }
  if (quality.score < limits.minScore) {
    refuse(
      'uncertain',
      `${it} was found with a confidence of ${quality.score.toFixed(2)} only, ${limits.minScore} is needed; take one that shows it unobstructed`,
    );
  }
  return found;
}
