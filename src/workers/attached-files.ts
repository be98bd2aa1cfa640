import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readTextIfThere } from '../core/read-text.ts';
import { makeRunFolder } from '../core/run-folder.ts';
import { SettingsFolders, tokenName } from './settings-folders.ts';

/**
 * What the daemon hands to containers that somebody else starts: for each worker a folder of settings, and in it `start` as long as one
 * is to begin with them. The folders are mounts of other containers: they are emptied and never removed, and keep the owner they have.
 */

const startName = 'start';

export class AttachedFiles {
  readonly #dataDir: string;
  readonly #folders: SettingsFolders;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#folders = new SettingsFolders(dataDir);
  }

  folder(worker: string): string {
    return this.#folders.at(worker);
  }

  async token(worker: string): Promise<string | undefined> {
    return await this.#folders.token(worker);
  }

  /** Whether these files, and no others, are what a container has. */
  async holds(worker: string, files: ReadonlyMap<string, string>): Promise<boolean> {
    const names = (await this.#folders.namesIn(worker)).filter((name) => name !== tokenName && name !== startName);
    if (names.length !== files.size) return false;
    const same = await Promise.all(
      [...files].map(async ([name, text]) => (await readTextIfThere(join(this.folder(worker), name))) === text),
    );
    return same.every(Boolean);
  }

  async write(worker: string, files: ReadonlyMap<string, string>, token: string): Promise<void> {
    this.withdraw(worker);
    await this.#folders.write(worker, files, token);
    await makeRunFolder(this.#dataDir);
  }

  async offer(worker: string): Promise<void> {
    await writeFile(join(this.folder(worker), startName), '', { mode: 0o600 });
  }

  /** Done when it returns: what is told or offered next finds nothing of it. */
  withdraw(worker: string): void {
    rmSync(join(this.folder(worker), startName), { force: true });
  }

  /** What an earlier daemon offered is not on offer any more; workers that are not wanted have no settings. */
  async cleanUp(wanted: ReadonlySet<string>): Promise<void> {
    for (const worker of await this.#folders.workers()) {
      this.withdraw(worker);
      if (!wanted.has(worker)) await this.#folders.empty(worker);
    }
  }
}
