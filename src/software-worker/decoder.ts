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
  /** Frames that are left. What comes next does not go on from them: it begins with a key picture. */
  breakOff(): Promise<readonly Frame[]>;
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

function unavailable(choice: DecodeChoice): SightlineError {
  return new SightlineError(
    'source.unsupported',
    `decode: ${choice} is not available on this machine for this codec; auto or software would be`,
    { details: { decode: choice } },
  );
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
  if (chosen === undefined) throw unavailable(choice);
  let { context } = chosen;
  const { codec } = chosen;
  const decoded = new Frame();
  decoded.alloc();
  let scaler: { readonly key: string; readonly scaler: Scaler } | undefined;
  let frames = 0;
  let errors = 0;

  /** One scaler per kind of picture: they keep what they set up for the first. */
  function scalerFor(frame: Frame): Scaler {
    const key = `${frame.width}x${frame.height} ${frame.format}`;
    if (scaler?.key !== key) {
      scaler?.scaler.close();
      scaler = { key, scaler: new Scaler({ flags: SWS_BILINEAR }) };
    }
    return scaler.scaler;
  }

  async function plain(frame: Frame): Promise<Frame> {
    if (frame.format === AV_PIX_FMT_YUV420P || frame.format === AV_PIX_FMT_YUVJ420P) {
      const held = frame.clone();
      if (held === null) throw new SightlineError('source.failed', 'no memory for a decoded frame');
      return held;
    }
    const pixels = await scalerFor(frame).toBuffer(frame, { format: 'yuv420p' });
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

  async function take(): Promise<Frame> {
    try {
      // A hardware decoder that does not know this stream hands over to the software one without a word.
      if (path !== 'software' && !decoded.isHwFrame()) {
        if (choice !== 'auto') throw unavailable(choice);
        path = 'software';
      }
      const held = await plain(decoded);
      // The low-level decoder leaves 0/1, with which conversions fail.
      held.timeBase = new Rational(1, 90_000);
      frames += 1;
      return held;
    } finally {
      decoded.unref();
    }
  }

  /** Sends a unit and takes what is complete; the frames in `received` are the caller's also when this rejects. */
  async function pass(packet: Packet | undefined, received: Frame[]): Promise<void> {
    let sent: number = AVERROR_EAGAIN;
    // A decoder that is full takes the unit after it was emptied.
    for (let attempt = 0; attempt < 2 && sent === AVERROR_EAGAIN; attempt += 1) {
      sent = await context.sendPacket(packet ?? null);
      while (true) {
        // Without threads of its own a decoder works when it is sent a unit; taking the frame is no work.
        const result = context.threadCount === 1 ? context.receiveFrameSync(decoded) : await context.receiveFrame(decoded);
        if (result === AVERROR_EAGAIN || result === AVERROR_EOF) break;
        if (result < 0) {
          sent = result;
          break;
        }
        received.push(await take());
      }
    }
    if (sent < 0 && sent !== AVERROR_EOF) {
      errors += 1;
      if (mayFallBack()) throw new SightlineError('source.failed', `the ${path} decoder refused the stream`);
    }
  }

  function mayFallBack(): boolean {
    return choice === 'auto' && path !== 'software' && frames === 0;
  }

  async function fallBack(): Promise<void> {
    const software = await openContext(parameters, 'software', hardware);
    if (software === undefined) return;
    context.freeContext();
    context = software.context;
    path = 'software';
  }

  async function decode(packet: Packet | undefined): Promise<readonly Frame[]> {
    const received: Frame[] = [];
    try {
      await pass(packet, received);
    } catch (error) {
      for (const frame of received.splice(0)) frame.free();
      if (!mayFallBack()) throw error;
      await fallBack();
      await pass(packet, received);
    }
    return received;
  }

  return {
    codec,
    get path() {
      return path;
    },
    get errors() {
      return errors;
    },
    decode,
    breakOff: async () => {
      const left = await decode(undefined);
      context.flushBuffers();
      return left;
    },
    [Symbol.dispose]: () => {
      decoded.free();
      scaler?.scaler.close();
      context.freeContext();
    },
  };
}
