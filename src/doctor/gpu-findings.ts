import type { DeepStreamConfig } from '../config/schema.ts';
import type { Finding } from '../core/doctor.ts';

/** What a machine needs for DeepStream containers. Pure. Requirements: docs/deepstream.md. */

export interface Gpu {
  readonly index: number;
  readonly name: string;
  /** `595.58.03` */
  readonly driver: string;
  readonly memoryMiB: number;
}

/** DeepStream 9.1 asks for driver branch 595 on x86 (its release notes). */
const leastDriver = 595;

/** `undefined`: there is no nvidia-smi; a text: what it said instead of a list. */
export function gpuFinding(found: readonly Gpu[] | string | undefined): Finding {
  const subject = 'gpu';
  if (found === undefined || typeof found === 'string' || found.length === 0) {
    const seen =
      found === undefined ? 'no nvidia-smi: no driver is installed' : `nvidia-smi: ${found.length === 0 ? 'no GPU' : found}`;
    return {
      subject,
      verdict: 'fail',
      seen,
      remedy: `install NVIDIA's driver, ${leastDriver} or later, and start the machine again`,
    };
  }
  const seen = found
    .map(({ index, name, driver, memoryMiB }) => `${index}: ${name}, ${memoryMiB} MiB, driver ${driver}`)
    .join('; ');
  const old = found.find(({ driver }) => Number.parseInt(driver, 10) < leastDriver);
  if (old !== undefined)
    return { subject, verdict: 'fail', seen, remedy: `DeepStream 9.1 needs driver ${leastDriver} or later, not ${old.driver}` };
  return { subject, verdict: 'pass', seen };
}

/** Lines of `nvidia-smi --query-gpu=index,name,driver_version,memory.total --format=csv,noheader,nounits`; a line that is none is left out. */
export function readGpus(text: string): readonly Gpu[] {
  return text
    .split('\n')
    .map((line) => line.split(',').map((cell) => cell.trim()))
    .flatMap(([index, name, driver, memory]) =>
      index !== undefined && /^\d+$/.test(index) && name !== undefined && driver !== undefined && /^\d+$/.test(memory ?? '')
        ? [{ index: Number(index), name, driver, memoryMiB: Number(memory) }]
        : [],
    );
}

export interface EngineFacts {
  /** Path of the socket. */
  readonly socket: string;
  /** Why the engine cannot be asked: by the system's error code where it gave one, and in words. */
  readonly trouble?: { readonly errno?: string; readonly words: string };
  readonly version?: string;
  readonly apiVersion?: string;
  /** Names that the engine knows: `runc`, `nvidia`. */
  readonly runtimes?: readonly string[];
  /** Of newer engines, by their CDI names. */
  readonly cdiDevices?: readonly string[];
}

/** Debian 12's engine speaks 1.41; nothing here needs more. */
const leastApi = [1, 41] as const;

function isOlder(version: string | undefined): boolean {
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  return major < leastApi[0] || (major === leastApi[0] && minor < leastApi[1]);
}

const ofErrno: Readonly<Record<string, (socket: string) => { readonly seen: string; readonly remedy: string }>> = {
  EACCES: () => ({
    seen: 'this user may not ask it',
    remedy: 'put the user of the daemon into the group docker: usermod -aG docker USER, then log in anew',
  }),
  ENOENT: (socket) => ({ seen: 'no engine listens there', remedy: startIt(socket) }),
  ECONNREFUSED: (socket) => ({ seen: 'no engine listens there any more', remedy: startIt(socket) }),
};

function startIt(socket: string): string {
  return `start it: systemctl start docker; or name its socket in deepstream.socket (now ${socket})`;
}

export function engineFinding({ socket, trouble, version, apiVersion }: EngineFacts): Finding {
  const subject = 'docker';
  if (trouble !== undefined) {
    const known = ofErrno[trouble.errno ?? '']?.(socket);
    if (known === undefined) return { subject, verdict: 'fail', seen: trouble.words, remedy: 'look at: journalctl -u docker' };
    return { subject, verdict: 'fail', seen: `${socket}: ${known.seen}`, remedy: known.remedy };
  }
  const seen = `engine ${version ?? '?'}, API ${apiVersion ?? '?'}, at ${socket}`;
  if (isOlder(apiVersion)) return { subject, verdict: 'fail', seen, remedy: 'API 1.41 is needed: Docker 20.10 or later' };
  return { subject, verdict: 'pass', seen };
}

export function toolkitFinding(
  { trouble, runtimes = [], cdiDevices = [] }: EngineFacts,
  gpuAccess: DeepStreamConfig['gpuAccess'],
): Finding {
  const subject = 'container toolkit';
  if (gpuAccess === 'none')
    return {
      subject,
      verdict: 'warn',
      seen: 'not needed: containers get no GPU (deepstream.gpuAccess is none)',
      remedy: 'set deepstream.gpuAccess to request (Jetson: runtime); without a GPU only the stand-in of DeepStream runs',
    };
  if (trouble !== undefined) return { subject, verdict: 'skip', seen: 'the engine cannot be asked' };
  if (runtimes.includes('nvidia')) return { subject, verdict: 'pass', seen: `runtimes ${runtimes.join(', ')}` };
  if (cdiDevices.some((name) => name.startsWith('nvidia.com/gpu'))) return { subject, verdict: 'pass', seen: 'GPUs by CDI' };
  return {
    subject,
    verdict: 'fail',
    seen: `the engine knows no GPU (runtimes ${runtimes.join(', ') || 'none'})`,
    remedy: 'install nvidia-container-toolkit, then: nvidia-ctk runtime configure --runtime=docker && systemctl restart docker',
  };
}

/** `undefined`: it could not be asked. */
export function imageFinding(image: string, present: boolean | undefined): Finding {
  const subject = 'image';
  if (present === undefined) return { subject, verdict: 'skip', seen: `${image}: the engine cannot be asked` };
  if (present) return { subject, verdict: 'pass', seen: `${image} is here` };
  return {
    subject,
    verdict: 'fail',
    seen: `${image} is not here`,
    remedy: 'build it (make deepstream-image builds sightline/deepstream), docker pull it, or mend deepstream.image',
  };
}
