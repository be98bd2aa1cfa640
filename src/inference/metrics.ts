import type { Metrics } from '../core/metrics.ts';

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** What every engine counts; names are common to all of them. */
export function createInferenceMetrics(metrics: Metrics) {
  return {
    requests: metrics.counter('sightline_inference_requests_total', 'Requests made to an engine', ['model']),
    failures: metrics.counter('sightline_inference_failures_total', 'Requests that failed in the network or before it', [
      'model',
    ]),
    shed: metrics.counter('sightline_inference_shed_total', 'Requests that never ran: deadline, overload or aborted', [
      'reason',
    ]),
    depth: metrics.gauge('sightline_inference_queue_depth', 'Requests that wait'),
    queued: metrics.histogram('sightline_inference_queue_seconds', 'Time from request to start', {
      buckets: seconds,
      labels: ['model'],
    }),
    compute: metrics.histogram(
      'sightline_inference_compute_seconds',
      'Time of the network; with Triton of the whole round trip, with the queue of the server in it',
      { buckets: seconds, labels: ['model'] },
    ),
    batch: metrics.histogram('sightline_inference_batch_rows', 'Rows that ran together', {
      buckets: [1, 2, 4, 8, 16, 32, 64],
      labels: ['model'],
    }),
    restarts: metrics.counter('sightline_inference_thread_deaths_total', 'Times the inference thread died'),
  };
}

export type InferenceMetrics = ReturnType<typeof createInferenceMetrics>;
