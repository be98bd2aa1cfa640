import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { startAlerts } from '../../src/alerts/history.ts';
import { startBridge } from '../../src/bridge/server.ts';
import { createCameraFigures } from '../../src/composition/camera-figures.ts';
import { startSlowLoop } from '../../src/composition/slow-loop.ts';
import { createWorkerLink } from '../../src/composition/worker-link.ts';
import { configSchema } from '../../src/config/schema.ts';
import type { FrameMeta, Sighting } from '../../src/core/types.ts';
import { seeFrame } from '../../src/pipeline.ts';
import { startStore } from '../../src/store/store.ts';
import { createCandidates } from '../../src/tracks/candidates.ts';
import { createTracks } from '../../src/tracks/tracks.ts';
import { testContext } from '../../test/support/context.ts';
import { quantile } from '../support/quantile.ts';
import { cameraName, camerasOf, type Load, token, workerName } from './load.ts';

/**
 * The daemon's way of a frame, put together as `src/daemon.ts` does, without models: bridge, tracks, alerts with their store on disk,
 * candidates and an idle slow loop. Tells its parent what it cost.
 */

const load = JSON.parse(process.argv[2] ?? '') as Load;
const ids = Array.from({ length: load.cameras }, (_, index) => index);
const config = configSchema.parse({
  dataDir: load.dataDir,
  lists: { banned: { severity: 'high' } },
  cameras: Object.fromEntries(
    ids.map((index) => [
      cameraName(index),
      {
        source: load.sources?.[index] ?? `rtsp://127.0.0.1/${index}`,
        recognise: ['face'],
        detect: (load.models ?? ['centerface']).map((model) => ({ model })),
        zones: {
          door: [
            [0, 0.5],
            [0.4, 0.5],
            [0.4, 1],
            [0, 1],
          ],
        },
      },
    ]),
  ),
  alerts: [
    { name: 'banned', when: { lists: ['banned'] } },
    { name: 'at a door', when: { lists: ['banned'], zones: ['door'], dwell: '5s' } },
  ],
});

using ctx = testContext();
await using store = await startStore({ directory: load.dataDir }, ctx);
const similar = { open: 0.5, keep: 0.45, margin: 0.05 };
await using alerts = await startAlerts(
  {
    rules: config.alerts,
    lists: config.lists,
    cameras: config.cameras,
    leaveAfterMs: config.alerting.leaveAfter,
    updateEveryMs: config.alerting.updateEvery,
    thresholds: { face: similar, appearance: similar, description: similar },
    outputs: [],
    newId: randomUUID,
    isListed: () => true,
    store: store.alerts,
    publish: { stored: () => {}, unstored: () => {} },
    onLabel: (track, label) => link.label(track, label, config.lists),
  },
  ctx,
);
const tracks = createTracks();
const candidates = createCandidates({ cameras: config.cameras, decided: (track) => alerts.label(track).decided });
await using loop = startSlowLoop(
  { tracks, candidates, alerts, batchSize: 32, embed: () => Promise.resolve([]), match: () => Promise.resolve([]) },
  ctx,
);
const figures = createCameraFigures(ctx.clock);
let counting = false;
let frames = 0;
/** Of each frame, until the rules have seen it: since it was written to the socket, and since it had arrived at its worker. */
const delaysMs = { sent: [] as number[], received: [] as number[] };

