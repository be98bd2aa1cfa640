import { parseArgs } from 'node:util';
import { systemClock } from '../../src/core/clock.ts';
import type { Context } from '../../src/core/context.ts';
import { createLogger } from '../../src/core/log.ts';
import { createMetrics } from '../../src/core/metrics.ts';
import { openFile } from '../../src/media/file-demuxer.ts';
import { playFilm } from '../../src/media/file-stream.ts';
import { startRtspServer } from '../../src/media/rtsp-server.ts';
import { createVideoStream, type VideoStream } from '../../src/media/video-stream.ts';

/**
 * RTSP cameras that all play one film from its begin, and say which moment of the wall clock shows which picture:
 *
 *     camera.ts FILM --name NAME... --rounds N
 *
 * Prints `ready NAME URL` for each; the line `play` on stdin begins the film. `film NAME MEDIA_MS WALL_MS`: from this media time on
 * pictures carry capture times counted from this wall clock; said at the begin and whenever a busy machine made the film fall behind.
 * Ends after its rounds, or with stdin.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string', multiple: true, default: [] }, rounds: { type: 'string', default: '1' } },
});
const [film = ''] = positionals;
const controller = new AbortController();
const ctx: Context = {
  log: createLogger({ level: 'warn', destination: process.stderr }),
  clock: systemClock,
  metrics: createMetrics(),
  signal: controller.signal,
};

/** Capture times may be apart by rounding. */
const slackMs = 2;

function telling(stream: VideoStream): VideoStream {
  let saidMs = Number.NEGATIVE_INFINITY;
  return {
    ...stream,
    push: (unit) => {
      const mediaMs = Number(unit.pts90k) / 90;
      const zeroMs = unit.captureTimeMs - mediaMs;
      if (Math.abs(zeroMs - saidMs) > slackMs) {
        saidMs = zeroMs;
        process.stdout.write(`film ${stream.name} ${mediaMs.toFixed(0)} ${unit.captureTimeMs.toFixed(0)}\n`);
      }
      stream.push(unit);
    },
  };
}

const streams = values.name.map((name) => createVideoStream({ name }, ctx));
{
  await using server = await startRtspServer(
    { host: '127.0.0.1', port: 0, streams: new Map(streams.map((stream) => [stream.name, stream])) },
    ctx,
  );
  await using first = await openFile(film);
  for (const stream of streams) {
    if (first.parameters !== undefined) stream.announce(first.parameters);
    process.stdout.write(`ready ${stream.name} ${server.url(stream.name)}\n`);
  }
  const play = Promise.withResolvers<void>();
  process.stdin.on('data', () => play.resolve());
  process.stdin.on('close', () => {
    controller.abort();
    play.resolve();
  });
  await play.promise;
  await Promise.all(
    streams.map((stream) =>
      playFilm({ stream: telling(stream), open: () => openFile(film), rounds: Number(values.rounds) }, ctx),
    ),
  );
}
process.stdin.destroy();
