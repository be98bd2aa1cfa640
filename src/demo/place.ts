import { access, chmod, constants, lstat, mkdir, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Context } from '../core/context.ts';
import { isSystemError, SightlineError } from '../core/errors.ts';
import { bootId, processStat } from '../core/linux-process.ts';
import { readTextIfThere } from '../core/read-text.ts';
import { writtenByDemo } from './configuration.ts';

/**
 * Where a demo keeps what it has: a temporary directory that goes with it, or a directory that stays. Either way a folder
 * `sightline-demo-XXXXXX` in the directory for temporary files names its owner, so that other commands find a demo that runs and the
 * next start removes what a killed one left. Only what is provably a dead demo of the same user is removed.
 */

export interface PlaceWorld {
  /** Directory for temporary files. */
  readonly root: string;
  /** Of this user; undefined where the system has none, then nothing of others is recognised or removed. */
  readonly uid: number | undefined;
  /** Where the system tells of its processes, if it does; absent: `/proc`. */
  readonly proc?: string;
}

export interface Owner {
  readonly pid: number;
  /** Clock ticks since boot, and the boot; absent where there is no /proc. */
  readonly startTicks?: number | undefined;
  readonly bootId?: string | undefined;
  /** Where `pid` means something: containers may share the directory for temporary files, and the boot. */
  readonly pidNamespace?: string | undefined;
  /** Where configuration and data lie: the folder itself, or the directory that stays. */
  readonly directory: string;
  readonly scene: string;
}

export interface DemoPlace extends AsyncDisposable {
  readonly directory: string;
  readonly dataDir: string;
  /** What the demo itself runs on. */
  readonly configFile: string;
  readonly logFile: string;
  readonly kept: boolean;
}

export interface FoundDemo {
  /** Folder in the directory for temporary files. */
  readonly folder: string;
  readonly owner: Owner;
  /** False: nobody can tell whether it does. */
  readonly alive: boolean;
  readonly startedAt: number;
}

const prefix = 'sightline-demo-';
const ownerFile = 'owner.json';
const configurationName = 'demo.yaml';
const logName = 'demo.log';
const ownerSchema = z.object({
  sightline: z.literal('demo'),
  pid: z.int().positive(),
  startTicks: z.number().optional(),
  bootId: z.string().optional(),
  pidNamespace: z.string().optional(),
  directory: z.string().min(1),
  scene: z.string().min(1),
});
const removeRetries = { recursive: true, force: true, maxRetries: 5, retryDelay: 50 } as const;

/** A file of another demo, or what a person put in its place. */
async function readOrUndefined(path: string): Promise<string | undefined> {
  return await readTextIfThere(path, ['ENOENT', 'EACCES', 'ENOTDIR', 'EISDIR']);
}

/** Undefined when it does not run. */
async function startTicksOf(pid: number, proc: string | undefined): Promise<number | undefined> {
  const stat = await processStat(pid, proc);
  return stat === undefined || stat.state === 'Z' ? undefined : stat.startTicks;
}

async function pidNamespace(proc = '/proc'): Promise<string | undefined> {
  return await readlink(`${proc}/self/ns/pid`).catch(() => undefined); // there is none, or it tells less
}

type ProcessMark = Pick<Owner, 'pid' | 'startTicks' | 'bootId' | 'pidNamespace'>;

/** By which other processes know this one. */
async function ownMark(world: PlaceWorld): Promise<ProcessMark> {
  const { pid } = process;
  return {
    pid,
    startTicks: await startTicksOf(pid, world.proc),
    bootId: await bootId(world.proc),
    pidNamespace: await pidNamespace(world.proc),
  };
}

/** `undefined`: nobody can tell. */
async function isAlive(owner: ProcessMark, world: PlaceWorld): Promise<boolean | undefined> {
  const boot = await bootId(world.proc);
  if (boot === undefined) return owner.bootId === undefined && !hasProcess(owner.pid) ? false : undefined;
  const namespace = await pidNamespace(world.proc);
  if (owner.bootId === undefined || owner.startTicks === undefined) return undefined;
  if (namespace === undefined || namespace !== owner.pidNamespace) return undefined;
  return boot === owner.bootId && (await startTicksOf(owner.pid, world.proc)) === owner.startTicks;
}

/** Whether any process has that number; it may be a later one. */
function hasProcess(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !isSystemError(error, 'ESRCH');
  }
}

