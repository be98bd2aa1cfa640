import type { Clock } from '../core/clock.ts';
import type { AlertCommit } from '../core/store.ts';
import type { CameraId, Sighting, TrackChange, TrackRef } from '../core/types.ts';
import { createCommitBuilder } from './commit.ts';
import { defaultPolicy, type EvidencePolicy } from './evidence.ts';
import { createRecognition, type TrackLabel } from './recognition.ts';
import { compileRules } from './rules.ts';
import type { AlertRules } from './settings.ts';
import type { Act, Numbered } from './steps.ts';
import { createVisits, type Restored } from './visits.ts';

export interface AlertsOptions extends AlertRules {
  /** Unique for ever: ids of alerts and episodes. */
  readonly newId: () => string;
  readonly clock: Pick<Clock, 'now' | 'mono'>;
  /** Whether an entry is still on its list; matches of one that has just expired are in flight. */
  readonly isListed: (entryId: string) => boolean;
  readonly policy?: EvidencePolicy;
  readonly restored?: Restored;
}

export type AlertInput =
  /** A frame of a camera with what it changed: the camera's event time moves on. */
  | {
      readonly kind: 'frame';
      readonly camera: CameraId;
      readonly epoch: number;
      readonly eventTimeMs: number;
      readonly changes: readonly TrackChange[];
    }
  | { readonly kind: 'sighting'; readonly sighting: Sighting }
  /** About once a second of real time, also when no camera says anything. */
  | { readonly kind: 'tick' }
  /** Tracks end without a frame: their camera is away, and whoever it shows when it is back has a track of another epoch. */
  | { readonly kind: 'tracks-ended'; readonly changes: readonly TrackChange[] }
  /** The source has ended by itself and will not go on (a file that does not loop), or the camera was removed. */
  | { readonly kind: 'source-ended'; readonly camera: CameraId; readonly changes: readonly TrackChange[] }
  /** The program stops: what is known of every track is written, episodes stay open for the next start. */
  | { readonly kind: 'stopping'; readonly changes: readonly TrackChange[] }
  | { readonly kind: 'entry-removed'; readonly entryId: string }
  | {
      readonly kind: 'act';
      readonly alertId: string;
      readonly state: Act;
      readonly actor: string;
      readonly reason?: string;
      /** Wall clock, milliseconds since 1970. */
      readonly at: number;
      /** The alert as stored, for one that is not open here. */
      readonly stored?: Numbered;
    };

/**
 * From sightings and tracks to alerts. Deterministic: the same inputs, ids and clock give the same commits. Runs on event time, each
 * camera on its own; the wall clock stamps steps and drives schedules, the monotonic clock only tells a silent camera.
 */
export interface Alerts {
  /** Errors, for acts only: `alert.unknown`, `alert.transition`. */
  observe(input: AlertInput): AlertCommit | undefined;
  /** For what comes: open alerts of rules that are gone end with their episode. */
  configure(config: AlertRules): void;
  label(track: TrackRef): TrackLabel;
  readonly sizes: { readonly tracks: number; readonly episodes: number };
}

export function createAlerts(options: AlertsOptions): Alerts {
  const { newId, clock, isListed, restored, policy = defaultPolicy } = options;
  let config: AlertRules = options;
  let rules = compileRules(config.rules, config.lists);
  const settings = () => ({ config, rules });
  const commit = createCommitBuilder();
  const visits = createVisits({ settings, newId, clock, commit, restored });
  const recognition = createRecognition({ settings, policy, isListed, commit, visits });

  function reduce(input: AlertInput): void {
    switch (input.kind) {
      case 'frame':
        visits.hear(input.camera, input.epoch, input.eventTimeMs);
        for (const change of input.changes) recognition.change(change);
        visits.frame(input.camera, input.eventTimeMs);
        recognition.sweep(input.camera, input.eventTimeMs);
        break;
      case 'sighting': {
        const { track, frame } = input.sighting;
        visits.hear(track.camera, track.epoch, frame.time.eventTimeMs);
        recognition.see(input.sighting);
        break;
      }
      case 'tick':
        visits.tick();
        recognition.tick();
        break;
      case 'tracks-ended':
        for (const change of input.changes) recognition.change(change);
        break;
      case 'source-ended':
        for (const change of input.changes) recognition.change(change);
        visits.endSource(input.camera);
        break;
      case 'stopping':
        for (const change of input.changes) recognition.change(change);
        recognition.finish();
        break;
      case 'entry-removed':
        recognition.removeEntry(input.entryId);
        visits.removeEntry(input.entryId);
        break;
      case 'act': {
        const { state, at, actor, reason } = input;
        const step = { state, at, actor, ...(reason === undefined ? {} : { reason }) };
        visits.act(input.alertId, step, input.stored);
        break;
      }
    }
  }

  return {
    observe: (input) => {
      reduce(input);
      return commit.take(config.outputs);
    },
    configure: (next) => {
      config = next;
      rules = compileRules(next.rules, next.lists);
    },
    label: recognition.label,
    get sizes() {
      return { tracks: recognition.size, episodes: visits.size };
    },
  };
}
