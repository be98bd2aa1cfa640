import type { Context } from '../core/context.ts';
import type { PortableEntry } from '../core/control.ts';
import { errorText, SightlineError } from '../core/errors.ts';
import type { PhotoCheck } from '../core/photo-check.ts';
import type { AuditRow, EntryRecord, WatchlistStore } from '../core/store.ts';
import { matchKinds as kindsOfMatch, type MatchKind, type MatchResult } from '../core/types.ts';
import { exportMembers } from './archive.ts';
import { createChanges, type Enrolled, type ImportResult, pictureless, type RemovalCause } from './changes.ts';
import { checkPhoto } from './check.ts';
import type { DescribeRequest, EnrolRequest } from './enrolment.ts';
import type { IndexInfo } from './faiss-thread.ts';
import { createMembers, type Lists, type Member } from './members.ts';
import type { DescriptionTools, PhotoTools } from './photos.ts';
import { embedAnew, type Outdated } from './reembed.ts';
import { type Query, startSearcher } from './searcher.ts';
import { matchKinds, type PhotoKind, type Space, type Spaces } from './spaces.ts';
import { createTurns } from './turns.ts';

export interface WatchlistOptions {
  readonly store: WatchlistStore;
  readonly lists: Lists;
  /** The embedding spaces in use; entries of a kind without one are kept and not searched. */
  readonly spaces: Spaces;
  /** Why a kind has none: for whoever wants to enrol an entry of it. */
  readonly noSpace?: (kind: MatchKind) => SightlineError | undefined;
  readonly photos: PhotoTools;
  /** Absent while descriptions are off, or cannot be had. */
  readonly descriptions?: DescriptionTools | undefined;
  readonly audit: (row: AuditRow) => Promise<void>;
  /** Called once an entry is no longer matched and before it is erased: open alerts of it end here. */
  readonly onRemove?: (entry: EntryRecord, cause: RemovalCause) => void | Promise<void>;
  /** Whether the wall clock is believed enough to erase what has ended by it; it is no longer matched in any case. */
  readonly mayExpire?: () => boolean;
  /** Searches by a plain scan even where FAISS is there. */
  readonly scanOnly?: boolean;
}

export interface WatchlistHealth {
  readonly index: IndexInfo;
  readonly state: 'ready' | 'failed';
  readonly entries: number;
  readonly references: number;
  /** Those of the references that are words. */
  readonly descriptions: number;
  /** References of another embedding space that are not embedded anew yet: not searched. */
  readonly outdated: number;
}

export interface Watchlist extends AsyncDisposable {
  /** In order. Throws `watchlist.dimension` for an embedding of another space, `thread.exited` while the index is down. */
  search(queries: readonly Query[], k: number): Promise<readonly MatchResult[]>;
  /** Throws `photo.refused` (with `details.refusals`), `photo.undecodable`, `watchlist.unknown`, `control.request`, `store.full`. */
  enrol(request: EnrolRequest, signal?: AbortSignal): Promise<Enrolled>;
  /** An entry known by words alone, or another description of one. Throws `text.refused`, `watchlist.unknown`, `control.request`. */
  describe(request: DescribeRequest, signal?: AbortSignal): Promise<Enrolled>;
  /** What enrolling the photo would say; nothing is kept. Throws `photo.undecodable`. */
  check(photo: Uint8Array, kind: PhotoKind, signal?: AbortSignal): Promise<PhotoCheck>;
  list(): readonly Member[];
  /** Whether the entry is on the watchlist now. */
  has(entryId: string): boolean;
  /** The entry of this id or of this name, if only one has it. Throws `watchlist.unknown`. */
  get(idOrName: string): Member;
  /** JPEG of a reference. */
  image(referenceId: string): Promise<Uint8Array>;
  /** Erases the entry and everything of it. */
  remove(entryId: string, actor: string): Promise<void>;
  removeReference(referenceId: string, actor: string): Promise<void>;
  /** Entries of one list or of all, with their pictures. */
  export(list: string | undefined, actor: string): AsyncIterable<PortableEntry>;
  /** One exported entry, embedded anew; of one that is here already, the pictures that it lacks. Errors as `enrol`. */
  import(record: PortableEntry, actor: string, signal?: AbortSignal): Promise<ImportResult>;
  /** New list settings and thresholds; takes effect with the next search. */
  configure(settings: { readonly lists: Lists; readonly thresholds: Readonly<Partial<Record<MatchKind, number>>> }): void;
  /** Whether any entry is known by words alone and can be compared. */
  readonly hasDescriptions: boolean;
  readonly health: WatchlistHealth;
  /** Resolves when all references of other spaces have been embedded anew, or the watchlist stops. */
  readonly settled: Promise<void>;
}

