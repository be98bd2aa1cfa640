import type { LogLine, RunningDaemon } from './daemon.ts';
import { patience } from './daemon.ts';
import { until } from './until.ts';

/** What every fault must end in besides words: metrics, and a log that does not flood. */

/** Samples by name and labels, as in the text of /metrics. */
export async function metricsOf(daemon: RunningDaemon): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(daemon.url('/metrics'));
  const samples = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    samples.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** Parts that are not ready, and why. */
export async function troublesOf(daemon: RunningDaemon): Promise<ReadonlyMap<string, string>> {
  const { parts } = (await (await fetch(daemon.url('/readyz'))).json()) as {
    readonly parts: readonly { readonly name: string; readonly ready: boolean; readonly reason?: string }[];
  };
  return new Map(parts.flatMap(({ name, ready, reason }) => (ready ? [] : [[name, reason ?? '']])));
}

/** Waits for a sample to be as it should; gives all of that moment. */
export async function untilMetric(
  daemon: RunningDaemon,
  sample: string,
  check: (value: number) => boolean,
): Promise<ReadonlyMap<string, number>> {
  return await until(
    `${sample} as it should be`,
    async () => {
      const samples = await metricsOf(daemon);
      const value = samples.get(sample);
      return value !== undefined && check(value) && samples;
    },
    patience,
  );
}

/** A count is written at the end of its second, the first line of the next one perhaps right after. */
const toleratedLines = 2;

/** Messages of which some span of time holds more than one line a second, by camera and model. */
export function logFloods(lines: readonly LogLine[]): readonly string[] {
  const times = new Map<string, number[]>();
  for (const line of lines.filter(({ level }) => level === 'warn' || level === 'error')) {
    const of = [line.msg, line['camera'], line['model'], line['kind']].filter((part) => part !== undefined).join(', ');
    times.set(of, [...(times.get(of) ?? []), Date.parse(String(line['time']))]);
  }
  return [...times].flatMap(([of, at]) => {
    const flooded = at.some((from, first) =>
      at.slice(first).some((to, count) => count + 1 > (to - from) / 1000 + toleratedLines),
    );
    return flooded ? [`${of}: ${at.length} lines in ${(at.at(-1) ?? 0) - (at[0] ?? 0)} ms`] : [];
  });
}
