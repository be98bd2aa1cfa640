import { createHash } from 'node:crypto';
import { SightlineError } from '../../src/core/errors.ts';
import type { Quality } from '../../src/core/types.ts';
import type { DescriptionTools, PhotoSubject, PhotoTools } from '../../src/watchlist/photos.ts';

/** A stand-in for decoding and models: its photos are JSON that says who is on them, and equal people give near vectors. */

export interface FakeSubject {
  /** Vectors are the same for the same person but for `variant`, which adds a little of its own. */
  readonly person: string;
  readonly variant?: number;
  readonly left?: number;
  readonly quality?: Partial<Quality>;
}

export function fakePhoto(...subjects: readonly FakeSubject[]): Uint8Array {
  return Buffer.from(JSON.stringify({ subjects }));
}

export const goodQuality: Quality = {
  heightPx: 160,
  sharpness: 300,
  rollDegrees: 3,
  yaw: 0.1,
  visible: 1,
  score: 0.9,
  overall: 0.8,
};

/** Numbers from -1 to 1 that follow from a text. */
function noise(text: string, count: number): Float32Array {
  const bytes = Buffer.alloc(count * 4);
  for (let at = 0; at < bytes.length; at += 32) {
    createHash('sha256').update(`${text}/${at}`).digest().copy(bytes, at);
  }
  return Float32Array.from({ length: count }, (_, i) => bytes.readUInt32LE(i * 4) / 2 ** 31 - 1);
}

/** Unit vector of a person in a space; another variant of the same person has a cosine of about 0.96. */
export function fakeVector(space: string, person: string, dimensions: number, variant = 0): Float32Array {
  const base = noise(`${space}/${person}`, dimensions);
  const own = noise(`${space}/${person}/${variant}`, dimensions);
  const mixed = base.map((value, i) => value + (variant === 0 ? 0 : 0.3 * (own[i] ?? 0)));
  const norm = Math.hypot(...mixed);
  return mixed.map((value) => value / norm);
}

export interface FakePhotoTools extends PhotoTools {
  /** Pictures embedded so far. */
  readonly embedded: number;
}

/** Pictures are 20 kB that nobody compresses, with who is on them at the front. */
export function fakePhotoTools(space: string, dimensions = 64): FakePhotoTools {
  let embedded = 0;
  return {
    get embedded() {
      return embedded;
    },
    analyse: async (photo) => {
      let subjects: readonly FakeSubject[];
      try {
        subjects = JSON.parse(Buffer.from(photo).toString('utf8')).subjects;
        if (!Array.isArray(subjects)) throw new TypeError('no photo of ours');
      } catch (cause) {
        throw new SightlineError('photo.undecodable', 'the photo is neither JPEG nor anything else that is known', { cause });
      }
      return {
        width: 1000,
        height: 800,
        subjects: subjects.map((subject, index): PhotoSubject & { readonly fake: FakeSubject } => ({
          box: { left: subject.left ?? 100 * index, top: 50, width: 80, height: 100 },
          score: 0.9,
          quality: { ...goodQuality, ...subject.quality },
          fake: subject,
        })),
      };
    },
    cut: async (_photo, subject) => {
      const { fake } = subject as PhotoSubject & { readonly fake: FakeSubject };
      const head = Buffer.from(`${JSON.stringify(fake)}\n`);
      const body = Buffer.from(noise(`picture of ${fake.person} ${fake.variant ?? 0}`, 5000).buffer);
      return { jpeg: Buffer.concat([head, body]), box: { left: 20, top: 20, width: 80, height: 100 } };
    },
    embed: async ({ jpeg }) => {
      embedded += 1;
      const text = Buffer.from(jpeg);
      const { person, variant = 0 } = JSON.parse(text.subarray(0, text.indexOf('\n')).toString('utf8')) as FakeSubject;
      return { vector: fakeVector(space, person, dimensions, variant), space };
    },
  };
}

/** Equal words give equal vectors, and every word of a text has its share in it. */
export function fakeDescriptionTools(space: string, dimensions = 64): DescriptionTools {
  return {
    embed: async (text) => {
      const words = text.split(/[ ,]+/).map((word) => fakeVector(space, word, dimensions));
      return {
        vector: Float32Array.from({ length: dimensions }, (_, at) => words.reduce((sum, word) => sum + (word[at] ?? 0), 0)),
        space,
      };
    },
  };
}
