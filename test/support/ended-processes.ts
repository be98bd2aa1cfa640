import { readFileSync } from 'node:fs';

/** Gone, or only waiting for its parent to take note of its end. */
export function hasEnded(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return true;
  }
}
