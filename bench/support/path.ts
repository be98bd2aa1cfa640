import { until } from '../../test/support/until.ts';
import { spent, startOurs } from './ours.ts';

const patienceMs = 600_000;

/** What a film took, start-up not counted. */
export interface PathRun {
  readonly daemonS: number;
  readonly workersS: number;
  readonly decoded: number;
  readonly looked: number;
  readonly embedded: number;
  readonly alerts: number;
}

/** Plays a film to its end, as fast as the machine can, at five looks a second. */
export async function runPath(
  film: string,
  { detector, embedder }: { readonly detector: string; readonly embedder: string },
): Promise<PathRun> {
  await using ours = await startOurs({ cameras: { camera: { source: film, detect: [{ model: detector, fps: 5 }] } } });
  await until('the camera is live', () => ours.daemon.said('camera live'), patienceMs);
  const before = ours.cpu();
  await until('the film is over', () => ours.daemon.said('file ended'), patienceMs);
  const counted = await until(
    'the worker has told its last figures',
    async () => {
      const metrics = await ours.metrics();
      const [decoded, received] = [
        metrics.sum('sightline_camera_frames_decoded'),
        metrics.sum('sightline_bridge_frames_total'),
      ];
      return decoded > 0 && decoded === received ? metrics : undefined;
    },
    patienceMs,
  );
  const took = spent(ours, before);
  await ours.daemon.stop();
  return {
    ...took,
    decoded: counted.sum('sightline_camera_frames_decoded'),
    looked: counted.sum('sightline_camera_frames_detected'),
    embedded: counted.sum('sightline_inference_compute_seconds_count', { model: embedder }),
    alerts: counted.sum('sightline_alert_events_total', { state: 'opened' }),
  };
}
