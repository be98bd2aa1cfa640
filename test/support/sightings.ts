import { type AlertInput, type Alerts, type AlertsOptions, createAlerts } from '../../src/alerts/alerts.ts';
import type { ConfigInput } from '../../src/config/schema.ts';
import { configSchema } from '../../src/config/schema.ts';
import type { AlertEvent, LedgerRow } from '../../src/core/alerts.ts';
import type { AlertCommit } from '../../src/core/store.ts';
import type { Match, MatchKind, Sighting, TrackChange, TrackRef } from '../../src/core/types.ts';
import { ManualClock } from './clock.ts';

/** Event time at which all scenes begin. */
export const begin = Date.UTC(2026, 0, 5, 12);

/** A unit vector of its own for every name: different people's cosine is 0. */
export function face(name: string, dimensions = 64): Float32Array {
  let hash = 7;
  for (const char of name) hash = (hash * 31 + char.charCodeAt(0)) % 1_000_003;
  const vector = new Float32Array(dimensions);
  vector[hash % dimensions] = 1;
  return vector;
}

export interface LookOptions {
  /** Milliseconds after `begin`. */
  readonly at: number;
  readonly camera?: string;
  readonly epoch?: number;
  readonly track?: number;
  readonly kind?: MatchKind;
  /** Whose face it is: decides the vector. Default: the best entry's, or `somebody`. */
  readonly of?: string;
  /** Scores by entry; ids are names, `list/name` names the list. */
  readonly scores?: Readonly<Record<string, number>>;
  readonly threshold?: number;
  readonly quality?: number;
  readonly box?: Sighting['box'];
}

export function look(options: LookOptions): Sighting {
  const { camera = 'lobby', epoch = 1, track = 1, kind = 'face', quality = 0.6, threshold = 0.5 } = options;
  const top = Object.entries(options.scores ?? {})
    .map(([key, score]): Match => {
      const [list = 'banned', name = key] = key.includes('/') ? key.split('/') : ['banned', key];
      return { entryId: name, entryName: name, list, referenceId: `${name}-1`, score, threshold };
    })
    .sort((a, b) => b.score - a.score);
  const [best, next] = top;
  const eventTimeMs = begin + options.at;
  const box = options.box ?? { left: 100, top: 100, width: 80, height: 100 };
  const label = kind === 'face' ? 'face' : 'person';
  return {
    track: { camera, epoch, trackId: track },
    kind,
    result: { kind, space: `${kind}@1`, top, margin: best === undefined ? 0 : best.score - (next?.score ?? -1) },
    crop: {
      jpeg: new Uint8Array([255, 216, track]),
      rect: box,
      width: 80,
      height: 100,
      box: { left: 0, top: 0, width: box.width, height: box.height },
      quality: { heightPx: box.height, sharpness: 200, rollDegrees: 0, yaw: 0, visible: 1, score: 0.9, overall: quality },
    },
    box,
    label,
    frame: {
      sequence: Math.round(options.at / 40),
      width: 1000,
      height: 1000,
      time: {
        pts: BigInt(options.at),
        timeBase: { numerator: 1, denominator: 1000 },
        receivedMonoMs: 1000 + options.at,
        cameraTimeMs: eventTimeMs,
        cameraTimeSource: 'arrival',
        eventTimeMs,
      },
    },
    embedding: { vector: face(options.of ?? best?.entryId ?? 'somebody'), space: `${kind}@1` },
    stages: { receivedMs: 1000 + options.at, embeddedMs: 1100 + options.at, matchedMs: 1101 + options.at },
  };
}

export interface Scene {
  readonly alerts: Alerts;
  readonly clock: ManualClock;
  readonly events: AlertEvent[];
  readonly ledger: LedgerRow[];
  readonly commits: AlertCommit[];
  see(options: LookOptions): readonly AlertEvent[];
  /** A frame without change, or with the given ones, at `at`. */
  frame(at: number, options?: { camera?: string; epoch?: number; changes?: readonly TrackChange[] }): readonly AlertEvent[];
  observe(input: AlertInput): readonly AlertEvent[];
  /** `opened anna`, `closed anna left`. */
  readonly story: readonly string[];
}

