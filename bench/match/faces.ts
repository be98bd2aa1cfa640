import { seeded } from '../../test/support/seeded.ts';

/**
 * Drawn embeddings that lie as faces' do: people far apart (cosines about 0, directions of unequal weight), looks of one person around
 * it. All from one seed.
 */
export const dimensions = 512;
/** Enrolled pictures per person. */
export const picturesEach = 4;
/** Cosine of two enrolled pictures of one person, about. */
const likeness = 0.7;

export interface Faces {
  /** A unit vector of its own. */
  person(): Float32Array;
  /** A picture of somebody: two of likeness `cosine` have that cosine, about. */
  look(person: Float32Array, cosine?: number): Float32Array;
  random(): number;
}

export function drawFaces(seed: number): Faces {
  const random = seeded(seed);
  const weights = Float64Array.from({ length: dimensions }, (_, i) => 1 / Math.sqrt(1 + i / 64));
  const sine = Float64Array.from({ length: 4096 }, (_, i) => Math.cos((2 * Math.PI * i) / 4096));

  function unit(vector: Float32Array): Float32Array {
    let sum = 0;
    for (const value of vector) sum += value * value;
    const length = Math.sqrt(sum);
    return vector.map((value) => value / length);
  }

  function direction(): Float32Array {
    const drawn = new Float32Array(dimensions);
    for (let i = 0; i < dimensions; i += 1) {
      const normal = Math.sqrt(-2 * Math.log(1 - random())) * (sine[Math.floor(random() * 4096)] ?? 0);
      drawn[i] = normal * (weights[i] ?? 0);
    }
    return unit(drawn);
  }

  return {
    person: direction,
    look: (person, cosine = likeness) => {
      const noise = Math.sqrt(1 / cosine - 1);
      const other = direction();
      return unit(person.map((value, i) => value + noise * (other[i] ?? 0)));
    },
    random,
  };
}
