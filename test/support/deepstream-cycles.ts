import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { dataPath } from './data.ts';
import { renderApp } from './deepstream-app.ts';
import { temporaryDirectory } from './directory.ts';
import { cameraConfig, detectConfig, startTestDaemon } from './software-worker.ts';
import { standinBuild, standinEnv } from './standin.ts';
import { until } from './until.ts';

/** The program of a DeepStream container made and taken down again and again, and what stays behind. */

export interface Held {
  readonly files: number;
  readonly threads: number;
  readonly residentKib: number;
}

/** What a process holds now. */
export async function heldBy(pid: number): Promise<Held> {
  const [files, threads, status] = await Promise.all([
    readdir(`/proc/${pid}/fd`),
    readdir(`/proc/${pid}/task`),
    readFile(`/proc/${pid}/status`, 'utf8'),
  ]);
  return { files: files.length, threads: threads.length, residentKib: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) };
}

/** Rise of the line through the values that lies closest to them. */
function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const both = values.reduce((sum, value, i) => sum + (i - middle) * (value - mean), 0);
  return both / values.reduce((sum, _, i) => sum + (i - middle) ** 2, 0);
}

/** The first third is for caches and pools to fill. */
export function assertNoGrowth(held: readonly Held[], mostKib: number, what: string): void {
  const later = held.slice(Math.floor(held.length / 3));
  const [first, last] = [later[0], later.at(-1)];
  assert.ok(first !== undefined && last !== undefined);
  const rise = slope(later.map(({ residentKib }) => residentKib));
  const told = `${what}, ${later.length} of ${held.length} times: ${JSON.stringify(first)} to ${JSON.stringify(last)}, ${rise.toFixed(1)} KiB a time`;
  console.log(told);
  assert.ok(last.files <= first.files, `descriptors stay open: ${told}`);
  assert.ok(last.threads <= first.threads, `threads stay: ${told}`);
  assert.ok(rise < mostKib, `memory grows: ${told}`);
}

/** glibc keeps what was freed, in as many places as there are threads; told so it gives it back, and what grows is held. */
export const returning = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' };

export async function startAndStop(times: number): Promise<readonly Held[]> {
  const directory = await temporaryDirectory();
  await using _ = directory;
  const clip = 'real_classroom';
  const detect = [detectConfig('persons'), detectConfig('faces')];
  const camera = cameraConfig('lobby', dataPath(`clips/${clip}.mp4`), { detect, realtime: true });
  await using daemon = await startTestDaemon({ cameras: [camera], inference: undefined });
  const container = await renderApp({
    ...{ directory: directory.path, bridge: daemon.socketPath, cameras: ['lobby'], script: { lobby: clip } },
    mux: { width: 320, height: 180 },
  });
  const child = spawn(join(standinBuild, 'app/tests/cycles'), [String(times), container], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...standinEnv({ control: join(directory.path, 'control.json') }), ...returning },
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-5000)));
  const held: Held[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => held.push(JSON.parse(line) as Held));
  const ended = new Promise<number | string>((done) => child.once('close', (code, signal) => done(code ?? signal ?? '')));
  const failed = ended.then((code) => Promise.reject(new Error(`it ended with ${code}: ${said}`)));
  failed.catch(() => {});
  try {
    for (let time = 0; time < times - 1; time += 1) {
      const before = daemon.frames.length;
      await Promise.race([until(`frames, time ${time}`, () => daemon.frames.length > before + 3, 60_000), failed]);
      daemon.send({ $case: 'drain', value: {} });
      await Promise.race([until(`end ${time}`, () => held.length > time, 60_000), failed]);
    }
    const before = daemon.frames.length;
    await Promise.race([until('frames, the last time', () => daemon.frames.length > before + 3, 60_000), failed]);
    daemon.send({ $case: 'drain', value: {} });
    assert.equal(await ended, 0, said);
    return held;
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}
