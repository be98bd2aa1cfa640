import { type FileHandle, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ClipIndex } from './clip-plan.ts';

/** A clip on its way to the disk: samples first, under a name of their own, since what stands before them is known at the end only. */
export interface ClipFile extends AsyncDisposable {
  append(pieces: readonly Uint8Array[]): Promise<void>;
  /** Begins anew. */
  clear(): Promise<void>;
  /** Puts `<path>.mp4` and `<path>.json` in place, on the disk for good; returns the bytes of both. */
  finish(head: Uint8Array, index: ClipIndex, signal: AbortSignal): Promise<number>;
  // Disposal removes what is not in place.
}

const pieceBytes = 1024 * 1024;
const mode = 0o600;

export async function createClipFile(path: string): Promise<ClipFile> {
  const names = { samples: `${path}.part`, movie: `${path}.mp4.tmp`, index: `${path}.json.tmp` };
  const samples = await open(names.samples, 'w+', mode);
  let written = 0;
  let placed = false;

  async function copyTo(movie: FileHandle, signal: AbortSignal): Promise<void> {
    const buffer = Buffer.allocUnsafe(pieceBytes);
    for (let at = 0; at < written; ) {
      signal.throwIfAborted();
      const { bytesRead } = await samples.read(buffer, 0, Math.min(pieceBytes, written - at), at);
      if (bytesRead === 0) throw new Error(`${names.samples} ends at byte ${at} of ${written}`);
      await movie.writeFile(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  }

  async function writeMovie(head: Uint8Array, signal: AbortSignal): Promise<void> {
    await using movie = await open(names.movie, 'w', mode);
    await movie.writeFile(head);
    await copyTo(movie, signal);
    await movie.datasync();
  }

  return {
    append: async (pieces) => {
      const bytes = Buffer.concat(pieces);
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await samples.write(bytes, at, bytes.length - at, written);
        at += bytesWritten;
        written += bytesWritten;
      }
    },
    clear: async () => {
      await samples.truncate(0);
      written = 0;
    },
    finish: async (head, index, signal) => {
      const text = Buffer.from(JSON.stringify(index));
      await writeMovie(head, signal);
      await writeFile(names.index, text, { mode, flush: true });
      signal.throwIfAborted();
      await rename(names.index, `${path}.json`);
      await rename(names.movie, `${path}.mp4`);
      await syncDirectory(dirname(path));
      placed = true;
      return head.length + written + text.length;
    },
    [Symbol.asyncDispose]: async () => {
      await samples.close();
      const left = placed ? [names.samples] : [...Object.values(names), `${path}.json`, `${path}.mp4`];
      for (const name of left) await rm(name, { force: true });
    },
  };
}

/** The names too are on the disk then. */
async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, 'r');
  await directory.sync();
}
