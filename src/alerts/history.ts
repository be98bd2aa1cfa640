import type { AlertEvent } from '../core/alerts.ts';
import { passed } from '../core/checkpoints.ts';
import type { Context } from '../core/context.ts';
import type { AlertCommit, AlertStore } from '../core/store.ts';
import type { CameraId, FrameMeta, Sighting, TrackChange, TrackRef } from '../core/types.ts';
import { type AlertInput, type AlertsOptions, createAlerts } from './alerts.ts';
import type { Lost } from './owed.ts';
import type { HideFaces } from './pictures.ts';
import type { TrackLabel } from './recognition.ts';
import type { AlertRules } from './settings.ts';
import type { Act } from './steps.ts';
import { type AlertWriterOptions, createAlertWriter, undurable } from './writer.ts';

export interface AlertRoomConfig extends AlertRules, Pick<AlertsOptions, 'newId' | 'isListed'> {
  readonly store: Pick<AlertStore, 'commit' | 'loadOpen' | 'get'>;
  readonly publish: AlertWriterOptions['publish'];
  /** What to do with faces of others in pictures; absent: such pictures are left out. */
  readonly hideFaces?: HideFaces;
  /** What is known of a track has changed. */
  readonly onLabel?: (track: TrackRef, label: TrackLabel) => void;
}

/** The alert reducer with its memory on disk. The `see` methods never wait. */
export interface AlertRoom extends AsyncDisposable {
  seeFrame(frame: FrameMeta, changes: readonly TrackChange[]): void;
  seeSighting(sighting: Sighting): void;
  /** A camera is away: `changes` ends its tracks. Its visits end when nobody was seen for long enough. */
  endTracks(changes: readonly TrackChange[]): void;
  /** The source has ended by itself and will not go on, or the camera was removed; `changes` ends its tracks. */
  endSource(camera: CameraId, changes: readonly TrackChange[]): void;
  /** The last that is seen: `changes` ends the tracks, and what is left to say of them is written. Episodes stay open. */
  stop(changes: readonly TrackChange[]): void;
  removeEntry(entryId: string): void;
  /**
   * Resolves when the step is stored, or was published from memory because the store did not take it: then `alert.durable` is
   * false. Errors: `alert.unknown`, `alert.transition`.
   */
  act(act: { alertId: string; state: Act; actor: string; reason?: string }): Promise<AlertEvent>;
  configure(rules: AlertRules): void;
  label(track: TrackRef): TrackLabel;
  /** Resolves when everything decided so far is stored or was published from memory. */
  flush(): Promise<void>;
  readonly sizes: { readonly tracks: number; readonly episodes: number };
}

/** Decision latency is what the person in view experiences: seconds since the frame had arrived. */
const latencyBuckets = [0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10];

/** Loads what was open and goes on with it. Errors: those of `store.loadOpen`. */
export async function startAlerts(config: AlertRoomConfig, ctx: Context): Promise<AlertRoom> {
  const { store, publish } = config;
  const { clock, log } = ctx;
  const restored = await store.loadOpen();
  const alerts = createAlerts({ ...config, clock, restored });
  const measure = instruments(ctx, alerts);
  let outputs = config.outputs;
  const writer = createAlertWriter(
    { store, publish, hideFaces: config.hideFaces, outputs: () => outputs, dropped: measure.dropped },
    ctx,
  );
  let decided = 0;
  if (restored.episodes.length > 0) log.info({ episodes: restored.episodes.length }, 'open episodes go on');

  function observe(input: AlertInput): AlertCommit | undefined {
    const commit = alerts.observe(input);
    if (commit === undefined) return undefined;
    passed('decided', commit.events);
    measure.commit(commit);
    decided += commit.events.length;
    writer.add(commit);
    return commit;
  }

  /** An alert as stored, when nothing of it is under way: one that has just closed is known to the store only after a while. */
  async function newest(alertId: string): Promise<Awaited<ReturnType<AlertStore['get']>>> {
    while (true) {
      await writer.flush();
      const before = decided;
      const stored = writer.owed(alertId) ?? (await store.get(alertId));
      if (decided === before) return stored;
    }
  }

  const timer = clock.every(1000, () => void observe({ kind: 'tick' }));

  return {
    seeFrame: (frame, changes) => {
      const { camera, epoch, time } = frame;
      observe({ kind: 'frame', camera, epoch, eventTimeMs: time.eventTimeMs, changes });
    },
    seeSighting: (sighting) => {
      const before = alerts.label(sighting.track);
      measure.sightings.inc({ kind: sighting.kind });
      observe({ kind: 'sighting', sighting });
      const after = alerts.label(sighting.track);
      if (before.decided !== after.decided || before.text !== after.text) config.onLabel?.(sighting.track, after);
    },
    endTracks: (changes) => void observe({ kind: 'tracks-ended', changes }),
    endSource: (camera, changes) => void observe({ kind: 'source-ended', camera, changes }),
    stop: (changes) => void observe({ kind: 'stopping', changes }),
    removeEntry: (entryId) => {
      writer.forget(entryId);
      observe({ kind: 'entry-removed', entryId });
    },
    act: async (act) => {
      const stored = await newest(act.alertId);
      const input = { kind: 'act', ...act, at: clock.now(), ...(stored === undefined ? {} : { stored }) } as const;
      const event = observe(input)?.events.find(({ alert }) => alert.id === act.alertId);
      await writer.flush();
      if (event === undefined) throw new TypeError('an act without an event');
      return writer.kept(event) ? event : undurable(event);
    },
    configure: (rules) => {
      outputs = rules.outputs;
      alerts.configure(rules);
    },
    label: (track) => alerts.label(track),
    flush: () => writer.flush(),
    get sizes() {
      return alerts.sizes;
    },
    [Symbol.asyncDispose]: async () => {
      timer[Symbol.dispose]();
      await writer[Symbol.asyncDispose]();
    },
  };
}

function instruments({ metrics }: Context, alerts: { readonly sizes: AlertRoom['sizes'] }) {
  const events = metrics.counter('sightline_alert_events_total', 'Steps of alerts.', ['rule', 'kind', 'state']);
  const ledger = metrics.counter('sightline_ledger_total', 'Matches and tracks that told nobody.', ['reason']);
  const latency = metrics.histogram(
    'sightline_alert_decision_seconds',
    'From the arrival of the deciding frame to the decision.',
    {
      buckets: latencyBuckets,
      labels: ['kind'],
    },
  );
  const dropped = metrics.counter('sightline_alert_dropped_total', 'Lost while the store was busy or took nothing.', ['what']);
  const tracks = metrics.gauge('sightline_alert_tracks', 'Tracks the alerts know of.');
  const episodes = metrics.gauge('sightline_alert_episodes', 'Open episodes.');
  return {
    sightings: metrics.counter('sightline_sightings_total', 'Crops compared with the watchlist.', ['kind']),
    dropped: (what: Lost, count: number) => dropped.inc({ what }, count),
    commit: (commit: AlertCommit) => {
      for (const { alert, step } of commit.events) {
        events.inc({ rule: alert.rule, kind: alert.kind, state: step.state });
        const { receivedMs, decidedMs } = alert.stages;
        if (step.state === 'opened' && decidedMs !== undefined)
          latency.observe({ kind: alert.kind }, Math.max(0, decidedMs - receivedMs) / 1000);
      }
      for (const { reason, count } of commit.ledger) ledger.inc({ reason }, count);
      tracks.set(alerts.sizes.tracks);
      episodes.set(alerts.sizes.episodes);
    },
  };
}
