import { Backoff } from '../core/backoff.ts';
import type { Context } from '../core/context.ts';
import { isSightlineError, SightlineError } from '../core/errors.ts';
import { FloodGate } from '../core/log.ts';
import type { ReferenceHead, WatchlistStore } from '../core/store.ts';
import { type Embedding, type Match, type MatchKind, type MatchResult, matchKinds } from '../core/types.ts';
import { startVectorIndex, type VectorIndex } from './faiss.ts';
import type { IndexInfo } from './faiss-thread.ts';
import { type Ranked, rank, toResult } from './ranking.ts';
import { type Space, type Spaces, unitVector } from './spaces.ts';
import type { Turns } from './turns.ts';
import { joinVectors } from './vector-index.ts';

export interface Query {
  readonly kind: MatchKind;
  readonly embedding: Embedding;
}

/** Neighbours asked for per entry wanted, so that several references of one entry seldom need a second look. */
const referencesPerEntry = 4;
const leastDepth = 16;
const deeper = 4;

export interface Searcher extends AsyncDisposable {
  search(queries: readonly Query[], k: number): Promise<readonly MatchResult[]>;
  /** Adds or replaces; the store holds them already, so an index that is down takes them when it is built again. */
  put(kind: MatchKind, references: readonly { readonly id: string; readonly vector: Float32Array }[]): Promise<void>;
  remove(kind: MatchKind, referenceIds: readonly string[]): Promise<void>;
  readonly info: IndexInfo;
  readonly state: 'ready' | 'failed';
}

export interface SearcherOptions {
  readonly spaces: () => Spaces;
  readonly ranked: (referenceId: string, space: Space) => Ranked | undefined;
  readonly scanOnly: boolean;
  /** Builds happen in turn with changes, so that none is lost between reading the store and filling the index. */
  readonly turns: Turns;
  readonly store: WatchlistStore;
  /** What of the store is to be found. */
  readonly indexed: (references: readonly ReferenceHead[], kind: MatchKind) => readonly ReferenceHead[];
}

/**
 * Words lie apart from pictures in a space that both share: every picture is nearer to any other than to its description. They are
 * therefore ranked among themselves.
 */
function indexName(kind: MatchKind, { name }: Space): string {
  return kind === 'description' ? `${name} descriptions` : name;
}

