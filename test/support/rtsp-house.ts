import assert from 'node:assert/strict';
import { type RtspServer, type RtspServerOptions, startRtspServer } from '../../src/media/rtsp-server.ts';
import { createVideoStream, type VideoStream, type VideoStreamOptions } from '../../src/media/video-stream.ts';
import type { ManualClock } from './clock.ts';
import { type TestContext, testContext } from './context.ts';
import type { RtspClient } from './rtsp-client.ts';

/** An RTSP server with one stream, `lobby`, of pictures that nobody can decode. */

export const sps = Uint8Array.of(0x67, 0x4d, 0x40, 0x1f, 0xaa);
export const pps = Uint8Array.of(0x68, 0xee, 0x3c);
export const format = { codec: 'h264', parameterSets: [sps, pps] } as const;
export const tcp = { Transport: 'RTP/AVP/TCP;unicast;interleaved=0-1' };

export interface House extends AsyncDisposable {
  readonly server: RtspServer;
  readonly stream: VideoStream;
  readonly ctx: TestContext;
  readonly url: string;
  /** One frame, 40 ms after the one before; `bytes` long. */
  frame(key: boolean, bytes?: number): Uint8Array;
}

export interface HouseOptions extends Partial<RtspServerOptions>, Pick<VideoStreamOptions, 'onReaders'> {
  readonly clock?: ManualClock;
  readonly announce?: boolean;
}

export async function house(options: HouseOptions = {}): Promise<House> {
  const { clock, announce = true, onReaders, ...more } = options;
  const ctx = testContext(clock);
  const stream = createVideoStream({ name: 'lobby', ...(onReaders === undefined ? {} : { onReaders }) }, ctx);
  if (announce) stream.announce(format);
  const server = await startRtspServer(
    {
      host: '127.0.0.1',
      port: 0,
      find: (path) => (path === 'lobby' ? stream : undefined),
      ...more,
    },
    ctx,
  );
  let frames = 0;
  return {
    server,
    stream,
    ctx,
    url: server.url('lobby'),
    frame(key, bytes = 3000) {
      const nal = new Uint8Array(bytes).fill(frames & 255);
      nal[0] = key ? 0x65 : 0x41;
      const captureTimeMs = Date.UTC(2026, 0, 1) + frames * 40;
      stream.push({ nals: [nal], pts90k: 1_000_000n + BigInt(frames) * 3600n, captureTimeMs, key });
      frames += 1;
      return nal;
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      ctx[Symbol.dispose]();
    },
  };
}

/** DESCRIBE, SETUP, PLAY; gives the session header. */
export async function play(
  client: RtspClient,
  url: string,
  transport: Readonly<Record<string, string>> = tcp,
): Promise<{ readonly Session: string }> {
  assert.equal((await client.request('DESCRIBE', url, { Accept: 'application/sdp' })).status, 200);
  const setup = await client.request('SETUP', `${url}/trackID=0`, transport);
  assert.equal(setup.status, 200);
  const session = { Session: setup.headers['session']?.split(';')[0] ?? '' };
  assert.equal((await client.request('PLAY', url, session)).status, 200);
  return session;
}
