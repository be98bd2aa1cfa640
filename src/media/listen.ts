import type { Server } from 'node:net';
import { isSystemError, SightlineError } from '../core/errors.ts';

/** Resolves to the port; rejects with `media.unavailable`, which names the address and says why it cannot listen there. */
export function listen(
  server: Server,
  { scheme, host, port }: { readonly scheme: 'rtsp' | 'rtsps'; readonly host: string; readonly port: number },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: Error) => {
      const why = isSystemError(cause, 'EADDRINUSE') ? 'the port is taken' : 'that address cannot be used';
      reject(new SightlineError('media.unavailable', `cannot serve ${scheme} on ${host}:${port}: ${why}`, { cause }));
    };
    server.once('error', refuse);
    server.listen(port, host, () => {
      server.off('error', refuse);
      const address = server.address();
      resolve(address === null || typeof address === 'string' ? port : address.port);
    });
  });
}
