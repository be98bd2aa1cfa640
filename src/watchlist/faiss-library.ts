import type { FlatIndex } from './vector-index.ts';

/** FAISS by its binding. Used in threads; every call blocks. */

export type Faiss = typeof import('faiss-node');

/** From 20 queries on FAISS multiplies matrices; below, it goes one by one. */
const wholeBatch = 20;
/** More queries than this are filled up with zeros to a whole batch: that costs about as much as four one by one. */
const paddedFrom = 4;
/** Vectors handed over at once: the binding copies them. */
const addAtOnce = 1000;

/** The library, or why it cannot be had. */
export async function loadFaiss(): Promise<Faiss | string> {
  try {
    // CommonJS without named exports at run time.
    const { default: faiss } = (await import('faiss-node')) as unknown as { readonly default: Faiss };
    return faiss;
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n')[0] ?? error.message) : String(error);
  }
}

/** Vectors in the form the binding takes. */
type Hand = (vectors: Float32Array) => number[];

/**
 * Its types know plain arrays only. Built by tools/build-native.mjs it takes a Float32Array as well, at a tenth of the cost; whether
 * it does is tried.
 */
function handing({ IndexFlatIP }: Faiss): Hand {
  const asTheyAre: Hand = (vectors) => vectors as unknown as number[];
  try {
    new IndexFlatIP(1).add(asTheyAre(Float32Array.of(1)));
    return asTheyAre;
  } catch {
    return (vectors) => Array.from(vectors);
  }
}

export function createFaissFlat(faiss: Faiss, dimensions: number): FlatIndex {
  const index = new faiss.IndexFlatIP(dimensions);
  const hand = handing(faiss);
  return {
    get size() {
      return index.ntotal();
    },
    add: (vectors) => {
      for (let at = 0; at < vectors.length; at += addAtOnce * dimensions) {
        index.add(hand(vectors.subarray(at, at + addAtOnce * dimensions)));
      }
    },
    remove: (labels) => {
      index.removeIds([...labels]);
    },
    search: (queries, k) => {
      const count = queries.length / dimensions;
      const padded = count > paddedFrom && count < wholeBatch ? new Float32Array(wholeBatch * dimensions) : queries;
      if (padded !== queries) padded.set(queries);
      const { labels, distances } = index.search(hand(padded), k);
      return { labels, scores: distances };
    },
  };
}

/**
 * How the graph is made and searched. Measured by bench/match.ts and around it: who is listed is found as the exact search finds them
 * (recall@1) in 0.999 of searches of 101 000 vectors with `efSearch` 128; of 250 000 in 0.976 with 128, 0.990 with 192, 0.995 with 256 and
 * 0.997 with 384. So it grows with the list. A greater `efConstruction` would take as much longer to build.
 */
const graph = { factory: 'HNSW32,Flat', efConstruction: 40, efSearchLeast: 128, vectorsPerEfSearch: 800 } as const;

/** Candidates that a search keeps (HNSW's efSearch) in a graph of so many vectors. */
export function searchEffort(vectors: number): number {
  return Math.max(graph.efSearchLeast, Math.ceil(vectors / graph.vectorsPerEfSearch));
}

/** What FAISS writes of an empty graph: efConstruction, efSearch and upper_beam one after the other. The binding has no setters for them. */
const written = { efConstruction: 40, efSearch: 16, upperBeam: 1 } as const;

/** An approximate index that only grows (removing from it aborts the process). Labels are the order of adding; −1 stands for nothing found. */
export interface GraphIndex {
  add(vectors: Float32Array): void;
  search(queries: Float32Array, k: number): { readonly labels: ArrayLike<number>; readonly scores: ArrayLike<number> };
}

/** An empty one, made for so many vectors. */
export function createFaissGraph(faiss: Faiss, dimensions: number, vectors: number): GraphIndex {
  const { Index, MetricType } = faiss;
  const hand = handing(faiss);
  const empty = Index.fromFactory(dimensions, graph.factory, MetricType.METRIC_INNER_PRODUCT).toBuffer();
  const { efConstruction } = graph;
  const index = Index.fromBuffer(withEffort(empty, { efConstruction, efSearch: searchEffort(vectors) }));
  return {
    add: (vectors) => index.add(hand(vectors)),
    search: (queries, k) => {
      const { labels, distances } = index.search(hand(queries), k);
      return { labels, scores: distances };
    },
  };
}

/** The written empty graph with other settings. Throws where FAISS writes it otherwise than is known here. */
export function withEffort(
  empty: Buffer,
  { efConstruction, efSearch }: { readonly efConstruction: number; readonly efSearch: number },
): Buffer {
  const known = Buffer.alloc(12);
  for (const [at, value] of [written.efConstruction, written.efSearch, written.upperBeam].entries())
    known.writeInt32LE(value, 4 * at);
  const at = empty.indexOf(known);
  if (at < 0 || empty.indexOf(known, at + 1) >= 0) throw new Error('this FAISS writes graphs in a form that is not known here');
  const tuned = Buffer.from(empty);
  tuned.writeInt32LE(efConstruction, at);
  tuned.writeInt32LE(efSearch, at + 4);
  return tuned;
}
