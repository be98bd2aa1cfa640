import { Scaler } from 'node-av/api';
import {
  AV_PIX_FMT_RGB24,
  AV_PIX_FMT_YUV420P,
  AV_PIX_FMT_YUVJ420P,
  AVCOL_RANGE_JPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_RGB,
  type AVPixelFormat,
  SWS_AREA,
  SWS_BILINEAR,
  type SwsFlags,
} from 'node-av/constants';
import { FFmpegError, Frame, SoftwareScaleContext } from 'node-av/lib';
import sharp from 'sharp';
import { SightlineError } from '../core/errors.ts';
import type { RgbImage } from '../core/models.ts';
import type { Box, FivePoints } from '../core/types.ts';
import type { Mask, Plane } from './masks.ts';
import { type ColourReading, greyFromLuma, packI420, rgbFromI420 } from './pixels.ts';

/** A piece of a frame: packed I420 of `width` x `height`, which may be smaller than `rect`. */
export interface Piece {
  readonly rect: Box;
  readonly width: number;
  readonly height: number;
  readonly packed: Uint8Array;
  readonly reading: ColourReading;
  /** Brightness, 0 to 255. */
  readonly grey: Uint8Array;
}

/** Scaling and cutting for one camera and one picture size. One call at a time: FFmpeg's scaler does not bear two. */
export interface Cutter extends Disposable {
  /** The picture's bytes are good until the next call. */
  scale(frame: Frame, size: { readonly width: number; readonly height: number }): Promise<RgbImage>;
  cut(frame: Frame, rect: Box, maxSide: number): Promise<Piece>;
  jpeg(piece: Piece, quality: number): Promise<Uint8Array>;
}

/** Bilinear weighs every source pixel when it shrinks; the fast variant skips some, and small faces with them. */
export function createCutter(): Cutter {
  const scaler = new Scaler({ flags: SWS_BILINEAR });
  const context = scaleContext(SWS_BILINEAR);
  let scaled: Canvas | undefined;
  /** A frame's own pixels count as megabytes with the collector of garbage each time somebody asks where they lie. */
  let copy: Canvas | undefined;
  let copied: Frame | undefined;
  return {
    scale: async (frame, { width, height }) => {
      if (scaled?.width !== width || scaled.height !== height) {
        scaled?.frame.free();
        scaled = createCanvas(AV_PIX_FMT_RGB24, width, height);
      }
      FFmpegError.throwIfError(await context.scaleFrame(scaled.frame, frame), 'sws_scale_frame');
      return { width, height, data: scaled.planes[0].data };
    },
    cut: async (frame, rect, maxSide) => {
      const shrink = Math.min(1, maxSide / Math.max(rect.width, rect.height));
      const even = (side: number) => Math.max(2, 2 * Math.round((side * shrink) / 2));
      if (shrink === 1) {
        if (copied !== frame) {
          if (copy?.width !== frame.width || copy.height !== frame.height || copy.format !== frame.format) {
            copy?.frame.free();
            copy = createCanvas(frame.format as AVPixelFormat, frame.width, frame.height);
          }
          FFmpegError.throwIfError(copy.frame.copy(frame), 'av_frame_copy');
          copied = frame;
        }
        return pieceOf(rect, rect, packI420(copy?.planes ?? [], rect), readingOf(frame));
      }
      const size = { width: even(rect.width), height: even(rect.height) };
      const crop = { x: rect.left, y: rect.top, width: rect.width, height: rect.height };
      const packed = await scaler.toBuffer(frame, { format: 'yuv420p', crop, resize: size });
      // The scaler turns the full range of YUVJ formats into limited range.
      const fullRange = frame.format !== AV_PIX_FMT_YUVJ420P && frame.colorRange === AVCOL_RANGE_JPEG;
      return pieceOf(rect, size, packed, { ...readingOf(frame), fullRange });
    },
    // Not `Scaler.toJpeg`: it marks limited-range pixels as full range without converting them, and pictures come out pale.
    jpeg: async (piece, quality) => {
      const rgb = rgbFromI420(piece.packed, piece.width, piece.height, piece.reading);
      const raw = { width: piece.width, height: piece.height, channels: 3 } as const;
      return await sharp(rgb, { raw }).jpeg({ quality, chromaSubsampling: '4:4:4' }).toBuffer();
    },
    [Symbol.dispose]: () => {
      scaled?.frame.free();
      copy?.frame.free();
      context[Symbol.dispose]();
      scaler.close();
    },
  };
}

