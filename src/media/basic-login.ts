import { createHash, timingSafeEqual } from 'node:crypto';
import type { Principal } from '../core/access.ts';
import { type StreamUser, streamRealm } from '../core/media-door.ts';

/** Whom an `Authorization: Basic` (RFC 7617) lets in, of those with a stream password; only their HA1 is known. */
export function basicLogin(header: string | undefined, users: ReadonlyMap<string, StreamUser>): Principal | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  const name = text.slice(0, colon);
  const user = users.get(name);
  // The same work for a user that there is not.
  const ha1 = createHash('sha256')
    .update(`${name}:${streamRealm}:${text.slice(colon + 1)}`)
    .digest();
  const right = user === undefined ? ha1.map((byte) => ~byte) : Buffer.from(user.ha1.sha256, 'hex');
  return right.length === ha1.length && timingSafeEqual(right, ha1) ? user?.principal : undefined;
}
