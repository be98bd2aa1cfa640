#!/usr/bin/env node
import { basename, extname } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../core/clock.ts';
import type { Context } from '../core/context.ts';
import { errorText } from '../core/errors.ts';
import { createLogger } from '../core/log.ts';
import { createMetrics } from '../core/metrics.ts';
import { playFilm } from './file-stream.ts';
import { startRtspServer } from './rtsp-server.ts';
import { createVideoStream } from './video-stream.ts';

/**
 * A camera for demonstrations and tests: loops a film over RTSP at its own pace, with sender reports.
 *
 *     camera.ts FILE [--name NAME] [--host 127.0.0.1] [--port 0] [--once]
 *
 * Prints one line `ready rtsp://...` when clients can connect; SIGTERM or SIGINT ends it with 0. With --once the film ends after one
 * round, its readers are told, and so does the program. Exit 1: it broke, 2: wrong arguments.
 *
 * A program of its own, because node-av (FFmpeg, a GPLv3 binary, native code that a broken file can crash) is never loaded into
 * the daemon: whoever wants a camera starts this as a child process.
 */
const usage = 'usage: camera.ts FILE [--name NAME] [--host 127.0.0.1] [--port 0] [--once]';

interface Arguments {
  readonly file: string;
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly once: boolean;
}

function parseArguments(argv: readonly string[]): Arguments | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        name: { type: 'string' },
        host: { type: 'string', default: '127.0.0.1' },
        port: { type: 'string', default: '0' },
        once: { type: 'boolean', default: false },
      },
    });
    const [file, ...more] = positionals;
    const name = values.name ?? basename(file ?? '', extname(file ?? ''));
    if (file === undefined || more.length > 0 || !/^[\w.-]+$/.test(name) || !/^\d{1,5}$/.test(values.port)) return undefined;
    return { file, name, host: values.host, port: Number(values.port), once: values.once };
  } catch {
    return undefined;
  }
}

async function run({ file, name, host, port, once }: Arguments, ctx: Context): Promise<void> {
  const { openFile } = await import('./file-demuxer.ts');
  const stream = createVideoStream({ name }, ctx);
  // The first round is opened before anybody is told to connect: a film that cannot be played is an error at start.
  let first: Awaited<ReturnType<typeof openFile>> | undefined = await openFile(file);
  await using server = await startRtspServer({ host, port, streams: new Map([[name, stream]]) }, ctx);
  process.stdout.write(`ready ${server.url(name)}\n`);
  const open = async () => {
    const film = first ?? (await openFile(file));
    first = undefined;
    return film;
  };
  await playFilm({ stream, open, once }, ctx);
}

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());

const parsed = parseArguments(process.argv.slice(2));
if (parsed === undefined) {
  process.stderr.write(`${usage}\n`);
  process.exitCode = 2;
} else {
  const log = createLogger({ level: 'warn' });
  try {
    await run(parsed, { log, clock: systemClock, metrics: createMetrics(), signal: stop.signal });
  } catch (error) {
    process.stderr.write(`camera: ${errorText(error)}\n`);
    process.exitCode = 1;
  }
}
