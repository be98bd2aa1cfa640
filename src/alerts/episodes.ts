import { z } from 'zod';
import type { Alert, AlertEvent, AlertStep, Severity } from '../core/alerts.ts';
import type { EpisodeRecord } from '../core/store.ts';
import type { CameraId, MatchKind, Sighting, TrackKey } from '../core/types.ts';
import type { Listed } from './rules.ts';
import { isLive, type Numbered, takeStep } from './steps.ts';
import type { Stays } from './zones.ts';

/** The alert of one rule in an episode. */
export interface RuleAlert {
  numbered: Numbered;
  /** Event time of the last event, of the camera it describes. */
  publishedMs: number;
  /** Better evidence that waits until the next update is due. */
  pending: Sighting | undefined;
}

/** One entry's presence, across tracks and cameras. Times are event times of the camera they belong to. */
export interface Episode {
  readonly id: string;
  readonly kind: MatchKind | 'unknown';
  /** Absent for `unknown`. */
  readonly entry: Listed | undefined;
  readonly startedMs: number;
  lastSeenMs: number;
  /** Last sighting per camera, and the epoch it belonged to. */
  readonly cameras: Map<CameraId, { readonly lastMs: number; readonly epoch: number }>;
  /** Sightings that spoke for the entry. */
  sightings: number;
  /** Tracks whose evidence stands behind the episode, and how many did that are no longer known. */
  readonly supporters: Set<TrackKey>;
  formerSupporters: number;
  /** Latest sighting of each camera that spoke for the entry: what a rule that begins to hold shows. */
  readonly latest: Map<CameraId, Sighting>;
  readonly stays: Map<CameraId, Stays>;
  /** By rule. */
  readonly alerts: Map<string, RuleAlert>;
  /** What an unknown face looks like; in memory only. */
  vector: Float32Array | undefined;
  /** `lastSeenMs` as last written. */
  storedMs: number;
  /** Cameras not heard since the restart that this episode survived, with their last sighting before it. */
  readonly resuming: Map<CameraId, number>;
}

export function beginEpisode(options: { id: string; kind: Episode['kind']; entry?: Listed; startedMs: number }): Episode {
  return {
    id: options.id,
    kind: options.kind,
    entry: options.entry,
    startedMs: options.startedMs,
    lastSeenMs: options.startedMs,
    cameras: new Map(),
    sightings: 0,
    supporters: new Set(),
    formerSupporters: 0,
    latest: new Map(),
    stays: new Map(),
    alerts: new Map(),
    vector: undefined,
    storedMs: Number.NEGATIVE_INFINITY,
    resuming: new Map(),
  };
}

/** Supporting tracks remembered by name; beyond them they are only counted. */
const supportersKnown = 64;

export function extend(episode: Episode, sighting: Sighting, speaks: boolean): void {
  const { camera, epoch } = sighting.track;
  const atMs = sighting.frame.time.eventTimeMs;
  episode.cameras.set(camera, { epoch, lastMs: Math.max(episode.cameras.get(camera)?.lastMs ?? atMs, atMs) });
  episode.lastSeenMs = Math.max(episode.lastSeenMs, atMs);
  if (!speaks) return;
  episode.sightings += 1;
  const latest = episode.latest.get(camera);
  if (latest === undefined || latest.track.epoch < epoch || latest.frame.time.eventTimeMs <= atMs)
    episode.latest.set(camera, sighting);
}

export function support(episode: Episode, track: TrackKey): void {
  if (episode.supporters.size < supportersKnown) episode.supporters.add(track);
  else if (!episode.supporters.has(track)) episode.formerSupporters += 1;
}

function scoreOf(sighting: Sighting): number {
  return sighting.result.top[0]?.score ?? 0;
}

/** Differences below this are noise between neighbouring frames. */
const betterBy = 0.02;

function isBetter(sighting: Sighting, score: number): boolean {
  return scoreOf(sighting) >= score + betterBy;
}

