import type { AlertEvent } from '../core/alerts.ts';
import type { CameraId, CameraState } from '../core/types.ts';

/** What a place alerts go to has to offer. MQTT is one; others plug in here. */

/** One attempt to hand over an event. */
export interface Delivery {
  readonly event: AlertEvent;
  /** Older than `alerting.liveFor`: history, never to be presented as if it were now. */
  readonly late: boolean;
  /** Wall clock at which a live event stops being one. */
  readonly expiresAt: number;
  /** Earlier attempts that ended with the connection, this event alone under way. */
  readonly cuts: number;
  /** The event was made by this run of the daemon, so that its monotonic times are of this clock. */
  readonly sameRun: boolean;
}

/**
 * `taken`: responsibility is with the other side. `refused`: it will never take this event. `retry`: not now, this event or
 * all. `lost`: no answer, the event may or may not have arrived; `closed` when the other side ended a connection on which it had
 * answered before.
 */
export type DeliveryResult =
  | { readonly kind: 'taken' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'retry'; readonly reason: string }
  | { readonly kind: 'lost'; readonly closed: boolean };

/** State of the other side, in words for health and logs. */
export type OutputState =
  /** With what came of the attempt before. */
  | { readonly state: 'connecting'; readonly since: number; readonly reason?: string }
  /** With a reason: it is there and does not take all that it is sent. */
  | { readonly state: 'connected'; readonly since: number; readonly reason?: string }
  | { readonly state: 'waiting'; readonly since: number; readonly reason: string; readonly retryAt: number }
  /** The other side does not want us as we are configured; tried again slowly. */
  | { readonly state: 'refused'; readonly since: number; readonly reason: string; readonly retryAt: number }
  | { readonly state: 'stopped'; readonly since: number };

/** What the daemon says of itself. */
export interface DaemonState {
  readonly health: 'ok' | 'degraded';
  /** What does not work, in words for people; empty when healthy. */
  readonly problems: readonly string[];
}

export interface Output extends AsyncDisposable {
  /** As in `OutboxRow.output`; a metric label. */
  readonly name: string;
  readonly state: OutputState;
  /** How many deliveries it takes at once right now; 0 while it cannot take any. */
  readonly window: number;
  /** Called whenever `window` has changed. One listener. */
  onWindow(listener: () => void): void;
  /** Resolves with what became of it, within the output's own time limit; never rejects. */
  deliver(delivery: Delivery): Promise<DeliveryResult>;
  /** Newest state wins; an output that cannot show states ignores it. `undefined`: the camera is no longer configured. */
  cameraState(camera: CameraId, state: CameraState | undefined): void;
  daemonState(state: DaemonState): void;
}
