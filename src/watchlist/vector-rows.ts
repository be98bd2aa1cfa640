/**
 * The vectors of one space by id, in memory that threads share: an index that is built anew reads them where they are. A slot that is
 * given up is erased and used again.
 */

/** Vectors per chunk; 20 MB at 512 dimensions. */
const perChunk = 10_000;

export interface Snapshot {
  readonly dimensions: number;
  readonly chunks: readonly SharedArrayBuffer[];
  /** Where the vectors are, and under which ids, in the same order. */
  readonly slots: Int32Array;
  readonly ids: readonly string[];
}

export interface VectorRows {
  readonly size: number;
  /** Replaces the vector of an id that is there. */
  put(id: string, vector: Float32Array): void;
  delete(id: string): void;
  has(id: string): boolean;
  /** The vectors of those of `ids` that are there, one after the other. */
  copy(ids: readonly string[]): { readonly ids: readonly string[]; readonly vectors: Float32Array<ArrayBuffer> };
  /** What is there now. Slots given up afterwards change under whoever reads it: their ids must not be believed any more. */
  snapshot(): Snapshot;
}

export function vectorAt(chunks: readonly SharedArrayBuffer[], slot: number, dimensions: number): Float32Array {
  const chunk = chunks[Math.floor(slot / perChunk)];
  if (chunk === undefined) throw new RangeError(`there is no slot ${slot}`);
  return new Float32Array(chunk, (slot % perChunk) * dimensions * 4, dimensions);
}

export function createVectorRows(dimensions: number): VectorRows {
  const chunks: SharedArrayBuffer[] = [];
  const slots = new Map<string, number>();
  const free: number[] = [];
  let used = 0;

  function slotOf(id: string): number {
    const slot = slots.get(id) ?? free.pop() ?? used++;
    slots.set(id, slot);
    if (slot >= chunks.length * perChunk) chunks.push(new SharedArrayBuffer(perChunk * dimensions * 4));
    return slot;
  }

  return {
    get size() {
      return slots.size;
    },
    put: (id, vector) => vectorAt(chunks, slotOf(id), dimensions).set(vector),
    delete: (id) => {
      const slot = slots.get(id);
      if (slot === undefined) return;
      slots.delete(id);
      free.push(slot);
      vectorAt(chunks, slot, dimensions).fill(0);
    },
    has: (id) => slots.has(id),
    copy: (asked) => {
      const ids = asked.filter((id) => slots.has(id));
      const vectors = new Float32Array(ids.length * dimensions);
      for (const [place, id] of ids.entries())
        vectors.set(vectorAt(chunks, slots.get(id) ?? -1, dimensions), place * dimensions);
      return { ids, vectors };
    },
    snapshot: () => ({ dimensions, chunks: [...chunks], slots: Int32Array.from(slots.values()), ids: [...slots.keys()] }),
  };
}
