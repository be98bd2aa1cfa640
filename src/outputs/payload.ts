import type { AlertEvent, AlertStep } from '../core/alerts.ts';
import { descriptionMeaning } from '../core/descriptions.ts';
import type { Box, CameraId, CameraState, StageTimes } from '../core/types.ts';
import { type AlertMessage, type CameraMessage, contractVersion, maxSteps, stageNames } from './topics.ts';

/** Core types to the messages of the public contract. Pure. */

const meanings: Readonly<Record<AlertMessage['kind'], string>> = {
  face: 'a similarity of faces, not an identification',
  appearance: 'a similarity of bodies and clothes, not an identification',
  description: `${descriptionMeaning}; not an identification`,
  unknown: 'a face that resembles nobody on the lists; not an identification',
};

/** `reference` needs no picture in the event: the daemon keeps it. */
export type SnapshotMode = 'inline' | 'reference' | 'off';

export interface AlertMessageOptions {
  readonly publishedAt: number;
  /** CLOCK_MONOTONIC of the publication; absent when the event is of an earlier run, whose clock may have been another. */
  readonly publishedMonoMs?: number;
  /** Absent for a late message. */
  readonly expiresAt?: number;
  readonly snapshot: SnapshotMode;
  /** Leaves the picture out whatever `snapshot` says. */
  readonly omit?: 'too_large' | 'not_taken';
  readonly topK: number;
}

function snapshotPath(alertId: string): string {
  return `/api/v1/alerts/${encodeURIComponent(alertId)}/snapshot`;
}

function picture(event: AlertEvent, options: AlertMessageOptions): AlertMessage['snapshot'] {
  if (options.snapshot === 'off') return { mode: 'off' };
  if (event.snapshot === undefined) return { mode: 'omitted', reason: 'none' };
  if (options.snapshot === 'reference')
    return { mode: 'reference', mediaType: 'image/jpeg', path: snapshotPath(event.alert.id) };
  if (options.omit !== undefined) return { mode: 'omitted', reason: options.omit };
  const { buffer, byteOffset, byteLength } = event.snapshot;
  return { mode: 'inline', mediaType: 'image/jpeg', data: Buffer.from(buffer, byteOffset, byteLength).toString('base64') };
}

function rounded(value: number, digits = 4): number {
  const factor = 10 ** digits;
  return Math.round(value * factor) / factor;
}

function roundedAll<K extends string>(values: Readonly<Record<K, number>>, digits: number): Record<K, number> {
  const entries = Object.entries<number>(values).map(([key, value]) => [key, rounded(value, digits)]);
  return Object.fromEntries(entries) as Record<K, number>;
}

function fractions(box: Box, frame: { readonly width: number; readonly height: number }): Box {
  return {
    left: rounded(box.left / frame.width, 5),
    top: rounded(box.top / frame.height, 5),
    width: rounded(box.width / frame.width, 5),
    height: rounded(box.height / frame.height, 5),
  };
}

/** Monotonic ends of the stages, put on the wall clock by the one moment of which both are known: the decision. */
function stages(times: StageTimes, decidedAt: number, options: AlertMessageOptions): AlertMessage['stages'] {
  const anchorMono = times.decidedMs ?? times.receivedMs;
  const publishedMonoMs = options.publishedMonoMs ?? anchorMono + options.publishedAt - decidedAt;
  const ends: { stage: (typeof stageNames)[number]; monoMs: number }[] = [];
  for (const stage of stageNames) {
    const monoMs = stage === 'published' ? publishedMonoMs : times[`${stage}Ms`];
    if (monoMs !== undefined) ends.push({ stage, monoMs });
  }
  let before = times.receivedMs;
  return ends.map(({ stage, monoMs }) => {
    const tookMs = rounded(monoMs - before, 3);
    before = monoMs;
    const at = stage === 'published' ? options.publishedAt : rounded(decidedAt + monoMs - anchorMono, 3);
    return { stage, at, tookMs, sinceReceivedMs: rounded(monoMs - times.receivedMs, 3) };
  });
}

function listed(steps: readonly AlertStep[]): readonly AlertStep[] {
  const first = steps[0];
  return steps.length <= maxSteps || first === undefined ? steps : [first, ...steps.slice(1 - maxSteps)];
}

export function alertToMessage(event: AlertEvent, options: AlertMessageOptions): AlertMessage {
  const { alert } = event;
  const steps = listed(alert.steps);
  return {
    v: contractVersion,
    id: alert.id,
    revision: event.revision,
    dedupe: `${alert.id}/${event.revision}`,
    state: event.step.state,
    steps: steps.map((step) => ({ ...step })),
    stepsOmitted: alert.steps.length - steps.length,
    late: options.expiresAt === undefined,
    durable: alert.durable,
    rule: alert.rule,
    severity: alert.severity,
    kind: alert.kind,
    similarity: true,
    meaning: meanings[alert.kind],
    ...(alert.entry === undefined ? {} : { entry: { ...alert.entry } }),
    episode: alert.episodeId,
    score: rounded(alert.score),
    threshold: rounded(alert.threshold),
    margin: rounded(alert.margin),
    space: alert.space,
    top: alert.top.slice(0, options.topK).map((candidate) => ({ ...candidate, score: rounded(candidate.score) })),
    quality: roundedAll(alert.quality, 4),
    sightings: alert.sightings,
    firstSeenAt: Math.round(alert.firstSeenAt),
    lastSeenAt: Math.round(alert.lastSeenAt),
    camera: alert.camera,
    cameras: [...alert.cameras],
    track: { epoch: alert.track.epoch, id: alert.track.trackId },
    label: alert.label,
    frame: { ...alert.frame },
    box: { pixels: roundedAll(alert.box, 1), fractions: fractions(alert.box, alert.frame) },
    times: {
      camera: Math.round(alert.cameraTime),
      cameraSource: alert.cameraTimeSource,
      event: Math.round(alert.eventTime),
      decided: Math.round(alert.decidedAt),
      published: Math.round(options.publishedAt),
      ...(options.expiresAt === undefined ? {} : { expires: Math.round(options.expiresAt) }),
    },
    stages: stages(alert.stages, alert.decidedAt, options),
    ...(alert.trace === undefined ? {} : { trace: alert.trace }),
    snapshot: picture(event, options),
  };
}

export function cameraToMessage(camera: CameraId, state: CameraState): CameraMessage {
  return { v: contractVersion, camera, ...state };
}

/**
 * Milliseconds between the arrival of the frame, or the act of a person, and the moment at which the event was written. Together
 * with the age of the row this is the age that decides between live and late.
 */
export function ageAtCommitMs(event: AlertEvent): number {
  const { state } = event.step;
  const { receivedMs, decidedMs } = event.alert.stages;
  if ((state !== 'opened' && state !== 'updated') || decidedMs === undefined) return 0;
  return Math.max(0, decidedMs - receivedMs);
}
