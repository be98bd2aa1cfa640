import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { dataPath } from '../../test/support/data.ts';

const run = promisify(execFile);

/** Made films lie here and are made once. */
const folder = join(import.meta.dirname, '../../.cache/bench');

export type SceneName = 'crowd' | 'empty' | 'visits';

/** 1280 x 720, 25 fps, H.264 main without B-frames, a key frame a second, 2 Mbit/s: the camera that the peer's figures are for. */
const camera720 = {
  filter: 'fps=25,scale=1280:720',
  encode: ['-c:v', 'libx264', '-preset', 'veryfast', '-profile:v', 'main', '-bf', '0', '-g', '25', '-pix_fmt', 'yuv420p'],
  rate: ['-b:v', '2M', '-maxrate', '2M', '-bufsize', '2M'],
} as const;

const clips: Readonly<Record<SceneName, string>> = {
  crowd: 'clips/synth_crowd_a.mp4',
  empty: 'clips/neg_carpark.mp4',
  visits: 'clips/real_visits_a.mp4',
};

/** A clip of the test data as a 720p25 camera's film of so many seconds, repeated as often as it takes. */
export async function film720(scene: SceneName, seconds: number): Promise<string> {
  const file = join(folder, `${scene}-720-${seconds}.mp4`);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  const { filter, encode, rate } = camera720;
  const from = ['-stream_loop', '-1', '-i', dataPath(clips[scene])];
  const made = `${file}.${process.pid}.mp4`;
  await run('ffmpeg', ['-v', 'error', '-y', ...from, '-t', `${seconds}`, '-vf', filter, '-an', ...encode, ...rate, made]);
  renameSync(made, file);
  return file;
}