/** A frame that is drawn on again and again: new ones, 25 a second from each camera, would keep the collector of garbage busy. */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly format: AVPixelFormat;
  readonly frame: Frame;
  /** Rows without padding. */
  readonly planes: readonly [Plane, ...Plane[]];
}

export function createCanvas(format: AVPixelFormat, width: number, height: number): Canvas {
  const frame = new Frame();
  frame.alloc();
  frame.width = width;
  frame.height = height;
  frame.format = format;
  if (format === AV_PIX_FMT_RGB24) {
    frame.colorSpace = AVCOL_SPC_RGB;
    frame.colorRange = AVCOL_RANGE_JPEG;
  }
  FFmpegError.throwIfError(frame.getBuffer(1), 'buffer of a scaled frame');
  const [first, ...others] = planesOf(frame);
  if (first === undefined) throw new SightlineError('source.failed', 'no memory for a scaled frame');
  return { width, height, format, frame, planes: [first, ...others] };
}

/** A context without fixed settings goes by what each frame says of its size, matrix and range. */
export function scaleContext(flags: SwsFlags): SoftwareScaleContext {
  const context = new SoftwareScaleContext();
  context.allocContext();
  FFmpegError.throwIfError(context.setOption('sws_flags', flags), 'sws_flags');
  return context;
}

/** 16:9 at a twenty-fourth of full HD. */
const gateSize = { width: 80, height: 45 } as const;

/** Brightness as the motion gate sees it, for one camera. */
export interface GateEye extends Disposable {
  /** Each pixel the mean of its part of the luma plane; good until the next call. */
  look(frame: Frame): { readonly grey: Uint8Array; readonly width: number; readonly height: number };
}

export function createGateEye(): GateEye {
  const context = scaleContext(SWS_AREA);
  const canvas = createCanvas(AV_PIX_FMT_YUV420P, gateSize.width, gateSize.height);
  return {
    // At once and not in a thread: at 720p it takes a tenth of what handing it over would.
    look: (frame) => {
      // Levels as they are coded; the scaler stretches those of a grey picture.
      canvas.frame.colorRange = frame.colorRange;
      canvas.frame.colorSpace = frame.colorSpace;
      FFmpegError.throwIfError(context.scaleFrameSync(canvas.frame, frame), 'sws_scale_frame');
      return { grey: canvas.planes[0].data, ...gateSize };
    },
    [Symbol.dispose]: () => {
      canvas.frame.free();
      context[Symbol.dispose]();
    },
  };
}

export function readingOf(frame: Frame): ColourReading {
  return {
    matrix: frame.colorSpace === AVCOL_SPC_BT709 ? 'bt709' : 'bt601',
    fullRange: frame.format === AV_PIX_FMT_YUVJ420P || frame.colorRange === AVCOL_RANGE_JPEG,
  };
}

function pieceOf(
  rect: Box,
  { width, height }: { readonly width: number; readonly height: number },
  packed: Uint8Array,
  reading: ColourReading,
): Piece {
  return { rect, width, height, packed, reading, grey: greyFromLuma(packed.subarray(0, width * height), reading) };
}

/** Box and points of the frame in pixels of the piece. */
export function intoPiece(piece: Piece, box: Box): Box {
  const x = piece.width / piece.rect.width;
  const y = piece.height / piece.rect.height;
  return {
    left: (box.left - piece.rect.left) * x,
    top: (box.top - piece.rect.top) * y,
    width: box.width * x,
    height: box.height * y,
  };
}

export function pointsIntoPiece(piece: Piece, points: FivePoints): FivePoints {
  const x = piece.width / piece.rect.width;
  const y = piece.height / piece.rect.height;
  const [a, b, c, d, e] = points;
  const at = (point: FivePoints[0]) => ({ x: (point.x - piece.rect.left) * x, y: (point.y - piece.rect.top) * y });
  return [at(a), at(b), at(c), at(d), at(e)];
}

function planesOf(frame: Frame): readonly Plane[] {
  const pitches = frame.linesize;
  return (frame.data ?? []).map((data, index) => ({ data, stride: pitches[index] ?? 0 }));
}

/** Blackens the masked parts in place; the decoder's own reference pictures stay as they are. */
export function blacken(frame: Frame, mask: Mask): void {
  frame.makeWritable();
  mask.blackenI420(planesOf(frame));
}
