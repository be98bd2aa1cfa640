import { setTimeout as wait } from 'node:timers/promises';
import { film720 } from './media.ts';
import { startOurs } from './ours.ts';
import { handlesOf, memoryOf } from './processes.ts';
import { quantile } from './quantile.ts';

/** What the processes hold, all of them together, at some point of a soak. */
export interface Held {
  readonly wallS: number;
  readonly mediaS: number;
  /** PSS as it would be if nobody else on this machine ran the same program: what is judged. */
  readonly aloneMb: number;
  readonly pssMb: number;
  readonly rssMb: number;
  readonly descriptors: number;
  readonly threads: number;
}

export interface Soak {
  /**
   * The first and the last third of the time after warm-up: the floor of memory (a tenth of the samples is below it), medians of the rest.
   * V8 lets garbage grow for minutes before it collects it; what stays is seen at the floor.
   */
  readonly settled: Held;
  readonly end: Held;
  /** One a minute. */
  readonly minutes: readonly Held[];
  /** `end` against `settled`, in per cent of `aloneMb`. */
  readonly change: number;
  /** Least and most of `aloneMb` after warm-up. */
  readonly leastMb: number;
  readonly mostMb: number;
  readonly looks: number;
}

const everyMs = 2000;
const samplesAMinute = 60_000 / everyMs;
const framesASecond = 25;
const giveUpS = 3600;

/**
 * One camera on an empty room, YuNet at 5 looks a second of film, the film as fast as it goes and over and over, until `hours` of it are
 * seen. What is held in the first `warmS` seconds does not count.
 */
export async function soak(hours: number, warmS: number, each: (held: Held) => void): Promise<Soak> {
  const source = await film720('room', 60);
  const camera = { source, loop: true, realtime: false, detect: [{ model: 'yunet', fps: 5 }] };
  await using ours = await startOurs({ cameras: { camera } });
  const began = performance.now();
  const samples: Held[] = [];
  const minutes: Held[] = [];
  while (true) {
    await wait(everyMs);
    const metrics = await ours.metrics();
    const mediaS = metrics.sum('sightline_camera_frames_decoded') / framesASecond;
    const wallS = (performance.now() - began) / 1000;
    const pids = ours.pids();
    const held = { wallS, mediaS, ...memoryOf(pids), ...handlesOf(pids) };
    if (wallS > warmS) samples.push(held);
    if (wallS >= 60 * (minutes.length + 1)) {
      minutes.push(held);
      each(held);
    }
    const enough = mediaS >= 3600 * hours && samples.length >= 3 * samplesAMinute;
    if (!enough && wallS < Math.max(giveUpS, 3600 * hours)) continue;
    if (!enough) throw new Error(`only ${mediaS.toFixed(0)} s of film were seen in ${wallS.toFixed(0)} s`);
    const third = Math.floor(samples.length / 3);
    const settled = summary(samples.slice(0, third));
    const end = summary(samples.slice(-third));
    const looks = metrics.sum('sightline_camera_frames_detected');
    const alone = samples.map(({ aloneMb }) => aloneMb);
    const change = 100 * (end.aloneMb / settled.aloneMb - 1);
    return { settled, end, minutes, looks, change, leastMb: Math.min(...alone), mostMb: Math.max(...alone) };
  }
}

function summary(samples: readonly Held[]): Held {
  const of = (key: keyof Held, share: number) =>
    quantile(
      samples.map((held) => held[key]),
      share,
    );
  return {
    wallS: of('wallS', 0.5),
    mediaS: of('mediaS', 0.5),
    aloneMb: of('aloneMb', 0.1),
    pssMb: of('pssMb', 0.1),
    rssMb: of('rssMb', 0.1),
    descriptors: of('descriptors', 0.5),
    threads: of('threads', 0.5),
  };
}
