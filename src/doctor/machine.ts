import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, statfs } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '../core/clock.ts';
import { errorText, isSystemError } from '../core/errors.ts';
import type { ClockFacts, DiskFacts, MemoryFacts, PortState } from './findings.ts';
import { type Gpu, readGpus } from './gpu-findings.ts';

/** Gathers facts about the machine. Each asks once and changes nothing. */

const runFile = promisify(execFile);
const programTimeoutMs = 10_000;

/** Of a program of the system; undefined when it is not installed. Rejects when it fails. */
async function outputOf(program: string, args: readonly string[], signal: AbortSignal): Promise<string | undefined> {
  try {
    const { stdout } = await runFile(program, args, { signal, timeout: programTimeoutMs });
    return stdout;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Of the folder, or of the nearest above it that there is. */
export async function diskFacts(directory: string): Promise<DiskFacts> {
  let there = directory;
  while (!existsSync(there) && there !== dirname(there)) there = dirname(there);
  const { bavail, blocks, bsize } = await statfs(there);
  return { directory, freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/** Of the machine, or of the control group where that has less. */
export async function memoryFacts(): Promise<MemoryFacts> {
  const meminfo = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const availableKib = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  const constrained = process.constrainedMemory();
  const machine = {
    availableBytes: availableKib === undefined ? freemem() : 1024 * Number(availableKib),
    totalBytes: totalmem(),
  };
  const isLimited = constrained > 0 && constrained < machine.totalBytes;
  return {
    cores: availableParallelism(),
    totalBytes: isLimited ? constrained : machine.totalBytes,
    availableBytes: isLimited ? Math.min(machine.availableBytes, process.availableMemory()) : machine.availableBytes,
  };
}

/** Who keeps the clock, asked of whoever is there. */
export async function clockFacts(signal: AbortSignal): Promise<ClockFacts> {
  try {
    const said = (await outputOf('timedatectl', ['show', '--property=NTPSynchronized', '--value'], signal))?.trim();
    if (said === 'yes' || said === 'no') return { kept: said === 'yes', by: 'timedatectl' };
  } catch {
    // Without systemd, as in a container, it fails; somebody else may know.
    signal.throwIfAborted();
  }
  try {
    const tracking = await outputOf('chronyc', ['-n', 'tracking'], signal);
    const leap = /^Leap status\s*:\s*(.+)$/m.exec(tracking ?? '')?.[1];
    if (leap !== undefined) return { kept: leap.trim() !== 'Not synchronised', by: 'chronyc' };
  } catch {
    signal.throwIfAborted();
  }
  return { kept: undefined };
}

/** GPUs, what nvidia-smi said instead, or undefined without nvidia-smi. */
export async function gpuFacts(signal: AbortSignal): Promise<readonly Gpu[] | string | undefined> {
  try {
    const text = await outputOf(
      'nvidia-smi',
      ['--query-gpu=index,name,driver_version,memory.total', '--format=csv,noheader,nounits'],
      signal,
    );
    return text === undefined ? undefined : readGpus(text);
  } catch (error) {
    signal.throwIfAborted();
    return errorText(error).split('\n')[0] ?? '';
  }
}

/** Listens for a moment. */
export async function portState(host: string, port: number): Promise<PortState> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, exclusive: true }, resolve);
    });
    return 'free';
  } catch (error) {
    if (isSystemError(error, 'EADDRINUSE')) return { refused: 'something else listens there' };
    if (isSystemError(error, 'EACCES')) return { refused: 'this user may not listen there (ports below 1024 need root)' };
    if (isSystemError(error, 'EADDRNOTAVAIL')) return { refused: 'the machine does not have this address' };
    return { refused: errorText(error) };
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

/** Why nothing answers at a TCP port; undefined when something does. */
export async function reachTrouble(
  to: { readonly host: string; readonly port: number; readonly timeoutMs: number },
  clock: Clock,
  signal: AbortSignal,
): Promise<string | undefined> {
  using limit = clock.deadline(to.timeoutMs, signal);
  const socket = createConnection({ host: to.host, port: to.port });
  try {
    return await new Promise<string | undefined>((resolve) => {
      socket.once('connect', () => resolve(undefined));
      socket.once('error', (error) => resolve(reachWords(error)));
      limit.signal.addEventListener('abort', () => resolve(`no answer within ${to.timeoutMs / 1000} s`), { once: true });
    });
  } finally {
    socket.destroy();
  }
}

function reachWords(error: unknown): string {
  if (isSystemError(error, 'ECONNREFUSED')) return 'the machine is there, and nothing listens on that port';
  if (isSystemError(error, 'ENOTFOUND')) return 'no such name';
  if (isSystemError(error, 'EAI_AGAIN')) return 'the name server does not answer';
  if (isSystemError(error, 'EHOSTUNREACH') || isSystemError(error, 'ENETUNREACH')) return 'there is no way to it';
  return errorText(error);
}
