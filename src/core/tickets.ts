import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { type Principal, roles } from './access.ts';
import type { Clock } from './clock.ts';
import { SightlineError } from './errors.ts';
import { maxCameraName, maxUserCameras } from './users.ts';

/**
 * A ticket lets its bearer into the live feed for a short time: the daemon writes it, the media door reads it. Base64url of the JSON,
 * a dot, base64url of its HMAC-SHA256 (RFC 2104) under a key that both have since this start. Both are of one machine, so its life is
 * measured by CLOCK_MONOTONIC: who sets the time shortens and lengthens none.
 */
export const ticketLifeMs = 30_000;

/** Everything in a ticket but its cameras: their user (70 characters, ASCII), role, times, nonce. */
const besideCameras = 512;
/** Characters of the longest: each camera in quotes and with its comma, then base64url of that (4 for 3), the dot, and 32 bytes of HMAC. */
export const maxTicketLength = Math.ceil(((maxUserCameras * (maxCameraName + 3) + besideCameras) * 4) / 3) + 1 + 43;

const payload = z.strictObject({
  user: z.string(),
  role: z.enum(roles),
  cameras: z.union([z.literal('all'), z.array(z.string())]),
  pictures: z.boolean(),
  /** CLOCK_MONOTONIC, milliseconds. */
  issuedMono: z.number(),
  /** Wall clock, for whoever must renew it. */
  expiresAt: z.number(),
  nonce: z.string(),
});
export type Ticket = z.output<typeof payload>;

function mac(body: string, key: Uint8Array): Buffer {
  return createHmac('sha256', key).update(body).digest();
}

export function writeTicket(
  principal: Principal,
  key: Uint8Array,
  clock: Pick<Clock, 'now' | 'mono'>,
): { readonly ticket: string; readonly expiresAt: number } {
  const { user, role, cameras, pictures } = principal;
  const expiresAt = clock.now() + ticketLifeMs;
  const content: Ticket = {
    user,
    role,
    cameras: cameras === 'all' ? 'all' : [...cameras],
    pictures,
    issuedMono: clock.mono(),
    expiresAt,
    nonce: randomBytes(9).toString('base64url'),
  };
  const body = Buffer.from(JSON.stringify(content)).toString('base64url');
  return { ticket: `${body}.${mac(body, key).toString('base64url')}`, expiresAt };
}

/** Throws `http.auth` when it is not ours or, at `mono`, is over. */
export function readTicket(ticket: string, key: Uint8Array, mono: number): Ticket {
  const [body, signature, ...rest] = ticket.split('.');
  const given = Buffer.from(signature ?? '', 'base64url');
  const right = mac(body ?? '', key);
  if (body === undefined || rest.length > 0 || given.length !== right.length || !timingSafeEqual(given, right))
    throw new SightlineError('http.auth', 'the ticket is not one of this server; ask for a new one');
  const content = payload.parse(JSON.parse(Buffer.from(body, 'base64url').toString()));
  if (mono - content.issuedMono >= ticketLifeMs) throw new SightlineError('http.auth', 'the ticket is over; ask for a new one');
  return content;
}
