import { createHash } from 'node:crypto';
import { type StreamUser, streamRealm } from './media-door.ts';

/** HA1 of RFC 7616 section 3.4.2 for a user's stream password, in hex. */
export function streamHa1(user: string, password: string): StreamUser['ha1'] {
  const text = `${user}:${streamRealm}:${password}`;
  return { md5: createHash('md5').update(text).digest('hex'), sha256: createHash('sha256').update(text).digest('hex') };
}
