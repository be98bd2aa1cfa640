import { type Bridge, type BridgeWorker, protocolVersion } from '../bridge/server.ts';
import type { Config, ListConfig } from '../config/schema.ts';
import type { PartState } from '../core/control.ts';
import { descriptionMeaning } from '../core/descriptions.ts';
import type { DetectorView } from '../core/detectors.ts';
import type { GpuView } from '../core/gpus.ts';
import type { Metrics } from '../core/metrics.ts';
import { nobodyColour, severityColours } from '../core/severity-colours.ts';
import type { CameraId, MatchKind, TrackRef } from '../core/types.ts';
import type { ModelStats, WorkerStats } from '../gen/sightline/bridge/v1/bridge.ts';
import type { WorkerLink } from '../workers/life.ts';
import type { WorkerCamera } from '../workers/plan.ts';
import { configureMessage } from './camera-message.ts';
import { detectorViews } from './detector-views.ts';
import { createGpuFigures } from './gpu-figures.ts';

/** The supervisor's view of the bridge, with what else goes down to workers and comes up from them. */
export interface DaemonLink extends WorkerLink {
  /** What is known of a track, for its crop policy and for drawing. */
  label(
    track: TrackRef,
    label: {
      readonly decided: boolean;
      readonly text: string;
      readonly score: number;
      readonly list?: string;
      readonly kind?: MatchKind;
    },
    lists: Readonly<Record<string, ListConfig>>,
  ): void;
  /** Whether somebody watches the camera's annotated video. Said again to whichever worker has the camera next. */
  wantVideo(camera: CameraId, annotated: boolean): void;
  stats(worker: string, stats: WorkerStats): void;
  /** This camera is not configured any more: its worker may not have heard of it yet, but nothing of it is taken from now on. */
  forgetCamera(camera: CameraId): void;
  /** Detectors of workers that are connected and that do not work; a camera that is live sees nobody with them. */
  parts(): readonly PartState[];
  /** Detectors of workers that are connected, and cards that workers run on; absent without any. */
  status(): { readonly detectors?: readonly DetectorView[]; readonly gpus?: readonly GpuView[] };
}

/** Colour of a list by its severity; of nobody where it names no list that there is, or one of people to be ignored. */
export function colourOf(list: string | undefined, lists: Readonly<Record<string, ListConfig>>): string {
  const known = list === undefined ? undefined : lists[list];
  return known === undefined || known.kind === 'ignore' ? nobodyColour : severityColours[known.severity];
}

