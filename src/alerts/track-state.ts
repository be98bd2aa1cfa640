import type { CameraConfig } from '../config/schema.ts';
import type { LedgerReason, LedgerRow } from '../core/alerts.ts';
import type { CropKind, Match, MatchKind, Sighting, TrackChange, TrackKey, TrackRef, TrackSummary } from '../core/types.ts';
import { trackKey } from '../core/types.ts';
import { noEvidence, type TrackEvidence } from './evidence.ts';
import { createTrackLedger, type Note, summarise, type TrackLedger } from './ledger.ts';
import { footPoint, type Stays, stayAt, zonesAt } from './zones.ts';

/** A face that has matched nobody since `sinceMs`. */
export interface UnknownRun {
  readonly sinceMs: number;
  readonly lastMs: number;
  readonly looks: number;
}

/** One question asked of a track's looks: which of the entries that exclude one another it is. */
export interface Comparison {
  readonly kind: MatchKind;
  evidence: TrackEvidence;
  /** Entries this track was decided or recognised as, with the last look that held. */
  readonly bound: Map<string, Match>;
  /** Whether the newest look agrees with what is decided. */
  steady: boolean;
}

/** What the alerts know of one track. */
export interface TrackState {
  readonly track: TrackRef;
  readonly key: TrackKey;
  readonly label: string;
  readonly kind: CropKind;
  readonly ledger: TrackLedger;
  /** With everybody who has pictures. */
  readonly pictured: Comparison;
  /** With one description each, by entry: several may fit one person. */
  readonly described: Map<string, Comparison>;
  stays: Stays;
  personTrackId: number | undefined;
  /** A face was seen on this person. */
  faced: boolean;
  unknown: UnknownRun | undefined;
  /** Episode of an unknown face that this track carries on. */
  unknownEpisode: string | undefined;
  sightings: number;
  nearest: Match | undefined;
  nearestDescription: Match | undefined;
  /** Last word of it, event time. */
  touchedMs: number;
  flushedMs: number;
  ended: { readonly atMs: number; readonly summary: TrackSummary } | undefined;
}

export function beginComparison(kind: MatchKind): Comparison {
  return { kind, evidence: noEvidence, bound: new Map(), steady: true };
}

export function comparisonsOf(state: TrackState): readonly Comparison[] {
  return [state.pictured, ...state.described.values()];
}

export function beginTrack(track: TrackRef, label: string, nowMs: number): TrackState {
  const kind = label === 'face' ? 'face' : 'appearance';
  return {
    track,
    key: trackKey(track),
    label,
    kind,
    ledger: createTrackLedger(track, label),
    pictured: beginComparison(kind),
    described: new Map(),
    stays: new Map(),
    personTrackId: undefined,
    faced: false,
    unknown: undefined,
    unknownEpisode: undefined,
    sightings: 0,
    nearest: undefined,
    nearestDescription: undefined,
    touchedMs: nowMs,
    flushedMs: nowMs,
    ended: undefined,
  };
}

export function moveTrack(
  state: TrackState,
  change: Extract<TrackChange, { kind: 'moved' }>,
  zones: CameraConfig['zones'],
): void {
  state.touchedMs = Math.max(state.touchedMs, change.eventTimeMs);
  state.personTrackId = change.personTrackId ?? state.personTrackId;
  if (Object.keys(zones).length > 0) {
    state.stays = stayAt(state.stays, zonesAt(zones, footPoint(change.box, change.frame)), change.eventTimeMs);
  }
}

export function note(state: TrackState, reason: LedgerReason, sighting: Sighting, details: LedgerRow['details'] = {}): void {
  const match = sighting.result.top[0];
  state.ledger.note({ ...noteOf(reason, sighting, details), ...(match === undefined ? {} : { match }) });
}

/** Of a face that matched nobody: the nearest entry has nothing to do with it. */
export function noteUnknown(state: TrackState, reason: LedgerReason, sighting: Sighting, details: LedgerRow['details']): void {
  state.ledger.note(noteOf(reason, sighting, details));
}

function noteOf(reason: LedgerReason, { kind, frame, crop, result }: Sighting, details: LedgerRow['details']): Note {
  return {
    atMs: frame.time.eventTimeMs,
    kind,
    reason,
    details: {
      heightPx: Math.round(crop.quality.heightPx),
      quality: rounded(crop.quality.overall),
      margin: rounded(result.margin),
      ...details,
    },
  };
}

export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

export interface SummaryContext {
  readonly camera: Pick<CameraConfig, 'recognise' | 'crops'> | undefined;
  readonly qualityFloor: number;
}

/** The ledger rows of a track that is over: those noted, or one that sums up why it matched nobody. */
export function lastRows(state: TrackState, { camera, qualityFloor }: SummaryContext): readonly LedgerRow[] {
  const told = state.ledger.noted;
  const rows = state.ledger.take();
  const known = comparisonsOf(state).some(({ bound }) => bound.size > 0) || state.unknownEpisode !== undefined;
  if (told || known || state.ended === undefined || camera === undefined) return rows;
  if (state.label !== 'face' && state.label !== 'person') return rows;
  const faceless = state.label === 'person' && !camera.recognise.includes('appearance');
  if (faceless ? state.faced || !camera.recognise.includes('face') : !camera.recognise.includes(state.kind)) return rows;
  const nearest = state.nearest ?? state.nearestDescription;
  const kind = state.nearest === undefined && nearest !== undefined ? 'description' : state.kind;
  const minHeightPx = state.kind === 'face' ? camera.crops.minFaceHeight : camera.crops.minBodyHeight;
  return [
    ...rows,
    summarise({
      track: state.track,
      label: state.label,
      kind: faceless ? 'face' : kind,
      summary: state.ended.summary,
      sightings: state.sightings,
      bestScore: nearest?.score,
      nearest,
      minHeightPx: faceless ? camera.crops.minFaceHeight : minHeightPx,
      qualityFloor,
      anybodyEnrolled: nearest !== undefined,
      faceless,
    }),
  ];
}
