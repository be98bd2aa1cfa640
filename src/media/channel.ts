import { codecString } from './codec-string.ts';
import type { IntakeFormat, StreamVariant } from './intake-wire.ts';
import { createDescriber, type SampleDescription } from './sample-description.ts';
import { createServedUnit, type ServedUnit } from './served-unit.ts';

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
  announce(format: { readonly codec: IntakeFormat['codec']; readonly parameterSets: readonly Uint8Array[] }): void;
  cut(withdrawn?: boolean): void;
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
  readonly #describe = createDescriber();
  #format: Pick<IntakeFormat, 'codec' | 'width' | 'height'> | undefined;
  /** The newest parameter sets: not every key frame brings them. */
  #sets: readonly Uint8Array[] = [];
  #description: SampleDescription | undefined;
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
    if (this.#format?.codec !== codec) {
      this.#forget();
      this.#sets = [];
      this.#description = undefined;
      this.#config = undefined;
    }
    this.#format = { codec, width, height };
    this.rtsp.announce({ codec, parameterSets });
    return this.#learn(parameterSets);
  }

  /** The unit as it is served, and whether `config` has become another with it; undefined before the first `announce`. */
  take(
    nals: readonly Uint8Array[],
    unit: Pick<ServedUnit, 'key' | 'pts' | 'dts' | 'captureMs'>,
  ): { readonly unit: ServedUnit; readonly configured: boolean } | undefined {
    if (this.#format === undefined) return undefined;
    const configured = unit.key && this.#learn(nals);
    const served = createServedUnit(this.#description, nals, unit);
    this.units += 1;
    this.bytes += served.bytes;
    this.#keep(served);
    this.rtsp.push({ nals, pts90k: BigInt(unit.pts), captureTimeMs: unit.captureMs, key: unit.key });
    return { unit: served, configured };
  }

  /** What follows does not continue what was. `withdrawn`: what was may not be shown any more. */
  cut(withdrawn = false): void {
    this.#forget();
    this.rtsp.cut(withdrawn);
  }

  #learn(nals: readonly Uint8Array[]): boolean {
    if (this.#format === undefined) return false;
    const found = this.#describe({ ...this.#format, parameterSets: this.#sets }, nals);
    if (found === undefined || found === this.#description) return false;
    const { codec, width, height, record, sets } = found;
    this.#description = found;
    this.#sets = sets;
    this.#config = { codec: codecString(codec, record), description: record.toString('base64'), width, height };
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
