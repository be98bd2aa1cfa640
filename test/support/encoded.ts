import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { splitAnnexB } from '../../src/media/nal.ts';
import type { RingUnit } from '../../src/media/packet-ring.ts';

/** Video made by ffmpeg, as a worker would send it: access units with the time stamps of its container. */
export interface Encoded {
  readonly codec: 'h264' | 'h265';
  readonly width: number;
  readonly height: number;
  readonly units: readonly RingUnit[];
  readonly frameMs: number;
}

export interface EncodeOptions {
  readonly codec: 'h264' | 'h265';
  readonly frames: number;
  readonly width?: number;
  readonly height?: number;
  /** Group of pictures. */
  readonly keyEvery?: number;
  readonly bFrames?: number;
  readonly epoch?: number;
  /** Camera time of the first picture. */
  readonly captureMs?: number;
  readonly profile?: string;
}

const fps = 25;

export function run(program: 'ffmpeg' | 'ffprobe', args: readonly string[]): string {
  const quiet = program === 'ffmpeg' ? ['-hide_banner', '-nostdin', '-loglevel', 'error', '-y'] : ['-loglevel', 'error'];
  return execFileSync(program, [...quiet, ...args], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

export interface ProbedPacket {
  readonly pts: number;
  readonly dts: number;
  readonly size: number;
  readonly key: boolean;
}

export function packetsOf(file: string): readonly ProbedPacket[] {
  const text = run('ffprobe', ['-select_streams', 'v', '-show_entries', 'packet=pts,dts,size,flags', '-of', 'json', file]);
  const { packets } = JSON.parse(text) as {
    packets: readonly { readonly pts: number; readonly dts: number; readonly size: string; readonly flags: string }[];
  };
  return packets.map(({ pts, dts, size, flags }) => ({ pts, dts, size: Number(size), key: flags.startsWith('K') }));
}

/** MD5 of every decoded picture in the order of presentation; fails when the decoder complains of anything. */
export function picturesOf(file: string): readonly string[] {
  const args = ['-xerror', '-err_detect', 'explode', '-i', file, '-fps_mode', 'passthrough', '-f', 'framemd5', '-'];
  return run('ffmpeg', args)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(',').at(-1)?.trim() ?? '');
}

export function encode(directory: string, options: EncodeOptions): Encoded & { readonly file: string } {
  const { codec, frames, width = 320, height = 180, keyEvery = 25, bFrames = 2, epoch = 1, captureMs = 0 } = options;
  const name = join(directory, `${codec}-${epoch}-${width}-${keyEvery}-${bFrames}`);
  const encoder = codec === 'h264' ? 'libx264' : 'libx265';
  const settings = `keyint=${keyEvery}:min-keyint=${codec === 'h264' ? keyEvery : 1}:scenecut=0:bframes=${bFrames}:open-gop=1:log-level=error`;
  run('ffmpeg', [
    ...['-f', 'lavfi', '-i', `testsrc2=size=${width}x${height}:rate=${fps}`, '-frames:v', String(frames)],
    ...[
      '-c:v',
      encoder,
      '-preset',
      'ultrafast',
      '-pix_fmt',
      'yuv420p',
      ...(options.profile === undefined ? [] : ['-profile:v', options.profile]),
    ],
    ...[
      codec === 'h264' ? '-x264-params' : '-x265-params',
      codec === 'h264' ? settings.replace(/:open-gop=1:log-level=error/, '') : settings,
    ],
    ...['-bf', String(bFrames), '-video_track_timescale', '90000', `${name}.mp4`],
  ]);
  const [kind, filter] =
    codec === 'h264' ? ['h264', 'h264_mp4toannexb,h264_metadata'] : ['hevc', 'hevc_mp4toannexb,hevc_metadata'];
  run('ffmpeg', ['-i', `${name}.mp4`, '-c', 'copy', '-bsf:v', `${filter}=aud=insert`, '-f', kind, `${name}.bin`]);
  const packets = packetsOf(`${name}.mp4`);
  const format = { codec, width, height, parameterSets: [] };
  const units = accessUnits(codec, splitAnnexB(readFileSync(`${name}.bin`))).map((nals, place): RingUnit => {
    const packet = packets[place];
    if (packet === undefined) throw new Error(`${name}: more access units than packets`);
    const { pts, dts, key } = packet;
    return { epoch, key, pts: BigInt(pts), dts: BigInt(dts), captureMs: captureMs + pts / 90, nals, format };
  });
  if (units.length !== frames) throw new Error(`${name}: ${units.length} access units of ${frames}`);
  return { codec, width, height, units, frameMs: 1000 / fps, file: `${name}.mp4` };
}

function accessUnits(codec: 'h264' | 'h265', nals: readonly Uint8Array[]): readonly (readonly Uint8Array[])[] {
  const units: Uint8Array[][] = [];
  for (const nal of nals) {
    const first = nal[0] ?? 0;
    const begins = codec === 'h264' ? (first & 31) === 9 : ((first >> 1) & 63) === 35;
    if (begins) units.push([]);
    // Alone in its memory, as what comes over a socket is.
    units.at(-1)?.push(Uint8Array.from(nal));
  }
  return units;
}
