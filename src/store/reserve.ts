import { closeSync, existsSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isSystemError } from '../core/errors.ts';
import { reserveName } from './database.ts';

/**
 * Space set aside for deleting: SQLite writes its log first, so that on a full disk not even erasing would work, and what retention
 * could free would never be freed.
 */
export interface Reserve {
  /** Gives the space away. False when there was none. */
  spend(): boolean;
  /** Sets it aside again where there is room; otherwise leaves it for a later call. */
  restore(): void;
}

const reserveBytes = 8 * 1024 * 1024;
const chunk = Buffer.alloc(1024 * 1024);

export function createReserve(directory: string): Reserve {
  const file = join(directory, reserveName);
  return {
    spend: () => {
      if (!existsSync(file)) return false;
      rmSync(file);
      return true;
    },
    restore: () => {
      if (existsSync(file)) return;
      const descriptor = openSync(file, 'wx', 0o600);
      try {
        for (let written = 0; written < reserveBytes; ) written += writeSync(descriptor, chunk);
      } catch (error) {
        rmSync(file);
        if (!isSystemError(error, 'ENOSPC') && !isSystemError(error, 'EDQUOT')) throw error;
      } finally {
        closeSync(descriptor);
      }
    },
  };
}