type Described = Pick<
  Alert,
  | 'camera'
  | 'track'
  | 'label'
  | 'box'
  | 'frame'
  | 'score'
  | 'threshold'
  | 'margin'
  | 'top'
  | 'referenceId'
  | 'quality'
  | 'space'
  | 'eventTime'
  | 'cameraTime'
  | 'cameraTimeSource'
  | 'stages'
  | 'trace'
>;

function describe(sighting: Sighting, decidedMonoMs: number): Described {
  const { track, label, box, frame, result, crop, stages, embedding } = sighting;
  const best = result.top[0];
  return {
    camera: track.camera,
    track,
    label,
    box,
    frame: { sequence: frame.sequence, width: frame.width, height: frame.height },
    score: best?.score ?? 0,
    threshold: best?.threshold ?? 0,
    margin: result.margin,
    top: result.top.map(({ entryId, entryName, list, score }) => ({ entryId, entryName, list, score })),
    ...(best === undefined ? {} : { referenceId: best.referenceId }),
    quality: crop.quality,
    space: result.space,
    eventTime: frame.time.eventTimeMs,
    cameraTime: frame.time.cameraTimeMs,
    cameraTimeSource: frame.time.cameraTimeSource,
    stages: { ...stages, decidedMs: decidedMonoMs },
    ...(embedding.trace === undefined ? {} : { trace: embedding.trace }),
  };
}

function presenceOf(episode: Episode): Pick<Alert, 'cameras' | 'sightings' | 'firstSeenAt' | 'lastSeenAt'> {
  return {
    cameras: [...episode.cameras.keys()],
    sightings: episode.sightings,
    firstSeenAt: episode.startedMs,
    lastSeenAt: episode.lastSeenMs,
  };
}

export interface Moment {
  readonly wallMs: number;
  readonly monoMs: number;
}

export function openAlert(
  episode: Episode,
  options: { id: string; rule: string; severity: Severity; sighting: Sighting; at: Moment },
): AlertEvent {
  // Event time may be ahead of the wall clock, which opens: nobody is told of before they were seen.
  const openedMs = Math.max(options.at.wallMs, Math.ceil(episode.startedMs));
  const step: AlertStep = { state: 'opened', at: openedMs, actor: 'sightline' };
  const alert: Alert = {
    id: options.id,
    episodeId: episode.id,
    rule: options.rule,
    severity: options.severity,
    kind: episode.kind,
    ...(episode.entry === undefined ? {} : { entry: episode.entry }),
    state: 'opened',
    steps: [step],
    ...describe(options.sighting, options.at.monoMs),
    ...presenceOf(episode),
    decidedAt: options.at.wallMs,
    durable: true,
  };
  episode.alerts.set(options.rule, {
    numbered: { alert, revision: 1 },
    publishedMs: options.sighting.frame.time.eventTimeMs,
    pending: undefined,
  });
  return { alert, step, revision: 1, ...pictureOf(options.sighting) };
}

function pictureOf({ crop, faces }: Sighting): Pick<AlertEvent, 'snapshot' | 'faces'> {
  return { snapshot: crop.jpeg, ...(faces === undefined ? {} : { faces }) };
}

/** Remembers a sighting that says more than the alert does: a better score, or another camera. */
export function offer(episode: Episode, sighting: Sighting): void {
  for (const entry of episode.alerts.values()) {
    const { alert } = entry.numbered;
    if (!isLive(alert.state)) continue;
    const described = entry.pending === undefined ? alert.score : Math.max(alert.score, scoreOf(entry.pending));
    const elsewhere = !alert.cameras.includes(sighting.track.camera);
    if (isBetter(sighting, described) || (elsewhere && entry.pending === undefined)) entry.pending = sighting;
  }
}

/** The update that is due, if any: at most one every `updateEveryMs` of event time. */
export function updateAlert(
  episode: Episode,
  entry: RuleAlert,
  options: { nowMs: number; updateEveryMs: number; at: Moment },
): AlertEvent | undefined {
  const sighting = entry.pending;
  if (sighting === undefined || !isLive(entry.numbered.alert.state)) return undefined;
  if (Math.abs(options.nowMs - entry.publishedMs) < options.updateEveryMs) return undefined;
  entry.pending = undefined;
  entry.publishedMs = options.nowMs;
  const { numbered } = entry;
  const { trace: _ofTheSightingBefore, ...before } = numbered.alert;
  const alert = {
    ...before,
    ...describe(sighting, options.at.monoMs),
    ...presenceOf(episode),
    decidedAt: options.at.wallMs,
  };
  const step: AlertStep = { state: 'updated', at: options.at.wallMs, actor: 'sightline' };
  return keep(entry, takeStep({ ...numbered, alert }, step, pictureOf(sighting)));
}

