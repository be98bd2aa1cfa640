import { parseArgs } from 'node:util';
import { openFile } from '../../src/media/file-demuxer.ts';
import { playFilm } from '../../src/media/file-stream.ts';
import { startRtspServer } from '../../src/media/rtsp-server.ts';
import { createVideoStream, type VideoStream } from '../../src/media/video-stream.ts';
import { testContext } from '../../test/support/context.ts';

/**
 * A camera that knows when it sent each frame: plays a film once over RTSP, in real time and with sender reports, from the moment its
 * first reader is there. Prints `ready URL`, and at the end one line of JSON: for every frame its time stamp in milliseconds since the
 * first, and the wall clock in milliseconds at which it was sent.
 */
const { positionals } = parseArgs({ allowPositionals: true });
const [file] = positionals;
if (file === undefined) throw new Error('usage: camera.ts FILE');

/** What a reader needs from the answer to PLAY to its first read. */
const settleMs = 300;

using ctx = testContext();
const reader = Promise.withResolvers<void>();
const stream = createVideoStream({ name: 'camera', onReader: () => reader.resolve() }, ctx);
const sent: { readonly ptsMs: number; readonly atMs: number }[] = [];
const watched: VideoStream = {
  ...stream,
  get readers() {
    return stream.readers;
  },
  push: (unit) => {
    stream.push(unit);
    sent.push({ ptsMs: Number(unit.pts90k) / 90, atMs: performance.timeOrigin + performance.now() });
  },
};
const film = await openFile(file);
await using server = await startRtspServer({ host: '127.0.0.1', port: 0, streams: new Map([['camera', stream]]) }, ctx);
if (film.parameters !== undefined) stream.announce(film.parameters);
console.log(`ready ${server.url('camera')}`);
await reader.promise;
await ctx.clock.sleep(settleMs, ctx.signal);
await playFilm({ stream: watched, open: async () => film, rounds: 1 }, ctx);
console.log(JSON.stringify(sent));
