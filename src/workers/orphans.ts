import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError } from '../core/errors.ts';
import { bootId, processStat, readProcFile } from '../core/linux-process.ts';
import { readTextIfThere } from '../core/read-text.ts';

/**
 * Pid files of workers, and the processes they mean. A pid alone says nothing after a crash: the file carries the boot and the start
 * time of the process, and a process counts as ours only if its environment names the same worker and bridge. Where there is no
 * /proc nothing is recorded and nothing is found.
 */

/** Environment of a worker process; everything it starts inherits it. */
export interface Marker {
  readonly worker: string;
  readonly bridgePath: string;
}

interface PidRecord {
  readonly worker: string;
  readonly pid: number;
  readonly startTicks: number;
  readonly bootId: string;
}

async function isMarked(pid: number, marker: Marker): Promise<boolean> {
  const variables = new Set((await readProcFile(`${pid}/environ`))?.split('\0'));
  return variables.has(`SIGHTLINE_WORKER=${marker.worker}`) && variables.has(`SIGHTLINE_BRIDGE=${marker.bridgePath}`);
}

function pidFile(directory: string, worker: string): string {
  return join(directory, `${worker}.json`);
}

export async function writePidFile(directory: string, worker: string, pid: number): Promise<void> {
  const [facts, boot] = await Promise.all([processStat(pid), bootId()]);
  if (facts === undefined || boot === undefined) return;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const record: PidRecord = { worker, pid, startTicks: facts.startTicks, bootId: boot };
  await writeFile(pidFile(directory, worker), JSON.stringify(record), { mode: 0o600 });
}

export async function removePidFile(directory: string, worker: string): Promise<void> {
  await rm(pidFile(directory, worker), { force: true });
}

function isRecord(value: unknown): value is PidRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { worker, pid, startTicks, bootId: boot } = value as Partial<Record<keyof PidRecord, unknown>>;
  return typeof worker === 'string' && Number.isInteger(pid) && Number.isInteger(startTicks) && typeof boot === 'string';
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

export interface Orphans {
  readonly worker: string;
  readonly pids: readonly number[];
}

/** Processes of workers that a pid file names: the worker itself and its process group, also when the worker is gone. */
export async function findOrphans(directory: string, bridgePath: string): Promise<readonly Orphans[]> {
  const files = await readdir(directory).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  });
  const boot = await bootId();
  const found: Orphans[] = [];
  for (const file of files.filter((name) => name.endsWith('.json'))) {
    const record = await readPidFile(join(directory, file));
    if (record === undefined || record.bootId !== boot) {
      await rm(join(directory, file), { force: true });
      continue;
    }
    const pids: number[] = [];
    for (const name of await readdir('/proc')) {
      const pid = Number(name);
      if (!Number.isInteger(pid) || pid === process.pid) continue;
      const facts = await processStat(pid);
      if (facts === undefined || facts.state === 'Z' || facts.group !== record.pid) continue;
      if (pid === record.pid && facts.startTicks !== record.startTicks) continue;
      if (await isMarked(pid, { worker: record.worker, bridgePath })) pids.push(pid);
    }
    found.push({ worker: record.worker, pids });
  }
  return found;
}

/** Still there, and not merely waiting for its parent to take note of its end. */
export async function isAlive(pid: number): Promise<boolean> {
  const facts = await processStat(pid);
  return facts !== undefined && facts.state !== 'Z';
}

/** Resident memory of a process; undefined when it is gone or the system does not tell. */
export async function rssBytesOf(pid: number): Promise<number | undefined> {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec((await readProcFile(`${pid}/status`)) ?? '') ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}