/** Starts the index thread with the references given; keeps it alive. */
export async function startSearcher(
  options: SearcherOptions,
  references: readonly ReferenceHead[],
  ctx: Context,
): Promise<Searcher> {
  const { spaces, turns } = options;
  const searches = ctx.metrics.counter('sightline_watchlist_searches_total', 'Queries answered by the vector index.', ['kind']);
  const seconds = ctx.metrics.histogram(
    'sightline_watchlist_search_seconds',
    'Time of one search of a batch, waiting included.',
    {
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5],
    },
  );
  const kinds = ctx.metrics.gauge('sightline_watchlist_index', '1 for the vector index in use.', ['index']);
  const restarts = ctx.metrics.counter('sightline_watchlist_index_restarts_total', 'Times the vector index was built again.');

  const ended = new AbortController();
  const backoff = new Backoff({ firstMs: 200, maxMs: 30_000 });
  let index = await build(references);
  const flood = new FloodGate(ctx.log, ctx.clock);
  let state: Searcher['state'] = 'ready';
  let healing: Promise<void> | undefined;

  async function build(all: readonly ReferenceHead[]): Promise<VectorIndex> {
    const made = await startVectorIndex({ scanOnly: options.scanOnly, onInfo: () => sayKind(made) }, ctx);
    try {
      for (const kind of matchKinds) {
        const space = spaces()[kind];
        if (space === undefined) continue;
        await made.reset(indexName(kind, space), space.dimensions);
        const found = options.indexed(all, kind);
        await made.change(indexName(kind, space), {
          ids: found.map(({ id }) => id),
          vectors: found.map(({ vector }) => vector),
        });
      }
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
    sayKind(made);
    return made;
  }

  function sayKind({ info }: VectorIndex): void {
    kinds.reset();
    kinds.set({ index: info.kind }, 1);
  }

  function watch(current: VectorIndex): void {
    void current.died.then((error) => {
      state = 'failed';
      ctx.log.error({ err: error }, 'vector index ended');
      healing = heal(current);
    });
  }

  async function heal(broken: VectorIndex): Promise<void> {
    const signal = AbortSignal.any([ctx.signal, ended.signal]);
    await broken[Symbol.asyncDispose](); // one of its threads has ended, others may still hold their vectors
    while (!signal.aborted) {
      try {
        await ctx.clock.sleep(backoff.next(), signal);
        await turns.take(async () => {
          index = await build((await options.store.load()).references);
          state = 'ready';
        });
        restarts.inc();
        watch(index);
        ctx.log.info({ index: index.info.kind }, 'vector index built again');
        return;
      } catch (error) {
        if (signal.aborted) return;
        flood.error('vector index does not start', { err: error, attempt: backoff.attempt });
      }
    }
  }

  /** Carries out a change; one that finds the thread dead is made good by the build that follows. */
  async function change(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isSightlineError(error, 'thread.exited')) throw error;
    }
  }

  async function searchSpace(
    kind: MatchKind,
    space: Space,
    vectors: readonly Float32Array[],
    k: number,
  ): Promise<MatchResult[]> {
    const wanted = Math.max(2, k);
    const answers = new Map<number, readonly Match[]>();
    let open = vectors.map((_vector, at) => at);
    let depth = Math.max(leastDepth, referencesPerEntry * wanted);
    while (open.length > 0) {
      const found = await index.search(
        indexName(kind, space),
        joinVectors(
          open.flatMap((at) => vectors[at] ?? []),
          space.dimensions,
        ),
        depth,
      );
      const unsettled: number[] = [];
      for (const [place, at] of open.entries()) {
        const neighbours = found[place] ?? { ids: [], scores: [] };
        const whole = neighbours.ids.length < depth;
        const { matches, settled } = rank(neighbours, (id) => options.ranked(id, space), wanted, whole);
        if (settled) answers.set(at, matches);
        else unsettled.push(at);
      }
      open = unsettled;
      depth *= deeper;
    }
    return vectors.map((_vector, at) => toResult(kind, space.name, answers.get(at) ?? [], k));
  }

  watch(index);

  return {
    search: async (queries, k) => {
      if (queries.length === 0) return [];
      const started = ctx.clock.mono();
      const results: MatchResult[] = new Array(queries.length);
      for (const kind of matchKinds) {
        const places = [...queries.keys()].filter((at) => queries[at]?.kind === kind);
        if (places.length === 0) continue;
        const space = spaces()[kind];
        const vectors = places.flatMap((at) => {
          const { vector, space: name } = queries[at]?.embedding ?? { vector: new Float32Array(0), space: '' };
          if (space === undefined || name !== space.name) {
            throw new SightlineError(
              'watchlist.dimension',
              `an embedding of ${name} cannot be compared here: ${kind} uses ${space?.name ?? 'no embedder'}`,
              { details: { space: name, expected: space?.name ?? null } },
            );
          }
          return unitVector(vector, space);
        });
        if (space === undefined) continue;
        const found = await searchSpace(kind, space, vectors, k);
        for (const [place, at] of places.entries()) {
          const result = found[place];
          if (result !== undefined) results[at] = result;
        }
        searches.inc({ kind }, places.length);
      }
      seconds.observe((ctx.clock.mono() - started) / 1000);
      return results;
    },
    put: async (kind, added) => {
      const space = spaces()[kind];
      if (space === undefined || added.length === 0) return;
      const vectors = added.map(({ vector }) => vector);
      await change(() => index.change(indexName(kind, space), { ids: added.map(({ id }) => id), vectors }));
    },
    remove: async (kind, referenceIds) => {
      const space = spaces()[kind];
      if (space === undefined || referenceIds.length === 0) return;
      await change(() => index.change(indexName(kind, space), { remove: referenceIds }));
    },
    get info() {
      return index.info;
    },
    get state() {
      return state;
    },
    [Symbol.asyncDispose]: async () => {
      ended.abort();
      await healing;
      flood[Symbol.dispose]();
      await index[Symbol.asyncDispose]();
    },
  };
}
