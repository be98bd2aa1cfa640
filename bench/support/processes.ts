import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ, which the kernel's interface fixes at 100 (proc(5)). */
const ticksPerSecond = 100;

/** Processor time of a process so far, user and system, all threads, without its children. 0 for one that is gone. */
export function cpuSeconds(pid: number): number {
  const fields = statOf(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond;
}

export interface Memory {
  readonly rssMb: number;
  /** Proportional set size: pages that processes share are counted once between them. */
  readonly pssMb: number;
}

export function memoryOf(pids: readonly number[]): Memory {
  let rssKb = 0;
  let pssKb = 0;
  for (const pid of pids) {
    const text = readOr(`/proc/${pid}/smaps_rollup`);
    rssKb += Number(/^Rss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0);
    pssKb += Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0);
  }
  return { rssMb: (rssKb * 1024) / 1e6, pssMb: (pssKb * 1024) / 1e6 };
}

/** Open descriptors and threads of these processes. */
export function handlesOf(pids: readonly number[]): { readonly descriptors: number; readonly threads: number } {
  const count = (folder: 'fd' | 'task') => pids.reduce((sum, pid) => sum + namesIn(`/proc/${pid}/${folder}`).length, 0);
  return { descriptors: count('fd'), threads: count('task') };
}

/** The fields of /proc/PID/stat after the name, which may hold anything: state is the first. */
function statOf(pid: number): readonly string[] {
  const text = readOr(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // it has just ended
  }
}
