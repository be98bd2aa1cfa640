import { createHardware } from '../../src/software-worker/decoder.ts';
import { openDemuxer, silenceFfmpeg, type UnitSource } from '../../src/software-worker/demux.ts';
import { openPictures } from '../../src/software-worker/pictures.ts';
import { testContext } from '../../test/support/context.ts';
import { startRtspPatterns } from '../../test/support/rtsp-patterns.ts';

/** How long a frame of a camera that is not ours (GStreamer's RTSP server, 15 frames a second) takes to the worker and out of its decoder. */

export const patternKinds = {
  h264: 'H.264, one slice',
  slices: 'H.264, four slices',
  h265: 'H.265, one slice',
  h265slices: 'H.265, four slices',
} as const;
export type PatternKind = keyof typeof patternKinds;

export interface Arrivals {
  readonly kind: PatternKind;
  /** From the sender's capture time (RTCP) to the picture's last packet in the worker, milliseconds; encoding is part of it. */
  readonly arrivedMs: readonly number[];
  /** From there to the decoded frame: what the worker waits for is in this. */
  readonly decodedMs: readonly number[];
}

/** Sender reports come after a second or two. */
const frames = 120;

export async function measureArrivals(kind: PatternKind): Promise<Arrivals> {
  silenceFfmpeg();
  using ctx = testContext();
  using hardware = createHardware();
  await using server = await startRtspPatterns();
  const url = server.url(kind);
  const source = await openDemuxer(
    { address: { kind: 'rtsp', url, shown: url }, transport: 'tcp', openTimeoutMs: 30_000 },
    ctx,
  );
  const arrivedMs: number[] = [];
  const watched: UnitSource = {
    ...source,
    get broken() {
      return source.broken;
    },
    read: async () => {
      const unit = await source.read();
      if (unit?.ntpUs !== undefined) arrivedMs.push((unit.wallUs - unit.ntpUs) / 1000);
      return unit;
    },
  };
  const options = { decode: 'software', hardware, realtime: false, silenceTimeoutMs: 30_000 } as const;
  await using pictures = await openPictures(watched, options, ctx);
  const decodedMs: number[] = [];
  for (let index = 0; index < frames; index += 1) {
    const picture = await pictures.next();
    if (picture === undefined) throw new Error('the camera ended');
    decodedMs.push(Number(picture.decodedMonoUs - picture.receivedMonoUs) / 1000);
    picture.frame.free();
  }
  return { kind, arrivedMs, decodedMs };
}
