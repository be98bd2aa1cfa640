import { type FileHandle, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { Clock } from '../core/clock.ts';
import { errorText, isAbort, isSystemError, SightlineError } from '../core/errors.ts';
import type { FetchProgress } from '../core/model-shelf.ts';

/**
 * One file over HTTP(S) into `file`, resumed where an earlier try ended: by another process too, as long as the server says that it
 * is still the same file (If-Range, RFC 9110 13.1.5). Beside a partial file lies what is needed for that, `file.json`.
 */
export interface DownloadOptions {
  readonly url: string;
  readonly file: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly progress: (progress: FetchProgress) => void;
  /** The content is checked afterwards, so parts may be joined without the server's word. */
  readonly checked: boolean;
  /** No byte for this long ends a try; absent: 30 s. */
  readonly stallMs?: number;
  /** Waits between tries; absent: 1 s, 3 s, 10 s. */
  readonly retryMs?: readonly number[];
}

interface PartNote {
  readonly url: string;
  /** ETag or Last-Modified of the response that the part is of. */
  readonly validator?: string;
}

/** Removes a part that nothing has come for. */
export async function dropEmptyPart(file: string): Promise<void> {
  const size = await stat(file).then(
    (found) => found.size,
    () => undefined,
  );
  if (size === 0) await dropPart(file);
}

/** Removes a part and what lies beside it; the next download begins at its beginning. */
export async function dropPart(file: string): Promise<void> {
  await rm(file, { force: true });
  await rm(`${file}.json`, { force: true });
}

/** What another try may mend: the network, or a server that is busy. */
class Interrupted extends Error {}

/** No server was reached at all: no network, no name service, nobody who listens. Waiting long mends that rarely. */
class Unreachable extends Interrupted {}

const unreachableCodes = ['EAI_AGAIN', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND'] as const;

/**
 * Resolves when `file` holds everything. Rejects with `model.download`; what has arrived stays for the next time, and so does a
 * whole file until `dropPart`.
 */
export async function download(options: DownloadOptions): Promise<void> {
  const waits = options.retryMs ?? [1000, 3000, 10_000];
  for (let attempt = 0; ; attempt += 1) {
    try {
      await attemptDownload(options);
      return;
    } catch (error) {
      options.signal.throwIfAborted();
      const wait = error instanceof Unreachable && attempt > 0 ? undefined : waits[attempt];
      if (!(error instanceof Interrupted) || wait === undefined) throw refusal(options.url, error);
      await options.clock.sleep(wait, options.signal);
    }
  }
}

function refusal(url: string, error: unknown): unknown {
  if (!(error instanceof Interrupted)) return error;
  const remedy =
    error instanceof Unreachable
      ? 'is there a network, or a proxy to name in HTTPS_PROXY? A file fetched elsewhere is taken by "sightline models add FILE --as MODEL"'
      : 'run it again to go on from where it ended';
  const message = `cannot fetch ${url}: ${error.message}; ${remedy}`;
  return new SightlineError('model.download', message, { details: { url } });
}

async function attemptDownload(options: DownloadOptions): Promise<void> {
  const { url, clock } = options;
  const stallMs = options.stallMs ?? 30_000;
  await using part = await openPart(options.file);
  const note = await readNote(options.file);
  // A weak ETag may not stand in If-Range.
  const validator = note?.validator?.startsWith('W/') === true ? undefined : note?.validator;
  const from = note?.url === url && (validator !== undefined || options.checked) ? part.size : 0;
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (from > 0) {
    headers['range'] = `bytes=${from}-`;
    if (validator !== undefined) headers['if-range'] = validator;
  }

  // The connection ends with this try, whatever else happens.
  const connection = new AbortController();
  const give = () => connection.abort(options.signal.reason);
  options.signal.addEventListener('abort', give, { once: true });
  try {
    const within = async <T>(promise: Promise<T>): Promise<T> => {
      using limit = clock.deadline(stallMs, options.signal);
      const expired = new Promise<never>((_, reject) => {
        limit.signal.addEventListener('abort', () => reject(new Interrupted(`nothing came for ${stallMs} ms`)), { once: true });
      });
      return await Promise.race([promise, expired]);
    };
    const response = await interruptible(within(fetch(url, { headers, signal: connection.signal, redirect: 'follow' })));
    const plan = await readPlan(response, from, url);
    if (plan.state === 'complete') return;
    if (plan.state === 'restart') {
      await part.handle.truncate(0);
      throw new Interrupted('the part that is here is not of the file that is there');
    }
    if (plan.from === 0) await part.handle.truncate(0);
    const tag = response.headers.get('etag') ?? response.headers.get('last-modified') ?? undefined;
    await writeFile(`${options.file}.json`, JSON.stringify({ url, ...(tag === undefined ? {} : { validator: tag }) }));
    const total = plan.totalBytes === undefined ? {} : { totalBytes: plan.totalBytes };
    let position = plan.from;
    options.progress({ receivedBytes: position, ...total });
    const reader = response.body?.getReader();
    while (reader !== undefined) {
      const { done, value } = await interruptible(within(reader.read()));
      if (done) break;
      await part.handle.write(value, 0, value.length, position);
      position += value.length;
      options.progress({ receivedBytes: position, ...total });
    }
    await part.handle.sync();
    if (plan.totalBytes !== undefined && position !== plan.totalBytes)
      throw new Interrupted(`the answer ended after ${position} of ${plan.totalBytes} bytes`);
  } finally {
    options.signal.removeEventListener('abort', give);
    connection.abort();
  }
}

type Plan =
  | { readonly state: 'complete' }
  | { readonly state: 'restart' }
  | { readonly state: 'body'; readonly from: number; readonly totalBytes: number | undefined };

/** What the answer to a request from byte `from` on means. */
async function readPlan(response: Response, from: number, url: string): Promise<Plan> {
  const { status, headers } = response;
  const length = headers.get('content-length');
  const [, start, , total] = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? [];
  if (status === 206 && Number(start) === from)
    return { state: 'body', from, totalBytes: total === undefined || total === '*' ? undefined : Number(total) };
  if (from > 0 && (status === 206 || status === 416)) {
    return { state: status === 416 && Number(total) === from ? 'complete' : 'restart' };
  }
  if (status === 200) return { state: 'body', from: 0, totalBytes: length === null ? undefined : Number(length) };
  if (status === 429 || status >= 500) throw new Interrupted(`the server answers ${status}`);
  const hint =
    status === 404 || status === 410
      ? 'the address has gone; "sightline models add FILE" takes a copy of your own'
      : 'allowed is 200 or a part of it';
  throw new SightlineError('model.download', `cannot fetch ${url}: the server answers ${status}; ${hint}`, {
    details: { url, status },
  });
}

/** Errors of the network, as `fetch` and its body report them, are worth another try; an abort is not. */
async function interruptible<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof Interrupted || isAbort(error)) throw error;
    // `fetch` and its body say only that it failed; the cause says why.
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    const code = unreachableCodes.find((known) => isSystemError(cause, known));
    // When several addresses were tried, the error has a code and no words.
    if (code !== undefined) throw new Unreachable(errorText(cause) || code);
    throw new Interrupted(errorText(cause));
  }
}

async function openPart(file: string): Promise<{ readonly handle: FileHandle; readonly size: number } & AsyncDisposable> {
  const handle = await open(file, 'r+').catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return open(file, 'w+', 0o644);
    throw error;
  });
  const { size } = await handle.stat();
  return { handle, size, [Symbol.asyncDispose]: () => handle.close() };
}

async function readNote(file: string): Promise<PartNote | undefined> {
  try {
    const note: unknown = JSON.parse(await readFile(`${file}.json`, 'utf8'));
    if (note === null || typeof note !== 'object' || !('url' in note) || typeof note.url !== 'string') return undefined;
    return {
      url: note.url,
      ...('validator' in note && typeof note.validator === 'string' ? { validator: note.validator } : {}),
    };
  } catch (error) {
    // Without a note, or with one that was cut off, the part is of nothing known: it is fetched anew.
    if (isSystemError(error, 'ENOENT') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
