import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Embedder } from '../../src/core/models.ts';
import type { Crop } from '../../src/core/types.ts';
import { createCropEmbedder } from '../../src/models/embed-crops.ts';
import { decodeImage } from '../../src/models/image.ts';
import { createDetector, createEmbedder } from '../../src/models/kinds.ts';
import { createPhotoTools, type PhotoTools, type Subject } from '../../src/models/photo-tools.ts';
import { resize } from '../../src/models/resize.ts';
import { type ClipTruth, readClip, readManifest, type TruthBox } from '../../test/support/clips.ts';
import { dataPath } from '../../test/support/data.ts';
import { temporaryDirectory } from '../../test/support/directory.ts';
import type { Bench, Embedded, Look } from './looks.ts';
import type { Source } from './scores.ts';
import { median } from './statistics.ts';
import { assign, clipSize } from './truth.ts';
import { watchFile } from './worker.ts';

/** Faces of photos and clips beside every enrolled photo, along the same path as in the daemon: photo tools, worker, crop embedder. */

export const faceModels = ['face_embed', 'face_embed_224'] as const;
const faceDetector = 'centerface';

export interface Found {
  readonly source: Source;
  readonly where: string;
  /** Faces of the ground truth in frames that were looked at, at least 90 % visible, by height band of the truth. */
  readonly heights: readonly { readonly heightPx: number; readonly found: boolean }[];
  /** Detections that are nobody's face. */
  readonly extra: number;
}

export interface Faces {
  readonly references: readonly Embedded[];
  readonly looks: readonly Look[];
  readonly found: readonly Found[];
}

/** Faces are scaled down to these heights, one for each band that the clips leave empty. */
const scaledHeights = [60, 32, 18] as const;
/** CenterFace and the ground truth (YuNet) draw boxes of different cut. */
const leastOverlap = 0.3;
const wellVisible = 0.9;
/** A small face in a camera's picture: the scaled photo stands in a grey one of this size. */
const canvas = { width: 640, height: 384 } as const;
/** The enrolment still of intel_m1 is a frame of this clip. */
const clipOfStill = 'real_headpose_m';

interface FaceTools extends Disposable {
  readonly embedders: readonly Embedder[];
  embedPhoto(photo: Uint8Array, subject: Subject): Promise<ReadonlyMap<string, Float32Array>>;
  embedCrops(crops: readonly Crop[]): Promise<readonly (ReadonlyMap<string, Float32Array> | undefined)[]>;
  readonly photos: PhotoTools;
  readonly signal: AbortSignal;
}

async function createFaceTools({ engine, ctx }: Bench): Promise<FaceTools> {
  const detector = createDetector(await engine.describe(faceDetector), engine.infer);
  const embedders: Embedder[] = [];
  for (const model of faceModels) embedders.push(createEmbedder(await engine.describe(model), engine.infer));
  const options = (signal: AbortSignal) => ({ signal, deadlineMs: ctx.clock.mono() + 120_000, stream: 'bench' });
  const toolsOf = (embedder: Embedder) =>
    createPhotoTools({ detector: async () => detector, embedder: async () => embedder, options });
  const photoTools = embedders.map((embedder) => ({ embedder, tools: toolsOf(embedder) }));
  const croppers = embedders.map((embedder) => createCropEmbedder(embedder, ctx));
  const [first] = photoTools;
  if (first === undefined) throw new Error('no face embedder');
  return {
    embedders,
    photos: first.tools,
    signal: ctx.signal,
    embedPhoto: async (photo, subject) => {
      const vectors = new Map<string, Float32Array>();
      for (const { embedder, tools } of photoTools) {
        const cutout = await tools.cut(photo, subject, 'face', ctx.signal);
        vectors.set(embedder.model, (await tools.embed(cutout, 'face', ctx.signal)).vector);
      }
      return vectors;
    },
    embedCrops: async (crops) => {
      const vectors = crops.map(() => new Map<string, Float32Array>());
      for (const cropper of croppers) {
        const embeddings = await cropper.embed(crops, options(ctx.signal));
        for (const [at, embedding] of embeddings.entries()) {
          if (embedding !== undefined) vectors[at]?.set(cropper.embedder.model, embedding.vector);
        }
      }
      return vectors.map((found) => (found.size === croppers.length ? found : undefined));
    },
    [Symbol.dispose]: () => {
      for (const cropper of croppers) cropper[Symbol.dispose]();
    },
  };
}

