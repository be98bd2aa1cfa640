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

const h264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-profile:v', 'main', '-bf', '0', '-g', '25', '-pix_fmt', 'yuv420p'];
const h265 = [
  '-c:v',
  'libx265',
  '-preset',
  'ultrafast',
  '-x265-params',
  'log-level=error:bframes=0:keyint=25',
  '-tag:v',
  'hvc1',
];

/** What a camera sends: 25 fps, no B-frames, a key frame a second. The peer's figures are for `720`. */
export const pictures = {
  '720': { size: '1280:720', encode: h264, rate: '2M', what: '720p H.264 main, 2 Mbit/s' },
  '1080': { size: '1920:1080', encode: h264, rate: '4M', what: '1080p H.264 main, 4 Mbit/s' },
  '2160': { size: '3840:2160', encode: h265, rate: '12M', what: '4K H.265, 12 Mbit/s' },
  '720-h265': { size: '1280:720', encode: h265, rate: '1M', what: '720p H.265, 1 Mbit/s' },
  '1080-h265': { size: '1920:1080', encode: h265, rate: '3M', what: '1080p H.265, 3 Mbit/s' },
  '2160-h264': { size: '3840:2160', encode: h264, rate: '16M', what: '4K H.264 main, 16 Mbit/s' },
} as const;

export type PictureName = keyof typeof pictures;

/** A scene as a 720p25 camera's film of so many seconds. */
export function film720(name: SceneName, seconds: number): Promise<string> {
  return filmOf(name, '720', seconds);
}

/** A scene as a camera's film of so many seconds; of a scene's clip only the first `pieceS` seconds where that is given. */
export async function filmOf(name: SceneName, picture: PictureName, seconds: number, pieceS?: number): Promise<string> {
  const file = join(folder, `${name}-${picture}-${seconds}.mp4`);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  const scene: { readonly clip: string; readonly toS?: number } = scenes[name];
  const toS = pieceS ?? scene.toS;
  const piece = toS === undefined ? [] : ['-to', `${toS}`];
  const { size, encode, rate } = pictures[picture];
  const made = `${file}.${process.pid}`;
  const clip = dataPath(`clips/${scene.clip}.mp4`);
  const encoded = ['-vf', `fps=25,scale=${size}`, '-an', ...encode, '-b:v', rate, '-maxrate', rate, '-bufsize', rate];
  await run('ffmpeg', ['-v', 'error', '-y', ...piece, '-i', clip, ...encoded, `${made}.piece.mp4`]);
  await run('ffmpeg', [
    ...['-v', 'error', '-y', '-stream_loop', '-1', '-i', `${made}.piece.mp4`],
    ...['-t', `${seconds}`, '-c', 'copy', `${made}.mp4`],
  ]);
  rmSync(`${made}.piece.mp4`);
  renameSync(`${made}.mp4`, file);
  return file;
}

/** A film four times in one picture of the same size, two by two. */
export async function tiled(film: string): Promise<string> {
  const file = film.replace(/\.mp4$/, '-tiled.mp4');
  if (existsSync(file)) return file;
  const { encode, rate } = pictures['720'];
  const made = `${file}.${process.pid}.mp4`;
  const tiles = '[0]scale=iw/2:ih/2,split=4[a][b][c][d];[a][b][c][d]xstack=inputs=4:layout=0_0|w0_0|0_h0|w0_h0';
  await run('ffmpeg', [
    ...['-v', 'error', '-y', '-i', film, '-filter_complex', tiles, '-an'],
    ...[...encode, '-b:v', rate, '-maxrate', rate, '-bufsize', rate, made],
  ]);
  renameSync(made, file);
  return file;
}
