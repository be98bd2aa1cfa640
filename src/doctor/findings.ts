import type { Finding } from '../core/doctor.ts';
import { urlHost } from '../core/url-host.ts';

/** What facts about a machine mean. Pure: shells gather the facts, these say what to do about them. */

const gib = 1024 ** 3;
const mib = 1024 ** 2;

function size(bytes: number): string {
  return bytes >= gib ? `${(bytes / gib).toFixed(1)} GiB` : `${Math.round(bytes / mib)} MiB`;
}

function pass(subject: string, seen: string): Finding {
  return { subject, verdict: 'pass', seen };
}

export interface DiskFacts {
  readonly directory: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** Below it history and clips cannot be kept (docs/operations.md, "Disk"). */
const leastDiskBytes = 256 * mib;
/** A day of clips and pictures of a busy site. */
const comfortableDiskBytes = 5 * gib;

export function diskFinding({ directory, freeBytes, totalBytes }: DiskFacts): Finding {
  const subject = 'disk';
  const seen = `${directory}: ${size(freeBytes)} of ${size(totalBytes)} free`;
  if (freeBytes < leastDiskBytes)
    return { subject, verdict: 'fail', seen, remedy: `free ${size(leastDiskBytes)} at least, or set dataDir to another disk` };
  if (freeBytes < comfortableDiskBytes)
    return { subject, verdict: 'warn', seen, remedy: 'alerts are kept first; shorten retention.clips or give it more room' };
  return pass(subject, seen);
}

export interface MemoryFacts {
  readonly availableBytes: number;
  readonly totalBytes: number;
  readonly cores: number;
}

/** One camera with everything (bench/README.md, "memory of all processes"). */
const memoryOfOneCamera = 550 * mib;

export function memoryFinding({ availableBytes, totalBytes, cores }: MemoryFacts): Finding {
  const subject = 'memory';
  const seen = `${size(availableBytes)} of ${size(totalBytes)} available, ${cores} ${cores === 1 ? 'core' : 'cores'}`;
  if (availableBytes < memoryOfOneCamera)
    return {
      subject,
      verdict: 'warn',
      seen,
      remedy: `one camera takes about ${size(memoryOfOneCamera)}: end something, or add memory`,
    };
  return pass(subject, seen);
}

/** Whether something keeps the clock right; undefined: nobody says. */
export interface ClockFacts {
  readonly kept: boolean | undefined;
  /** Who said so: `timedatectl`, `chronyc`. */
  readonly by?: string;
}

export function clockFinding({ kept, by }: ClockFacts): Finding {
  const subject = 'clock';
  if (kept === true) return pass(subject, `kept right, says ${by ?? 'the system'}`);
  const remedy = 'run chrony, ntpd or systemd-timesyncd on this machine (the host, for containers): alerts carry its time';
  return kept === false
    ? { subject, verdict: 'fail', seen: `not kept right, says ${by ?? 'the system'}`, remedy }
    : { subject, verdict: 'warn', seen: 'nothing here says whether it is kept right', remedy };
}

export type PortState = 'free' | 'ours' | { readonly refused: string };

export interface PortFacts {
  /** The setting that names it: `http.port`. */
  readonly setting: string;
  readonly host: string;
  readonly port: number;
  readonly state: PortState;
}

export function portFinding({ setting, host, port, state }: PortFacts): Finding {
  const subject = 'port';
  const where = `${setting} ${urlHost(host)}:${port}`;
  if (state === 'free') return pass(subject, `${where} is free`);
  if (state === 'ours') return pass(subject, `${where} is held by the running daemon`);
  return {
    subject,
    verdict: 'fail',
    seen: `${where}: ${state.refused}`,
    remedy: `end what listens there, or set ${setting} to another`,
  };
}

export interface ReachFacts {
  /** `camera lobby`, `MQTT broker`. */
  readonly what: string;
  /** Host and port; never a credential. */
  readonly address: string;
  /** Why nothing answers there; absent when something does. */
  readonly trouble?: string;
}

export function reachFinding({ what, address, trouble }: ReachFacts): Finding {
  if (trouble === undefined) return pass(what, `${address} answers`);
  return {
    subject: what,
    verdict: 'fail',
    seen: `${address}: ${trouble}`,
    remedy: 'check its address, that it is switched on, and that no firewall lies between',
  };
}

/** Weights of models that the embedded engine is to run. */
export function weightsFinding(wanted: readonly string[], missing: readonly string[]): Finding {
  const subject = 'models';
  if (missing.length === 0) return pass(subject, `weights are here: ${wanted.join(', ')}`);
  return {
    subject,
    verdict: 'fail',
    seen: `no weights of ${missing.join(', ')}`,
    remedy: `sightline models fetch ${missing.join(' ')}, or sightline models add FILE --as MODEL`,
  };
}
