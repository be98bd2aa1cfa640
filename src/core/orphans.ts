import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Context } from './context.ts';
import { isSystemError } from './errors.ts';
import { bootId, processStat, readProcFile } from './linux-process.ts';
import { readTextIfThere } from './read-text.ts';

/**
 * Processes that a daemon started and, killed itself, could not end: each has a pid file, by which the next daemon ends it. A pid alone
 * says nothing after a crash: the file carries the boot and the start time of the process, and a process counts as ours only if its
 * environment has the marker it was started with. Where there is no /proc nothing is recorded and nothing is found.
 */

/** Variables in the environment of the process; everything it starts inherits them. */
export type Marker = Readonly<Record<string, string>>;

interface PidRecord {
  readonly pid: number;
  readonly startTicks: number;
  readonly bootId: string;
}

const pollMs = 20;
const graceMs = 5000;

export async function writePidFile(path: string, pid: number): Promise<void> {
  const [facts, boot] = await Promise.all([processStat(pid), bootId()]);
  if (facts === undefined || boot === undefined) return;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const record: PidRecord = { pid, startTicks: facts.startTicks, bootId: boot };
  await writeFile(path, JSON.stringify(record), { mode: 0o600 });
}

export async function removePidFile(path: string): Promise<void> {
  await rm(path, { force: true });
}

function isRecord(value: unknown): value is PidRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, startTicks, bootId: boot } = value as Partial<Record<keyof PidRecord, unknown>>;
  return Number.isInteger(pid) && Number.isInteger(startTicks) && typeof boot === 'string';
}

async function readPidFile(path: string): Promise<PidRecord | undefined> {
  const text = await readTextIfThere(path, ['ENOENT', 'EACCES', 'EPERM', 'ENOTDIR']);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    // Half a file, from a daemon that died while writing it.
    return undefined;
  }
}

async function isMarked(pid: number, marker: Marker): Promise<boolean> {
  const variables = new Set((await readProcFile(`${pid}/environ`))?.split('\0'));
  return Object.entries(marker).every(([name, value]) => variables.has(`${name}=${value}`));
}

/** The process that the file names and the process group that it led, also when it is gone itself. */
async function findOrphans(path: string, marker: Marker): Promise<readonly number[]> {
  const record = await readPidFile(path);
  if (record === undefined || record.bootId !== (await bootId())) return [];
  const pids: number[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const facts = await processStat(pid);
    if (facts === undefined || facts.state === 'Z') continue;
    if (pid === record.pid ? facts.startTicks !== record.startTicks : facts.group !== record.pid) continue;
    if (await isMarked(pid, marker)) pids.push(pid);
  }
  return pids;
}

/** Still there, and not merely waiting for its parent to take note of its end. */
async function isAlive(pid: number): Promise<boolean> {
  const facts = await processStat(pid);
  return facts !== undefined && facts.state !== 'Z';
}

/** Kills what the file at `path` names, waits for its end, and removes the file; returns whom it killed. */
export async function endOrphans(
  path: string,
  marker: Marker,
  { clock, signal }: Pick<Context, 'clock' | 'signal'>,
): Promise<readonly number[]> {
  const pids = await findOrphans(path, marker);
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (!isSystemError(error, 'ESRCH')) throw error;
    }
  }
  const endMs = clock.mono() + graceMs;
  for (const pid of pids) while ((await isAlive(pid)) && clock.mono() < endMs) await clock.sleep(pollMs, signal);
  await removePidFile(path);
  return pids;
}
