import { availableParallelism } from 'node:os';
import { Scaler } from 'node-av/api';
import {
  AV_HWDEVICE_TYPE_CUDA,
  AV_HWDEVICE_TYPE_QSV,
  AV_HWDEVICE_TYPE_VAAPI,
  AV_PIX_FMT_YUV420P,
  AV_PIX_FMT_YUVJ420P,
  AV_PIX_FMT_YUVJ422P,
  AV_PIX_FMT_YUVJ440P,
  AV_PIX_FMT_YUVJ444P,
  AVCOL_RANGE_MPEG,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  type AVHWDeviceType,
  SWS_BILINEAR,
} from 'node-av/constants';
import { Codec, CodecContext, type CodecParameters, Frame, HardwareDeviceContext, type Packet, Rational } from 'node-av/lib';
import { SightlineError } from '../core/errors.ts';

/** `auto` tries the hardware paths in this order. */
export const hardwarePaths = ['vaapi', 'qsv', 'nvdec'] as const;
export type HardwarePath = (typeof hardwarePaths)[number];
export type DecodeChoice = 'auto' | 'software' | HardwarePath;

const deviceTypes: Readonly<Record<HardwarePath, AVHWDeviceType>> = {
  vaapi: AV_HWDEVICE_TYPE_VAAPI,
  qsv: AV_HWDEVICE_TYPE_QSV,
  nvdec: AV_HWDEVICE_TYPE_CUDA,
};

/** Hardware decoders of this machine, each opened once and shared by its cameras. */
export interface Hardware extends Disposable {
  device(path: HardwarePath): HardwareDeviceContext | undefined;
}

export function createHardware(): Hardware {
  const devices = new Map<HardwarePath, HardwareDeviceContext | undefined>();
  return {
    device: (path) => {
      if (!devices.has(path)) {
        const device = new HardwareDeviceContext();
        const made = device.create(deviceTypes[path]) >= 0;
        if (!made) device.free();
        devices.set(path, made ? device : undefined);
      }
      return devices.get(path);
    },
    [Symbol.dispose]: () => {
      for (const device of devices.values()) device?.free();
      devices.clear();
    },
  };
}

/** One at a time, like everything of FFmpeg's. */
export interface Decoder extends Disposable {
  readonly codec: string;
  readonly path: 'software' | HardwarePath;
  /** Frames that are complete with this unit, as I420 in memory; the caller frees them. `undefined` flushes what is left. */
  decode(packet: Packet | undefined): Promise<readonly Frame[]>;
  /** Units that could not be decoded. */
  readonly errors: number;
}

const fullRangeFormats: ReadonlySet<number> = new Set([
  AV_PIX_FMT_YUVJ420P,
  AV_PIX_FMT_YUVJ422P,
  AV_PIX_FMT_YUVJ444P,
  AV_PIX_FMT_YUVJ440P,
]);
/** Above this many pixels one thread no longer decodes 25 frames a second. */
const largePicture = 1920 * 1088;

async function openContext(
  parameters: CodecParameters,
  path: 'software' | HardwarePath,
  hardware: Hardware,
): Promise<{ readonly context: CodecContext; readonly codec: string } | undefined> {
  const codec = Codec.findDecoder(parameters.codecId);
  if (codec === null) {
    throw new SightlineError('source.unsupported', 'the source uses a codec that FFmpeg cannot decode here', {
      details: { codecId: parameters.codecId },
    });
  }
  const device = path === 'software' ? undefined : hardware.device(path);
  if (path !== 'software' && (device === undefined || !codec.supportsDevice(deviceTypes[path]))) return undefined;
  const context = new CodecContext();
  context.allocContext3(codec);
  context.parametersToContext(parameters);
  context.threadCount =
    path === 'software' && parameters.width * parameters.height > largePicture ? Math.min(4, availableParallelism()) : 1;
  if (device !== undefined && path !== 'software') {
    context.hwDeviceCtx = device;
    for (let index = 0; ; index += 1) {
      const config = codec.getHwConfig(index);
      if (config === null) break;
      if (config.deviceType === deviceTypes[path]) {
        context.setHardwarePixelFormat(config.pixFmt);
        break;
      }
    }
  }
  const opened = await context.open2(codec, null);
  if (opened < 0) {
    context.freeContext();
    if (path !== 'software') return undefined;
    throw new SightlineError('source.unsupported', `the ${codec.name ?? 'unknown'} decoder did not open`, {
      details: { ffmpeg: opened },
    });
  }
  return { context, codec: codec.name ?? 'unknown' };
}

