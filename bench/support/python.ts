import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { dataDirectory } from '../../test/support/data.ts';
import { peerPython } from '../peer.ts';

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

/** The peer on one source to its end: models, people and frame rate as ours, one process per camera. */
export async function runPeer(source: readonly string[], mqtt = 'none'): Promise<PeerRun> {
  const data = ['--models', `${dataDirectory}/models`, '--gallery', `${dataDirectory}/photos`, '--enrol-prefix', 'enrol_'];
  const child = spawn(await peerPython(), [program, ...source, '--fps', '5', '--mqtt', mqtt, ...data], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let alerts = 0;
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    alerts += text.split('\n').length - 1;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const code = await new Promise<number | null>((done, fail) => {
    child.once('error', fail);
    child.once('close', done);
  });
  if (code !== 0) throw new Error(`the peer ended with ${code}: ${said.trim().split('\n').at(-1)}`);
  return { ...JSON.parse(said.trim().split('\n').at(-1) ?? ''), alerts };
}
