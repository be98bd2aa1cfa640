import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError } from '../core/errors.ts';
import { readTextIfThere } from '../core/read-text.ts';
import { makeRunFolder } from '../core/run-folder.ts';

/**
 * What the daemon hands to containers that somebody else starts: for each worker a folder of settings, and in it `start` as long as one
 * is to begin with them. The folders are mounts of other containers: they are emptied and never removed, and keep the owner they have.
 */

const tokenName = 'token';
const startName = 'start';

export class AttachedFiles {
  readonly #dataDir: string;
  readonly #parent: string;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#parent = join(dataDir, 'deepstream');
  }

  folder(worker: string): string {
    return join(this.#parent, worker);
  }

  async token(worker: string): Promise<string | undefined> {
    return await readTextIfThere(join(this.folder(worker), tokenName));
  }

  /** Whether these files, and no others, are what a container has. */
  async holds(worker: string, files: ReadonlyMap<string, string>): Promise<boolean> {
    const names = (await namesIn(this.folder(worker))).filter((name) => name !== tokenName && name !== startName);
    if (names.length !== files.size) return false;
    const same = await Promise.all(
      [...files].map(async ([name, text]) => (await readTextIfThere(join(this.folder(worker), name))) === text),
    );
    return same.every(Boolean);
  }

  /** The token last: who read older files before must not find it. */
  async write(worker: string, files: ReadonlyMap<string, string>, token: string): Promise<void> {
    const folder = this.folder(worker);
    await this.withdraw(worker);
    await rm(join(folder, tokenName), { force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await empty(folder);
    for (const [name, text] of files) await writeFile(join(folder, name), text, { mode: 0o600 });
    await writeFile(join(folder, tokenName), token, { mode: 0o400 });
    await makeRunFolder(this.#dataDir);
  }

  async offer(worker: string): Promise<void> {
    await writeFile(join(this.folder(worker), startName), '', { mode: 0o600 });
  }

  async withdraw(worker: string): Promise<void> {
    await rm(join(this.folder(worker), startName), { force: true });
  }

  /** What an earlier daemon offered is not on offer any more; workers that are not wanted have no settings. */
  async cleanUp(wanted: ReadonlySet<string>): Promise<void> {
    for (const worker of await foldersIn(this.#parent)) {
      await this.withdraw(worker);
      if (!wanted.has(worker)) await empty(this.folder(worker));
    }
  }
}

async function empty(folder: string): Promise<void> {
  for (const name of await namesIn(folder)) await rm(join(folder, name), { recursive: true });
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return (await entriesIn(folder)).map(({ name }) => name);
}

async function foldersIn(folder: string): Promise<readonly string[]> {
  return (await entriesIn(folder)).filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

async function entriesIn(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  }
}
