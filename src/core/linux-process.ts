import { readTextIfThere } from './read-text.ts';

/**
 * What Linux tells of processes in /proc. A number alone says nothing after a crash: with the boot and the start time it names one
 * process. `proc`: where the system tells of its processes; what it does not tell is undefined.
 */

export interface ProcessStat {
  /** `Z`: it has ended, its parent has not taken note. */
  readonly state: string;
  readonly group: number;
  /** Clock ticks since boot. */
  readonly startTicks: number;
}

/** ESRCH: the process went away between open and read. EACCES, EPERM: it is not ours. */
const untold = ['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'ENOTDIR'];

export async function readProcFile(name: string, proc = '/proc'): Promise<string | undefined> {
  return await readTextIfThere(`${proc}/${name}`, untold);
}

/** Of /proc/PID/stat; undefined when there is no such process. The name in brackets may hold anything. */
export async function processStat(pid: number, proc?: string): Promise<ProcessStat | undefined> {
  const stat = await readProcFile(`${pid}/stat`, proc);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, , group] = fields ?? [];
  const startTicks = fields?.[19];
  return state === undefined || group === undefined || startTicks === undefined
    ? undefined
    : { state, group: Number(group), startTicks: Number(startTicks) };
}

export async function bootId(proc?: string): Promise<string | undefined> {
  return (await readProcFile('sys/kernel/random/boot_id', proc))?.trim();
}

/** Resident memory of a process; undefined when it is gone or the system does not tell. */
export async function rssBytesOf(pid: number): Promise<number | undefined> {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec((await readProcFile(`${pid}/status`)) ?? '') ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}
