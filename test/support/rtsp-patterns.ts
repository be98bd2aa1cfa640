import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { missingTool } from './data.ts';

const program = resolve(import.meta.dirname, '../fixtures/rtsp-patterns.py');
const python = '/usr/bin/python3';

/** Test pictures of GStreamer's RTSP server: 15 a second, so 6000 ticks of 90 kHz apart, a key picture every two seconds. */
export const patternStep = 6000n;

export function missingRtspPatterns(): string | false {
  return missingTool(spawnSync(python, [program, '--check']).status === 0, 'the GStreamer RTSP server with its encoders');
}

export interface RtspPatterns extends AsyncDisposable {
  readonly port: number;
  url(kind: 'h264' | 'small' | 'slices' | 'h265' | 'h265slices' | 'bframes' | 'jpeg' | 'audio' | 'resized' | 'uhd'): string;
}

export async function startRtspPatterns(): Promise<RtspPatterns> {
  const server = spawn(python, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(server, 'exit');
  const port = await Promise.race([
    once(server.stdout, 'data').then(([said]) => /ready (\d+)/.exec(String(said))?.[1]),
    ended.then(() => undefined),
  ]);
  if (port === undefined) throw new Error('the RTSP patterns did not start');
  return {
    port: Number(port),
    url: (kind) => `rtsp://127.0.0.1:${port}/${kind}`,
    [Symbol.asyncDispose]: async () => {
      server.kill('SIGKILL');
      await ended;
    },
  };
}