export type SceneConfig = Pick<ConfigInput, 'alerts' | 'lists' | 'alerting' | 'cameras'>;

/** The alert reducer with a default configuration of the cameras lobby and yard, both for faces and bodies, and a memory of what it said. */
export function scene(config: SceneConfig = {}, more: Partial<AlertsOptions> = {}): Scene {
  const clock = new ManualClock({ wall: begin });
  let count = 0;
  const alerts = createAlerts({ ...rulesOf(config), newId: () => `id-${++count}`, clock, isListed: () => true, ...more });
  const events: AlertEvent[] = [];
  const ledger: LedgerRow[] = [];
  const commits: AlertCommit[] = [];
  const observe = (input: AlertInput) => {
    const commit = alerts.observe(input);
    if (commit === undefined) return [];
    commits.push(commit);
    events.push(...commit.events);
    ledger.push(...commit.ledger);
    return commit.events;
  };
  return {
    alerts,
    clock,
    events,
    ledger,
    commits,
    observe,
    see: (options) => observe({ kind: 'sighting', sighting: look(options) }),
    frame: (at, { camera = 'lobby', epoch = 1, changes = [] } = {}) =>
      observe({ kind: 'frame', camera, epoch, eventTimeMs: begin + at, changes }),
    get story() {
      return events.map(({ step, alert }) =>
        [step.state, alert.entry?.name ?? 'unknown', ...(step.reason === undefined ? [] : [step.reason])].join(' '),
      );
    },
  };
}

export function rulesOf(config: SceneConfig): Omit<AlertsOptions, 'newId' | 'clock' | 'isListed'> {
  const camera = { source: 'x.mp4', recognise: ['face', 'appearance'] as ('face' | 'appearance')[] };
  const full = configSchema.parse({
    lists: { banned: { severity: 'high' }, staff: { kind: 'ignore' } },
    cameras: { lobby: camera, yard: camera },
    ...config,
  });
  return {
    rules: full.alerts,
    lists: full.lists,
    cameras: full.cameras,
    leaveAfterMs: full.alerting.leaveAfter,
    updateEveryMs: full.alerting.updateEvery,
    thresholds: {
      face: { open: 0.5, keep: 0.42, margin: 0.05 },
      appearance: { open: 0.8, keep: 0.75, margin: 0.03 },
      description: { open: 0.28, keep: 0.25, margin: 0 },
    },
    outputs: ['mqtt'],
  };
}

export function moved(
  at: number,
  track: Partial<TrackRef> & { label?: string; personTrackId?: number } = {},
  foot = { x: 0.5, y: 0.5 },
): TrackChange {
  const { camera = 'lobby', epoch = 1, trackId = 1, label = 'face', personTrackId } = track;
  return {
    kind: 'moved',
    track: { camera, epoch, trackId },
    label,
    eventTimeMs: begin + at,
    box: { left: foot.x * 1000 - 50, top: foot.y * 1000 - 100, width: 100, height: 100 },
    frame: { width: 1000, height: 1000 },
    ...(personTrackId === undefined ? {} : { personTrackId }),
  };
}

export function trackEnded(
  at: number,
  track: Partial<TrackRef> & { label?: string } = {},
  summary: { height?: number; crops?: number; quality?: number; from?: number } = {},
): TrackChange {
  const { camera = 'lobby', epoch = 1, trackId = 1, label = 'face' } = track;
  const { height = 100, crops = 10, quality = 0.6, from = 0 } = summary;
  return {
    kind: 'ended',
    track: { camera, epoch, trackId },
    label,
    eventTimeMs: begin + at,
    summary: {
      firstSeenMs: begin + from,
      lastSeenMs: begin + at,
      frames: 25,
      crops,
      bestHeightPx: height,
      bestQuality: quality,
    },
  };
}
