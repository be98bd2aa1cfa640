import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { dataDirectory } from '../../test/support/data.ts';
import { peerPython } from './peer.ts';

const program = resolve(import.meta.dirname, '../../../shared/peer/python_peer.py');

/** What `python_peer.py` says at its end. */
export interface PeerRun {
  readonly media_s: number;
  readonly wall_s: number;
  readonly cpu_s: number;
  readonly decoded: number;
  readonly frames: number;
  readonly crops: number;
  readonly dropped: number;
  readonly rss_mb: { readonly VmHWM: number; readonly VmRSS: number };
  readonly alerts: number;
}

const models = ['--models', `${dataDirectory}/models`, '--gallery', `${dataDirectory}/photos`, '--enrol-prefix', 'enrol_'];

async function runPython(program: readonly string[], source: readonly string[], mqtt: string) {
  const child = spawn(await peerPython(), [...program, ...source, '--fps', '5', '--mqtt', mqtt, ...models], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text;
    });
  }
  const code = await new Promise<number | null>((done, fail) => {
    child.once('error', fail);
    child.once('close', done);
  });
  const last = (text: string) => text.trim().split('\n').at(-1) ?? '';
  if (code !== 0) throw new Error(`the peer ended with ${code}: ${last(printed.stderr)}`);
  return { lines: printed.stdout.split('\n').length - 1, out: last(printed.stdout), err: last(printed.stderr) };
}

/** The peer on one source to its end: models, people and frame rate as ours, one process per camera. */
export async function runPeer(source: readonly string[], mqtt: string): Promise<PeerRun> {
  const { lines, err } = await runPython([program], source, mqtt);
  return { ...JSON.parse(err), alerts: lines };
}

/** The same in real time, looped; what it looked at once it had settled for so long. */
export async function runSettledPeer(
  film: string,
  { settleS, seconds }: { readonly settleS: number; readonly seconds: number },
  mqtt: string,
): Promise<{ readonly looks: number; readonly seconds: number }> {
  const settled = [join(import.meta.dirname, 'settled_peer.py'), program, String(settleS)];
  const { out } = await runPython(settled, ['--file', film, '--loop', '--duration', String(settleS + seconds)], mqtt);
  return JSON.parse(out);
}
