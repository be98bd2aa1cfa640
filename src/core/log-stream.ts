import { fstatSync, writeSync } from 'node:fs';
import type { Writable } from 'node:stream';
import type { Clock } from './clock.ts';

/** Where lines of the log go. Who writes one never waits for whoever reads them. */
export interface LogStream {
  /** One line with its end. */
  write(line: string): void;
  /** Lines since the start that were written nowhere. */
  readonly lost: number;
}

/** What waits for a reader at most; beyond it new lines are lost until the reader has caught up. */
const waitingLimitBytes = 1024 * 1024;

/** A stream of Node ends for good with its first error; a file goes on when the disk has room again. */
function isFile(fd: number): boolean {
  const kind = fstatSync(fd);
  return !kind.isFIFO() && !kind.isSocket();
}

/**
 * Lines of the log on `stream`, whose descriptor is `fd` where it has one: standard error of the process. Node writes to pipes and
 * sockets without waiting and keeps in memory what they do not take. A reader who stops, one who has gone and a full disk cost
 * lines and nothing else; as soon as lines are taken again, one says how many there were.
 */
export function createLogStream(stream: Writable, fd?: number): LogStream {
  const file = fd !== undefined && isFile(fd) ? fd : undefined;
  let lost = 0;
  let unsaid = 0;
  /** The disk took only the beginning of a line. */
  let torn = false;

  function lose(): void {
    lost += 1;
    unsaid += 1;
  }

  function pass(line: string): boolean {
    if (file === undefined) {
      stream.write(line);
      return true;
    }
    try {
      const bytes = Buffer.from(torn ? `\n${line}` : line);
      torn = writeSync(file, bytes) < bytes.length;
      return !torn;
    } catch (error) {
      if (error instanceof Error && 'errno' in error) return false;
      throw error;
    }
  }

  function confess(): boolean {
    if (unsaid === 0) return true;
    const line = { level: 'warn', time: new Date().toISOString(), lines: unsaid, msg: 'log lines were lost' };
    if (!pass(`${JSON.stringify(line)}\n`)) return false;
    unsaid = 0;
    return true;
  }

  if (file === undefined) stream.on('drain', confess).on('error', lose);
  return {
    get lost() {
      return lost;
    },
    write: (line) => {
      const full = file === undefined && stream.writableLength >= (unsaid === 0 ? waitingLimitBytes : 1);
      if (full || !confess() || !pass(line)) lose();
    },
  };
}

/** Resolves when `stream` has passed on everything written so far, at the latest after `withinMs`. */
export async function flushed(stream: Writable, withinMs: number, clock: Clock): Promise<void> {
  if (stream.writableLength === 0) return;
  using limit = clock.deadline(withinMs);
  await new Promise<void>((done) => {
    limit.signal.addEventListener('abort', () => done(), { once: true });
    stream.write('', () => done());
  });
}
