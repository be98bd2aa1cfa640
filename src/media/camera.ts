#!/usr/bin/env node
import { basename, extname } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { systemClock } from '../core/clock.ts';
import type { Context } from '../core/context.ts';
import { errorText } from '../core/errors.ts';
import { createLogger } from '../core/log.ts';
import { createLogStream } from '../core/log-stream.ts';
import { createMetrics } from '../core/metrics.ts';
import { type FilmOptions, playFilm } from './file-stream.ts';
import { startRtspServer } from './rtsp-server.ts';
import { createVideoStream } from './video-stream.ts';

/**
 * A camera for demonstrations and tests: loops a film over RTSP at its own pace, with sender reports.
 *
 *     camera.ts FILE [--name NAME]... [--host 127.0.0.1] [--port 0] [--rounds N] [--stagger] [--attached]
 *
 * Prints a line `ready rtsp://...` for every name when clients can connect; SIGTERM or SIGINT ends it with 0. Several names are
 * several cameras on one port, each playing the film on its own; with --stagger they begin it at different places. With --rounds the
 * film ends after so many rounds, its readers are told, and so does the program (--once: after one). With --attached the line `play`
 * on stdin begins the film and the end of stdin ends the program: it never outlives the one who started it.
 * Exit 1: it broke, 2: wrong arguments.
 *
 * A program of its own, because node-av (FFmpeg, a GPLv3 binary, native code that a broken file can crash) is never loaded into
 * the daemon: whoever wants a camera starts this as a child process.
 */
const usage =
  'usage: camera.ts FILE [--name NAME]... [--host 127.0.0.1] [--port 0] [--rounds N | --once] [--stagger] [--attached]';

/** FFmpeg takes an RTP time of 0 for none and gives the second picture the time of the first; RFC 3550 wants any other begin anyway. */
const firstTicks = 90_000n;

interface Arguments {
  readonly file: string;
  readonly names: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly rounds: number | undefined;
  readonly stagger: boolean;
  readonly attached: boolean;
}

function parseArguments(argv: readonly string[]): Arguments | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        name: { type: 'string', multiple: true },
        host: { type: 'string', default: '127.0.0.1' },
        port: { type: 'string', default: '0' },
        rounds: { type: 'string' },
        once: { type: 'boolean', default: false },
        stagger: { type: 'boolean', default: false },
        attached: { type: 'boolean', default: false },
      },
    });
    const [file, ...more] = positionals;
    const names = values.name ?? [basename(file ?? '', extname(file ?? ''))];
    const rounds = values.rounds ?? (values.once ? '1' : undefined);
    if (file === undefined || more.length > 0 || !/^\d{1,5}$/.test(values.port)) return undefined;
    if (names.some((name) => !/^[\w.-]+$/.test(name)) || new Set(names).size !== names.length) return undefined;
    if (rounds !== undefined && !/^[1-9]\d{0,5}$/.test(rounds)) return undefined;
    const { host, stagger, attached } = values;
    return {
      file,
      names,
      host,
      port: Number(values.port),
      rounds: rounds === undefined ? undefined : Number(rounds),
      stagger,
      attached,
    };
  } catch {
    return undefined;
  }
}

/** Resolves with the line `play` on stdin; the end of stdin calls `onEnd`, whenever it comes. */
function attach(onEnd: () => void): Promise<void> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: process.stdin });
    lines.on('line', (line) => {
      if (line === 'play') resolve();
    });
    lines.on('close', () => {
      onEnd();
      resolve();
    });
  });
}

async function run(args: Arguments, stop: AbortController, ctx: Context): Promise<void> {
  const { file, names, host, port, rounds } = args;
  const { openFile } = await import('./file-demuxer.ts');
  // The first round is opened before anybody is told to connect: a film that cannot be played is an error at start.
  const films = new Map(await Promise.all(names.map(async (name) => [name, await openFile(file)] as const)));
  // As a camera does: a reader's first picture is the next key frame, not one that is seconds old.
  const streams = names.map((name) => createVideoStream({ name, keptBytes: 0 }, ctx));
  await using server = await startRtspServer(
    { host, port, find: (path) => streams.find((stream) => stream.name === path) },
    ctx,
  );
  for (const stream of streams) {
    const format = films.get(stream.name)?.format;
    if (format !== undefined) stream.announce(format);
  }
  for (const name of names) process.stdout.write(`ready ${server.url(name)}\n`);
  if (args.attached) await attach(() => stop.abort());
  await Promise.all(
    streams.map((stream, index) => {
      const durationMs = films.get(stream.name)?.durationMs ?? 0;
      const beginAtMs = args.stagger ? (durationMs * index) / names.length : 0;
      const open = async () => {
        const film = films.get(stream.name) ?? (await openFile(file));
        films.delete(stream.name);
        return film;
      };
      const late: FilmOptions['stream'] = {
        announce: (format) => stream.announce(format),
        push: (unit) => stream.push({ ...unit, pts90k: unit.pts90k + firstTicks }),
        end: () => stream.end(),
      };
      return playFilm({ stream: late, open, beginAtMs, ...(rounds === undefined ? {} : { rounds }) }, ctx);
    }),
  );
}

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());

const parsed = parseArguments(process.argv.slice(2));
if (parsed === undefined) {
  process.stderr.write(`${usage}\n`);
  process.exitCode = 2;
} else {
  const log = createLogger({ level: 'warn', destination: createLogStream(process.stderr, 2) });
  try {
    await run(parsed, stop, { log, clock: systemClock, metrics: createMetrics(), signal: stop.signal });
  } catch (error) {
    process.stderr.write(`camera: ${errorText(error)}\n`);
    process.exitCode = 1;
  }
  // An attached one still reads stdin.
  if (parsed.attached) process.stdin.destroy();
}
