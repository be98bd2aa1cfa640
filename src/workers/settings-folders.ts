import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError } from '../core/errors.ts';
import { readTextIfThere } from '../core/read-text.ts';

/** What containers read, in the data directory: for each worker a folder of settings, and its token among them. */

export const tokenName = 'token';

export class SettingsFolders {
  /** Where they are. */
  readonly parent: string;

  constructor(dataDir: string) {
    this.parent = join(dataDir, 'deepstream');
  }

  /** Of a worker. */
  at(worker: string): string {
    return join(this.parent, worker);
  }

  async token(worker: string): Promise<string | undefined> {
    return await readTextIfThere(join(this.at(worker), tokenName));
  }

  /** All that have a folder. */
  async workers(): Promise<readonly string[]> {
    return (await entriesIn(this.parent)).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  }

  async namesIn(worker: string): Promise<readonly string[]> {
    return (await entriesIn(this.at(worker))).map(({ name }) => name);
  }

  /** These files and nothing else; the token last: who read older files before must not find it. */
  async write(worker: string, files: ReadonlyMap<string, string>, token: string): Promise<void> {
    const folder = this.at(worker);
    await rm(join(folder, tokenName), { force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await this.empty(worker);
    for (const [name, text] of files) await writeFile(join(folder, name), text, { mode: 0o600 });
    await writeFile(join(folder, tokenName), token, { mode: 0o400 });
  }

  async empty(worker: string): Promise<void> {
    for (const name of await this.namesIn(worker)) await rm(join(this.at(worker), name), { recursive: true });
  }

  async remove(worker: string): Promise<void> {
    await rm(this.at(worker), { recursive: true });
  }
}

async function entriesIn(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  }
}
