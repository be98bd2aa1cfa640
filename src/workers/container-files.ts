import { randomUUID } from 'node:crypto';
import { lchown, lstat, mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readTextIfThere } from '../core/read-text.ts';
import { makeRunFolder, runFolder } from '../core/run-folder.ts';
import type { Assignment } from './assignment.ts';
import { SettingsFolders } from './settings-folders.ts';

/** What of containers is in the data directory: whose they are, which has which cameras, and for each a folder of settings. */

export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
}

const assignmentName = 'assignment.json';
/** Of a daemon of root: that of its own image. */
export const plainUser: ContainerUser = { uid: 10_001, gid: 10_001 };

export class ContainerFiles {
  readonly #dataDir: string;
  readonly #folders: SettingsFolders;
  #made: Promise<string> | undefined;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#folders = new SettingsFolders(dataDir);
  }

  /** By which containers of this data directory are known; undefined when it never had any. */
  async owner(): Promise<string | undefined> {
    const text = (await readTextIfThere(this.#ownerFile))?.trim();
    return text === '' ? undefined : text;
  }

  /** The same for all who ask at once. */
  makeOwner(): Promise<string> {
    this.#made ??= this.#makeOwner().catch((error: unknown) => {
      this.#made = undefined;
      throw error;
    });
    return this.#made;
  }

  async #makeOwner(): Promise<string> {
    const known = await this.owner();
    if (known !== undefined) return known;
    const owner = randomUUID();
    await writeFile(this.#ownerFile, `${owner}\n`, { mode: 0o600 });
    return owner;
  }

  get #ownerFile(): string {
    return join(this.#dataDir, 'owner-id');
  }

  /** Whose processes containers run: never root's. They must be able to read what is given to them. */
  async user(): Promise<ContainerUser> {
    const { uid, gid } = await stat(this.#dataDir);
    return uid === 0 ? plainUser : { uid, gid };
  }

  settingsFolder(worker: string): string {
    return this.#folders.at(worker);
  }

  async token(worker: string): Promise<string | undefined> {
    return await this.#folders.token(worker);
  }

  /** What a container reads, and nothing else beside it; the sockets it finds the daemon by become its user's. */
  async write(worker: string, files: ReadonlyMap<string, string>, token: string, user: ContainerUser): Promise<void> {
    await this.#folders.write(worker, files, token);
    await lend(this.settingsFolder(worker), user);
    await makeRunFolder(this.#dataDir);
    await lend(runFolder(this.#dataDir), user);
  }

  /** Folders of workers that are not wanted any more. */
  async forgetOthers(wanted: ReadonlySet<string>): Promise<void> {
    for (const worker of await this.#folders.workers()) if (!wanted.has(worker)) await this.#folders.remove(worker);
  }

  /** That of the last daemon, as far as it can be read: without it cameras are assigned anew. */
  async assignment(): Promise<Assignment> {
    const text = await readTextIfThere(this.#assignmentFile);
    return text === undefined ? new Map() : parseAssignment(text);
  }

  async keepAssignment(assignment: Assignment): Promise<void> {
    await mkdir(this.#folders.parent, { recursive: true, mode: 0o700 });
    const path = this.#assignmentFile;
    await writeFile(`${path}.new`, `${JSON.stringify(Object.fromEntries(assignment), undefined, 2)}\n`, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  get #assignmentFile(): string {
    return join(this.#folders.parent, assignmentName);
  }
}

/** Whoever is not root owns what they make already. What a link leads to is none of ours to give away. */
async function lend(folder: string, { uid, gid }: ContainerUser): Promise<void> {
  for (const path of [...(await readdir(folder)).map((name) => join(folder, name)), folder])
    if ((await lstat(path)).uid !== uid) await lchown(path, uid, gid);
}

/** As `containerOf` makes them. They become names of folders. */
const workerName = /^deepstream-[^./]+(\.[1-9]\d{0,5})?$/;

export function parseAssignment(text: string): Assignment {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return new Map();
    return new Map(
      Object.entries(value).flatMap(([worker, assigned]: [string, unknown]) => {
        if (!workerName.test(worker) || typeof assigned !== 'object' || assigned === null) return [];
        const { gpu, cameras } = assigned as { readonly gpu?: unknown; readonly cameras?: unknown };
        if (typeof gpu !== 'string' || !Array.isArray(cameras)) return [];
        return [[worker, { gpu, cameras: cameras.filter((camera) => typeof camera === 'string') }] as const];
      }),
    );
  } catch {
    // Half a file, from a daemon that died while writing it.
    return new Map();
  }
}
