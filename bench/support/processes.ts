import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ, which the kernel's interface fixes at 100 (proc(5)). */
const ticksPerSecond = 100;

/** Processor time of a process so far, user and system, all threads, without its children. 0 for one that is gone. */
export function cpuSeconds(pid: number): number {
  return secondsIn(statOf(pid));
}

/** The same of a process, its children and theirs. */
export function familyCpuSeconds(root: number): number {
  return familyOf(root).reduce((sum, pid) => sum + cpuSeconds(pid), 0);
}

/** A process, its children and theirs; the process itself first. */
export function familyOf(root: number): readonly number[] {
  const pids = namesIn('/proc').filter((name) => /^\d+$/.test(name));
  const parents = pids.map((pid) => [Number(pid), Number(statOf(Number(pid))[1])] as const);
  const family = new Set([root]);
  for (let size = 0; size < family.size; ) {
    size = family.size;
    for (const [pid, parent] of parents) if (family.has(parent)) family.add(pid);
  }
  return [...family];
}

export interface Memory {
  readonly rssMb: number;
  /** Proportional set size: pages that processes share are counted once between them. Less where others run the same program. */
  readonly pssMb: number;
  /** The part that is no file's. */
  readonly anonymousMb: number;
  /** As PSS would be if nobody else ran the same program: anonymous pages, and pages of files once for all of these processes. */
  readonly aloneMb: number;
}

export function memoryOf(pids: readonly number[]): Memory {
  let [rssKb, pssKb, anonymousKb] = [0, 0, 0];
  const filesKb = new Map<string, number>();
  for (const pid of pids) {
    let mapping = '';
    let residentKb = 0;
    for (const line of readOr(`/proc/${pid}/smaps`).split('\n')) {
      const head = /^[0-9a-f]+-[0-9a-f]+ \S+ (\S+ \S+ \d+)/.exec(line);
      if (head !== null) mapping = head[1] ?? '';
      const [name, value] = line.split(':');
      const kb = Number.parseInt(value ?? '', 10);
      if (name === 'Pss') pssKb += kb;
      else if (name === 'Rss') {
        rssKb += kb;
        residentKb = kb;
      } else if (name === 'Anonymous') {
        anonymousKb += kb;
        filesKb.set(mapping, Math.max(filesKb.get(mapping) ?? 0, residentKb - kb));
      }
    }
  }
  const mb = (kb: number) => (kb * 1024) / 1e6;
  const aloneKb = anonymousKb + filesKb.values().reduce((sum, kb) => sum + kb, 0);
  return { rssMb: mb(rssKb), pssMb: mb(pssKb), anonymousMb: mb(anonymousKb), aloneMb: mb(aloneKb) };
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

function secondsIn(stat: readonly string[]): number {
  return (Number(stat[11] ?? 0) + Number(stat[12] ?? 0)) / ticksPerSecond;
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