/** What the slow loop would say of a listed person: one look per detected frame, of the face of that frame. */
function sighting(frame: FrameMeta): Sighting | undefined {
  const detection = frame.detections[0];
  const person = frame.predicted ? Number.NaN : Number(frame.camera.slice('camera-'.length));
  if (detection === undefined || !(person < load.listed)) return undefined;
  const { camera, epoch, sequence, width, height, time, stages } = frame;
  const { box, label } = detection;
  const vector = new Float32Array(128);
  vector[person % 128] = 1;
  const match = {
    entryId: `p${person}`,
    entryName: `p${person}`,
    list: 'banned',
    referenceId: `r${person}`,
    score: 0.7,
    threshold: 0.5,
  };
  const quality = { heightPx: 90, sharpness: 200, rollDegrees: 0, yaw: 0, visible: 1, score: 0.9, overall: 0.6 };
  return {
    track: { camera, epoch, trackId: detection.trackId },
    kind: 'face',
    result: { kind: 'face', space: 'drawn@1', top: [match], margin: 0.4 },
    crop: {
      jpeg: new Uint8Array(20_000),
      rect: box,
      width: 70,
      height: 90,
      box: { left: 0, top: 0, width: 70, height: 90 },
      quality,
    },
    box,
    label,
    frame: { sequence, width, height, time },
    embedding: { vector, space: 'drawn@1' },
    stages,
  };
}

function count({ stages }: FrameMeta): void {
  const now = ctx.clock.mono();
  frames += 1;
  delaysMs.received.push(now - stages.receivedMs);
  if (stages.sentMs !== undefined) delaysMs.sent.push(now - stages.sentMs);
}

function spread(values: readonly number[]) {
  return { p50: quantile(values, 0.5), p99: quantile(values, 0.99), max: quantile(values, 1) };
}

await using bridge = await startBridge(
  {
    socketPath: load.socketPath,
    sink: {
      frame: (frame) => {
        seeFrame(loop.stages, frame);
        const seen = load.listed === 0 ? undefined : sighting(frame);
        if (seen !== undefined) alerts.seeSighting(seen);
        if (counting) count(frame);
        figures.frame(frame);
      },
      cameraState: () => {},
      stats: (worker, stats) => {
        link.stats(worker, stats);
        figures.stats(stats);
      },
      epoch: (camera) => store.nextEpoch(camera),
    },
  },
  ctx,
);
const link = createWorkerLink(bridge, config.inference, ctx.metrics);
for (let worker = 0; worker < load.workers; worker += 1) {
  const cameras = new Map(
    camerasOf(load, worker).flatMap((index) => {
      const camera = config.cameras[cameraName(index)];
      return camera === undefined ? [] : [[cameraName(index), camera] as const];
    }),
  );
  const registered = link.register(workerName(worker), token, {
    hello: () => registered.configure(cameras),
    closed: () => {},
    drained: () => {},
  });
}

async function total(name: string): Promise<number> {
  const metric = (await ctx.metrics.registry.getMetricsAsJSON()).find((one) => one.name === name);
  return metric?.values.reduce((sum, { value }) => sum + value, 0) ?? 0;
}

process.send?.('ready');
await once(process, 'message'); // the workers have begun
await wait(3000); // compiled, and every camera has its tracks
global.gc?.();
const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
counting = true;
const [cpu, mono, usage] = [process.cpuUsage(), ctx.clock.mono(), process.resourceUsage()];
const ended = once(process, 'message');
await Promise.race([ended, wait(Math.max(1, load.seconds - 5) * 1000)]);
const used = process.cpuUsage(cpu);
counting = false;
delay.disable();
const seconds = (ctx.clock.mono() - mono) / 1000;
const after = process.resourceUsage();
await ended;
await wait(200);
process.send?.({
  frames,
  seconds,
  cpuSeconds: (used.user + used.system) / 1e6,
  sentMs: spread(delaysMs.sent),
  receivedMs: spread(delaysMs.received),
  delayMs: { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 },
  taken: await total('sightline_bridge_frames_total'),
  dropped: await total('sightline_bridge_dropped_total'),
  tracks: alerts.sizes.tracks,
  alerts: await total('sightline_alert_events_total'),
  episodes: alerts.sizes.episodes,
  involuntarySwitches: after.involuntaryContextSwitches - usage.involuntaryContextSwitches,
  rssMb: process.memoryUsage().rss / 1e6,
});
process.disconnect();
