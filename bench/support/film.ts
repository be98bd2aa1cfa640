import type { Context } from '../../src/core/context.ts';
import { openFile } from '../../src/media/file-demuxer.ts';
import { playFilm } from '../../src/media/file-stream.ts';
import { startRtspServer } from '../../src/media/rtsp-server.ts';
import { type AccessUnit, createVideoStream, type StreamReader, type VideoStream } from '../../src/media/video-stream.ts';

/** Cameras that show one film over RTSP, and say what they send. */

export interface FilmCamera {
  readonly name: string;
  readonly url: string;
  /** From its begin, in real time, so many times; readers are told of the end. */
  play(rounds: number): Promise<void>;
}

export interface FilmCameras extends AsyncDisposable {
  readonly cameras: readonly FilmCamera[];
}

export interface FilmOptions {
  readonly film: string;
  readonly names: readonly string[];
  /** Somebody began to read. */
  readonly onReader?: () => void;
  /** This access unit has just been sent. */
  readonly onSent: (camera: string, unit: AccessUnit) => void;
}

/** Readers can connect at once; nothing is sent before `play`. */
export async function serveFilm({ film, names, onReader, onSent }: FilmOptions, ctx: Context): Promise<FilmCameras> {
  await using first = await openFile(film);
  const streams = names.map((name) =>
    createVideoStream(
      { name, ...(onReader === undefined ? {} : { onReaders: (count: number) => count > 0 && onReader() }) },
      ctx,
    ),
  );
  for (const stream of streams) stream.announce(first.format);
  const served = streams.map((stream): VideoStream => {
    const attach = (reader: StreamReader) => {
      onReader?.();
      return stream.attach(reader);
    };
    return Object.create(stream, { attach: { value: attach } });
  });
  const server = await startRtspServer(
    { host: '127.0.0.1', port: 0, find: (path) => served.find((stream) => stream.name === path) },
    ctx,
  );
  const cameras = streams.map((stream): FilmCamera => {
    const push = (unit: AccessUnit) => {
      stream.push(unit);
      onSent(stream.name, unit);
    };
    return {
      name: stream.name,
      url: server.url(stream.name),
      play: (rounds) => playFilm({ stream: { ...stream, push }, open: () => openFile(film), rounds }, ctx),
    };
  });
  return { cameras, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
