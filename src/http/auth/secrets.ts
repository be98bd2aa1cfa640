import { createHash, createHmac, randomBytes } from 'node:crypto';

/** Random secrets, what is kept of them, and comparing them. */

/** 256 bits, base64url. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** What is kept of a secret of `newSecret`: it has all the entropy that a slow hash would make up for. */
export function keptHash(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}

/** The CSRF token that belongs to a credential which the browser sends by itself. Who knows the token does not know the credential. */
export function csrfToken(credential: string): string {
  return createHmac('sha256', credential).update('sightline csrf token').digest('base64url');
}

/** Without 0, 1, l and o: it is typed into cameras' and players' forms. 32 of them: five bits each. */
const streamAlphabet = 'abcdefghijkmnpqrstuvwxyz23456789';
const streamLength = 24;

export function newStreamPassword(): string {
  return Array.from(randomBytes(streamLength), (byte) => streamAlphabet.charAt(byte & 31)).join('');
}
