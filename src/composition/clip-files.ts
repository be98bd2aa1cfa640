import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, isSystemError, SightlineError } from '../core/errors.ts';
import type { LiveBox } from '../core/live-messages.ts';
import type { ClipRecord, ClipStore } from '../core/store.ts';
import type { ClipIndex } from '../media/clip-plan.ts';

/** An open clip, as an HTTP server needs it to answer ranges. Stays readable when the clip is deleted meanwhile. */
export interface OpenClip extends AsyncDisposable {
  readonly record: ClipRecord;
  readonly path: string;
  readonly bytes: number;
  /** Opaque; another one for other bytes. */
  readonly tag: string;
  /** Bytes from `start` to `end`, both included. */
  read(start: number, end: number): AsyncIterable<Uint8Array>;
}

/** The index as people get it: with the names of those who are still on the watchlist. */
export interface NamedClipIndex extends Omit<ClipIndex, 'frames'> {
  readonly frames: readonly { readonly time: number; readonly pts: number; readonly boxes: readonly LiveBox[] }[];
}

/** The clips' folder and their rows, kept as one: `<dataDir>/clips/<alert>.mp4` and `.json`. */
export interface ClipFiles {
  readonly directory: string;
  /** Both files of an alert's clip, without their endings. */
  pathOf(alertId: string): string;
  /** Makes the folder, deletes files without a row and rows without their files. Nothing may be writing there. */
  reconcile(): Promise<void>;
  /** Files that are whole get their row; false when they were deleted instead, since the alert or an entry in them is gone. */
  keep(clip: ClipRecord, entries: readonly string[]): Promise<boolean>;
  /** Deletes whatever there is of these, half-written files too. */
  discard(alertIds: readonly string[]): Promise<void>;
  /** Deletes every clip of the entry's alerts and every one that names it. */
  eraseEntry(entryId: string): Promise<void>;
  /** Deletes what was stored before that time, and the oldest above so many bytes; returns how many. */
  trim(keep: { readonly storedBefore: number; readonly bytes: number }): Promise<number>;
  /** Undefined: the alert has no clip. */
  open(alertId: string): Promise<OpenClip | undefined>;
  index(alertId: string): Promise<NamedClipIndex | undefined>;
}

const folder = 'clips';
const endings = ['.mp4', '.json'] as const;
/** What the media door has under way (`media/clip-file.ts`). */
const unfinished = ['.part', '.mp4.tmp', '.json.tmp'] as const;
const readBytes = 256 * 1024;

export function createClipFiles(
  dataDir: string,
  store: ClipStore,
  /** Of an entry that is on the watchlist now. */
  nameOf: (entryId: string) => string | undefined,
): ClipFiles {
  const directory = join(dataDir, folder);

  /** Alerts name their own files: an id that could be a path is nobody's. */
  function pathOf(alertId: string): string {
    if (!/^[\w-]{1,100}$/.test(alertId)) throw new SightlineError('clip.unknown', `${alertId} is no id of an alert`);
    return join(directory, alertId);
  }

  async function unlink(alertIds: readonly string[]): Promise<void> {
    if (alertIds.length === 0) return;
    for (const alertId of alertIds) {
      for (const ending of [...unfinished, ...endings]) await rm(`${pathOf(alertId)}${ending}`, { force: true });
    }
    await syncFolder(directory);
  }

  async function discard(alertIds: readonly string[]): Promise<void> {
    await unlink(alertIds);
    await store.remove(alertIds);
  }

  return {
    directory,
    pathOf,
    reconcile: async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const [names, ids] = await Promise.all([readdir(directory), store.ids()]);
      const there = new Set(names);
      const whole = (id: string) => endings.every((ending) => there.has(`${id}${ending}`));
      const gone = ids.filter((id) => !whole(id));
      const kept = new Set(ids.filter(whole).flatMap((id) => endings.map((ending) => `${id}${ending}`)));
      for (const name of names) if (!kept.has(name)) await rm(join(directory, name), { force: true, recursive: true });
      if (gone.length > 0) await store.remove(gone);
    },
    keep: async (clip, entries) => {
      try {
        if (await store.add(clip, entries)) return true;
      } catch (error) {
        await unlink([clip.alertId]);
        throw error;
      }
      await unlink([clip.alertId]);
      return false;
    },
    discard,
    eraseEntry: async (entryId) => {
      try {
        await discard(await store.ofEntry(entryId));
      } catch (error) {
        const details = { entry: entryId };
        throw new SightlineError('store.failed', `clips of the entry were not deleted: ${errorText(error)}`, {
          details,
          cause: error,
        });
      }
    },
    trim: async (keep) => {
      let deleted = 0;
      while (true) {
        const surplus = await store.surplus(keep);
        if (surplus.length === 0) return deleted;
        await discard(surplus);
        deleted += surplus.length;
      }
    },
    open: async (alertId) => {
      const record = await store.get(alertId);
      if (record === undefined) return undefined;
      const path = `${pathOf(alertId)}.mp4`;
      const file = await openOrUndefined(path);
      if (file === undefined) return undefined;
      const { size } = await file.stat();
      return {
        record,
        path,
        bytes: size,
        tag: `${Math.round(record.storedAt)}-${size}`,
        async *read(start, end) {
          for (let at = start; at <= end; ) {
            const buffer = Buffer.allocUnsafe(Math.min(readBytes, end - at + 1));
            const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
            if (bytesRead === 0) return;
            at += bytesRead;
            yield buffer.subarray(0, bytesRead);
          }
        },
        [Symbol.asyncDispose]: () => file.close(),
      };
    },
    index: async (alertId) => {
      const record = await store.get(alertId);
      if (record === undefined) return undefined;
      try {
        return named(JSON.parse(await readFile(`${pathOf(alertId)}.json`, 'utf8')) as ClipIndex, nameOf);
      } catch (error) {
        if (isSystemError(error, 'ENOENT')) return undefined;
        throw error;
      }
    },
  };
}

function named(index: ClipIndex, nameOf: (entryId: string) => string | undefined): NamedClipIndex {
  const frames = index.frames.map(({ boxes, ...frame }) => ({
    ...frame,
    boxes: boxes.map(({ match, ...box }): LiveBox => {
      const name = match === undefined ? undefined : nameOf(match.entryId);
      return match === undefined || name === undefined ? box : { ...box, match: { ...match, name } };
    }),
  }));
  return { ...index, frames };
}

async function openOrUndefined(path: string) {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** The deletion too is on the disk then. */
async function syncFolder(directory: string): Promise<void> {
  const folderHandle = await openOrUndefined(directory);
  if (folderHandle === undefined) return;
  try {
    await folderHandle.sync();
  } finally {
    await folderHandle.close();
  }
}