export type CloseReason = 'left' | 'retracted' | 'source_ended' | 'entry_removed';

export function closeAlerts(episode: Episode, reason: CloseReason, at: Moment): readonly AlertEvent[] {
  const step: AlertStep = { state: 'closed', at: at.wallMs, actor: 'sightline', reason };
  return [...episode.alerts.values()].flatMap((entry) => {
    const { numbered } = entry;
    if (!isLive(numbered.alert.state)) return [];
    return [keep(entry, takeStep({ ...numbered, alert: { ...numbered.alert, ...presenceOf(episode) } }, step))];
  });
}

function keep(entry: RuleAlert, event: AlertEvent): AlertEvent {
  entry.numbered = { alert: event.alert, revision: event.revision };
  return event;
}

/** What a restart needs beside the alerts themselves. No vector is ever part of it. */
const savedState = z.object({
  v: z.literal(1),
  entry: z.object({ id: z.string(), name: z.string(), list: z.string() }).optional(),
  cameras: z.record(z.string(), z.number()),
  sightings: z.number(),
  supporters: z.number(),
});

export function toRecord(episode: Episode, open: boolean): EpisodeRecord {
  const state: z.input<typeof savedState> = {
    v: 1,
    ...(episode.entry === undefined ? {} : { entry: episode.entry }),
    cameras: Object.fromEntries([...episode.cameras].map(([camera, { lastMs }]) => [camera, lastMs])),
    sightings: episode.sightings,
    supporters: episode.supporters.size + episode.formerSupporters,
  };
  return {
    id: episode.id,
    entryId: episode.entry?.id ?? '',
    kind: episode.kind,
    open,
    startedAt: episode.startedMs,
    lastSeenAt: episode.lastSeenMs,
    state: JSON.stringify(state),
  };
}

/**
 * Episodes as they were when they were last written. An open alert whose episode or state cannot be read makes its own from what
 * the alert says, so that it can still be closed.
 */
export function restoreEpisodes(records: readonly EpisodeRecord[], alerts: readonly Numbered[]): readonly Episode[] {
  const byEpisode = Map.groupBy(alerts, ({ alert }) => alert.episodeId);
  const known = new Map(records.map((record) => [record.id, record]));
  return [...byEpisode].flatMap(([id, own]) => {
    const first = own[0]?.alert;
    if (first === undefined) return [];
    const record = known.get(id);
    const saved = record === undefined ? undefined : readState(record.state);
    const entry = first.entry ?? saved?.entry;
    const started = record?.startedAt ?? first.firstSeenAt;
    const episode = beginEpisode({ id, kind: first.kind, startedMs: started, ...(entry === undefined ? {} : { entry }) });
    episode.lastSeenMs = record?.lastSeenAt ?? first.lastSeenAt;
    episode.storedMs = episode.lastSeenMs;
    episode.sightings = saved?.sightings ?? first.sightings;
    episode.formerSupporters = saved?.supporters ?? 1;
    const cameras = saved?.cameras ?? Object.fromEntries(first.cameras.map((camera) => [camera, episode.lastSeenMs]));
    for (const [camera, lastMs] of Object.entries(cameras)) {
      episode.cameras.set(camera, { epoch: 0, lastMs });
      episode.resuming.set(camera, lastMs);
    }
    for (const numbered of own) {
      const publishedMs = numbered.alert.eventTime;
      episode.alerts.set(numbered.alert.rule, { numbered, publishedMs, pending: undefined });
    }
    return [episode];
  });
}

function readState(text: string): z.output<typeof savedState> | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return savedState.safeParse(parsed).data;
}
