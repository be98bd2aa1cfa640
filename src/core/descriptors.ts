import { closeSync, openSync } from 'node:fs';
import { descriptorsText } from './errors.ts';

/**
 * The error behind a failed name lookup. A resolver that may open no file fails in words of its own, `ENOTFOUND` or whatever was
 * the last error of the last service that `/etc/nsswitch.conf` names: while no descriptor is left, that is the error returned.
 */
export function behindLookup(error: unknown): unknown {
  if (!(error instanceof Error) || !('syscall' in error) || error.syscall !== 'getaddrinfo') return error;
  try {
    closeSync(openSync('/dev/null', 'r'));
    return error;
  } catch (opening) {
    return descriptorsText(opening) === undefined ? error : opening;
  }
}
