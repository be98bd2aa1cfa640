import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import type { Control } from '../core/control.ts';
import { controlVersion } from '../core/control.ts';
import { type ErrorCode, errorCodes, isAbort, isSystemError, SightlineError } from '../core/errors.ts';

/** The control socket from the caller's side; `http/control.ts` describes what travels. */

export function controlSocket(dataDir: string): string {
  return join(dataDir, 'control.sock');
}

/** Longer lines than this are no answer of ours. */
const lineLimit = 256 * 1024 * 1024;

/** Connects anew for every call. Throws `control.unavailable` when nobody listens, and what the daemon answered. */
export function createControlClient(socketPath: string): Control {
  return {
    call: async (method, body, signal) => {
      const response = await post(socketPath, method, body, signal);
      return unwrap(await textOf(socketPath, response, signal)) as never;
    },
    stream: (method, body, signal) => read(socketPath, method, body, signal) as never,
  };
}

async function textOf(socketPath: string, response: IncomingMessage, signal: AbortSignal): Promise<string> {
  let text = '';
  try {
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
  } catch (error) {
    signal.throwIfAborted();
    if (isSystemError(error, 'ECONNRESET')) throw ended(socketPath, error);
    throw error;
  }
  return text;
}

async function* read(socketPath: string, method: string, body: unknown, signal: AbortSignal): AsyncGenerator<unknown> {
  const response = await post(socketPath, method, body, signal);
  let rest = '';
  let complete = false;
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      if (rest.length > lineLimit) throw new SightlineError('control.failed', 'the daemon sent a line without end');
      for (const line of parts) {
        if (line === '') continue;
        if (line === '{"end":true}') complete = true;
        else yield unwrap(line);
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    if (isSystemError(error, 'ECONNRESET')) throw ended(socketPath, error);
    throw error;
  } finally {
    response.destroy();
  }
  if (rest !== '') unwrap(rest);
  if (complete) return;
  signal.throwIfAborted();
  throw ended(socketPath);
}

function ended(socketPath: string, cause?: unknown): SightlineError {
  return new SightlineError('control.unavailable', 'the daemon closed the connection: it is stopping or has crashed', {
    details: { socketPath },
    cause,
  });
}

function post(socketPath: string, method: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    const outgoing = request(
      {
        socketPath,
        path: `/v${controlVersion}/${method}`,
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
        signal,
        agent: false,
      },
      resolve,
    );
    outgoing.on('error', (error) => reject(isAbort(error) ? error : unavailable(socketPath, error)));
    outgoing.end(text);
  });
}

function unavailable(socketPath: string, cause: Error): SightlineError {
  const missing = isSystemError(cause, 'ENOENT') || isSystemError(cause, 'ECONNREFUSED');
  const denied = isSystemError(cause, 'EACCES');
  const reason = missing ? 'no daemon is running there' : denied ? 'it belongs to another user' : cause.message;
  return new SightlineError('control.unavailable', `cannot talk to a daemon at ${socketPath}: ${reason}`, {
    details: { socketPath, missing },
    ...(missing ? {} : { cause }),
  });
}

/** The value of an answer; an error in it is thrown as what it was in the daemon. */
function unwrap(text: string): unknown {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    throw new SightlineError('control.failed', 'the daemon sent something that is not JSON', { cause });
  }
  if (answer !== null && typeof answer === 'object') {
    if ('value' in answer) return answer.value;
    if ('error' in answer && isWireError(answer.error)) {
      const { code, message, details } = answer.error;
      const known = errorCodes.find((candidate): candidate is ErrorCode => candidate === code);
      throw new SightlineError(known ?? 'control.failed', message, { details: details ?? {} });
    }
  }
  throw new SightlineError('control.failed', 'the daemon sent neither a value nor an error');
}

function isWireError(
  value: unknown,
): value is { readonly code: string; readonly message: string; readonly details?: Readonly<Record<string, unknown>> } {
  return (
    value !== null &&
    typeof value === 'object' &&
    'code' in value &&
    'message' in value &&
    typeof value.code === 'string' &&
    typeof value.message === 'string'
  );
}
