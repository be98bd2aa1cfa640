import {
  AVERROR_DECODER_NOT_FOUND,
  AVERROR_DEMUXER_NOT_FOUND,
  AVERROR_EOF,
  AVERROR_HTTP_FORBIDDEN,
  AVERROR_HTTP_UNAUTHORIZED,
  AVERROR_INVALIDDATA,
  AVERROR_PROTOCOL_NOT_FOUND,
  AVERROR_STREAM_NOT_FOUND,
} from 'node-av/constants';
import { FFmpegError } from 'node-av/lib';
import { type ErrorCode, SightlineError } from '../core/errors.ts';

/** Negated `errno` values of Linux as FFmpeg passes them on. */
const errno = {
  ENOENT: -2,
  EIO: -5,
  EACCES: -13,
  EISDIR: -21,
  ENETUNREACH: -101,
  ECONNRESET: -104,
  ETIMEDOUT: -110,
  EHOSTUNREACH: -113,
};
const refused = -111;

const codes: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  [AVERROR_HTTP_UNAUTHORIZED, 'source.auth'],
  [AVERROR_HTTP_FORBIDDEN, 'source.auth'],
  [errno.ENOENT, 'source.unreachable'],
  [errno.EIO, 'source.unreachable'],
  [errno.EACCES, 'source.unreachable'],
  [errno.EISDIR, 'source.unreachable'],
  [errno.ENETUNREACH, 'source.unreachable'],
  [errno.ECONNRESET, 'source.unreachable'],
  [errno.EHOSTUNREACH, 'source.unreachable'],
  [refused, 'source.unreachable'],
  [errno.ETIMEDOUT, 'source.timeout'],
  [AVERROR_INVALIDDATA, 'source.format'],
  [AVERROR_STREAM_NOT_FOUND, 'source.format'],
  [AVERROR_PROTOCOL_NOT_FOUND, 'source.unsupported'],
  [AVERROR_DEMUXER_NOT_FOUND, 'source.unsupported'],
  [AVERROR_DECODER_NOT_FOUND, 'source.unsupported'],
  [AVERROR_EOF, 'source.ended'],
]);

/** What FFmpeg answered, as an error of ours. `shown` is the address without its credentials. */
export function sourceError(result: number, doing: string, shown: string): SightlineError {
  const said = FFmpegError.strerror(result);
  const words = said.charAt(0).toLowerCase() + said.slice(1);
  return new SightlineError(codes.get(result) ?? 'source.failed', `${doing} ${shown} failed: ${words}`, {
    details: { source: shown, ffmpeg: result },
  });
}
