import type { Box, CameraId, CropFaces, MatchKind, Quality, StageTimes, TrackRef } from './types.ts';

/** What an alert is, wherever it is decided, stored, published or shown. Times are milliseconds since 1970. */

export type Severity = 'low' | 'medium' | 'high' | 'critical';

/**
 * `opened` when a rule's condition first holds, `updated` when there is better evidence or another camera, `acknowledged`,
 * `resolved` and `rejected` by a person, `closed` when the episode ended by itself (`reason`: left, retracted, ...).
 */
export type AlertState = 'opened' | 'updated' | 'acknowledged' | 'resolved' | 'rejected' | 'closed';

export interface AlertStep {
  readonly state: AlertState;
  /** Wall clock, but never before `firstSeenAt` and the step before. */
  readonly at: number;
  /** `sightline` or the person who acted. */
  readonly actor: string;
  /** For `closed`: `left` | `retracted` | `source_ended` | `entry_removed`; for people's steps their own words. */
  readonly reason?: string;
}

export interface AlertCandidateScore {
  readonly entryId: string;
  readonly entryName: string;
  readonly list: string;
  readonly score: number;
}

export interface Alert {
  readonly id: string;
  /** One episode is one entry's presence across tracks and cameras; several rules may alert on it. */
  readonly episodeId: string;
  readonly rule: string;
  readonly severity: Severity;
  /** `unknown`: a usable face that matched nobody for the rule's time. */
  readonly kind: MatchKind | 'unknown';
  /** Absent for `unknown`. */
  readonly entry?: { readonly id: string; readonly name: string; readonly list: string };
  readonly state: AlertState;
  readonly steps: readonly AlertStep[];
  /** Camera of the sighting described below: the latest best one. */
  readonly camera: CameraId;
  readonly cameras: readonly CameraId[];
  readonly track: TrackRef;
  readonly label: string;
  readonly box: Box;
  readonly frame: { readonly sequence: number; readonly width: number; readonly height: number };
  /** Cosine of the best reference; a similarity, not an identity. */
  readonly score: number;
  readonly threshold: number;
  readonly margin: number;
  readonly top: readonly AlertCandidateScore[];
  /** The entry's reference that the sighting is nearest to; absent in alerts of earlier versions and for `unknown`. */
  readonly referenceId?: string;
  readonly quality: Quality;
  readonly space: string;
  /** Sightings that spoke for this entry in this episode so far. */
  readonly sightings: number;
  /** Event time, which may be ahead of the wall clock. */
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
  /** Event time of the sighting described here, its camera clock and the wall clock of the decision. */
  readonly eventTime: number;
  readonly cameraTime: number;
  readonly cameraTimeSource: 'rtcp' | 'arrival';
  readonly decidedAt: number;
  readonly stages: StageTimes;
  /** Id of the trace of the run that embedded the sighting, where a Triton server was asked with one. */
  readonly trace?: string;
  /** False when the disk was full and the alert lives in memory only. */
  readonly durable: boolean;
}

/** One step of an alert on its way out. `snapshot` is the JPEG of the sighting described in `alert`. */
export interface AlertEvent {
  readonly alert: Alert;
  readonly step: AlertStep;
  /** Grows by one with every event of this alert, from 1. */
  readonly revision: number;
  readonly snapshot?: Uint8Array;
  /** Faces of others that are still to be seen in `snapshot`. Never outside the alert room: it makes them unrecognisable first. */
  readonly faces?: CropFaces;
}

/** Why a match, or a track, told nobody. */
export type LedgerReason =
  | 'below_threshold'
  | 'margin'
  | 'evidence'
  | 'quality'
  | 'ignored'
  | 'cooldown'
  | 'rule_camera'
  | 'rule_schedule'
  | 'rule_zone'
  | 'rule_score'
  | 'no_rule'
  | 'expired'
  | 'never_embedded'
  | 'too_small'
  | 'nobody_enrolled';

export interface LedgerRow {
  readonly at: number;
  readonly track: TrackRef;
  readonly label: string;
  readonly kind: MatchKind;
  readonly reason: LedgerReason;
  /** The best entry, when there was one. */
  readonly entryId?: string;
  readonly entryName?: string;
  readonly score?: number;
  readonly threshold?: number;
  /** Rows of one track, entry and reason are merged: how many, and until when. */
  readonly count: number;
  readonly lastAt: number;
  /** Numbers behind the reason: quality, height, margin, needed evidence. */
  readonly details: Readonly<Record<string, number | string>>;
}
