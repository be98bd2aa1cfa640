import type { Context } from '../core/context.ts';
import { SightlineError } from '../core/errors.ts';
import { startThread } from '../core/thread.ts';
import type { IndexHandlers, IndexInfo } from './faiss-thread.ts';
import type { Neighbours } from './vector-index.ts';

/** Indexes by embedding space in a thread of their own. Calls are carried out one after the other, in order. */
export interface VectorIndex extends AsyncDisposable {
  readonly info: IndexInfo;
  /** An empty index of this space, instead of the one there may be. */
  reset(space: string, dimensions: number): Promise<void>;
  /** Removes these ids, then adds `vectors` (one after the other) under `ids`, replacing those that are there. Returns the new size. */
  change(
    space: string,
    change: { readonly remove?: readonly string[]; readonly ids?: readonly string[]; readonly vectors?: Float32Array },
  ): Promise<number>;
  /** At most `k` neighbours per query, best first. `queries` is handed over and empty afterwards. */
  search(space: string, queries: Float32Array<ArrayBuffer>, k: number): Promise<readonly Neighbours[]>;
  readonly died: Promise<SightlineError>;
}

/** Searches that may wait; beyond, the caller offers more than the machine can do. */
const maxPending = 256;

export interface VectorIndexOptions {
  /** Leaves FAISS alone, for machines where it misbehaves and for tests. */
  readonly scanOnly?: boolean;
}

/** Starts the thread; says once which implementation serves and why. */
export async function startVectorIndex(options: VectorIndexOptions, ctx: Context): Promise<VectorIndex> {
  const thread = await startThread<IndexHandlers>(new URL('./faiss-thread.ts', import.meta.url), {
    name: 'vectors',
    data: { scanOnly: options.scanOnly ?? false },
  });
  const info = await thread.calls.info();
  if (info.kind === 'scan') ctx.log.warn({ reason: info.reason }, 'faiss is not used, vectors are searched by a plain scan');
  else if (info.threads !== '1')
    ctx.log.warn(
      { OMP_NUM_THREADS: info.threads ?? 'unset' },
      'faiss runs several threads and may be slow; set OMP_NUM_THREADS=1',
    );

  return {
    info,
    reset: (space, dimensions) => thread.calls.reset(space, dimensions),
    change: (space, { remove = [], ids = [], vectors = new Float32Array(0) }) =>
      thread.calls.change(space, remove, ids, vectors),
    search: (space, queries, k) =>
      thread.pending >= maxPending
        ? Promise.reject(
            new SightlineError('inference.overload', `${maxPending} searches wait for the vector index; no more are taken`),
          )
        : thread.transfer('search', [space, queries, k], [queries.buffer]),
    died: thread.died,
    [Symbol.asyncDispose]: () => thread[Symbol.asyncDispose](),
  };
}
