import { rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A Unix socket before another one, which can be shut as a service that stops is. */
export interface SocketGate extends AsyncDisposable {
  readonly path: string;
  open(): Promise<void>;
  /** Ends every connection; nobody answers until it is opened again. */
  shut(): Promise<void>;
}

export async function openSocketGate(path: string, target: string): Promise<SocketGate> {
  const sockets = new Set<Socket>();
  let server: Server | undefined;

  async function open(): Promise<void> {
    const listening = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ path: target, allowHalfOpen: true });
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(from);
        from.pipe(to);
        from.on('error', () => to.destroy());
        from.on('close', () => {
          sockets.delete(from);
          to.destroy();
        });
      }
    });
    await new Promise<void>((resolve) => listening.listen(path, resolve));
    server = listening;
  }

  async function shut(): Promise<void> {
    for (const socket of sockets) socket.destroy();
    const closing = server;
    server = undefined;
    await new Promise<void>((resolve) => (closing === undefined ? resolve() : closing.close(() => resolve())));
    await rm(path, { force: true });
  }

  await open();
  return { path, open, shut, [Symbol.asyncDispose]: shut };
}
