import { BinaryReader } from '@bufbuild/protobuf/wire';
import { errorText, SightlineError } from '../core/errors.ts';
import { type Format, type MediaHello, MediaMessage, type Unit, Variant } from '../gen/sightline/media/v1/media.ts';

/** Messages of workers from their bytes. What does not hold is refused; nothing of the wire's types goes further. Pure. */

export type StreamVariant = 'clean' | 'annotated';

export interface IntakeHello {
  readonly protocolVersion: number;
  readonly worker: string;
  readonly token: string;
}

export interface IntakeFormat {
  readonly camera: string;
  readonly epoch: number;
  readonly variant: StreamVariant;
  readonly codec: 'h264' | 'h265';
  readonly width: number;
  readonly height: number;
  /** Annex B; empty where only the units have them. */
  readonly parameterSets: Uint8Array;
  /** Of the camera's settings that the units are made with. */
  readonly revision: string;
}

export interface IntakeUnit {
  readonly camera: string;
  readonly epoch: number;
  readonly variant: StreamVariant;
  readonly key: boolean;
  /** 90 kHz, of the epoch. */
  readonly pts: bigint;
  readonly dts: bigint;
  /** Wall clock, milliseconds since 1970. */
  readonly captureMs: number;
  /** Annex B: a view into the message. */
  readonly data: Uint8Array;
}

export type IntakeMessage =
  | { readonly type: 'hello'; readonly hello: IntakeHello }
  | { readonly type: 'format'; readonly format: IntakeFormat }
  | { readonly type: 'unit'; readonly unit: IntakeUnit }
  /** A format or unit as it cannot be. What a camera sends stands in both: not a reason to give up a worker's other cameras. */
  | { readonly type: 'unsound'; readonly camera: string; readonly reason: string };

/** Fields of one message; a worker writes nine. */
const fieldLimit = 64;
const parameterSetsLimitBytes = 64 * 1024;
const sideLimit = 16_384;
const nameLimit = 64;
/** 2^32 seconds: the year 2106. */
const captureLimitUs = 2n ** 32n * 1_000_000n;
/** Tag of `unit` in MediaMessage. */
const unitTag = 26;

type ReadUnit = Omit<Unit, 'data' | 'receivedMonoUs'> & { data: Uint8Array };

/** As `Unit.decode`, without its copy of the data: video is most of what comes. */
function readUnit(reader: BinaryReader, end: number): ReadUnit {
  const unit: ReadUnit = {
    camera: '',
    epoch: 0,
    variant: Variant.UNSPECIFIED,
    key: false,
    pts: 0n,
    dts: 0n,
    captureTimeUs: 0n,
    data: new Uint8Array(),
  };
  for (let fields = 0; reader.pos < end; fields++) {
    if (fields === fieldLimit) throw new Error(`a unit has more than ${fieldLimit} fields`);
    const tag = reader.uint32();
    if (tag === 10) unit.camera = reader.string();
    else if (tag === 16) unit.epoch = reader.uint32();
    else if (tag === 24) unit.variant = variantOf(reader.int32());
    else if (tag === 32) unit.key = reader.bool();
    else if (tag === 40) unit.pts = BigInt(reader.sint64());
    else if (tag === 48) unit.dts = BigInt(reader.sint64());
    else if (tag === 56) unit.captureTimeUs = BigInt(reader.int64());
    else if (tag === 74) unit.data = reader.bytes();
    else reader.skip(tag & 7);
  }
  if (reader.pos !== end) throw new Error('a unit ends within a field');
  return unit;
}

function variantOf(value: number): Variant {
  return value === Variant.CLEAN || value === Variant.ANNOTATED ? value : Variant.UNRECOGNIZED;
}

function read(bytes: Uint8Array): MediaMessage['message'] | { readonly $case: 'read'; readonly value: ReadUnit } {
  const reader = new BinaryReader(bytes);
  if (bytes.length > 0 && reader.uint32() === unitTag) {
    const length = reader.uint32();
    if (reader.pos + length !== bytes.length) throw new Error('it holds more than a unit');
    return { $case: 'read', value: readUnit(reader, bytes.length) };
  }
  if (bytes.length > 2 * parameterSetsLimitBytes) throw new Error('only units are that long');
  return MediaMessage.decode(bytes).message;
}

function named(camera: string, variant: Variant): StreamVariant {
  if (camera === '' || camera.length > nameLimit) throw new Error('it names no camera');
  if (variant === Variant.CLEAN) return 'clean';
  if (variant === Variant.ANNOTATED) return 'annotated';
  throw new Error('its variant is neither clean nor annotated');
}

function soundFormat(format: Format): IntakeFormat {
  const { camera, epoch, codec, width, height, parameterSets, revision } = format;
  const variant = named(camera, format.variant);
  if (codec !== 'h264' && codec !== 'h265') throw new Error('its codec is neither h264 nor h265');
  for (const side of [width, height]) if (side < 1 || side > sideLimit) throw new Error(`a side of ${side} pixels`);
  if (parameterSets.length > parameterSetsLimitBytes) throw new Error('its parameter sets are too long');
  if (revision.length > nameLimit) throw new Error('its revision is too long');
  return { camera, epoch, variant, codec, width, height, parameterSets, revision };
}

function soundUnit(unit: ReadUnit): IntakeUnit {
  const { camera, epoch, key, pts, dts, captureTimeUs, data } = unit;
  const variant = named(camera, unit.variant);
  if (data.length === 0) throw new Error('a unit without data');
  if (captureTimeUs < 0n || captureTimeUs > captureLimitUs) throw new Error('its capture time cannot be');
  return { camera, epoch, variant, key, pts, dts, captureMs: Number(captureTimeUs) / 1000, data };
}

function soundHello({ protocolVersion, worker, token }: MediaHello): IntakeHello {
  return { protocolVersion, worker, token };
}

function sound(camera: string, take: () => IntakeMessage): IntakeMessage {
  try {
    return take();
  } catch (error) {
    return { type: 'unsound', camera: camera.slice(0, nameLimit), reason: errorText(error) };
  }
}

/** Throws `media.protocol` for bytes that are no message. */
export function decodeIntakeMessage(bytes: Uint8Array): IntakeMessage {
  try {
    const message = read(bytes);
    if (message === undefined) throw new Error('it says nothing');
    if (message.$case === 'read') {
      const { value } = message;
      return sound(value.camera, () => ({ type: 'unit', unit: soundUnit(value) }));
    }
    if (message.$case === 'hello') return { type: 'hello', hello: soundHello(message.value) };
    if (message.$case === 'format') {
      const { value } = message;
      return sound(value.camera, () => ({ type: 'format', format: soundFormat(value) }));
    }
    // Written in a way of its own, with fields of the outer message before it.
    const { value } = message;
    return sound(value.camera, () => ({ type: 'unit', unit: soundUnit(value) }));
  } catch (cause) {
    throw new SightlineError('media.protocol', `a message cannot be taken: ${errorText(cause)}`, { cause });
  }
}
