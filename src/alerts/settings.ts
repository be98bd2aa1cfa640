import type { CameraConfig, ListConfig, RuleConfig } from '../config/schema.ts';
import type { Thresholds } from '../core/models.ts';
import type { CameraId, MatchKind } from '../core/types.ts';

/** What a live reload may change. */
export interface AlertRules {
  readonly rules: readonly RuleConfig[];
  readonly lists: Readonly<Record<string, ListConfig>>;
  readonly cameras: Readonly<Record<CameraId, Pick<CameraConfig, 'enabled' | 'zones' | 'recognise' | 'crops'>>>;
  /** An episode ends this long after its last sighting, in event time. */
  readonly leaveAfterMs: number;
  readonly updateEveryMs: number;
  readonly thresholds: Readonly<Record<MatchKind, Thresholds>>;
  /** Outputs every event is queued for. */
  readonly outputs: readonly string[];
}
