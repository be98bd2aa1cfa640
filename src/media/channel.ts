import type { IntakeFormat, StreamVariant } from './intake-wire.ts';
import { type Codec, createServedUnit, ParameterSets, type ServedUnit } from './served-unit.ts';

/** One stream of one camera: its configuration and its last group of pictures, so that whoever comes has a picture at once. */

/** The stream as the RTSP server has it (`video-stream.ts`). */
export interface RtspStream {
  readonly readers: number;
  readonly lost: number;
  push(unit: {
    readonly nals: readonly Uint8Array[];
    readonly pts90k: bigint;
    readonly captureTimeMs: number;
    readonly key: boolean;
  }): void;
  announce(format: { readonly codec: Codec; readonly parameterSets: readonly Uint8Array[] }): void;
  cut(): void;
  end(): void;
}

/** What a decoder must know of the units that follow. */
export interface StreamConfig {
  readonly codec: string;
  /** avcC or hvcC, base64. */
  readonly description: string;
  readonly width: number;
  readonly height: number;
}

/** A group of pictures that takes more than this is not kept: who comes then waits for the next key frame. */
const keptLimitBytes = 16 * 1024 * 1024;

export class Channel {
  readonly variant: StreamVariant;
  readonly rtsp: RtspStream;
  units = 0;
  bytes = 0;
  /** Live subscribers who want video of it. */
  subscribers = 0;
  /** Units that live subscribers lost because they were too slow. */
  lost = 0;
  #format: Pick<IntakeFormat, 'codec' | 'width' | 'height'> | undefined;
  #sets: ParameterSets | undefined;
  #config: StreamConfig | undefined;
  #kept: ServedUnit[] = [];
  #keptBytes = 0;

  constructor(variant: StreamVariant, rtsp: RtspStream) {
    this.variant = variant;
    this.rtsp = rtsp;
  }

  get config(): StreamConfig | undefined {
    return this.#config;
  }

  /** The last group of pictures, from its key frame on; empty when there is none. */
  get kept(): readonly ServedUnit[] {
    return this.#kept;
  }

  /** True when `config` has become another. */
  announce(format: Pick<IntakeFormat, 'codec' | 'width' | 'height'>, parameterSets: readonly Uint8Array[]): boolean {
    const { codec, width, height } = format;
    const before = this.#format;
    if (before?.codec !== codec) {
      this.#sets = new ParameterSets(codec);
      this.#forget();
    }
    this.#format = { codec, width, height };
    this.#sets?.learn(parameterSets);
    this.rtsp.announce({ codec, parameterSets });
    return this.#configure();
  }

  /** The unit as it is served, and whether `config` has become another with it; undefined before the first `announce`. */
  take(
    nals: readonly Uint8Array[],
    unit: { readonly key: boolean; readonly pts: number; readonly dts: number; readonly captureMs: number },
  ): { readonly unit: ServedUnit; readonly configured: boolean } | undefined {
    if (this.#format === undefined) return undefined;
    const configured = this.#sets?.learn(nals) === true && this.#configure();
    const served = createServedUnit(this.#format.codec, nals, unit);
    this.units += 1;
    this.bytes += served.bytes;
    this.#keep(served);
    this.rtsp.push({ nals, pts90k: BigInt(unit.pts), captureTimeMs: unit.captureMs, key: unit.key });
    return { unit: served, configured };
  }

  /** What follows does not continue what was. */
  cut(): void {
    this.#forget();
    this.rtsp.cut();
  }

  #configure(): boolean {
    const known = this.#sets?.config;
    const { width, height } = this.#format ?? {};
    if (known === undefined || width === undefined || height === undefined) return false;
    const config = { codec: known.codec, description: known.description.toString('base64'), width, height };
    const before = this.#config;
    if (before?.description === config.description && before.width === width && before.height === height) return false;
    this.#config = config;
    return true;
  }

  #keep(unit: ServedUnit): void {
    if (unit.key) this.#forget();
    else if (this.#kept.length === 0) return;
    this.#keptBytes += unit.bytes;
    if (this.#keptBytes > keptLimitBytes) this.#forget();
    else this.#kept.push(unit);
  }

  #forget(): void {
    this.#kept = [];
    this.#keptBytes = 0;
  }
}
