import { Backoff } from '../core/backoff.ts';
import type { Clock } from '../core/clock.ts';
import type { Context } from '../core/context.ts';
import { SightlineError } from '../core/errors.ts';
import { startThread, type Thread } from '../core/thread.ts';
import type { IndexHandlers } from './faiss-thread.ts';
import type { GraphHandlers } from './graph-handlers.ts';
import { checkVectors, joinVectors, type Neighbours } from './vector-index.ts';
import { createVectorRows, type Snapshot } from './vector-rows.ts';

/**
 * The vectors of one space. Up to `graphFrom` of them an exact index in the common thread answers. Above, a graph does, which is built
 * in a thread of its own and never changed: what is added since is searched exactly beside it, and what is removed since is left out
 * of its answers. When that has become much, the next graph is built; until it stands, the old one goes on. The vectors of what is
 * removed go with the old graph, which therefore does not outlive a removal by a day. A list that has become small again is searched
 * exactly.
 */
export interface SpaceIndex extends AsyncDisposable {
  readonly kind: 'exact' | 'graph';
  /**
   * Removes, then adds, replacing ids that are there. Returns the new size. Rejects with `watchlist.dimension`. More than some thousand
   * vectors go over in several turns: searches find a part of them meanwhile, and changes asked for later wait.
   */
  change(change: Change): Promise<number>;
  /** At most `k` neighbours per query, best first. `queries` is handed over and empty afterwards. */
  search(queries: Float32Array<ArrayBuffer>, k: number): Promise<readonly Neighbours[]>;
}

export interface Change {
  readonly remove?: readonly string[];
  readonly ids?: readonly string[];
  /** One for each of `ids`; not to be changed before the change is done. */
  readonly vectors?: readonly Float32Array[];
}

export interface SpaceIndexOptions {
  readonly name: string;
  readonly dimensions: number;
  /** Size above which a graph is built; infinite where FAISS does not serve. */
  readonly graphFrom: number;
  readonly graphThread: URL;
  readonly exact: Thread<IndexHandlers>;
  /** The thread of a graph that was serving has ended: nothing can be found in this space any more. */
  readonly failed: (error: SightlineError) => void;
  readonly kindChanged: () => void;
}

/** Searches that may wait; beyond, the caller offers more than the machine can do. */
const maxPending = 256;
/** Changes since the graph was built that make the next one due: this share of it, and not fewer than the least. */
const staleShare = 0.02;
const staleLeast = 1000;
/** How long a graph may hold what was removed before the next one is due; with its building and failures of it less than a day. */
const erasedWithinMs = 12 * 3600 * 1000;
const checkEveryMs = 600_000;
/** Vectors handled in one turn of the loop that others need as well: some milliseconds. */
const atOnce = 2000;
/** Neighbours asked for beyond those wanted, to make up for removed ones among them. */
const spare = 32;
const deeper = 4;

interface Told {
  readonly remove: readonly string[];
  readonly ids: readonly string[];
  /** One after the other. */
  readonly vectors: Float32Array;
  /** Ids that had a vector before this change and have another one or none after it. */
  readonly leaving: readonly string[];
}

interface Generation {
  change(change: Told): Promise<unknown>;
  search(queries: Float32Array<ArrayBuffer>, k: number): Promise<readonly Neighbours[]>;
  /** Lets go of it when its last search is answered. */
  retire(): Promise<void>;
}

interface GraphGeneration extends Generation {
  /** Vectors added and removed since the snapshot. */
  readonly changes: number;
  /** When the first vector of the graph was removed or replaced, CLOCK_MONOTONIC; undefined while all of them count. */
  readonly erasedMs: number | undefined;
}

function limited<T>(pending: number, search: () => Promise<T>): Promise<T> {
  if (pending < maxPending) return search();
  return Promise.reject(
    new SightlineError('inference.overload', `${maxPending} searches wait for the vector index; no more are taken`),
  );
}

function createExact(exact: Thread<IndexHandlers>, name: string, dimensions: number): Generation {
  const made = exact.calls.reset(name, dimensions);
  made.catch(() => undefined); // whoever uses it is told
  return {
    change: ({ remove, ids, vectors }) => Promise.all([made, exact.calls.change(name, remove, ids, vectors)]),
    search: (queries, k) => limited(exact.pending, () => exact.transfer('search', [name, queries, k], [queries.buffer])),
    retire: async () => {
      await Promise.allSettled([exact.calls.drop(name)]); // a thread that has ended keeps nothing
    },
  };
}

