import type { AlertEvent } from '../core/alerts.ts';
import type { Context } from '../core/context.ts';
import type { OutboxRow, OutboxStore } from '../core/store.ts';
import type { CameraId, CameraState } from '../core/types.ts';
import { type OutboxTuning, startOutbox } from './outbox.ts';
import type { DaemonState, Output } from './output.ts';

/** Every output has an outbox loop of its own, so that one that fails or hangs delays none of the others. */
export interface Fanout extends AsyncDisposable {
  notify(rows: readonly OutboxRow[]): void;
  notifyUnstored(events: readonly AlertEvent[]): void;
  refresh(): void;
  cameraState(camera: CameraId, state: CameraState | undefined): void;
  daemonState(state: DaemonState): void;
}

export interface FanoutOptions {
  readonly outputs: readonly Output[];
  readonly store: OutboxStore;
  readonly liveForMs: () => number;
  readonly tuning?: Partial<OutboxTuning>;
}

export function startFanout(options: FanoutOptions, ctx: Context): Fanout {
  const { outputs, store, liveForMs } = options;
  const tuning = options.tuning === undefined ? {} : { tuning: options.tuning };
  const routes = outputs.map((output) => ({ output, outbox: startOutbox({ output, store, liveForMs, ...tuning }, ctx) }));
  return {
    notify(rows) {
      for (const { output, outbox } of routes) {
        const own = rows.filter((row) => row.output === output.name);
        if (own.length > 0) outbox.notify(own);
      }
    },
    notifyUnstored(events) {
      for (const { outbox } of routes) outbox.notifyUnstored(events);
    },
    refresh() {
      for (const { outbox } of routes) outbox.refresh();
    },
    cameraState(camera, state) {
      for (const { output } of routes) output.cameraState(camera, state);
    },
    daemonState(state) {
      for (const { output } of routes) output.daemonState(state);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(
        routes.map(async ({ output, outbox }) => {
          await outbox[Symbol.asyncDispose]();
          await output[Symbol.asyncDispose]();
        }),
      );
    },
  };
}
