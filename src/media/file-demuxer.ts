import {
  AV_CODEC_ID_H264,
  AV_CODEC_ID_HEVC,
  AV_LOG_QUIET,
  AV_NOPTS_VALUE,
  AVERROR_EOF,
  AVMEDIA_TYPE_VIDEO,
} from 'node-av/constants';
import { FFmpegError, FormatContext, Log, Packet } from 'node-av/lib';
import { SightlineError } from '../core/errors.ts';
import type { DemuxedUnit, FileDemuxer } from './file-stream.ts';
import { parseAvcConfiguration, splitLengthPrefixed } from './h264.ts';
import { parseHevcConfiguration } from './h265.ts';
import { type Codec, splitAnnexB } from './nal.ts';

/** Access units of an H.264 or H.265 file by FFmpeg. Only the camera program loads this: FFmpeg does not belong into the daemon. */

const codecs = new Map<number, Codec>([
  [AV_CODEC_ID_H264, 'h264'],
  [AV_CODEC_ID_HEVC, 'h265'],
]);
const ticksPerSecond = 90_000n;

function failed(path: string, result: number): SightlineError {
  const words = FFmpegError.strerror(result);
  return new SightlineError('source.failed', `reading ${path} failed: ${words}`, { details: { source: path, ffmpeg: result } });
}

export interface OpenFile extends FileDemuxer {
  /** As the container states it; 0 when it does not. */
  readonly durationMs: number;
}

/** Rejects with `source.failed` when there is no such file, `source.format` when it holds neither H.264 nor H.265. */
export async function openFile(path: string): Promise<OpenFile> {
  Log.setLevel(AV_LOG_QUIET);
  const format = new FormatContext();
  format.allocContext();
  const opened = await format.openInput(`file:${path}`, null, null);
  if (opened < 0) throw failed(path, opened);
  try {
    const probed = await format.findStreamInfo();
    if (probed < 0) throw failed(path, probed);
    const stream = format.streams[format.findBestStream(AVMEDIA_TYPE_VIDEO)];
    const codec = stream && codecs.get(stream.codecpar.codecId);
    if (stream === undefined || codec === undefined) {
      throw new SightlineError('source.format', `${path} has no H.264 or H.265 video; the camera sends films as they are`);
    }
    return demuxer(format, stream.index, codec, path);
  } catch (error) {
    await format.closeInput();
    throw error;
  }
}

/** MP4 keeps parameter sets and the size of length prefixes aside; undefined for a raw byte stream, which begins with a start code. */
function configurationOf(codec: Codec, extradata: Uint8Array | null) {
  if (extradata?.[0] !== 1) return undefined;
  if (codec === 'h265') return parseHevcConfiguration(extradata);
  const { sps, pps, lengthBytes } = parseAvcConfiguration(extradata);
  return { nals: [sps, pps], lengthBytes };
}

function demuxer(format: FormatContext, index: number, codec: Codec, path: string): OpenFile {
  const stream = format.streams[index];
  if (stream === undefined) throw new SightlineError('source.format', `${path} has no video`);
  const configuration = configurationOf(codec, stream.codecpar.extradata);
  const { num, den } = stream.timeBase;
  const rate = stream.avgFrameRate;
  const frameTicks = rate.num > 0 ? (ticksPerSecond * BigInt(rate.den)) / BigInt(rate.num) : ticksPerSecond / 25n;
  const ticks = (value: bigint) => (value * ticksPerSecond * BigInt(num)) / BigInt(den);
  const packet = new Packet();
  packet.alloc();
  let nextDts = 0n;

  async function read(): Promise<DemuxedUnit | undefined> {
    while (true) {
      packet.unref();
      const result = await format.readFrame(packet);
      if (result === AVERROR_EOF) return undefined;
      if (result < 0) throw failed(path, result);
      const data = packet.streamIndex === index ? packet.data : null;
      if (data === null) continue;
      // A copy: the packet's memory goes with the next read.
      const bytes = Buffer.from(data);
      const dts90k = packet.dts === AV_NOPTS_VALUE ? nextDts : ticks(packet.dts);
      const durationTicks = packet.duration > 0n ? ticks(packet.duration) : frameTicks;
      nextDts = dts90k + durationTicks;
      return {
        nals: configuration === undefined ? splitAnnexB(bytes) : splitLengthPrefixed(bytes, configuration.lengthBytes),
        pts90k: packet.pts === AV_NOPTS_VALUE ? dts90k : ticks(packet.pts),
        dts90k,
        durationTicks,
        key: packet.isKeyframe,
      };
    }
  }

  return {
    format: { codec, parameterSets: configuration?.nals ?? [] },
    // FFmpeg counts in microseconds here.
    durationMs: format.duration > 0n ? Number(format.duration) / 1000 : 0,
    read,
    async [Symbol.asyncDispose]() {
      packet.free();
      await format.closeInput();
    },
  };
}
