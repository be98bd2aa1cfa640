import { parseArgs } from 'node:util';
import { systemClock } from '../../src/core/clock.ts';
import type { Context } from '../../src/core/context.ts';
import { createLogger } from '../../src/core/log.ts';
import { createMetrics } from '../../src/core/metrics.ts';
import type { AccessUnit } from '../../src/media/video-stream.ts';
import { serveFilm } from '../support/film.ts';

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

/** Of each camera, the wall clock of its film's begin as said last, milliseconds. */
const saidMs = new Map<string, number>();

function onSent(camera: string, { pts90k, captureTimeMs }: AccessUnit): void {
  const mediaMs = Number(pts90k) / 90;
  const zeroMs = captureTimeMs - mediaMs;
  if (Math.abs(zeroMs - (saidMs.get(camera) ?? Number.NEGATIVE_INFINITY)) <= slackMs) return;
  saidMs.set(camera, zeroMs);
  process.stdout.write(`film ${camera} ${mediaMs.toFixed(0)} ${captureTimeMs.toFixed(0)}\n`);
}

{
  await using served = await serveFilm({ film, names: values.name, onSent }, ctx);
  for (const { name, url } of served.cameras) process.stdout.write(`ready ${name} ${url}\n`);
  const play = Promise.withResolvers<void>();
  process.stdin.on('data', () => play.resolve());
  process.stdin.on('close', () => {
    controller.abort();
    play.resolve();
  });
  await play.promise;
  await Promise.all(served.cameras.map((camera) => camera.play(Number(values.rounds))));
}
process.stdin.destroy();
