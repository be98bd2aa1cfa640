import { chmod, chown, lstat, mkdir, rm, stat } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import type { Context } from './context.ts';
import { errorText, isSystemError, SightlineError } from './errors.ts';
import { findIdentity } from './file-identity.ts';
import { FloodGate } from './log.ts';

/** The file of a Unix socket: making room for it, and having it again when somebody tidied it away. */

/**
 * Removes what a dead process left at `socketPath`. Throws `daemon.running` when a living one answers there and
 * `control.unavailable` for a folder.
 */
export async function makeWay(socketPath: string): Promise<void> {
  if (await isFolder(socketPath)) {
    throw new SightlineError('control.unavailable', `${socketPath} is a folder, and a socket belongs there; move it away`, {
      details: { socketPath, folder: true },
    });
  }
  await refuseServed(socketPath);
  await rm(socketPath, { force: true });
}

/** Throws `daemon.running` when a living process answers at `socketPath`. */
export async function refuseServed(socketPath: string): Promise<void> {
  if (!(await answers(socketPath))) return;
  throw new SightlineError('daemon.running', `another daemon serves ${socketPath}; talk to it or stop it first`, {
    details: { socketPath },
  });
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false;
    throw error;
  }
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      const dead = ['ENOENT', 'ENOTDIR', 'ECONNREFUSED', 'ENOTSOCK'].some((code) => isSystemError(error, code));
      if (dead) resolve(false);
      else reject(error);
    });
  });
}

const lookEveryMs = 2000;

/**
 * Watches the file of a listening server: where it is gone (a cleaner of old files, a deleted folder) the socket is bound again;
 * connections that are open stay. A socket that another process serves there is left alone, and said.
 */
export async function keepSocket(server: Server, socketPath: string, { clock, log }: Context): Promise<Disposable> {
  const flood = new FloodGate(log, clock);
  let identity = await findIdentity(socketPath);
  let over = false;

  async function look(): Promise<void> {
    try {
      if ((await findIdentity(socketPath)) === identity || over) return;
      await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 });
      await makeWay(socketPath);
      // Not left to dispose: closing removes whatever lies at the path.
      if (over) return;
      if (server.listening) server.close();
      await listenOn(server, socketPath);
      identity = await findIdentity(socketPath);
      log.warn({ socket: socketPath }, 'socket was gone and is open again');
    } catch (error) {
      flood.error('socket is gone and cannot be opened again', { socket: socketPath, reason: errorText(error) });
    }
  }

  const looking = clock.every(lookEveryMs, look);
  return {
    [Symbol.dispose]: () => {
      over = true;
      looking[Symbol.dispose]();
      flood[Symbol.dispose]();
    },
  };
}

/** Listens where only the owner of the folder may connect, as far as we may give it to them. */
export async function listenOn(server: Server, socketPath: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, () => {
      server.off('error', reject);
      resolve();
    });
  });
  await chmod(socketPath, 0o600);
  await giveToOwnerOfFolder(socketPath);
}

/** A daemon of root lends a folder of sockets to the user of its containers; others own what they make. */
async function giveToOwnerOfFolder(path: string): Promise<void> {
  const [own, { uid, gid }] = await Promise.all([stat(path), stat(dirname(path))]);
  if (own.uid === uid) return;
  try {
    await chown(path, uid, gid);
  } catch (error) {
    if (!isSystemError(error, 'EPERM')) throw error;
  }
}
