import { createHash, timingSafeEqual } from 'node:crypto';

/** In a time that tells nothing of where they differ, nor of their lengths. */
export function sameSecret(given: string, right: string): boolean {
  const [a, b] = [given, right].map((text) => createHash('sha256').update(text).digest());
  return a !== undefined && b !== undefined && timingSafeEqual(a, b);
}
