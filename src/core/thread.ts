import { type MessagePort, parentPort, type Transferable, Worker, workerData } from 'node:worker_threads';
import { type ErrorCode, errorCodes, SightlineError } from './errors.ts';

/**
 * Typed calls into a worker thread: native code that blocks (ONNX Runtime, FAISS, SQLite) runs there and never on a loop that
 * carries sockets. Calls are answered in the order in which they were made.
 */
// biome-ignore lint/suspicious/noExplicitAny: a handler table is generic over its argument types
export type ThreadHandlers = Record<string, (...args: any[]) => unknown>;

/** What a call gives: the handler's result, without the `Transferred` around it. */
export type ThreadAnswer<R> = Awaited<R> extends Transferred<infer T> ? T : Awaited<R>;

export type ThreadCalls<H extends ThreadHandlers> = {
  readonly [K in keyof H]: (...args: Parameters<H[K]>) => Promise<ThreadAnswer<ReturnType<H[K]>>>;
};

export interface Thread<H extends ThreadHandlers> extends AsyncDisposable {
  readonly calls: ThreadCalls<H>;
  /** The same call with buffers handed over instead of copied. */
  transfer<K extends keyof H>(
    name: K,
    args: Parameters<H[K]>,
    buffers: readonly Transferable[],
  ): Promise<ThreadAnswer<ReturnType<H[K]>>>;
  /** Calls that are waiting for their answer. */
  readonly pending: number;
  /** Resolves with the reason when the thread ends by itself; never when it is disposed. */
  readonly died: Promise<SightlineError>;
}

interface Request {
  readonly id: number;
  readonly name: string;
  readonly args: unknown[];
}

type Reply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: WireError };

interface WireError {
  readonly code?: string;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly stack?: string;
}

/** A result whose buffers should be handed over, not copied. */
export class Transferred<T> {
  readonly value: T;
  readonly buffers: readonly Transferable[];

  constructor(value: T, buffers: readonly Transferable[]) {
    this.value = value;
    this.buffers = buffers;
  }
}

function toWire(error: unknown): WireError {
  if (error instanceof SightlineError)
    return { code: error.code, message: error.message, details: error.details, ...(error.stack ? { stack: error.stack } : {}) };
  return error instanceof Error
    ? { message: error.message, ...(error.stack ? { stack: error.stack } : {}) }
    : { message: String(error) };
}

function fromWire(error: WireError): Error {
  const code = errorCodes.find((known): known is ErrorCode => known === error.code);
  const restored =
    code === undefined ? new Error(error.message) : new SightlineError(code, error.message, { details: error.details ?? {} });
  if (error.stack !== undefined) restored.stack = error.stack;
  return restored;
}

/** In the thread: answers calls with `handlers` (made from the data given to `startThread`) until the thread is told to end. */
export async function serveThread<H extends ThreadHandlers>(make: (data: unknown) => H | Promise<H>): Promise<void> {
  const port: MessagePort | null = parentPort;
  if (port === null) throw new Error('this module runs in a worker thread only');
  const handlers = await make(workerData);
  let line = Promise.resolve();
  port.on('message', (request: Request) => {
    line = line.then(async () => {
      try {
        const handler = handlers[request.name];
        if (handler === undefined) throw new Error(`no handler ${request.name}`);
        const result = await handler(...request.args);
        if (result instanceof Transferred)
          port.postMessage({ id: request.id, value: result.value } satisfies Reply, [...result.buffers]);
        else port.postMessage({ id: request.id, value: result } satisfies Reply);
      } catch (error) {
        port.postMessage({ id: request.id, error: toWire(error) } satisfies Reply);
      }
      if (request.name === 'close') port.close();
    });
  });
  port.postMessage({ id: 0, value: undefined } satisfies Reply);
}

/**
 * Starts the module `url` as a thread and resolves when it serves; rejects with what its start threw. If the handlers include
 * `close`, disposal calls it and waits for the thread to end; otherwise the thread is terminated.
 */
export async function startThread<H extends ThreadHandlers>(
  url: URL,
  options: { name: string; data: unknown; env?: Readonly<Record<string, string>>; closes?: boolean },
): Promise<Thread<H>> {
  const worker = new Worker(url, {
    name: options.name,
    workerData: options.data,
    ...(options.env ? { env: { ...process.env, ...options.env } } : {}),
  });
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let nextId = 1;
  let closing = false;
  let ended = false;
  const ready = Promise.withResolvers<void>();
  const died = Promise.withResolvers<SightlineError>();
  const exited = Promise.withResolvers<void>();

  function fail(cause: unknown): void {
    ended = true;
    const error = new SightlineError('thread.exited', `the ${options.name} thread ended`, {
      cause,
      details: { thread: options.name },
    });
    ready.reject(cause instanceof Error ? cause : error);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
    if (!closing) died.resolve(error);
  }

  worker.on('message', (reply: Reply) => {
    if (reply.id === 0) {
      ready.resolve();
      return;
    }
    const call = waiting.get(reply.id);
    waiting.delete(reply.id);
    if ('error' in reply) call?.reject(fromWire(reply.error));
    else call?.resolve(reply.value);
  });
  worker.on('error', fail);
  worker.on('exit', (code) => {
    if (!ended) fail(new Error(`exit code ${code}`));
    exited.resolve();
  });

  function call(name: string, args: unknown[], buffers: readonly Transferable[]): Promise<unknown> {
    if (ended || (closing && name !== 'close')) {
      return Promise.reject(
        new SightlineError('thread.exited', `the ${options.name} thread is not running`, { details: { thread: options.name } }),
      );
    }
    const id = nextId++;
    const answer = Promise.withResolvers<unknown>();
    try {
      worker.postMessage({ id, name, args } satisfies Request, [...buffers]);
    } catch (error) {
      return Promise.reject(error); // an argument that cannot be copied
    }
    waiting.set(id, answer);
    return answer.promise;
  }

  await ready.promise;
  const calls = new Proxy({} as ThreadCalls<H>, {
    get: (_target, name) =>
      typeof name === 'string' && name !== 'then' ? (...args: unknown[]) => call(name, args, []) : undefined,
  });
  let stopping: Promise<void> | undefined;
  async function stop(): Promise<void> {
    closing = true;
    if (ended) return;
    if (options.closes === true) {
      await call('close', [], []);
      await exited.promise;
    } else {
      await worker.terminate();
    }
  }
  return {
    calls,
    transfer: (name, args, buffers) => call(String(name), args, buffers) as never,
    get pending() {
      return waiting.size;
    },
    died: died.promise,
    [Symbol.asyncDispose]: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}
