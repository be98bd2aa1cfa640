import { until } from './until.ts';

/**
 * Ends a thread of another Node process as a fatal error in native code or memory would: through the debugger that Node opens at
 * SIGUSR1. `address` is found in what that process says: `ws://127.0.0.1:PORT/ID`.
 */
export async function endThread(address: string, title: RegExp): Promise<void> {
  const socket = new WebSocket(address);
  const threads = new Map<string, string>();
  socket.onmessage = ({ data }) => {
    const { method, params } = JSON.parse(String(data));
    if (method === 'NodeWorker.attachedToWorker') threads.set(params.workerInfo.title, params.sessionId);
  };
  await new Promise<void>((opened, failed) => {
    socket.onopen = () => opened();
    socket.onerror = () => failed(new Error(`no debugger at ${address}`));
  });
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
  } finally {
    const closed = new Promise<void>((done) => {
      socket.onclose = () => done();
    });
    socket.close();
    await closed;
  }
}
