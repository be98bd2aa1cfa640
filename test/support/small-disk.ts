import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './directory.ts';

export interface SmallDisk extends AsyncDisposable {
  /** Leaves no room on it. */
  fill(): void;
  /** Gives the room back that `fill` took. */
  clear(): void;
}

/** Mounts a disk of its own size at `path`, or says why that cannot be done here. */
export function mountSmallDisk(path: string, bytes: number): SmallDisk | string {
  if (process.getuid?.() !== 0) return 'mounting a small disk needs root';
  mkdirSync(path, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=0700`, 'tmpfs', path], { stdio: 'pipe' });
  } catch (error) {
    return `a small disk cannot be mounted here: ${error instanceof Error ? error.message.trim() : String(error)}`;
  }
  const filler = join(path, 'filler');
  return {
    fill: () => {
      for (const chunk of [Buffer.alloc(64 * 1024), Buffer.alloc(1024)]) {
        try {
          while (true) writeFileSync(filler, chunk, { flag: 'a' });
        } catch (error) {
          assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
        }
      }
    },
    clear: () => rmSync(filler),
    // Lazily: whoever still works there is ended by somebody else.
    [Symbol.asyncDispose]: async () => void execFileSync('umount', ['--lazy', path]),
  };
}

/** A data directory on a disk of its own size, or why there is none. */
export async function smallDisk(bytes: number): Promise<(SmallDisk & { readonly path: string }) | string> {
  const directory = await temporaryDirectory();
  const disk = mountSmallDisk(directory.path, bytes);
  if (typeof disk === 'string') {
    await directory[Symbol.asyncDispose]();
    return disk;
  }
  return {
    ...disk,
    path: directory.path,
    [Symbol.asyncDispose]: async () => {
      await disk[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}
