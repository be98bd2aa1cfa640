import { SightlineError } from '../core/errors.ts';

/** Nearest neighbours by inner product; for unit vectors that is the cosine. */

/** Answers of a search, per query by falling score. */
export interface Neighbours {
  readonly ids: readonly string[];
  readonly scores: readonly number[];
}

/**
 * A flat index under its labels: labels are the order of adding, and removal moves all later ones down. Vectors lie one after the
 * other in one array. A replacement for large lists (approximate, read-only, rebuilt) has to keep this contract.
 */
export interface FlatIndex {
  readonly size: number;
  add(vectors: Float32Array): void;
  /** Labels in rising order, each once. */
  remove(labels: readonly number[]): void;
  /** `k` answers per query in one array each, fewer than `k` never: the caller clamps it to `size`. */
  search(queries: Float32Array, k: number): { readonly labels: ArrayLike<number>; readonly scores: ArrayLike<number> };
}

/** The exact search written out: serves where FAISS cannot be loaded. About twice FAISS's time for one query. */
export function createScan(dimensions: number): FlatIndex {
  let rows = new Float32Array(0);
  let size = 0;

  function scoreOf(queries: Float32Array, query: number, row: number): number {
    let sum = 0;
    const a = query * dimensions;
    const b = row * dimensions;
    for (let i = 0; i < dimensions; i += 1) sum += (queries[a + i] ?? 0) * (rows[b + i] ?? 0);
    return sum;
  }

  return {
    get size() {
      return size;
    },
    add: (vectors) => {
      const needed = size * dimensions + vectors.length;
      if (needed > rows.length) {
        const grown = new Float32Array(Math.max(needed, 2 * rows.length));
        grown.set(rows.subarray(0, size * dimensions));
        rows = grown;
      }
      rows.set(vectors, size * dimensions);
      size += vectors.length / dimensions;
    },
    remove: (labels) => {
      const gone = new Set(labels);
      let kept = 0;
      for (let row = 0; row < size; row += 1) {
        if (gone.has(row)) continue;
        if (kept !== row) rows.copyWithin(kept * dimensions, row * dimensions, (row + 1) * dimensions);
        kept += 1;
      }
      // What was removed is erased, not left behind the end.
      rows.fill(0, kept * dimensions, size * dimensions);
      size = kept;
    },
    search: (queries, k) => {
      const count = queries.length / dimensions;
      const labels = new Int32Array(count * k);
      const scores = new Float32Array(count * k).fill(Number.NEGATIVE_INFINITY);
      for (let query = 0; query < count; query += 1) {
        const first = query * k;
        const last = first + k - 1;
        for (let row = 0; row < size; row += 1) {
          const score = scoreOf(queries, query, row);
          if (row >= k && score <= (scores[last] ?? 0)) continue;
          let at = row < k ? first + row : last;
          while (at > first && (scores[at - 1] ?? 0) < score) {
            scores[at] = scores[at - 1] ?? 0;
            labels[at] = labels[at - 1] ?? 0;
            at -= 1;
          }
          scores[at] = score;
          labels[at] = row;
        }
      }
      return { labels, scores };
    },
  };
}

/** A flat index whose vectors have ids; the table from label to id moves with it. */
export interface LabelledIndex {
  readonly size: number;
  /** Removes, then adds; an id that is there already is replaced. Unknown ids to remove are ignored. */
  change(change: { readonly remove: readonly string[]; readonly ids: readonly string[]; readonly vectors: Float32Array }): void;
  /** At most `k` neighbours per query. */
  search(queries: Float32Array, k: number): readonly Neighbours[];
}

/** Vectors one after the other. Throws `watchlist.dimension` when one has another length. */
export function joinVectors(vectors: readonly Float32Array[], dimensions: number): Float32Array<ArrayBuffer> {
  const joined = new Float32Array(vectors.length * dimensions);
  for (const [at, vector] of vectors.entries()) {
    if (vector.length !== dimensions) checkVectors(vector, dimensions, 1);
    joined.set(vector, at * dimensions);
  }
  return joined;
}

/** Throws `watchlist.dimension` unless these are finite values of whole vectors, `count` of them where that is given. */
export function checkVectors(vectors: Float32Array, dimensions: number, count?: number): void {
  if (vectors.length % dimensions !== 0 || (count !== undefined && vectors.length !== count * dimensions)) {
    throw new SightlineError(
      'watchlist.dimension',
      `${vectors.length} values are not ${count === undefined ? 'vectors' : `${count} vectors`} of ${dimensions}`,
      { details: { values: vectors.length, dimensions } },
    );
  }
  // A sum is finite only if all of it is.
  let sum = 0;
  for (let at = 0; at < vectors.length; at += 1) sum += vectors[at] ?? 0;
  if (!Number.isFinite(sum)) {
    throw new SightlineError('watchlist.dimension', 'a vector has values that are not finite numbers', {
      details: { dimensions },
    });
  }
}

/** Errors: those of `checkVectors`. */
export function createLabelled(flat: FlatIndex, dimensions: number): LabelledIndex {
  let labels: string[] = [];

  return {
    get size() {
      return flat.size;
    },
    change: ({ remove, ids, vectors }) => {
      checkVectors(vectors, dimensions, ids.length);
      const gone = new Set([...remove, ...ids]);
      const removed = labels.flatMap((id, label) => (gone.has(id) ? [label] : []));
      if (removed.length > 0) {
        flat.remove(removed);
        labels = labels.filter((id) => !gone.has(id));
      }
      if (ids.length > 0) flat.add(vectors);
      labels.push(...ids);
    },
    search: (queries, k) => {
      checkVectors(queries, dimensions);
      const count = queries.length / dimensions;
      const depth = Math.min(k, flat.size);
      if (depth === 0) return Array.from({ length: count }, () => ({ ids: [], scores: [] }));
      const found = flat.search(queries, depth);
      return Array.from({ length: count }, (_, query) => {
        const ids: string[] = [];
        const scores: number[] = [];
        for (let at = query * depth; at < (query + 1) * depth; at += 1) {
          const id = labels[found.labels[at] ?? -1];
          const score = found.scores[at];
          if (id === undefined || score === undefined) continue;
          ids.push(id);
          scores.push(score);
        }
        return { ids, scores };
      });
    },
  };
}
