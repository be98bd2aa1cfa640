import { serveThread } from '../core/thread.ts';
import { createFaissFlat, loadFaiss } from './faiss-library.ts';
import { createLabelled, createScan, type LabelledIndex, type Neighbours } from './vector-index.ts';

/** The thread of the exact indexes; FAISS where it loads, the plain scan where it does not. */

export type IndexKind = 'faiss-flat' | 'faiss-hnsw' | 'scan';

export interface IndexInfo {
  readonly kind: IndexKind;
  /** Why FAISS does not serve. */
  readonly reason?: string;
  /** OMP_NUM_THREADS as the process has it: spinning OpenMP threads make a search several times slower. */
  readonly threads?: string;
}

async function createHandlers(data: unknown) {
  const { scanOnly } = data as { readonly scanOnly: boolean };
  const faiss = scanOnly ? 'not asked for' : await loadFaiss();
  const spaces = new Map<string, LabelledIndex>();

  function make(dimensions: number): LabelledIndex {
    return createLabelled(typeof faiss === 'string' ? createScan(dimensions) : createFaissFlat(faiss, dimensions), dimensions);
  }

  function of(space: string): LabelledIndex {
    const found = spaces.get(space);
    if (found === undefined) throw new Error(`no index of space ${space}`);
    return found;
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
      spaces.set(space, make(dimensions));
    },
    /** Forgets an index; one that is not there is forgotten already. */
    drop: (space: string): void => {
      spaces.delete(space);
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
