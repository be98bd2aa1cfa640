import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError } from '../core/errors.ts';

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

interface ProcessFacts {
  readonly state: string;
  readonly group: number;
  /** Clock ticks since boot. */
  readonly startTicks: number;
}

async function readOrUndefined(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    // ESRCH: the process went away between open and read. EACCES: it is not ours.
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'ENOTDIR'].some((code) => isSystemError(error, code))) return undefined;
    throw error;
  }
}

/** Of /proc/PID/stat; undefined when there is no such process. The name in brackets may hold anything. */
async function factsOf(pid: number): Promise<ProcessFacts | undefined> {
  const stat = await readOrUndefined(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, , group] = fields ?? [];
  const startTicks = fields?.[19];
  return state === undefined || group === undefined || startTicks === undefined
    ? undefined
    : { state, group: Number(group), startTicks: Number(startTicks) };
}

async function isMarked(pid: number, marker: Marker): Promise<boolean> {
  const variables = new Set((await readOrUndefined(`/proc/${pid}/environ`))?.split('\0'));
  return variables.has(`SIGHTLINE_WORKER=${marker.worker}`) && variables.has(`SIGHTLINE_BRIDGE=${marker.bridgePath}`);
}

async function bootId(): Promise<string | undefined> {
  return (await readOrUndefined('/proc/sys/kernel/random/boot_id'))?.trim();
}

function pidFile(directory: string, worker: string): string {
  return join(directory, `${worker}.json`);
}

export async function writePidFile(directory: string, worker: string, pid: number): Promise<void> {
  const [facts, boot] = await Promise.all([factsOf(pid), bootId()]);
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
  const text = await readOrUndefined(path);
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
      const facts = await factsOf(pid);
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
  const facts = await factsOf(pid);
  return facts !== undefined && facts.state !== 'Z';
}

/** Resident memory of a process; undefined when it is gone or the system does not tell. */
export async function rssBytesOf(pid: number): Promise<number | undefined> {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec((await readOrUndefined(`/proc/${pid}/status`)) ?? '') ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}