/** Changes that may wait for their turn. */
const maxWaiting = 100;
/** Photos that may wait to be looked at. */
const maxChecks = 8;
/** How often expired entries are looked for. */
const sweepEveryMs = 60_000;
/**
 * Loads the watchlist into its index. References of another embedding space than the one in use are embedded anew from their
 * pictures in the background; until then they are not found (`health.outdated`). Expired entries are erased at start and every minute.
 */
export async function startWatchlist(options: WatchlistOptions, ctx: Context): Promise<Watchlist> {
  const { store, photos, descriptions } = options;
  const { clock, metrics } = ctx;
  const log = ctx.log.child({ room: 'watchlist' });
  const room: Context = { ...ctx, log };
  const entryCount = metrics.gauge('sightline_watchlist_entries', 'Entries on the watchlist.', ['kind']);
  const referenceCount = metrics.gauge('sightline_watchlist_references', 'Pictures and descriptions of the watchlist.', [
    'kind',
  ]);
  const outdatedCount = metrics.gauge(
    'sightline_watchlist_outdated_references',
    'Pictures and descriptions not embedded in the space in use.',
  );
  const ended = new AbortController();
  const stopping = AbortSignal.any([ctx.signal, ended.signal]);
  const turns = createTurns(maxWaiting);
  const checks = createTurns(maxChecks, 'photos');
  const members = createMembers();
  const outdated = new Map<string, Outdated>();
  let { lists, spaces } = options;

  function changed(): void {
    for (const kind of ['face', 'body', 'description'] as const) {
      entryCount.set({ kind }, members.counts[kind].entries);
      referenceCount.set({ kind }, members.counts[kind].references);
    }
    for (const id of outdated.keys()) if (members.reference(id) === undefined) outdated.delete(id);
    outdatedCount.set(outdated.size);
  }

  function warnOfLists(): void {
    const unknown = members.all().filter(({ entry }) => !Object.hasOwn(lists, entry.list));
    if (unknown.length === 0) return;
    const names = [...new Set(unknown.map(({ entry }) => entry.list))];
    log.warn({ lists: names, entries: unknown.length }, 'entries are on lists that the configuration does not have');
  }

  function warnOfKinds(): void {
    const idle = members.all().filter(({ entry }) => spaces[matchKinds[entry.kind]] === undefined);
    if (idle.length === 0) return;
    const kinds = [...new Set(idle.map(({ entry }) => entry.kind))];
    log.warn({ kinds, entries: idle.length }, 'entries are kept and compared with nothing: there is no embedder of their kind');
  }

  function until(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? stopping : AbortSignal.any([signal, stopping]);
  }

  const loaded = await store.load();
  const byEntry = Map.groupBy(loaded.references, ({ entryId }) => entryId);
  for (const entry of loaded.entries) {
    const references = (byEntry.get(entry.id) ?? []).map(pictureless);
    members.put(entry, references);
    const space = spaces[matchKinds[entry.kind]];
    for (const reference of references) {
      if (space !== undefined && reference.space !== space.name) {
        outdated.set(reference.id, { reference, kind: entry.kind, space });
      }
    }
  }
  const searcher = await startSearcher(
    {
      store,
      turns,
      scanOnly: options.scanOnly ?? false,
      spaces: () => spaces,
      ranked: (id, { threshold }) => members.ranked(id, { now: clock.now(), lists, threshold }),
      indexed: (references, kind) =>
        references.filter(({ entryId, space }) => {
          const entry = members.get(entryId)?.entry;
          return entry !== undefined && matchKinds[entry.kind] === kind && space === spaces[kind]?.name;
        }),
    },
    loaded.references,
    room,
  );
  const { audit, onRemove } = options;
  const changes = createChanges(
    {
      members,
      searcher,
      store,
      photos,
      descriptions,
      audit,
      onRemove,
      removed: loaded.removed,
      mayExpire: options.mayExpire ?? (() => true),
      lists: () => lists,
      spaces: () => spaces,
      noSpace: options.noSpace,
      changed,
    },
    room,
  );
  warnOfLists();
  warnOfKinds();
  changed();
  log.info({ entries: members.size, references: loaded.references.length, index: searcher.info.kind }, 'watchlist loaded');

  /** Erases what has ended, and what could not be erased before. */
  async function sweep(): Promise<void> {
    for (const erase of changes.overdue()) {
      if (stopping.aborted) return;
      try {
        await turns.take(erase);
      } catch (error) {
        log.warn({ reason: errorText(error) }, 'erasing did not work');
      }
    }
  }

  async function* exportAll(list: string | undefined, actor: string): AsyncGenerator<PortableEntry, void, undefined> {
    const chosen = members.all().filter(({ entry }) => list === undefined || entry.list === list);
    const details = { entries: chosen.length };
    await changes.note({ actor, action: 'watchlist.export', subject: list ?? 'all lists', details });
    yield* exportMembers(
      chosen.map(({ entry }) => entry.id),
      members.get,
      store,
    );
  }

  const settled = embedAnew(
    [...outdated.values()],
    {
      store,
      embedders: { photos, descriptions },
      done: async (item, vector) => {
        await turns.take(() => changes.replaceVector(item, vector));
        outdated.delete(item.reference.id);
        changed();
      },
    },
    { ...room, signal: stopping },
  );
  let sweeping = sweep();
  const timer = clock.every(sweepEveryMs, () => {
    sweeping = sweep();
    return sweeping;
  });

  return {
    search: (queries, k) => searcher.search(queries, k),
    enrol: (request, signal) => turns.take(() => changes.enrol(request, until(signal))),
    describe: (request, signal) => turns.take(() => changes.describe(request, until(signal))),
    check: (photo, kind, signal) => checks.take(() => checkPhoto(photos, photo, kind, until(signal))),
    list: () => members.all(),
    has: (entryId) => members.get(entryId) !== undefined,
    get: (idOrName) => members.named(idOrName),
    image: async (referenceId) => {
      const reference = members.reference(referenceId);
      if (reference?.text !== undefined)
        throw new SightlineError('watchlist.unknown', `reference ${referenceId} is a description and has no picture`);
      const image = reference === undefined ? undefined : await store.image(referenceId);
      if (image !== undefined) return image;
      throw new SightlineError('watchlist.unknown', `there is no reference ${referenceId} on the watchlist`);
    },
    remove: (entryId, actor) => turns.take(async () => changes.remove(members.named(entryId), 'removed', actor)),
    removeReference: (referenceId, actor) => turns.take(() => changes.removeReference(referenceId, actor)),
    export: exportAll,
    import: (record, actor, signal) => turns.take(() => changes.import(record, actor, until(signal))),
    configure: (settings) => {
      lists = settings.lists;
      const { thresholds } = settings;
      const changed: Partial<Record<MatchKind, Space>> = {};
      for (const kind of kindsOfMatch) {
        const space = spaces[kind];
        if (space !== undefined) changed[kind] = { ...space, threshold: thresholds[kind] ?? space.threshold };
      }
      spaces = changed;
      warnOfLists();
    },
    get hasDescriptions() {
      return spaces.description !== undefined && members.counts.description.references > 0;
    },
    get health() {
      const { face, body, description } = members.counts;
      return {
        index: searcher.info,
        state: searcher.state,
        entries: face.entries + body.entries + description.entries,
        references: face.references + body.references + description.references,
        descriptions: description.references,
        outdated: outdated.size,
      };
    },
    settled,
    [Symbol.asyncDispose]: async () => {
      ended.abort();
      timer[Symbol.dispose]();
      await Promise.all([settled, sweeping, turns.idle(), checks.idle()]);
      await searcher[Symbol.asyncDispose]();
    },
  };
}
