import { until } from './until.ts';

/**
 * Ends a thread of another Node process as a fatal error in native code or memory would: through the debugger that Node opens at
 * SIGUSR1. `address` is found in what that process says: `ws://127.0.0.1:PORT/ID`.
 */
export async function endThread(address: string, title: RegExp): Promise<void> {
  // It is not open for a moment after a thread has ended.
  const socket = await until(`the debugger at ${address}`, () => open(address));
  const threads = new Map<string, string>();
  const ended = Promise.withResolvers<string>();
  socket.onmessage = ({ data }) => {
    const { method, params } = JSON.parse(String(data));
    if (method === 'NodeWorker.attachedToWorker') threads.set(params.workerInfo.title, params.sessionId);
    if (method === 'NodeWorker.detachedFromWorker') ended.resolve(params.sessionId);
  };
  // With a thread the debugger goes, too.
  socket.onclose = () => ended.resolve('');
  try {
    socket.send(JSON.stringify({ id: 1, method: 'NodeWorker.enable', params: { waitForDebuggerOnStart: false } }));
    const session = await until('the thread', () => [...threads].find(([name]) => title.test(name))?.[1]);
    const end = { id: 1, method: 'Runtime.evaluate', params: { expression: 'process.exit(7)' } };
    socket.send(
      JSON.stringify({
        id: 2,
        method: 'NodeWorker.sendMessageToWorker',
        params: { sessionId: session, message: JSON.stringify(end) },
      }),
    );
    await ended.promise;
  } finally {
    socket.close();
  }
}

function open(address: string): Promise<WebSocket | undefined> {
  const socket = new WebSocket(address);
  return new Promise((done) => {
    socket.onopen = () => done(socket);
    socket.onerror = () => done(undefined);
  });
}
