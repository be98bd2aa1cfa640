import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { dataDirectory } from '../../test/support/data.ts';
import { scenes } from '../support/media.ts';

/** ../shared/peer/media_bench.go: a camera, readers, and what a server between them costs and delays. */

const source = join(dataDirectory, '../peer/media_bench.go');
const folder = join(import.meta.dirname, '../../.cache/bench');
const program = join(folder, 'media_bench');

export function missingMediaBench(): string | false {
  if (!existsSync(source)) return `no yardsticks at ${source}`;
  try {
    execFileSync('go', ['version']);
    return false;
  } catch {
    return 'no Go compiler (go)';
  }
}

export function buildMediaBench(): void {
  mkdirSync(folder, { recursive: true });
  execFileSync('go', ['build', '-o', program, source], { stdio: ['ignore', 2, 2] });
}

/** The crowd at 720p25 and 2 Mbit/s as a byte stream, a key frame every so many seconds. */
export function byteStream(keySeconds: number): string {
  const file = join(folder, `crowd-720-key${keySeconds}.h264`);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  const input = ['-v', 'error', '-y', '-stream_loop', '-1', '-i', join(dataDirectory, `clips/${scenes.crowd.clip}.mp4`)];
  const encode = ['-c:v', 'libx264', '-preset', 'veryfast', '-profile:v', 'main', '-bf', '0', '-sc_threshold', '0'];
  const rate = ['-g', `${keySeconds * 25}`, '-pix_fmt', 'yuv420p', '-b:v', '2M', '-maxrate', '2M', '-bufsize', '2M'];
  const made = `${file}.${process.pid}`;
  execFileSync('ffmpeg', [
    ...[...input, '-t', '60', '-vf', 'fps=25,scale=1280:720', '-an', ...encode, ...rate, '-f', 'h264', made],
  ]);
  renameSync(made, file);
  return file;
}

/** So many readers of a stream, until they are disposed of. */
export function startReaders(url: string, count: number): Disposable {
  const args = ['-nocam', '-url', url, '-readers', `${count}`, '-warm', '0', '-seconds', '600'];
  const child = spawn(program, args, { stdio: 'ignore' });
  return { [Symbol.dispose]: () => void child.kill('SIGKILL') };
}

export interface Measured {
  readonly readers: number;
  readonly cpuSecondsPer60: number;
  readonly rssMb: number;
  readonly units: number;
  readonly expected: number;
  readonly failed: number;
  readonly delayMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly firstKeyMs: { readonly p50: number; readonly max: number };
}

export interface Step {
  /** A byte stream that the camera plays. */
  readonly file: string;
  /** Port of the camera. */
  readonly camera: number;
  readonly readers: readonly number[];
  readonly seconds: number;
  /** Server under test; absent: the readers read the camera itself, which is the floor. */
  readonly server?: { readonly url: string; readonly pid: number };
  readonly each: (measured: Measured) => void;
}

export async function measure({ file, camera, readers, seconds, server, each }: Step): Promise<readonly Measured[]> {
  const address = `127.0.0.1:${camera}`;
  const child = spawn(
    program,
    [
      ...['-file', file, '-cam', address, '-url', server?.url ?? `rtsp://${address}/cam`],
      ...['-readers', readers.join(), '-seconds', `${seconds}`, ...(server === undefined ? [] : ['-pid', `${server.pid}`])],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const found: Measured[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    if (!line.startsWith('{')) throw new Error(`the yardstick says: ${line}`);
    const said = JSON.parse(line) as Readonly<Record<string, number>>;
    const of = (name: string) => said[name] ?? Number.NaN;
    const measured = {
      readers: of('readers'),
      cpuSecondsPer60: of('cpu_s_per_60s'),
      rssMb: of('rss_mb'),
      units: of('units'),
      expected: of('expected'),
      failed: of('failed'),
      delayMs: { p50: of('delay_ms_p50'), p99: of('delay_ms_p99'), max: of('delay_ms_max') },
      firstKeyMs: { p50: of('first_key_ms_p50'), max: of('first_key_ms_max') },
    };
    found.push(measured);
    each(measured);
  }
  await ended;
  return found;
}