/**
 * Opens a decoder on the chosen path. `auto` takes the first hardware path that opens and falls back to software, also when
 * the hardware refuses the first units; an explicit path that this machine lacks is `source.unsupported`.
 */
export async function openDecoder(parameters: CodecParameters, choice: DecodeChoice, hardware: Hardware): Promise<Decoder> {
  const candidates: readonly ('software' | HardwarePath)[] = choice === 'auto' ? [...hardwarePaths, 'software'] : [choice];
  let chosen: { readonly context: CodecContext; readonly codec: string } | undefined;
  let path: 'software' | HardwarePath = 'software';
  for (const candidate of candidates) {
    chosen = await openContext(parameters, candidate, hardware);
    path = candidate;
    if (chosen !== undefined) break;
  }
  if (chosen === undefined) {
    throw new SightlineError(
      'source.unsupported',
      `decode: ${choice} is not available on this machine for this codec; auto or software would be`,
      { details: { decode: choice } },
    );
  }
  let { context } = chosen;
  const { codec } = chosen;
  const decoded = new Frame();
  decoded.alloc();
  const scaler = new Scaler({ flags: SWS_BILINEAR });
  let frames = 0;
  let errors = 0;

  async function plain(frame: Frame): Promise<Frame> {
    if (frame.format === AV_PIX_FMT_YUV420P || frame.format === AV_PIX_FMT_YUVJ420P) {
      const held = frame.clone();
      if (held === null) throw new SightlineError('source.failed', 'no memory for a decoded frame');
      return held;
    }
    const pixels = await scaler.toBuffer(frame, { format: 'yuv420p' });
    const made = Frame.fromVideoBuffer(pixels, {
      width: frame.width,
      height: frame.height,
      format: AV_PIX_FMT_YUV420P,
      pts: frame.pts,
    });
    made.colorSpace = frame.colorSpace;
    // The scaler turns the full range of YUVJ formats, and of no others, into limited range.
    made.colorRange = fullRangeFormats.has(frame.format) ? AVCOL_RANGE_MPEG : frame.colorRange;
    made.bestEffortTimestamp = frame.bestEffortTimestamp;
    return made;
  }

  async function receive(): Promise<Frame[]> {
    const received: Frame[] = [];
    while (true) {
      const result = await context.receiveFrame(decoded);
      if (result === AVERROR_EAGAIN || result === AVERROR_EOF) return received;
      if (result < 0) {
        errors += 1;
        return received;
      }
      frames += 1;
      const held = await plain(decoded);
      decoded.unref();
      // The low-level decoder leaves 0/1, with which conversions fail.
      held.timeBase = new Rational(1, 90_000);
      received.push(held);
    }
  }

  return {
    codec,
    get path() {
      return path;
    },
    get errors() {
      return errors;
    },
    decode: async (packet) => {
      let sent = await context.sendPacket(packet ?? null);
      if (sent < 0 && sent !== AVERROR_EAGAIN && frames === 0 && path !== 'software' && choice === 'auto') {
        const software = await openContext(parameters, 'software', hardware);
        if (software !== undefined) {
          context.freeContext();
          context = software.context;
          path = 'software';
          sent = await context.sendPacket(packet ?? null);
        }
      }
      const received = await receive();
      // A decoder that was full takes the unit after it was emptied.
      if (sent === AVERROR_EAGAIN) {
        sent = await context.sendPacket(packet ?? null);
        received.push(...(await receive()));
      }
      if (sent < 0 && sent !== AVERROR_EOF) errors += 1;
      return received;
    },
    [Symbol.dispose]: () => {
      decoded.free();
      scaler.close();
      context.freeContext();
    },
  };
}
