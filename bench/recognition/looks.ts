import type { Context } from '../../src/core/context.ts';
import type { InferenceEngine } from '../../src/core/inference.ts';
import type { Pair, Source } from './scores.ts';

/** What was seen and what it is compared with. */

export interface Bench {
  readonly engine: InferenceEngine;
  readonly repository: string;
  readonly ctx: Context;
  readonly progress: (text: string) => void;
}

/** A picture of a person, embedded by each model. */
export interface Embedded {
  readonly person: string;
  readonly vectors: ReadonlyMap<string, Float32Array>;
}

export interface Look extends Embedded {
  readonly source: Source;
  readonly heightPx: number;
  /** 0 to 1. */
  readonly quality: number;
  /** Share that nothing hides, by the ground truth. */
  readonly visible: number;
  /** Looks of one track share it; photos are their own. */
  readonly track: string;
  /** The reference was taken from the same moments: no fair test of a match. */
  readonly easy: boolean;
}

function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

export function scoreOf(look: Embedded, reference: Embedded, model: string): number {
  const [own, other] = [look.vectors.get(model), reference.vectors.get(model)];
  if (own === undefined || other === undefined) throw new Error(`${model} gave no vector`);
  return cosine(own, other);
}

/** Score of each look against each reference; genuine pairs only where the match is a fair test. */
export function pairsOf(looks: readonly Look[], references: readonly Embedded[], model: string): readonly Pair[] {
  return looks.flatMap((look) =>
    references.flatMap((reference): Pair[] => {
      if (look.easy && reference.person === look.person) return [];
      const { person, source, heightPx } = look;
      return [{ seen: person, reference: reference.person, score: scoreOf(look, reference, model), heightPx, source }];
    }),
  );
}
