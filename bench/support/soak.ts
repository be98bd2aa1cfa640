import { setTimeout as wait } from 'node:timers/promises';
import { film720 } from './media.ts';
import { startOurs } from './ours.ts';
import { handlesOf, memoryOf } from './processes.ts';

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
  /** Medians over a minute: the first after warm-up, and the last. */
  readonly settled: Held;
  readonly end: Held;
  /** One a minute. */
  readonly minutes: readonly Held[];
  /** `end` against `settled`, in per cent of `aloneMb`. */
  readonly change: number;
  /** Least and most of `aloneMb` after warm-up: garbage comes and goes in minutes. */
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
    const enough = mediaS >= 3600 * hours && samples.length >= 2 * samplesAMinute;
    if (!enough && wallS < Math.max(giveUpS, 3600 * hours)) continue;
    if (!enough) throw new Error(`only ${mediaS.toFixed(0)} s of film were seen in ${wallS.toFixed(0)} s`);
    const settled = medianOf(samples.slice(0, samplesAMinute));
    const end = medianOf(samples.slice(-samplesAMinute));
    const looks = metrics.sum('sightline_camera_frames_detected');
    const alone = samples.map(({ aloneMb }) => aloneMb);
    const change = 100 * (end.aloneMb / settled.aloneMb - 1);
    return { settled, end, minutes, looks, change, leastMb: Math.min(...alone), mostMb: Math.max(...alone) };
  }
}

function medianOf(samples: readonly Held[]): Held {
  const of = (key: keyof Held) => samples.map((held) => held[key]).toSorted((a, b) => a - b)[samples.length >> 1] ?? Number.NaN;
  return {
    wallS: of('wallS'),
    mediaS: of('mediaS'),
    aloneMb: of('aloneMb'),
    pssMb: of('pssMb'),
    rssMb: of('rssMb'),
    descriptors: of('descriptors'),
    threads: of('threads'),
  };
}