export function createWorkerLink(
  bridge: Pick<Bridge, 'register' | 'forget'>,
  inference: Config['inference'],
  metrics: Metrics,
): DaemonLink {
  const workerOf = new Map<CameraId, BridgeWorker>();
  const decoded = metrics.gauge('sightline_camera_frames_decoded', 'Frames decoded since the worker started', ['camera']);
  const detected = metrics.gauge('sightline_camera_frames_detected', 'Frames that a detector looked at', ['camera']);
  const gated = metrics.gauge('sightline_camera_frames_gated', 'Frames spared by the motion gate', ['camera']);
  const dropped = metrics.gauge('sightline_camera_frames_dropped', 'Frames that were due while the detector was busy', [
    'camera',
  ]);
  const unsent = metrics.gauge('sightline_camera_batches_dropped', 'Batches that the bridge did not take in time', ['camera']);
  const crops = metrics.gauge('sightline_camera_crops', 'Crops that were cut', ['camera']);
  const cropsRefused = metrics.gauge('sightline_camera_crops_refused', 'Crops that their encoder gave nothing for', ['camera']);
  const leftOut = metrics.gauge('sightline_camera_objects_left_out', 'Objects beyond the thousandth of a frame', ['camera']);
  const videoDropped = metrics.gauge(
    'sightline_camera_video_dropped',
    'Encoded units that the media door did not take in time, or that have no place on its clock, since the worker started',
    ['camera'],
  );
  const annotatedDropped = metrics.gauge(
    'sightline_camera_annotated_dropped',
    'Frames of annotated video that were not drawn, because encoding was behind, or not taken by the media door',
    ['camera'],
  );
  const skipped = metrics.gauge(
    'sightline_camera_units_skipped',
    'Encoded units that were not decoded because decoding was too far behind the camera, since the worker started',
    ['camera'],
  );
  const undecodable = metrics.gauge(
    'sightline_camera_undecodable',
    'Pictures that could not be decoded, or not in whole, since the source was opened',
    ['camera'],
  );
  const media = metrics.gauge(
    'sightline_camera_media_seconds',
    'Time that the open source has shown, by its own time stamps: beside the frames it tells whether any are missing',
    ['camera'],
  );
  const ahead = metrics.gauge(
    'sightline_camera_clock_ahead_seconds',
    "How far the camera's own clock is ahead of ours; absent while the camera does not send it",
    ['camera'],
  );
  const fps = metrics.gauge('sightline_camera_fps', 'Frames decoded in the last second', ['camera']);
  const queue = metrics.gauge('sightline_worker_infer_queue', 'Requests that wait for the detector', ['worker']);
  const cpu = metrics.gauge('sightline_worker_cpu_seconds', 'CPU time of a worker process', ['worker']);
  const runs = metrics.gauge('sightline_detector_runs', 'Runs of a detector since the worker started', ['worker', 'model']);
  const failures = metrics.gauge('sightline_detector_failures', 'Runs of a detector that gave nothing', ['worker', 'model']);
  const fallback = metrics.gauge(
    'sightline_detector_fallback',
    '1 while the embedded engine runs a detector that no Triton server can run',
    ['worker', 'model'],
  );
  const deaths = metrics.gauge(
    'sightline_worker_inference_deaths',
    'Times the inference thread of a worker died, or a Triton server was lost to it',
    ['worker'],
  );
  const gpus = createGpuFigures(metrics);
  /** By worker, as it said last. */
  const detectors = new Map<string, readonly ModelStats[]>();
  /** Workers whose connection has ended: what they said is over. */
  const gone = new Set<string>();
  /** Cameras whose annotated video is watched. */
  const watched = new Set<CameraId>();

  function connected(): readonly (readonly [string, readonly ModelStats[]])[] {
    return [...detectors].filter(([worker]) => !gone.has(worker));
  }

  return {
    register: (name, token, events) => {
      let welcomed = false;
      let cameras: readonly CameraId[] = [];
      const worker = bridge.register(name, token, {
        hello: () => {
          welcomed = false;
          gone.delete(name);
          events.hello();
        },
        closed: (reason) => {
          gone.add(name);
          events.closed(reason);
        },
        drained: () => events.drained(),
      });
      const forget = () => {
        for (const camera of cameras) if (workerOf.get(camera) === worker) workerOf.delete(camera);
      };
      return {
        configure: (wanted: ReadonlyMap<CameraId, WorkerCamera>) => {
          forget();
          cameras = [...wanted.keys()];
          worker.setCameras(cameras);
          for (const camera of cameras) workerOf.set(camera, worker);
          const configure = configureMessage(wanted, inference);
          worker.send(
            welcomed ? { $case: 'configure', value: configure } : { $case: 'welcome', value: { protocolVersion, configure } },
          );
          welcomed = true;
          for (const camera of cameras)
            if (watched.has(camera)) worker.send({ $case: 'wantVideo', value: { camera, annotated: true } });
        },
        drain: () => worker.send({ $case: 'drain', value: {} }),
        [Symbol.dispose]: () => {
          forget();
          for (const { model } of detectors.get(name) ?? []) {
            for (const gauge of [runs, failures, fallback]) gauge.remove({ worker: name, model });
          }
          detectors.delete(name);
          gone.delete(name);
          queue.remove({ worker: name });
          cpu.remove({ worker: name });
          deaths.remove({ worker: name });
          gpus.forget(name);
          worker[Symbol.dispose]();
        },
      };
    },
    label: ({ camera, epoch, trackId }, { decided, text: name, score, list, kind }, lists) => {
      const colour = colourOf(list, lists);
      const text = kind === 'description' ? `${name}: ${descriptionMeaning}` : name;
      workerOf.get(camera)?.send({
        $case: 'labels',
        value: { camera, epoch, labels: [{ trackId, decided, text, colour, score }] },
      });
    },
    wantVideo: (camera, annotated) => {
      if (annotated) watched.add(camera);
      else watched.delete(camera);
      workerOf.get(camera)?.send({ $case: 'wantVideo', value: { camera, annotated } });
    },
    stats: (worker, stats) => {
      queue.set({ worker }, stats.inferQueue);
      cpu.set({ worker }, stats.cpuSeconds);
      deaths.set({ worker }, stats.inferenceDeaths);
      gpus.stats(worker, stats.gpu);
      for (const { model } of detectors.get(worker) ?? []) {
        if (stats.models.some((known) => known.model === model)) continue;
        for (const gauge of [runs, failures, fallback]) gauge.remove({ worker, model });
      }
      for (const { model, ...counts } of stats.models) {
        runs.set({ worker, model }, Number(counts.requests));
        failures.set({ worker, model }, Number(counts.failures));
        fallback.set({ worker, model }, counts.fallback ? 1 : 0);
      }
      detectors.set(worker, stats.models);
      for (const camera of stats.cameras) {
        if (!workerOf.has(camera.camera)) continue;
        const label = { camera: camera.camera };
        decoded.set(label, Number(camera.framesDecoded));
        detected.set(label, Number(camera.framesDetected));
        gated.set(label, Number(camera.framesGated));
        dropped.set(label, Number(camera.framesDropped));
        unsent.set(label, Number(camera.batchesDropped));
        crops.set(label, Number(camera.crops));
        cropsRefused.set(label, Number(camera.cropsRefused));
        leftOut.set(label, Number(camera.objectsLeftOut));
        videoDropped.set(label, Number(camera.videoDropped));
        annotatedDropped.set(label, Number(camera.annotatedDropped));
        skipped.set(label, Number(camera.unitsSkipped));
        fps.set(label, camera.fps);
        undecodable.set(label, Number(camera.stream?.undecodable ?? 0));
        media.set(label, (camera.stream?.mediaMs ?? 0) / 1000);
        if (camera.stream?.senderClock === true) ahead.set(label, camera.stream.senderAheadMs / 1000);
        else ahead.remove(label);
      }
    },
    forgetCamera: (camera) => {
      workerOf.delete(camera);
      watched.delete(camera);
      bridge.forget(camera);
      const gauges = [decoded, detected, gated, dropped, unsent, crops, fps, undecodable, media, ahead, videoDropped];
      for (const gauge of [...gauges, annotatedDropped, skipped, cropsRefused, leftOut]) gauge.remove({ camera });
    },
    parts: () => {
      const failing = connected()
        .flatMap(([, models]) => models)
        .filter((model) => model.failing !== '');
      const reasons = new Map(failing.map((model) => [model.model, model.failing]));
      return [...reasons].map(([model, reason]) => ({ name: `detector ${model}`, ready: false, reason }));
    },
    status: () => {
      const seeing = detectorViews(connected());
      const cards = gpus.views();
      return { ...(seeing.length === 0 ? {} : { detectors: seeing }), ...(cards.length === 0 ? {} : { gpus: cards }) };
    },
  };
}
