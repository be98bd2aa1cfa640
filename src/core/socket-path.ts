import { SightlineError } from './errors.ts';

/** `sun_path` of Linux without its final zero. */
const limit = 107;

/** Throws `control.unavailable` for a path that no Unix socket can have: the system would only say `invalid argument`. */
export function requireSocketPath(socketPath: string, remedy: string): void {
  if (Buffer.byteLength(socketPath) <= limit) return;
  throw new SightlineError(
    'control.unavailable',
    `${socketPath} is longer than the ${limit} bytes a socket may have; ${remedy}`,
    { details: { socketPath, limit } },
  );
}
