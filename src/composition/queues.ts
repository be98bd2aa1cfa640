import type { Metrics } from '../core/metrics.ts';

/** Every queue of the daemon in one table, read from the metrics that count it anyway. */

export interface QueueView {
  readonly name: string;
  readonly waiting: number;
  readonly limit?: number;
  /** Since the daemon started. */
  readonly dropped: number;
}

interface QueueSource {
  readonly name: string;
  readonly waiting?: string;
  readonly dropped?: string;
  readonly limit?: number;
  /** Samples that are no loss: another value of this label. */
  readonly not?: Readonly<Record<string, string>>;
}

const sources: readonly QueueSource[] = [
  {
    name: 'crops to embed',
    waiting: 'sightline_candidates_waiting',
    dropped: 'sightline_candidates_dropped_total',
    limit: 512,
    // A newer crop of the same track took its place.
    not: { reason: 'replaced' },
  },
  { name: 'network runs', waiting: 'sightline_inference_queue_depth', dropped: 'sightline_inference_shed_total' },
  { name: 'video to decode', dropped: 'sightline_camera_units_skipped' },
  { name: 'frames to detect', waiting: 'sightline_worker_infer_queue', dropped: 'sightline_camera_frames_dropped' },
  { name: 'alerts to store', waiting: 'sightline_alert_owed', dropped: 'sightline_alert_dropped_total' },
  { name: 'boxes to the media door', dropped: 'sightline_media_frames_dropped_total' },
  { name: 'video to the media door', dropped: 'sightline_camera_video_dropped' },
  { name: 'frames to annotate', dropped: 'sightline_camera_annotated_dropped' },
  { name: 'clips', waiting: 'sightline_clips_waiting', limit: 64 },
  { name: 'messages to outputs', waiting: 'sightline_output_waiting', dropped: 'sightline_output_dead_letters_total' },
];

async function sum({ registry }: Metrics, name: string | undefined, not: QueueSource['not']): Promise<number> {
  const metric = name === undefined ? undefined : registry.getSingleMetric(name);
  if (metric === undefined) return 0;
  const { values } = await metric.get();
  return values
    .filter(({ labels }) =>
      Object.entries(not ?? {}).every(([label, value]) =>
        Object.entries(labels).every(([key, own]) => key !== label || own !== value),
      ),
    )
    .reduce((total, { value }) => total + value, 0);
}

export async function readQueues(metrics: Metrics): Promise<readonly QueueView[]> {
  return await Promise.all(
    sources.map(async ({ name, waiting, dropped, limit, not }) => ({
      name,
      waiting: await sum(metrics, waiting, undefined),
      ...(limit === undefined ? {} : { limit }),
      dropped: await sum(metrics, dropped, not),
    })),
  );
}
