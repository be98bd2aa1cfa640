import { belongsInSample, isParameterSet, type SampleDescription } from './sample-description.ts';

/** One access unit on its way to the subscribers of the live feed. */
export interface ServedUnit {
  readonly key: boolean;
  /** 90 kHz of the joined clock. */
  readonly pts: number;
  readonly dts: number;
  /** Wall clock, milliseconds since 1970. */
  readonly captureMs: number;
  /** Without parameter sets, delimiters and filler, each NAL unit after its length in u32; made when the first one asks, for all of them. */
  prefixed(): Buffer;
  readonly bytes: number;
}

export function createServedUnit(
  description: SampleDescription | undefined,
  nals: readonly Uint8Array[],
  unit: Pick<ServedUnit, 'key' | 'pts' | 'dts' | 'captureMs'>,
): ServedUnit {
  let made: Buffer | undefined;
  return {
    ...unit,
    bytes: nals.reduce((sum, nal) => sum + nal.length, 0),
    prefixed: () => {
      made ??= lengthPrefixed(
        description === undefined
          ? []
          : nals.filter((nal) => !isParameterSet(description.codec, nal) && belongsInSample(description, nal)),
      );
      return made;
    },
  };
}

function lengthPrefixed(nals: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.allocUnsafe(nals.reduce((sum, nal) => sum + 4 + nal.length, 0));
  let at = 0;
  for (const nal of nals) {
    at = bytes.writeUInt32BE(nal.length, at);
    bytes.set(nal, at);
    at += nal.length;
  }
  return bytes;
}
