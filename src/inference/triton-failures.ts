import { SightlineError } from '../core/errors.ts';

/**
 * What a gRPC status of Triton means for the request and for the server it came from. Pure. Codes: [server:src/grpc/grpc_utils.cc],
 * texts: core's model_repository_manager, dynamic_batch_scheduler and infer_request; texts are fragments, often behind
 * `[request id: x] `.
 */

/** Status codes by number: https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
export const grpcCodes = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** A call that failed: the status as it came. */
export class TritonStatus extends Error {
  readonly status: number;
  readonly text: string;

  constructor(status: number, text: string) {
    super(`${statusName(status)}: ${text}`);
    this.name = 'TritonStatus';
    this.status = status;
    this.text = text;
  }
}

export function statusName(status: number): string {
  const entry = Object.entries(grpcCodes).find(([, code]) => code === status);
  return entry === undefined ? `status ${status}` : entry[0].replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/**
 * What a failure is. `server`: the server is going or gone; another one may answer. `model`: the model is not there at the moment; another server may
 * have it, this one later. `broken`: the model failed; once more at most, better elsewhere. `dead-model`: its process
 * has ended and stays so. `shed`: the server's queue gave the request up. `late`: out of time. `no-region`: the server has forgotten the
 * shared memory. `refused`: it would be refused everywhere and again.
 */
export type FailureKind =
  | 'server'
  | 'model'
  | 'broken'
  | 'dead-model'
  | 'shed'
  | 'late'
  | 'cancelled'
  | 'refused'
  | 'no-region';

/** UNAVAILABLE of a server or connection that is going or gone; a model may give the same code in words of its own. */
const goneWords =
  /server|connect|channel|network|socket|stream|transport|resolution|ECONN|EPIPE|ETIMEDOUT|EHOST|GOAWAY|certificate/i;

/** What to do after a failed ModelInfer (the table of the project's Triton reference, 4.2). */
export function failureKind(error: unknown): FailureKind {
  if (!(error instanceof TritonStatus)) return 'refused';
  const { status, text } = error;
  switch (status) {
    case grpcCodes.unavailable:
      if (/Exceeds maximum queue size|Request timeout expired/.test(text)) return 'shed';
      if (/is not at ready state/.test(text)) return 'model';
      if (/protocol is restricted|explicit model load/.test(text)) return 'refused';
      return goneWords.test(text) ? 'server' : 'broken';
    case grpcCodes.notFound:
      return /shared memory region/.test(text) ? 'no-region' : 'model';
    case grpcCodes.internal:
      // HTTP/2 streams that end early are reported as internal errors by grpc-js.
      if (/RST_STREAM|Received RST|stream removed/i.test(text)) return 'server';
      return /is not healthy/.test(text) ? 'dead-model' : 'broken';
    case grpcCodes.unknown:
      return 'broken';
    case grpcCodes.deadlineExceeded:
      return 'late';
    case grpcCodes.cancelled:
      return 'cancelled';
    default:
      return 'refused';
  }
}

/** What whoever asked is told, with the server's own words. */
export function inferenceError(error: unknown, model: string, server: string): SightlineError {
  if (error instanceof SightlineError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const remedy =
    error instanceof TritonStatus && error.status === grpcCodes.resourceExhausted
      ? '; the client takes answers up to its receive limit'
      : '';
  return new SightlineError('inference.failed', `${model} failed on ${server}: ${firstLine(text)}${remedy}`, {
    details: { model, server },
  });
}

/** The same after the last try: servers that go away again and again, or do not have the model, say nothing about the request. */
export function givenUp(error: unknown, model: string, server: string): SightlineError {
  const kind = failureKind(error);
  if (kind !== 'server' && kind !== 'model') return inferenceError(error, model, server);
  const text = error instanceof Error ? error.message : String(error);
  return new SightlineError(
    'inference.unavailable',
    `no triton server could run ${model}; the last was ${server}: ${firstLine(text)}`,
    {
      details: { model, server },
    },
  );
}

/** Python stacks of the server stay out of messages. */
export function firstLine(text: string): string {
  const [line = ''] = text.split(/\n\s*\n?At:|\n/);
  return line.trim().slice(0, 500);
}