async function readOwner(folder: string, world: PlaceWorld): Promise<Pick<FoundDemo, 'owner' | 'startedAt'> | undefined> {
  const about = await lstat(folder).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (about === undefined || !about.isDirectory() || about.uid !== world.uid || (about.mode & 0o077) !== 0) return undefined;
  const text = await readOrUndefined(join(folder, ownerFile));
  if (text === undefined) return undefined;
  try {
    const owner = ownerSchema.safeParse(JSON.parse(text));
    return owner.success ? { owner: owner.data, startedAt: about.birthtimeMs } : undefined;
  } catch {
    return undefined; // half a file, from a demo that died while writing it
  }
}

async function foldersIn(root: string): Promise<readonly string[]> {
  try {
    return (await readdir(root)).filter((name) => name.startsWith(prefix)).map((name) => join(root, name));
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Demos of this user that run, newest first. Where nobody can tell whether one does, it is among them. */
export async function findDemos(world: PlaceWorld): Promise<readonly FoundDemo[]> {
  const found: FoundDemo[] = [];
  for (const folder of await foldersIn(world.root)) {
    const read = await readOwner(folder, world);
    if (read === undefined) continue;
    const alive = await isAlive(read.owner, world);
    if (alive !== false) found.push({ folder, ...read, alive: alive === true });
  }
  return found.toSorted((a, b) => b.startedAt - a.startedAt);
}

/** Removes the temporary folders of demos that are dead; directories that stay are left alone. Gives what it removed. */
export async function removeDeadDemos(world: PlaceWorld): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const folder of await foldersIn(world.root)) {
    const read = await readOwner(folder, world);
    if (read === undefined || (await isAlive(read.owner, world)) !== false) continue;
    await rm(folder, removeRetries);
    removed.push(folder);
  }
  return removed;
}

function unusable(directory: string, cause: unknown): SightlineError {
  const words = isSystemError(cause, 'ENOSPC')
    ? 'no space is left there'
    : isSystemError(cause, 'ENOENT')
      ? 'the folder it is to lie in is not there'
      : isSystemError(cause, 'EACCES') || isSystemError(cause, 'EROFS') || isSystemError(cause, 'EPERM')
        ? 'it cannot be written to'
        : isSystemError(cause, 'ENOTDIR')
          ? 'it is no directory'
          : undefined;
  const message = [`the demo cannot use ${directory}`, ...(words === undefined ? [] : [words])].join(': ');
  return new SightlineError('demo.failed', message, { cause, details: { directory } });
}

/** Rejects with `demo.failed` when there is no place, or the directory to keep holds something else. */
export async function createPlace(
  options: { readonly keep: string | undefined; readonly scene: string },
  world: PlaceWorld,
  ctx: Context,
): Promise<DemoPlace> {
  const { keep, scene } = options;
  let folder: string | undefined;
  async function remove(): Promise<void> {
    if (folder !== undefined) await rm(folder, removeRetries);
  }
  try {
    ctx.signal.throwIfAborted();
    folder = await mkdtemp(join(world.root, prefix));
    await chmod(folder, 0o700);
    const directory = keep ?? folder;
    const owner: Owner = { ...(await ownMark(world)), directory, scene };
    await writeFile(join(folder, ownerFile), JSON.stringify({ sightline: 'demo', ...owner }), { mode: 0o600 });
    if (keep !== undefined) await prepareKept(keep);
    return {
      directory,
      dataDir: join(directory, 'data'),
      configFile: join(directory, configurationName),
      logFile: join(directory, logName),
      kept: keep !== undefined,
      [Symbol.asyncDispose]: remove,
    };
  } catch (error) {
    await remove();
    if (error instanceof SightlineError || ctx.signal.aborted) throw error;
    throw unusable(keep ?? world.root, error);
  }
}

async function prepareKept(directory: string): Promise<void> {
  await mkdir(directory, { mode: 0o700 }).catch((error: unknown) => {
    if (!isSystemError(error, 'EEXIST')) throw error;
  });
  const names = await readdir(directory);
  await access(directory, constants.W_OK | constants.X_OK);
  // A log alone is of a demo that could not begin. A `demo.yaml` may be anybody's: the one of a scene, or of this repository.
  if (names.every((name) => name === logName)) return;
  const configuration = names.includes(configurationName)
    ? await readOrUndefined(join(directory, configurationName))
    : undefined;
  if (configuration?.startsWith(`#${writtenByDemo}`)) return;
  throw new SightlineError('demo.failed', `${directory} is not empty and not of an earlier demo; name another directory`);
}

/** Writes for the user alone. Rejects with `demo.failed`. */
export async function writePrivate(path: string, content: string | Uint8Array): Promise<void> {
  try {
    await writeFile(path, content, { mode: 0o600 });
  } catch (error) {
    throw unusable(path, error);
  }
}
