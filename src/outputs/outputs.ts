import type { Config } from '../config/schema.ts';
import type { AlertEvent } from '../core/alerts.ts';
import type { Context } from '../core/context.ts';
import { childContext } from '../core/context.ts';
import type { OutboxRow, OutboxStore } from '../core/store.ts';
import type { CameraId, CameraState } from '../core/types.ts';
import { startFanout } from './fanout.ts';
import { type MqttTuning, startMqtt } from './mqtt.ts';
import type { OutboxTuning } from './outbox.ts';
import type { DaemonState, OutputState } from './output.ts';

export type OutputsConfig = Pick<Config, 'mqtt' | 'alerting'>;

export interface OutputsDeps {
  readonly outbox: OutboxStore;
  /** Version of Sightline, for the status. */
  readonly version: string;
  readonly mqttTuning?: Partial<MqttTuning>;
  readonly outboxTuning?: Partial<OutboxTuning>;
}

/** Where alerts go. Disposal flushes for some seconds, says goodbye and closes; what is left stays in the store for the next start. */
export interface Outputs extends AsyncDisposable {
  /** Outputs that are configured: the alert room queues every event for each of them (`AlertCommit.outputs`). */
  readonly names: readonly string[];
  /** Rows that `AlertStore.commit` returned; they go out without the store being read. */
  notify(rows: readonly OutboxRow[]): void;
  /** Events that could not be committed: sent from memory. Their alerts say `durable: false`. */
  notifyUnstored(events: readonly AlertEvent[]): void;
  /** After rows of the outbox were changed or erased in the store. */
  refresh(): void;
  /** Retained; `undefined` once the camera is no longer configured. */
  publishCameraState(camera: CameraId, state: CameraState | undefined): void;
  publishDaemonState(state: DaemonState): void;
  /** Once every camera has been published: what an earlier run left of others is taken away. */
  clearOtherCameras(): void;
  /** For health. */
  states(): ReadonlyMap<string, OutputState>;
  /** Settings of reload class `live`. */
  configure(config: OutputsConfig): void;
}

/** How often the number of waiting rows in the store is measured. */
const countEveryMs = 10_000;

/**
 * Starts every configured output; a place that cannot be reached is tried again for ever and stops nobody else. Goes on until it
 * is disposed, not when `ctx.signal` fires: the last alerts leave while the process stops. Throws `config.invalid`.
 */
export async function startOutputs(config: OutputsConfig, deps: OutputsDeps, ctx: Context): Promise<Outputs> {
  ctx.signal.throwIfAborted();
  let current = config;
  const { enabled } = config.mqtt;
  const mqtt = enabled
    ? startMqtt(
        { config: config.mqtt, version: deps.version, ...(deps.mqttTuning === undefined ? {} : { tuning: deps.mqttTuning }) },
        childContext(ctx, { output: 'mqtt' }),
      )
    : undefined;
  const outputs = mqtt === undefined ? [] : [mqtt];
  const fanout = startFanout(
    {
      outputs,
      store: deps.outbox,
      liveForMs: () => current.alerting.liveFor,
      ...(deps.outboxTuning === undefined ? {} : { tuning: deps.outboxTuning }),
    },
    ctx,
  );
  const stored = ctx.metrics.gauge('sightline_outbox_rows', 'Rows of the outbox in the store', ['state']);
  let counted = true;
  const counting = ctx.clock.every(countEveryMs, async () => {
    try {
      const { waiting, dead } = await deps.outbox.counts();
      counted = true;
      stored.set({ state: 'waiting' }, waiting);
      stored.set({ state: 'dead' }, dead);
    } catch (error) {
      if (counted) ctx.log.warn({ err: error }, 'outbox cannot be counted');
      counted = false;
    }
  });
  return {
    names: outputs.map(({ name }) => name),
    notify: (rows) => fanout.notify(rows),
    notifyUnstored: (events) => fanout.notifyUnstored(events),
    refresh: () => fanout.refresh(),
    publishCameraState: (camera, state) => fanout.cameraState(camera, state),
    publishDaemonState: (state) => fanout.daemonState(state),
    clearOtherCameras: () => mqtt?.clearOtherCameras(),
    states: () => new Map(outputs.map((output) => [output.name, output.state])),
    configure(next) {
      current = next;
      mqtt?.configure(next.mqtt);
    },
    async [Symbol.asyncDispose]() {
      counting[Symbol.dispose]();
      await fanout[Symbol.asyncDispose]();
    },
  };
}
