import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { missingTool } from './data.ts';

/** The test camera beside the test data: GStreamer's RTSP server, so an implementation that is not ours. */
const program = resolve(
  process.env['SIGHTLINE_RTSP_CAMERA'] ?? resolve(import.meta.dirname, '../../../shared/setup/rtsp-camera'),
);

export function missingRtspCamera(): string | false {
  return missingTool(existsSync(program), 'the RTSP test camera, ../shared/setup/rtsp-camera');
}

export interface RtspCamera extends AsyncDisposable {
  /** Without credentials. */
  readonly url: string;
  readonly port: number;
  /** Resolves when the program has ended: with `once`, a second after the last frame. */
  readonly exited: Promise<void>;
  /** As when somebody pulls the plug. */
  kill(): Promise<void>;
  /** Freezes the program: connected, and silent. */
  freeze(): void;
}

export interface RtspCameraOptions {
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
  readonly protocols?: 'tcp' | 'udp';
  readonly ntp?: boolean;
  readonly once?: boolean;
  /** Re-encode, for files that are not H.264 without B-frames. */
  readonly transcode?: boolean;
}

export async function startRtspCamera(file: string, options: RtspCameraOptions = {}): Promise<RtspCamera> {
  const child = spawn(
    program,
    [
      'serve',
      file,
      ...['--port', String(options.port ?? 0)],
      ...(options.user === undefined ? [] : ['--user', options.user]),
      ...(options.protocols === undefined ? [] : ['--protocols', options.protocols]),
      ...(options.ntp === false ? ['--no-ntp'] : []),
      ...(options.once === true ? ['--once'] : []),
      ...(options.transcode === true ? ['--transcode'] : []),
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...(options.password === undefined ? {} : { RTSP_CAMERA_PASSWORD: options.password }) },
    },
  );
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  let said = '';
  const url = await new Promise<string>((ready, fail) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const found = /ready (\S+)/.exec(output)?.[1];
      if (found !== undefined) ready(found);
    });
    child.once('exit', (code) => fail(new Error(`the RTSP test camera ended with ${code}: ${said}`)));
  });
  async function kill(): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await exited;
  }
  return {
    url,
    port: Number(new URL(url).port),
    exited,
    kill,
    freeze: () => void child.kill('SIGSTOP'),
    [Symbol.asyncDispose]: kill,
  };
}