/** `tail` holds what is added after `snapshot`; `graph` comes when it is built. */
function createGraphGeneration(
  snapshot: Snapshot,
  tail: Generation,
  clock: Clock,
): GraphGeneration & { serve(graph: Thread<GraphHandlers>): void } {
  const { ids: labels, dimensions } = snapshot;
  /** What of the graph holds no longer, with the change that ended it: a search asked for before still finds it. */
  const gone = new Map<string, number>();
  /** Ids that came after the snapshot: the graph knows none of them, or has lost them. */
  const added = new Set<string>();
  let erasedMs: number | undefined;
  let graph: Thread<GraphHandlers> | undefined;
  let changes = 0;
  let calls = 0;
  const underWay = new Set<Promise<unknown>>();

  async function searchGraph(queries: Float32Array<ArrayBuffer>, k: number, call: number): Promise<readonly Neighbours[]> {
    const serving = graph;
    if (serving === undefined) throw new Error('a graph was searched before it was built');
    const holds = (id: string) => (gone.get(id) ?? call) >= call;
    for (let depth = k + Math.min(gone.size, spare); ; depth *= deeper) {
      const most = Math.min(depth, labels.length);
      const asked = queries.slice();
      const found = await limited(serving.pending, () => serving.transfer('search', [asked, most], [asked.buffer]));
      const answers = Array.from({ length: queries.length / dimensions }, (_, query) => {
        const ids: string[] = [];
        const scores: number[] = [];
        let removed = 0;
        for (let at = query * most; at < (query + 1) * most; at += 1) {
          const id = labels[found.labels[at] ?? -1];
          if (id === undefined) continue;
          if (!holds(id)) {
            removed += 1;
            continue;
          }
          ids.push(id);
          scores.push(found.scores[at] ?? Number.NEGATIVE_INFINITY);
        }
        return { ids, scores, short: removed > 0 && ids.length < k };
      });
      if (most === labels.length || answers.every(({ short }) => !short)) return answers;
    }
  }

  return {
    get changes() {
      return changes;
    },
    get erasedMs() {
      return erasedMs;
    },
    serve: (built) => {
      graph = built;
    },
    change: (change) => {
      calls += 1;
      changes += change.remove.length + change.ids.length;
      for (const id of change.leaving) {
        if (added.has(id) || gone.has(id)) continue;
        gone.set(id, calls);
        erasedMs ??= clock.mono();
      }
      for (const id of change.ids) added.add(id);
      return tail.change(change);
    },
    search: async (queries, k) => {
      const call = calls + 1;
      const answer = Promise.all([searchGraph(queries.slice(), k, call), tail.search(queries, k)]);
      underWay.add(answer);
      try {
        const [old, late] = await answer;
        return old.map((neighbours, query) => merge(neighbours, late[query], k));
      } finally {
        underWay.delete(answer);
      }
    },
    retire: async () => {
      await Promise.allSettled([...underWay, tail.retire()]);
      await graph?.[Symbol.asyncDispose]();
    },
  };
}

function merge(a: Neighbours, b: Neighbours = { ids: [], scores: [] }, k: number): Neighbours {
  const ids: string[] = [];
  const scores: number[] = [];
  for (let i = 0, j = 0; ids.length < k && (i < a.ids.length || j < b.ids.length); ) {
    const first = (a.scores[i] ?? Number.NEGATIVE_INFINITY) >= (b.scores[j] ?? Number.NEGATIVE_INFINITY) ? a : b;
    const at = first === a ? i++ : j++;
    ids.push(first.ids[at] ?? '');
    scores.push(first.scores[at] ?? Number.NEGATIVE_INFINITY);
  }
  return { ids, scores };
}