/** The largest of several: photos of the test data show one person in front. */
async function largestFace(tools: FaceTools, photo: Uint8Array): Promise<Subject | undefined> {
  const { subjects } = await tools.photos.analyse(photo, 'face', tools.signal);
  return subjects.toSorted((a, b) => b.box.height - a.box.height)[0];
}

/** The photo scaled so that its face is `heightPx` high, in the middle of a grey picture of a camera's size. */
async function scaledPhoto(photo: Uint8Array, face: Subject, heightPx: number): Promise<Uint8Array> {
  const image = await decodeImage(photo);
  const gain = heightPx / face.box.height;
  const size = { width: Math.round(image.width * gain), height: Math.round(image.height * gain) };
  const small = resize(image, size.width, size.height, 'bicubic_antialias');
  const left = Math.max(0, Math.floor((canvas.width - size.width) / 2));
  const top = Math.max(0, Math.floor((canvas.height - size.height) / 2));
  return await sharp(small.data, { raw: { ...size, channels: 3 } })
    .extend({
      left,
      top,
      right: Math.max(0, canvas.width - size.width - left),
      bottom: Math.max(0, canvas.height - size.height - top),
      background: '#808080',
    })
    .png()
    .toBuffer();
}

async function photoFaces(tools: FaceTools, { progress }: Bench): Promise<Faces> {
  const references: Embedded[] = [];
  const looks: Look[] = [];
  const found: Found[] = [];
  const probes: { person: string; file: string; photo: Uint8Array; face: Subject }[] = [];
  for (const [person, { enrol, probe }] of Object.entries(readManifest().people)) {
    for (const file of [...enrol, ...probe]) {
      const photo = readFileSync(dataPath(file));
      const face = await largestFace(tools, photo);
      if (face === undefined) throw new Error(`no face was found on ${file}`);
      const vectors = await tools.embedPhoto(photo, face);
      if (enrol.includes(file)) references.push({ person, vectors });
      else probes.push({ person, file, photo, face });
      if (probe.includes(file)) looks.push({ person, vectors, ...lookOf(face, 'photo', file) });
    }
  }
  for (const height of scaledHeights) {
    progress(`photos with faces of ${height} px`);
    const heights: { heightPx: number; found: boolean }[] = [];
    for (const { person, file, photo, face } of probes) {
      const small = await scaledPhoto(photo, face, height);
      const again = await largestFace(tools, small);
      heights.push({ heightPx: height, found: again !== undefined });
      if (again === undefined) continue;
      const vectors = await tools.embedPhoto(small, again);
      looks.push({ person, vectors, ...lookOf(again, 'photo scaled', `${file} ${height}`) });
    }
    found.push({ source: 'photo scaled', where: `${height} px`, heights, extra: 0 });
  }
  return { references, looks, found };
}

function lookOf({ quality }: Subject, source: Source, track: string): Omit<Look, 'person' | 'vectors'> {
  return { source, heightPx: quality.heightPx, quality: quality.overall, visible: 1, track, easy: false };
}

/** The truth of a clip that was scaled by `gain` and moved. */
type Place = (box: TruthBox['box']) => TruthBox['box'];

