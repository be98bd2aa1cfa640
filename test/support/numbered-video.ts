import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

/**
 * Video whose pictures carry their number as 16 black and white blocks along the bottom ninth, the highest bit first, so that what a
 * canvas shows can be told from its pixels alone. Encoded once and kept in the temporary directory.
 */
export interface NumberedVideo {
  readonly codec: string;
  /** avcC. */
  readonly description: Buffer;
  /** SPS and PPS, which a worker sends along with each key frame. */
  readonly parameterSets: readonly Buffer[];
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  /** In decoding order; each begins at frame 0 with a key frame, so that it can be played in a loop. */
  readonly units: readonly NumberedUnit[];
}

export interface NumberedUnit {
  readonly key: boolean;
  /** Frame number, which is the presentation time in frames. */
  readonly number: number;
  /** Decoding time in frames; may be below 0. */
  readonly dts: number;
  /** NAL units, each after its length, without parameter sets and delimiters. */
  readonly data: Buffer;
}

export interface NumberedWish {
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  readonly frames?: number;
  readonly gop?: number;
  readonly bFrames?: number;
  /** A film to write the numbers onto, for something real to decode; else a grey room. */
  readonly film?: string;
}

export const numberBits = 16;

function room(number: number, width: number, height: number): Buffer {
  const bytes = Buffer.alloc((width * height * 3) / 2, 128);
  // A bar that moves, for something to encode.
  const bar = (number * 4) % width;
  for (let y = 0; y < height; y += 1) {
    const row = y * width;
    bytes.fill(80 + (y * 64) / height, row, row + width);
    bytes.fill(160, row + bar, row + Math.min(width, bar + 8));
  }
  return bytes;
}

/** Writes the number along the bottom of a picture in I420. */
function stamp(bytes: Buffer, number: number, width: number, height: number): Buffer {
  for (let y = Math.floor((height * 8) / 9); y < height; y += 1) {
    const row = y * width;
    for (let bit = 0; bit < numberBits; bit += 1) {
      const white = (number >> (numberBits - 1 - bit)) & 1;
      const from = row + Math.round((bit * width) / numberBits);
      bytes.fill(white === 1 ? 235 : 16, from, row + Math.round(((bit + 1) * width) / numberBits));
    }
  }
  bytes.fill(128, width * height + (Math.floor((height * 8) / 9) / 2) * (width / 2), (width * height * 5) / 4);
  return bytes;
}

async function run(
  command: string,
  args: readonly string[],
  input?: AsyncIterable<Buffer> | Iterable<Buffer>,
): Promise<Buffer> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
  child.stderr.on('data', (bytes: Buffer) => errors.push(bytes));
  const closed = new Promise<number | null>((done, failed) => child.once('error', failed).once('close', done));
  child.stdin.on('error', () => undefined);
  for await (const bytes of input ?? [])
    if (!child.stdin.write(bytes)) await new Promise<void>((done) => child.stdin.once('drain', done));
  child.stdin.end();
  if ((await closed) !== 0) throw new Error(`${command}: ${Buffer.concat(errors).toString()}`);
  return Buffer.concat(out);
}

/** NAL units of an Annex B stream. */
function* nalUnits(stream: Buffer): Generator<Buffer> {
  const code = Buffer.from([0, 0, 1]);
  let begin = stream.indexOf(code);
  while (begin >= 0) {
    const next = stream.indexOf(code, begin + 3);
    let end = next < 0 ? stream.length : next;
    while (end > begin + 3 && stream[end - 1] === 0) end -= 1;
    yield stream.subarray(begin + 3, end);
    begin = next;
  }
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function withLength(nal: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(nal.length);
  return Buffer.concat([length, nal]);
}

/** ISO/IEC 14496-15, 5.3.3.1. */
function avcC(sps: Buffer, pps: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from([1]),
    sps.subarray(1, 4),
    Buffer.from([0xff, 0xe1]),
    u16(sps.length),
    sps,
    Buffer.from([1]),
    u16(pps.length),
    pps,
  ]);
}

