import type { StreamPoint, SweepPoint, TritonBenchReport } from '../core/triton-bench.ts';
import { table } from './text.ts';

/** What a bench has measured, as text. Pure. */

const none = '–';

function ms(value: number | undefined): string {
  if (value === undefined) return none;
  return value < 10 ? value.toFixed(2) : value < 1000 ? value.toFixed(1) : value.toFixed(0);
}

const timeColumns = ['p50 ms', 'p95', 'p99', 'server: queue', 'in', 'run', 'out', 'rows a run', 'failed'];

function times({ latencyMs, server, failed }: SweepPoint | StreamPoint): readonly string[] {
  return [
    ...[latencyMs?.p50, latencyMs?.p95, latencyMs?.p99].map(ms),
    ...[server?.queueMs, server?.inputMs, server?.computeMs, server?.outputMs].map(ms),
    server === undefined || server.executions === 0 ? none : (server.rows / server.executions).toFixed(1),
    String(failed),
  ];
}

function sweepRow(point: SweepPoint): readonly string[] {
  const { batch, concurrency, requests, rowsPerSecond } = point;
  return [String(batch), String(concurrency), String(requests), rowsPerSecond.toFixed(1), ...times(point)];
}

function streamRow(point: StreamPoint): readonly string[] {
  const { streams, offered, inTime, missed, inTimeLeast, inTimeMost, seconds } = point;
  const share = offered === 0 ? none : `${((100 * missed) / offered).toFixed(1)} %`;
  return [
    String(streams),
    (offered / seconds).toFixed(1),
    (inTime / seconds).toFixed(1),
    `${missed} (${share})`,
    `${(inTimeLeast / seconds).toFixed(1)} to ${(inTimeMost / seconds).toFixed(1)}`,
    ...times(point),
  ];
}

export function benchText(report: TritonBenchReport): readonly string[] {
  const { server, serverVersion, model, modelVersion, inputs, sweep, streams, deadlineMs, stopped } = report;
  const tensors = inputs.map(({ name, datatype, shape }) => `${name} ${datatype} [${shape.join(', ')}]`).join('; ');
  const [stream] = streams;
  const failures = [...sweep, ...streams].flatMap(({ failure }) => failure ?? []);
  return [
    `${model} version ${modelVersion} on ${server}, Triton ${serverVersion}; a row: ${tensors}`,
    ...(sweep.length === 0
      ? []
      : ['', ...table([['batch', 'concurrency', 'requests', 'rows/s', ...timeColumns], ...sweep.map(sweepRow)])]),
    ...(stream === undefined
      ? []
      : [
          '',
          `each stream ${stream.fps} times a second, answers within ${deadlineMs} ms:`,
          ...table([
            ['streams', 'offered/s', 'in time/s', 'missed', 'in time/s of a stream', ...timeColumns],
            ...streams.map(streamRow),
          ]),
        ]),
    ...[...new Set(failures)].map((failure) => `failed: ${failure}`),
    ...(stopped ? ['stopped before all was measured'] : []),
  ];
}
