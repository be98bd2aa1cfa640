import { readFileSync } from 'node:fs';
import type { Embedder } from '../../src/core/models.ts';
import { createCropEmbedder } from '../../src/models/embed-crops.ts';
import { createDetector, createEmbedder } from '../../src/models/kinds.ts';
import { createPhotoTools } from '../../src/models/photo-tools.ts';
import { type ClipTruth, cutBody, readClip, type Visit } from '../../test/support/clips.ts';
import { temporaryDirectory } from '../../test/support/directory.ts';
import type { Bench, Embedded, Look } from './looks.ts';
import { assign } from './truth.ts';
import { watchFile } from './worker.ts';

/** Bodies of the clips beside pictures cut from the later half of each visit, as somebody would enrol a person seen a minute ago. */

export const bodyModels = ['person_embed', 'person_embed_224'] as const;
const bodyDetector = 'yolox_nano';
const leastOverlap = 0.5;
/** Where in a visit the pictures to enrol are cut: the looks that they are compared with come from its first half. */
const cutAt = [0.5, 0.6, 0.7, 0.8, 0.9] as const;
const bodyClips = ['real_visits_a', 'real_worker', 'real_classroom'] as const;
/** Those seated in the classroom are strangers only: nobody would enrol a body of 80 px. */
const enrolFrom: readonly string[] = ['real_visits_a', 'real_worker'];

export interface Bodies {
  readonly references: readonly Embedded[];
  readonly looks: readonly Look[];
  /** Pictures in which no body was found. */
  readonly unusable: number;
}

function firstHalf({ from, to }: Visit, frame: number): boolean {
  return frame < from + cutAt[0] * (to - from);
}

export async function measureBodies(bench: Bench): Promise<Bodies> {
  const { engine, repository, ctx, progress } = bench;
  const detector = createDetector(await engine.describe(bodyDetector), engine.infer);
  const options = (signal: AbortSignal) => ({ signal, deadlineMs: ctx.clock.mono() + 120_000, stream: 'bench' });
  const embedders: Embedder[] = [];
  for (const model of bodyModels) embedders.push(createEmbedder(await engine.describe(model), engine.infer));
  const references: Embedded[] = [];
  const looks: Look[] = [];
  let unusable = 0;

  async function enrol(clip: ClipTruth, visit: Visit, folder: string): Promise<void> {
    for (const part of cutAt) {
      const frame = Math.floor(visit.from + part * (visit.to - visit.from));
      const picture = readFileSync(cutBody(clip, visit.id, frame, folder));
      const vectors = new Map<string, Float32Array>();
      for (const embedder of embedders) {
        const tools = createPhotoTools({ detector: async () => detector, embedder: async () => embedder, options });
        const { subjects } = await tools.analyse(picture, 'body', ctx.signal);
        const [subject] = subjects.toSorted((a, b) => b.box.height - a.box.height);
        if (subject === undefined) continue;
        const cutout = await tools.cut(picture, subject, 'body', ctx.signal);
        vectors.set(embedder.model, (await tools.embed(cutout, 'body', ctx.signal)).vector);
      }
      if (vectors.size < embedders.length) unusable += 1;
      else references.push({ person: visit.id, vectors });
    }
  }

  async function watch(clip: ClipTruth): Promise<void> {
    const before = looks.length;
    for (const frame of await watchFile(clip.path, { repository, detector: bodyDetector, kind: 'body' })) {
      const people = frame.detections.filter(({ label }) => label === 'person');
      const who = assign(
        people.map(({ box }) => box),
        clip.boxes(frame.sequence).persons,
        leastOverlap,
      );
      const cropped = people.flatMap(({ crop, trackId }, at) => {
        const id = who[at]?.id;
        return crop === undefined || id === undefined ? [] : [{ crop, trackId, id }];
      });
      const vectors = cropped.map(() => new Map<string, Float32Array>());
      for (const embedder of embedders) {
        using cropper = createCropEmbedder(embedder, ctx);
        const embedded = await cropper.embed(
          cropped.map(({ crop }) => crop),
          options(ctx.signal),
        );
        for (const [at, embedding] of embedded.entries()) {
          if (embedding !== undefined) vectors[at]?.set(embedder.model, embedding.vector);
        }
      }
      for (const [at, { crop, trackId, id }] of cropped.entries()) {
        const found = vectors[at];
        if (found === undefined || found.size < embedders.length) throw new Error(`a crop of ${clip.name} gave no embedding`);
        const visit = clip.persons.find((person) => person.id === id);
        looks.push({
          person: id,
          vectors: found,
          source: 'clip',
          heightPx: crop.quality.heightPx,
          quality: crop.quality.overall,
          visible: crop.quality.visible,
          track: `${clip.name} ${trackId} ${id}`,
          // The pictures to enrol were cut from the later half.
          easy: visit !== undefined && !firstHalf(visit, frame.sequence),
        });
      }
    }
    progress(`${clip.name}: ${looks.length - before} bodies`);
  }

  await using folder = await temporaryDirectory();
  for (const name of bodyClips) {
    const clip = readClip(name);
    if (enrolFrom.includes(name)) for (const visit of clip.persons) await enrol(clip, visit, folder.path);
    await watch(clip);
  }
  return { references, looks, unusable };
}
