import type { Context } from '../core/context.ts';
import type { SightlineError } from '../core/errors.ts';
import { startThread } from '../core/thread.ts';
import type { IndexHandlers, IndexInfo } from './faiss-thread.ts';
import { type Change, createSpaceIndex, type SpaceIndex } from './space-index.ts';
import type { Neighbours } from './vector-index.ts';

/** Indexes by embedding space in threads of their own. Calls are carried out one after the other, in order. */
export interface VectorIndex extends AsyncDisposable {
  readonly info: IndexInfo;
  /** An empty index of this space, instead of the one there may be. */
  reset(space: string, dimensions: number): Promise<void>;
  /** Removes these ids, then adds `vectors` under `ids`, replacing those that are there. Returns the new size. */
  change(space: string, change: Change): Promise<number>;
  /** At most `k` neighbours per query, best first. `queries` is handed over and empty afterwards. */
  search(space: string, queries: Float32Array<ArrayBuffer>, k: number): Promise<readonly Neighbours[]>;
  readonly died: Promise<SightlineError>;
}

/** Vectors of a space above which an approximate index serves. */
const exactUpTo = 100_000;

export interface VectorIndexOptions {
  /** Leaves FAISS alone, for machines where it misbehaves and for tests. */
  readonly scanOnly?: boolean;
  /** Where approximate search begins, and its thread. */
  readonly graph?: { readonly from?: number; readonly thread?: URL };
  /** Called when `info` has changed. */
  readonly onInfo?: () => void;
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
  const spaces = new Map<string, SpaceIndex>();
  const died = Promise.withResolvers<SightlineError>();
  void thread.died.then(died.resolve);

  function of(space: string): SpaceIndex {
    const found = spaces.get(space);
    if (found === undefined) throw new Error(`no index of space ${space}`);
    return found;
  }

  return {
    get info(): IndexInfo {
      return [...spaces.values()].some(({ kind }) => kind === 'graph') ? { ...info, kind: 'faiss-hnsw' } : info;
    },
    reset: async (space, dimensions) => {
      const before = spaces.get(space);
      spaces.delete(space);
      await before?.[Symbol.asyncDispose]();
      const { from = exactUpTo, thread: graphThread = new URL('./graph-thread.ts', import.meta.url) } = options.graph ?? {};
      spaces.set(
        space,
        createSpaceIndex(
          {
            name: space,
            dimensions,
            graphFrom: info.kind === 'scan' ? Number.POSITIVE_INFINITY : from,
            graphThread,
            exact: thread,
            failed: died.resolve,
            kindChanged: () => options.onInfo?.(),
          },
          ctx,
        ),
      );
    },
    change: async (space, change) => await of(space).change(change),
    search: async (space, queries, k) => await of(space).search(queries, k),
    died: died.promise,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...spaces.values()].map((space) => space[Symbol.asyncDispose]()));
      await thread[Symbol.asyncDispose]();
    },
  };
}
