import { serveThread } from '../core/thread.ts';
import { createLabelled, createScan, type FlatIndex, type LabelledIndex, type Neighbours } from './vector-index.ts';

/** The thread of the vector indexes, one per embedding space; FAISS where it loads, the plain scan where it does not. */

type Faiss = typeof import('faiss-node');

export type IndexKind = 'faiss-flat' | 'scan';

export interface IndexInfo {
  readonly kind: IndexKind;
  /** Why FAISS does not serve. */
  readonly reason?: string;
  /** OMP_NUM_THREADS as the process has it: spinning OpenMP threads make a search several times slower. */
  readonly threads?: string;
}

/** From 20 queries on FAISS multiplies matrices; below, it goes one by one and is several times slower. */
const wholeBatch = 20;
/** From this size on that pays for a single query too. */
const padSingleFrom = 100_000;
/** Vectors handed over at once: the binding takes plain arrays, 8 bytes a value. */
const addAtOnce = 1000;

function createFaiss({ IndexFlatIP }: Faiss, dimensions: number): FlatIndex {
  const index = new IndexFlatIP(dimensions);
  return {
    get size() {
      return index.ntotal();
    },
    add: (vectors) => {
      for (let at = 0; at < vectors.length; at += addAtOnce * dimensions) {
        index.add(Array.from(vectors.subarray(at, at + addAtOnce * dimensions)));
      }
    },
    remove: (labels) => {
      index.removeIds([...labels]);
    },
    search: (queries, k) => {
      const count = queries.length / dimensions;
      const padded = count < wholeBatch && (count > 1 || index.ntotal() >= padSingleFrom) ? wholeBatch : count;
      const plain: number[] = new Array(padded * dimensions).fill(0);
      for (const [at, value] of queries.entries()) plain[at] = value;
      const { labels, distances } = index.search(plain, k);
      return { labels, scores: distances };
    },
  };
}

async function loadFaiss(): Promise<Faiss | string> {
  try {
    // CommonJS without named exports at run time.
    const { default: faiss } = (await import('faiss-node')) as unknown as { readonly default: Faiss };
    return faiss;
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n')[0] ?? error.message) : String(error);
  }
}

async function createHandlers(data: unknown) {
  const { scanOnly } = data as { readonly scanOnly: boolean };
  const faiss = scanOnly ? 'not asked for' : await loadFaiss();
  const spaces = new Map<string, { readonly dimensions: number; readonly index: LabelledIndex }>();

  function make(dimensions: number): LabelledIndex {
    return createLabelled(typeof faiss === 'string' ? createScan(dimensions) : createFaiss(faiss, dimensions), dimensions);
  }

  function of(space: string): LabelledIndex {
    const found = spaces.get(space);
    if (found === undefined) throw new Error(`no index of space ${space}`);
    return found.index;
  }

  return {
    info: (): IndexInfo => {
      const threads = process.env['OMP_NUM_THREADS'];
      return {
        ...(typeof faiss === 'string' ? { kind: 'scan', reason: faiss } : { kind: 'faiss-flat' }),
        ...(threads === undefined ? {} : { threads }),
      };
    },
    /** An empty index of this space, instead of the one there may be. */
    reset: (space: string, dimensions: number): void => {
      spaces.set(space, { dimensions, index: make(dimensions) });
    },
    change: (space: string, remove: readonly string[], ids: readonly string[], vectors: Float32Array): number => {
      const index = of(space);
      index.change({ remove, ids, vectors });
      return index.size;
    },
    search: (space: string, queries: Float32Array, k: number): readonly Neighbours[] => of(space).search(queries, k),
  };
}

export type IndexHandlers = Awaited<ReturnType<typeof createHandlers>>;

await serveThread(createHandlers);
