import type { RequestHeaders } from './request-headers.ts';

/**
 * How much a Triton server does, and how long it takes: `inference/` measures, `cli/bench.ts` shows it. Times are milliseconds.
 */

export interface TritonBenchRequest {
  /** `host:port`, `[::1]:8001`, `grpc://host:port` or `grpcs://host:port`. */
  readonly url: string;
  /** PEM files. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Sent with every request. */
  readonly headers: RequestHeaders;
  /** Absent: the only one that is ready. */
  readonly model?: string;
  /** Rows of one request, and requests under way at any time; every pair of them is measured. Without batches no pair is. */
  readonly batches: readonly number[];
  readonly concurrencies: readonly number[];
  /** Numbers of streams that are measured, each stream asking `fps` times a second for one row. */
  readonly streams: readonly number[];
  readonly fps: number;
  /** An answer to a stream later than this is none. */
  readonly deadlineMs: number;
  /** How long each point is measured. */
  readonly seconds: number;
  /** Sizes of free axes: the shape of an input without its batch axis, by its name. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** Large inputs of streams through /dev/shm, for a server on this machine. */
  readonly sharedMemory: boolean;
}

export interface BenchLatency {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** What the server's statistics say of the time of a point. */
export interface ServerFigures {
  /** Runs of the network, and the rows they had together. */
  readonly executions: number;
  readonly rows: number;
  /** Means of one request: waiting for its turn, tensors in, the network, tensors out. */
  readonly queueMs: number;
  readonly inputMs: number;
  readonly computeMs: number;
  readonly outputMs: number;
}

interface Point {
  readonly seconds: number;
  /** Absent without an answer. */
  readonly latencyMs?: BenchLatency;
  /** Absent where the server keeps no statistics. */
  readonly server?: ServerFigures;
  readonly failed: number;
  /** What the first that failed said. */
  readonly failure?: string;
}

/** So many requests of so many rows under way, another one as soon as one is answered: what the server can do. */
export interface SweepPoint extends Point {
  readonly batch: number;
  readonly concurrency: number;
  readonly requests: number;
  readonly rowsPerSecond: number;
}

/** Cameras that ask at their pace, whatever the server can do: what they get, through Sightline's queue and its batches. */
export interface StreamPoint extends Point {
  readonly streams: number;
  readonly fps: number;
  readonly offered: number;
  readonly inTime: number;
  /** Answered too late or not at all: the deadline passed, or the request was shed before it was sent. */
  readonly missed: number;
  /** Of the stream that got least and of the one that got most. */
  readonly inTimeLeast: number;
  readonly inTimeMost: number;
}

export interface TritonBenchReport {
  readonly server: string;
  readonly serverVersion: string;
  readonly model: string;
  readonly modelVersion: string;
  /** As they were sent, one row. */
  readonly inputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[] }[];
  readonly deadlineMs: number;
  readonly sweep: readonly SweepPoint[];
  readonly streams: readonly StreamPoint[];
  /** Ended before all points were measured. */
  readonly stopped: boolean;
}

export interface TritonBenchProgress {
  /** What is being measured, in words. */
  readonly point: string;
  readonly done: number;
  readonly of: number;
}
