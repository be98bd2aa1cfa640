import { box, fileTypeBox, movieBox, type TrackTables } from './mp4-boxes.ts';
import { belongsInSample, type SampleDescription } from './sample-description.ts';

/** A plain MP4 file of one video track, its index before its samples, made from samples that are written already. Pure. */

/** One access unit on the clock of the file: 90 kHz, any origin. */
export interface Sample {
  readonly dts: number;
  readonly pts: number;
  readonly key: boolean;
  /** As `sampleBytes` gives them. */
  readonly bytes: number;
}

/** The unit as a sample: NAL units after their lengths of four bytes, in pieces to be written one after the other. Empty: nothing of it is a picture. */
export function sampleBytes(description: SampleDescription, nals: readonly Uint8Array[]): readonly Uint8Array[] {
  return nals
    .filter((nal) => belongsInSample(description, nal))
    .flatMap((nal) => {
      const length = Buffer.allocUnsafe(4);
      length.writeUInt32BE(nal.length);
      return [length, nal];
    });
}

/** How long the last sample is shown where there is no other to tell: a 25th of a second. */
const assumedDuration = 3600;

/**
 * All of the file that stands before the samples. `samples` in decoding order, decoding times rising, at least one. Presentation begins
 * at 0 with the first picture shown, also where it is decoded later than others.
 */
export function movieHead(samples: readonly Sample[], description: SampleDescription, createdMs: number): Buffer {
  const durations = durationsOf(samples);
  const first = samples[0]?.dts ?? 0;
  const sizes = samples.map(({ bytes }) => bytes);
  const mediaDuration = durations.reduce((sum, duration) => sum + duration, 0);
  const mediaTime = presentationStart(samples) - first;
  const ends = samples.map(({ pts }, place) => pts + (durations[place] ?? 0) - first);
  const tables: TrackTables = {
    durations: runs(durations).map(({ count, value }) => ({ count, duration: value })),
    offsets: runs(samples.map(({ pts, dts }) => pts - dts)).map(({ count, value }) => ({ count, offset: value })),
    keys: samples.flatMap(({ key }, place) => (key ? [place + 1] : [])),
    sizes,
    description,
    mediaDuration,
    edit: { mediaTime, duration: greatest(ends) - mediaTime },
    createdMs,
  };
  const fileType = fileTypeBox(description);
  const payload = sizes.reduce((sum, size) => sum + size, 0);
  const dataHead = box('mdat');
  dataHead.writeUInt32BE(8 + payload);
  // The size of the index does not depend on the offset in it.
  const dataOffset = fileType.length + movieBox(tables, 0).length + dataHead.length;
  return Buffer.concat([fileType, movieBox(tables, dataOffset), dataHead]);
}

/** On the clock of the samples: what is 0 in a player. */
export function presentationStart(samples: readonly Sample[]): number {
  return samples.reduce((least, { pts }) => Math.min(least, pts), Number.POSITIVE_INFINITY);
}

/** To the next sample; a gap in time makes a long one. The last lasts as long as the shortest of those right before it. */
function durationsOf(samples: readonly Sample[]): readonly number[] {
  const durations = samples.slice(1).map(({ dts }, place) => dts - (samples[place]?.dts ?? 0));
  const recent = durations.slice(-8);
  return [...durations, recent.length === 0 ? assumedDuration : Math.min(...recent)];
}

function greatest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
}

function runs(values: readonly number[]): readonly { readonly count: number; readonly value: number }[] {
  const found: { count: number; value: number }[] = [];
  for (const value of values) {
    const last = found.at(-1);
    if (last?.value === value) last.count += 1;
    else found.push({ count: 1, value });
  }
  return found;
}