export function createSpaceIndex(options: SpaceIndexOptions, ctx: Context): SpaceIndex {
  const { name, dimensions, exact, graphThread, graphFrom } = options;
  const builds = ctx.metrics.counter('sightline_watchlist_graphs_total', 'Approximate indexes that were built.', ['result']);
  const rows = createVectorRows(dimensions);
  const ended = new AbortController();
  const backoff = new Backoff({ firstMs: 1000, maxMs: 60_000 });
  let serving: Generation = createExact(exact, name, dimensions);
  let graph: GraphGeneration | undefined;
  /** Is told of changes while its graph is built. */
  let next: Generation | undefined;
  let building: Promise<void> | undefined;
  let tails = 0;
  /** Ends with the change of several turns that is under way, and those behind it. */
  let line: Promise<void> | undefined;

  function due(): boolean {
    if (ended.signal.aborted) return false;
    if (graph === undefined) return rows.size > graphFrom;
    if (rows.size === 0 || graph.changes > Math.max(staleLeast, staleShare * rows.size)) return true;
    return graph.erasedMs !== undefined && ctx.clock.mono() >= graph.erasedMs + erasedWithinMs;
  }

  function consider(): void {
    if (line !== undefined) return;
    building ??= buildWhileDue().finally(() => {
      building = undefined;
    });
  }

  async function buildWhileDue(): Promise<void> {
    const signal = AbortSignal.any([ctx.signal, ended.signal]);
    while (due() && !signal.aborted) {
      try {
        await (rows.size > graphFrom ? buildGraph() : buildExact());
        backoff.reset();
      } catch (error) {
        if (signal.aborted) return;
        builds.inc({ result: 'failed' });
        ctx.log.error({ err: error, space: name, attempt: backoff.attempt + 1 }, 'the index of a large list was not built');
        await ctx.clock.sleep(backoff.next(), signal).catch(() => undefined);
      }
    }
  }

  async function buildGraph(): Promise<void> {
    const began = ctx.clock.mono();
    // One turn: what changes from here on is told to the generation that comes.
    const snapshot = rows.snapshot();
    tails += 1;
    const coming = createGraphGeneration(snapshot, createExact(exact, `${name} added ${tails}`, dimensions), ctx.clock);
    next = coming;
    ctx.log.info({ space: name, vectors: snapshot.ids.length }, 'an index for a large list is being built');
    try {
      const thread = await startThread<GraphHandlers>(graphThread, { name: 'graph', data: {} });
      coming.serve(thread);
      const stop = () => void thread[Symbol.asyncDispose]();
      ended.signal.addEventListener('abort', stop, { once: true });
      if (ended.signal.aborted) stop();
      const { slots, chunks } = snapshot;
      await thread.calls.build({ dimensions, chunks, slots });
      ended.signal.removeEventListener('abort', stop);
      void thread.died.then(options.failed);
    } catch (error) {
      next = undefined;
      await coming.retire();
      throw error;
    }
    builds.inc({ result: 'built' });
    ctx.log.info(
      { space: name, vectors: snapshot.ids.length, seconds: Math.round((ctx.clock.mono() - began) / 1000) },
      'the index for a large list is built',
    );
    await serve(coming, coming);
  }

  /** Goes back to searching exactly. What changes meanwhile is told to the index that comes, which is given the vectors as they then are. */
  async function buildExact(): Promise<void> {
    const { ids: all } = rows.snapshot();
    tails += 1;
    const coming = createExact(exact, `${name} ${tails}`, dimensions);
    next = coming;
    try {
      for (let first = 0; first < all.length; first += atOnce) {
        ended.signal.throwIfAborted();
        await coming.change({ remove: [], leaving: [], ...rows.copy(all.slice(first, first + atOnce)) });
      }
    } catch (error) {
      next = undefined;
      await coming.retire();
      throw error;
    }
    ctx.log.info({ space: name, vectors: rows.size }, 'the list has become small, it is searched exactly');
    await serve(coming, undefined);
  }

  async function serve(coming: Generation, asGraph: GraphGeneration | undefined): Promise<void> {
    const old = serving;
    serving = coming;
    graph = asGraph;
    next = undefined;
    options.kindChanged();
    await old.retire();
  }

  async function changeAll({ remove = [], ids = [], vectors = [] }: Change): Promise<number> {
    let size = await changeSome(remove, ids.slice(0, atOnce), vectors.slice(0, atOnce));
    for (let first = atOnce; first < Math.max(ids.length, vectors.length); first += atOnce)
      size = await changeSome([], ids.slice(first, first + atOnce), vectors.slice(first, first + atOnce));
    consider();
    return size;
  }

  /** All but waiting happens in this turn: what is asked for afterwards comes after it. */
  async function changeSome(remove: readonly string[], ids: readonly string[], some: readonly Float32Array[]): Promise<number> {
    const vectors = joinVectors(some, dimensions);
    checkVectors(vectors, dimensions, ids.length);
    const leaving = [...remove, ...ids].filter((id) => rows.has(id));
    for (const id of remove) rows.delete(id);
    for (const [place, id] of ids.entries()) rows.put(id, vectors.subarray(place * dimensions, (place + 1) * dimensions));
    const size = rows.size;
    const told = { remove, ids, vectors, leaving };
    await Promise.all([serving.change(told), next?.change(told)]);
    return size;
  }

  const checking = ctx.clock.every(checkEveryMs, consider);

  return {
    get kind() {
      return graph === undefined ? 'exact' : 'graph';
    },
    change: (change) => {
      const turn = line === undefined ? changeAll(change) : line.then(() => changeAll(change));
      if (line === undefined && (change.ids?.length ?? 0) <= atOnce) return turn;
      const over = () => {
        if (line !== last) return;
        line = undefined;
        consider();
      };
      const last = turn.then(over, over);
      line = last;
      return turn;
    },
    search: (queries, k) => serving.search(queries, k),
    [Symbol.asyncDispose]: async () => {
      checking[Symbol.dispose]();
      ended.abort();
      await building;
      await serving.retire();
    },
  };
}
