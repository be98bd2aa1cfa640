import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { dataPath } from '../../test/support/data.ts';

const run = promisify(execFile);

/** Made films lie here and are made once. */
const folder = join(import.meta.dirname, '../../.cache/bench');

/** A scene of the test data: a piece of a clip, repeated as often as it takes. */
export const scenes = {
  crowd: { clip: 'synth_crowd_a', what: 'a crowd of listed and other people' },
  room: { clip: 'real_visits_a', toS: 5, what: 'an empty room' },
  carpark: { clip: 'neg_carpark', what: 'a car park with a car that comes and goes, filmed by hand' },
  visits: { clip: 'real_visits_a', what: 'a room in which somebody is three quarters of the time, seen from behind' },
} as const satisfies Readonly<Record<string, { readonly clip: string; readonly toS?: number; readonly what: string }>>;

export type SceneName = keyof typeof scenes;

/** 1280 x 720, 25 fps, H.264 main without B-frames, a key frame a second, 2 Mbit/s: the camera that the peer's figures are for. */
const camera720 = {
  filter: 'fps=25,scale=1280:720',
  encode: ['-c:v', 'libx264', '-preset', 'veryfast', '-profile:v', 'main', '-bf', '0', '-g', '25', '-pix_fmt', 'yuv420p'],
  rate: ['-b:v', '2M', '-maxrate', '2M', '-bufsize', '2M'],
} as const;

/** A scene as a 720p25 camera's film of so many seconds. */
export async function film720(name: SceneName, seconds: number): Promise<string> {
  const file = join(folder, `${name}-720-${seconds}.mp4`);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  const scene: { readonly clip: string; readonly toS?: number } = scenes[name];
  const piece = scene.toS === undefined ? [] : ['-to', `${scene.toS}`];
  const { filter, encode, rate } = camera720;
  const made = `${file}.${process.pid}`;
  const clip = dataPath(`clips/${scene.clip}.mp4`);
  const encoded = ['-vf', filter, '-an', ...encode, ...rate];
  await run('ffmpeg', ['-v', 'error', '-y', ...piece, '-i', clip, ...encoded, `${made}.piece.mp4`]);
  await run('ffmpeg', [
    ...['-v', 'error', '-y', '-stream_loop', '-1', '-i', `${made}.piece.mp4`],
    ...['-t', `${seconds}`, '-c', 'copy', `${made}.mp4`],
  ]);
  rmSync(`${made}.piece.mp4`);
  renameSync(`${made}.mp4`, file);
  return file;
}
