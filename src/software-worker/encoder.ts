import {
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AVERROR_EAGAIN,
  type AVPixelFormat,
  FF_ENCODER_LIBX264,
} from 'node-av/constants';
import { Codec, CodecContext, Dictionary, FFmpegError, type Frame, Packet, Rational } from 'node-av/lib';
import { SightlineError } from '../core/errors.ts';

/** H.264 of one camera's drawn pictures: each picture gives its unit at once. One call at a time. */
export interface Encoder extends Disposable {
  /** `key`: decoding can begin with it. The frame's `pts` must grow, in 90 kHz. Resolves without a unit where the encoder gave none. */
  encode(frame: Frame, key: boolean): Promise<EncodedUnit | undefined>;
}

export interface EncodedUnit {
  readonly key: boolean;
  /** Annex B, a copy. */
  readonly data: Buffer;
}

export interface EncoderFormat {
  /** Both even. */
  readonly width: number;
  readonly height: number;
  /** A format of 8-bit 4:2:0. */
  readonly format: AVPixelFormat;
  /** For the level and the rate; what is encoded keeps its own times. */
  readonly frameRate: number;
}

const clock = 90_000;
/** Whoever encodes says when a key frame is due; this only bounds what the encoder may do by itself. */
const keyEverySeconds = 10;
/** Constant quality, held to what a network bears: bits a pixel a second at most, as 4 Mbit/s for 720p. */
const quality = '23';
const mostBitsPerPixel = 4.4;

/** Rejects with `source.unsupported` where this machine's FFmpeg has no libx264. `like`: its colours are the output's. */
export async function openEncoder(options: EncoderFormat, like: Frame): Promise<Encoder> {
  const codec = Codec.findEncoderByName(FF_ENCODER_LIBX264);
  if (codec === null)
    throw new SightlineError('source.unsupported', 'FFmpeg has no libx264 here to encode annotated video with');
  const { width, height, format, frameRate } = options;
  const rate = Math.max(1, Math.min(60, Math.round(frameRate)));
  const context = new CodecContext();
  context.allocContext3(codec);
  context.width = width;
  context.height = height;
  context.pixelFormat = format;
  context.timeBase = new Rational(1, clock);
  context.framerate = new Rational(rate, 1);
  context.gopSize = keyEverySeconds * rate;
  context.maxBFrames = 0;
  context.threadCount = 1;
  context.colorRange = like.colorRange;
  context.colorSpace = like.colorSpace;
  context.rcMaxRate = BigInt(Math.round(width * height * mostBitsPerPixel));
  context.rcBufferSize = Math.round(width * height * mostBitsPerPixel);
  const opened = await context.open2(
    codec,
    Dictionary.fromObject({ preset: 'ultrafast', tune: 'zerolatency', 'forced-idr': '1', crf: quality }),
  );
  if (opened < 0) {
    context.freeContext();
    throw new SightlineError('source.unsupported', `libx264 does not open: ${FFmpegError.strerror(opened)}`);
  }
  const packet = new Packet();
  packet.alloc();
  return {
    encode: async (frame, key) => {
      // Decoded frames keep the camera's own type.
      frame.pictType = key ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
      FFmpegError.throwIfError(await context.sendFrame(frame), 'encoding a picture');
      // The work was done when the picture was sent.
      const result = context.receivePacketSync(packet);
      if (result === AVERROR_EAGAIN) return undefined;
      FFmpegError.throwIfError(result, 'taking an encoded picture');
      const { data } = packet;
      const unit = data === null ? undefined : { key: packet.isKeyframe, data: Buffer.from(data) };
      packet.unref();
      return unit;
    },
    [Symbol.dispose]: () => {
      packet.free();
      context.freeContext();
    },
  };
}