async function clipFaces(
  tools: FaceTools,
  bench: Bench,
  clip: ClipTruth,
  played: { readonly file: string; readonly source: Source; readonly name: string; readonly place: Place },
): Promise<Pick<Faces, 'looks' | 'found'>> {
  const { repository } = bench;
  const frames = await watchFile(played.file, { repository, detector: faceDetector, kind: 'face' });
  const looks: Look[] = [];
  const heights: { heightPx: number; found: boolean }[] = [];
  let extra = 0;
  for (const frame of frames) {
    const truth = clip.boxes(frame.sequence).faces.map((face) => ({ ...face, box: played.place(face.box) }));
    const faces = frame.detections.filter(({ label }) => label === 'face');
    const who = assign(
      faces.map(({ box }) => box),
      truth,
      leastOverlap,
    );
    extra += who.filter((found) => found === undefined).length;
    for (const face of truth) {
      if ((face.visible ?? 1) >= wellVisible) heights.push({ heightPx: face.box[3], found: who.includes(face) });
    }
    const cropped = faces.flatMap(({ crop, trackId }, at) => {
      const face = who[at];
      return crop === undefined || face?.id === undefined
        ? []
        : [{ crop, trackId, person: face.id, visible: face.visible ?? 1 }];
    });
    const vectors = await tools.embedCrops(cropped.map(({ crop }) => crop));
    for (const [at, { crop, trackId, person, visible }] of cropped.entries()) {
      const found = vectors[at];
      if (found === undefined) throw new Error(`a crop of ${played.name} gave no embedding`);
      looks.push({
        person,
        vectors: found,
        source: played.source,
        heightPx: crop.quality.heightPx,
        quality: crop.quality.overall,
        visible,
        track: `${played.name} ${trackId} ${person}`,
        easy: clip.name === clipOfStill,
      });
    }
  }
  bench.progress(`${played.name}: ${frames.length} frames, ${looks.length} faces`);
  return { looks, found: [{ source: played.source, where: played.name, heights, extra }] };
}

const unscaled: Place = (box) => box;

/** The clip with its median face `heightPx` high, inside a picture of at least `canvas` size; written to `folder`. */
function scaleClip(clip: ClipTruth, heightPx: number, folder: string): { readonly file: string; readonly place: Place } {
  const heights = Array.from({ length: clip.frames }, (_, i) => clip.boxes(i).faces.map(({ box }) => box[3])).flat();
  const { width, height } = clipSize(clip);
  const gain = heightPx / median(heights);
  const even = (value: number) => 2 * Math.round(value / 2);
  const size = { width: even(width * gain), height: even(height * gain) };
  const left = even((canvas.width - size.width) / 2);
  const top = even((canvas.height - size.height) / 2);
  const file = join(folder, `${clip.name}-${heightPx}.mp4`);
  const filter = [
    `scale=${size.width}:${size.height}:flags=bicubic+accurate_rnd+full_chroma_int`,
    `pad=${canvas.width}:${canvas.height}:${left}:${top}:0x808080`,
  ];
  const quality = ['-c:v', 'libx264', '-crf', '18', '-preset', 'fast', '-pix_fmt', 'yuv420p'];
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', clip.path, '-an', '-vf', filter.join(','), ...quality, file]);
  const x = size.width / width;
  const y = size.height / height;
  return { file, place: (box) => [left + box[0] * x, top + box[1] * y, box[2] * x, box[3] * y] };
}

export interface FaceOptions {
  readonly clips: readonly string[];
  /** Also with faces scaled down. */
  readonly scaled: boolean;
}

export async function measureFaces(bench: Bench, options: FaceOptions): Promise<Faces> {
  using tools = await createFaceTools(bench);
  bench.progress('photos');
  const photos = await photoFaces(tools, bench);
  const looks: Look[] = [...photos.looks];
  const found: Found[] = [...photos.found];
  await using folder = await temporaryDirectory();
  for (const name of options.clips) {
    const clip = readClip(name);
    const whole = { file: clip.path, source: 'clip', name, place: unscaled } as const;
    const seen = [await clipFaces(tools, bench, clip, whole)];
    if (options.scaled && clip.faces.length > 0) {
      const largest = Math.max(...Array.from({ length: clip.frames }, (_, i) => clip.boxes(i).faces[0]?.box[3] ?? 0));
      for (const height of scaledHeights.filter((wanted) => wanted < 0.9 * largest)) {
        const scaled = {
          ...scaleClip(clip, height, folder.path),
          source: 'clip scaled',
          name: `${name} at ${height} px`,
        } as const;
        seen.push(await clipFaces(tools, bench, clip, scaled));
      }
    }
    looks.push(...seen.flatMap((item) => item.looks));
    found.push(...seen.flatMap((item) => item.found));
  }
  return { references: photos.references, looks, found };
}