async function encode(file: string, wish: Required<NumberedWish>): Promise<void> {
  const { width, height, fps, frames, gop, bFrames, film } = wish;
  const args = [
    '-v',
    'error',
    '-y',
    '-f',
    'rawvideo',
    '-pix_fmt',
    'yuv420p',
    '-s',
    `${width}x${height}`,
    '-r',
    String(fps),
    '-i',
    '-',
  ];
  const settings = `aud=1:scenecut=0:keyint=${gop}:min-keyint=${gop}:bframes=${bFrames}:b-adapt=0:open-gop=0`;
  const encoder = ['-c:v', 'libx264', '-preset', 'veryfast', '-x264-params', settings, '-crf', '24', '-an'];
  const scaled = [
    '-vf',
    `fps=${fps},scale=${width}:${height}`,
    '-frames:v',
    String(frames),
    '-pix_fmt',
    'yuv420p',
    '-f',
    'rawvideo',
    '-',
  ];
  const filmed = film === '' ? undefined : await run('ffmpeg', ['-v', 'error', '-stream_loop', '-1', '-i', film, ...scaled]);
  const part = `${file}.${process.pid}.mp4`;
  function* pictures() {
    const size = (width * height * 3) / 2;
    for (let number = 0; number < frames; number += 1) {
      const bytes = filmed?.subarray(number * size, (number + 1) * size) ?? room(number, width, height);
      yield stamp(bytes, number, width, height);
    }
  }
  await run('ffmpeg', [...args, ...encoder, part], pictures());
  await rename(part, file);
}

/** `frames` is a multiple of `gop`. */
export async function numberedVideo(wish: NumberedWish = {}): Promise<NumberedVideo> {
  const full = { width: 320, height: 180, fps: 25, frames: 250, gop: 25, bFrames: 0, film: '', ...wish };
  const folder = join(tmpdir(), 'sightline-test-videos');
  await mkdir(folder, { recursive: true });
  const { width, height, fps } = full;
  const file = join(
    folder,
    `${width}x${height}-${fps}-${full.frames}-${full.gop}-${full.bFrames}${basename(full.film, '.mp4')}-v2.mp4`,
  );
  if (!existsSync(file)) await encode(file, full);
  const times = `${file}.json`;
  if (!existsSync(times)) {
    const probed = await run('ffprobe', [
      '-v',
      'error',
      '-select_streams',
      'v',
      '-show_entries',
      'packet=pts_time,dts_time,flags',
      '-of',
      'json',
      file,
    ]);
    await writeFile(`${times}.${process.pid}`, probed);
    await rename(`${times}.${process.pid}`, times);
  }
  const { packets } = JSON.parse(await readFile(times, 'utf8')) as {
    readonly packets: readonly { readonly pts_time: string; readonly dts_time: string; readonly flags: string }[];
  };
  const stream = await run('ffmpeg', [
    '-v',
    'error',
    '-i',
    file,
    '-c',
    'copy',
    '-bsf:v',
    'h264_mp4toannexb',
    '-f',
    'h264',
    '-',
  ]);
  const units: Buffer[][] = [];
  let sps = Buffer.alloc(4);
  let pps = Buffer.alloc(0);
  for (const nal of nalUnits(stream)) {
    // Rec. ITU-T H.264, table 7-1.
    const kind = (nal[0] ?? 0) & 31;
    if (kind === 9) units.push([]);
    else if (kind === 7) sps = Buffer.from(nal);
    else if (kind === 8) pps = Buffer.from(nal);
    else units.at(-1)?.push(withLength(nal));
  }
  if (units.length !== packets.length || units.length !== full.frames)
    throw new Error(`${file}: ${units.length} units, ${packets.length} packets, ${full.frames} frames`);
  const first = Math.min(...packets.map(({ pts_time }) => Number(pts_time)));
  const inFrames = (time: string) => Math.round((Number(time) - first) * fps);
  return {
    codec: `avc1.${sps.subarray(1, 4).toString('hex')}`,
    description: avcC(sps, pps),
    parameterSets: [sps, pps],
    width,
    height,
    fps,
    units: units.map((nals, index) => ({
      key: packets[index]?.flags.startsWith('K') === true,
      number: inFrames(packets[index]?.pts_time ?? ''),
      dts: inFrames(packets[index]?.dts_time ?? ''),
      data: Buffer.concat(nals),
    })),
  };
}
