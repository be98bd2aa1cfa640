import { Transferred } from '../core/thread.ts';
import { createFaissGraph, type GraphIndex, loadFaiss } from './faiss-library.ts';
import { type Snapshot, vectorAt } from './vector-rows.ts';

/** Vectors per native call, about a millisecond each: the thread can be ended only between calls. */
const addAtOnce = 50;

/** What the thread of an approximate index answers. */
export async function createGraphHandlers() {
  const faiss = await loadFaiss();
  let graph: GraphIndex | undefined;
  return {
    /** Builds the index from vectors in shared memory; labels are their order in `slots`. */
    build: ({ dimensions, chunks, slots }: Omit<Snapshot, 'ids'>): void => {
      if (typeof faiss === 'string') throw new Error(faiss);
      const made = createFaissGraph(faiss, dimensions, slots.length);
      for (let first = 0; first < slots.length; first += addAtOnce) {
        const some = slots.subarray(first, first + addAtOnce);
        const vectors = new Float32Array(some.length * dimensions);
        for (const [place, slot] of some.entries()) vectors.set(vectorAt(chunks, slot, dimensions), place * dimensions);
        made.add(vectors);
      }
      graph = made;
    },
    /** `k` labels and scores per query, best first; label −1 where fewer were found. */
    search: (queries: Float32Array, k: number) => {
      if (graph === undefined) throw new Error('the graph is not built');
      const found = graph.search(queries, k);
      const labels = Int32Array.from(found.labels);
      const scores = Float32Array.from(found.scores);
      return new Transferred({ labels, scores }, [labels.buffer, scores.buffer]);
    },
  };
}

export type GraphHandlers = Awaited<ReturnType<typeof createGraphHandlers>>;
