import { errorText, noDescriptors, SightlineError } from '../core/errors.ts';

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

/** An answer that cannot be read, or is not what the model's description says: the server's doing, whatever was asked. */
export class BadAnswer extends SightlineError {
  constructor(message: string, details: SightlineError['details'] = {}) {
    super('inference.failed', message, { details });
    this.name = 'BadAnswer';
  }
}

/** A request of more rows than any server that is left takes in one: of fewer it can be made. */
export class TooManyRows extends SightlineError {
  constructor(model: string, rows: number, most: number) {
    super('inference.failed', `${model} takes no more than ${most} rows in one request, not ${rows}`, { details: { model } });
    this.name = 'TooManyRows';
  }
}

export function statusName(status: number): string {
  const entry = Object.entries(grpcCodes).find(([, code]) => code === status);
  return entry === undefined ? `status ${status}` : entry[0].replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/**
 * What a failure is. `server`: the server is going or gone; another one may answer. `reset`: this one call was ended by the server or a proxy before it,
 * which says nothing of others. `model`: the model is not there at the moment; another server may have it, this one later. `broken`: the model failed; once more at most, better elsewhere. `dead-model`: its process
 * has ended and stays so. `full`: the server's own queue is. `shed`: it waited there too long. `late`: out of time. `no-region`: the server has forgotten the
 * shared memory. `refused`: it would be refused everywhere and again.
 */
export type FailureKind =
  | 'server'
  | 'reset'
  | 'model'
  | 'broken'
  | 'dead-model'
  | 'full'
  | 'shed'
  | 'late'
  | 'refused'
  | 'no-region';

/** UNAVAILABLE of a server or connection that is going or gone; a model may give the same code in words of its own. */
const goneWords =
  /server|connect|channel|network|socket|stream|transport|resolution|ECONN|EPIPE|ETIMEDOUT|EHOST|GOAWAY|certificate|^HTTP \d/i;

/** What ends one stream of a connection, in our words and those of grpc-js: the connection goes on. */
const resetWords = /RST_STREAM|stream removed|refused the stream|[Ss]tream refused/;

/** What to do after a failed ModelInfer (the table of the project's Triton reference, 4.2). */
export function failureKind(error: unknown): FailureKind {
  if (error instanceof BadAnswer) return 'broken';
  if (!(error instanceof TritonStatus)) return 'refused';
  const { status, text } = error;
  switch (status) {
    case grpcCodes.unavailable:
      if (/Exceeds maximum queue size/.test(text)) return 'full';
      if (/Request timeout expired/.test(text)) return 'shed';
      if (/is not at ready state/.test(text)) return 'model';
      if (/protocol is restricted|explicit model load/.test(text)) return 'refused';
      if (resetWords.test(text)) return 'reset';
      // Of a proxy that takes no more just now: the server behind it is well.
      if (text === 'HTTP 429') return 'full';
      return goneWords.test(text) ? 'server' : 'broken';
    case grpcCodes.notFound:
      return /shared memory region/.test(text) ? 'no-region' : 'model';
    case grpcCodes.internal:
      if (resetWords.test(text)) return 'reset';
      return /is not healthy/.test(text) ? 'dead-model' : 'broken';
    case grpcCodes.unknown:
      return 'broken';
    case grpcCodes.deadlineExceeded:
      return 'late';
    case grpcCodes.cancelled:
      // Not by us: what we give up rejects with the reason for that.
      return 'reset';
    case grpcCodes.resourceExhausted:
      return /asks for fewer calls/.test(text) ? 'full' : 'refused';
    default:
      return 'refused';
  }
}

/** What whoever asked is told, with the server's own words. */
export function inferenceError(error: unknown, model: string, server: string): SightlineError {
  if (error instanceof SightlineError && !(error instanceof BadAnswer)) return error;
  const text = error instanceof Error ? error.message : String(error);
  const remedy =
    error instanceof TritonStatus && error.status === grpcCodes.resourceExhausted && /larger than max/.test(text)
      ? '; the client takes answers up to its receive limit'
      : '';
  return new SightlineError('inference.failed', `${model} failed on ${server}: ${firstLine(text)}${remedy}`, {
    details: { model, server },
  });
}

/** The same after the last try: servers that go away or reset calls again and again, or do not have the model, say nothing about the request. */
export function givenUp(error: unknown, model: string, server: string): SightlineError {
  const kind = failureKind(error);
  if (kind !== 'server' && kind !== 'reset' && kind !== 'model') return inferenceError(error, model, server);
  const text = error instanceof Error ? error.message : String(error);
  return new SightlineError(
    'inference.unavailable',
    `no triton server could run ${model}; the last was ${server}: ${firstLine(text)}`,
    {
      details: { model, server },
    },
  );
}

const tlsTroubles: readonly (readonly [RegExp, string])[] = [
  [
    /self-signed certificate|unable to (get|verify)|certificate signature failure/i,
    "no known authority has signed the server's certificate; inference.caFile must hold the one that did",
  ],
  [/certificate has expired/i, "the server's certificate has expired"],
  [/certificate is not yet valid/i, "the server's certificate is not valid yet; is the clock of this host right?"],
  [/wrong version number|packet length too long/i, 'what answers does not speak TLS; without it inference.url has no grpcs://'],
];

/**
 * Why a server is away. Of a connection that could not be made in words that say what to do and stay the same from try to try; what a
 * server says before it ends a handshake is lost on the way.
 */
export function awayReason(error: unknown): string {
  const said = error instanceof TritonStatus ? error.text : '';
  const connection = /^No connection established\. Last error: (.*?)\.? Resolution note:|^no connection(?:: (.*))?$/s.exec(
    said,
  );
  if (connection === null) return firstLine(errorText(error));
  const cause = connection[1] ?? connection[2] ?? '';
  const why = firstLine(cause.replace(/ \(\d{4}-[^()]*\)$/, '').replace(/^Error(?: \[\w+\])?: /, ''));
  if (/\b(?:EMFILE|ENFILE)\b/.test(why)) return noDescriptors;
  const names = /altnames: Host: (.*?)\. is not in the cert's altnames: (.*)$/.exec(why);
  if (names !== null)
    return `TLS failed: the server's certificate is for ${names[2]}, not for ${names[1]}, which inference.url names`;
  const known = tlsTroubles.find(([words]) => words.test(why));
  if (known !== undefined) return `TLS failed: ${known[1]}`;
  if (why === 'Protocol error')
    return 'what answers does not speak gRPC: is this its gRPC port (8001 unless set; 8000 is HTTP, 8002 metrics)';
  if (why === '' || /^Failed to connect$|disconnected before secure TLS/.test(why))
    return 'the connection was closed at once: the server may want TLS (grpcs://) or a certificate that it trusts (inference.certFile), or this is not its gRPC port';
  return why;
}

/** Python stacks of the server stay out of messages. */
export function firstLine(text: string): string {
  const [line = ''] = text.split(/\n\s*\n?At:|\n/);
  return line.trim().slice(0, 500);
}
