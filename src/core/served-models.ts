/** What models do on Triton servers: what is counted there and here, and what people are shown of it. Pure. */

/** What a server counts of a model, for all who ask it, since it loaded the model. */
export interface ServerCounts {
  /** Requests that were answered well; one may have several rows. */
  readonly requests: number;
  readonly failures: number;
  /** Rows. */
  readonly inferences: number;
  /** Runs of the network: fewer than rows where the server puts requests together. */
  readonly executions: number;
  /** From a request's arrival to its answer, of all requests together; so the times below. */
  readonly requestSeconds: number;
  readonly queueSeconds: number;
  readonly computeInputSeconds: number;
  readonly computeInferSeconds: number;
  readonly computeOutputSeconds: number;
}

/** What a server says of one version of a model. */
export interface ServerReading {
  readonly server: string;
  readonly model: string;
  readonly version: string;
  readonly counts: ServerCounts;
}

/** What one process saw of a model on a server, since its engine was started. */
export interface Traffic {
  /** Messages that were answered. */
  readonly answers: number;
  /** From writing a message to having its answer, of all together. */
  readonly roundTripSeconds: number;
}

export interface ModelTraffic extends Traffic {
  readonly server: string;
  readonly model: string;
}

/** Of one model on one server, in the last minute. Means of one message. */
export interface ServedModelView {
  readonly model: string;
  readonly server: string;
  readonly answersPerSecond: number;
  readonly roundTripMs: number;
  /** By the server's own count, of all who ask it; absent while it says nothing. */
  readonly queueMs?: number;
  readonly computeMs?: number;
  /** What is left: network, and writing and reading of messages at both ends. Absent where others ask the server for more than we do. */
  readonly networkMs?: number;
}

type Counts<Name extends string> = Readonly<Record<Name, number>>;

/** The names of what is counted there, and here. */
export const serverCountNames = [
  'requests',
  'failures',
  'inferences',
  'executions',
  'requestSeconds',
  'queueSeconds',
  'computeInputSeconds',
  'computeInferSeconds',
  'computeOutputSeconds',
] as const satisfies readonly (keyof ServerCounts)[];
export const trafficNames = ['answers', 'roundTripSeconds'] as const satisfies readonly (keyof Traffic)[];

/**
 * What was added between two readings of counters. Where one has gone down they began anew, because whoever counts was restarted: then all of
 * `now` was added since.
 */
export function added<Name extends string>(names: readonly Name[], before: Counts<Name>, now: Counts<Name>): Counts<Name> {
  if (names.some((name) => now[name] < before[name])) return now;
  const more: Record<Name, number> = { ...now };
  for (const name of names) more[name] -= before[name];
  return more;
}

export function summed<Name extends string>(names: readonly Name[], one: Counts<Name>, other: Counts<Name>): Counts<Name> {
  const sum: Record<Name, number> = { ...one };
  for (const name of names) sum[name] += other[name];
  return sum;
}

/** What people are shown of a minute, or of whatever time `counts` were added in; undefined when nothing was answered. */
export function servedModelView(
  { model, server }: { readonly model: string; readonly server: string },
  counts: ServerCounts & Traffic,
  seconds: number,
): ServedModelView | undefined {
  const { answers, requests } = counts;
  if (answers === 0 || seconds <= 0) return undefined;
  const roundTripMs = (1000 * counts.roundTripSeconds) / answers;
  const view = { model, server, answersPerSecond: answers / seconds, roundTripMs };
  if (requests === 0) return view;
  const mean = (total: number) => (1000 * total) / requests;
  const networkMs = roundTripMs - mean(counts.requestSeconds);
  return {
    ...view,
    queueMs: mean(counts.queueSeconds),
    computeMs: mean(counts.computeInputSeconds + counts.computeInferSeconds + counts.computeOutputSeconds),
    ...(networkMs < 0 ? {} : { networkMs }),
  };
}
