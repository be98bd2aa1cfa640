import { randomUUID } from 'node:crypto';
import type { Context } from '../core/context.ts';
import { errorText, isSightlineError, SightlineError } from '../core/errors.ts';
import type { AuditRow, EntryRecord, ReferenceHead, ReferenceRecord, WatchlistStore } from '../core/store.ts';
import type { MatchKind, MatchResult } from '../core/types.ts';
import { checkEntry, type EnrolRequest, embedPhoto, warningsOf } from './enrolment.ts';
import type { IndexInfo } from './faiss-thread.ts';
import { createMembers, endOf, type Lists, type Member, type MemberReference } from './members.ts';
import type { PhotoTools } from './photos.ts';
import { embedAnew, type Outdated } from './reembed.ts';
import { matchKinds, type Query, type Spaces, startSearcher } from './searcher.ts';
import { createTurns } from './turns.ts';

export interface WatchlistOptions {
  readonly store: WatchlistStore;
  readonly lists: Lists;
  /** The embedding spaces in use; entries of a kind without one are kept and not searched. */
  readonly spaces: Spaces;
  readonly photos: PhotoTools;
  readonly audit: (row: AuditRow) => Promise<void>;
  /** Called once an entry is no longer matched and before it is erased: open alerts of it end here. */
  readonly onRemove?: (entry: EntryRecord, cause: RemovalCause) => void | Promise<void>;
  /** Searches by a plain scan even where FAISS is there. */
  readonly scanOnly?: boolean;
}

export type RemovalCause = 'removed' | 'expired';

export interface Enrolled {
  readonly entry: EntryRecord;
  readonly reference: MemberReference;
  /** Worth a person's look: near to another entry, unlike the entry's other pictures, accepted despite its quality. */
  readonly warnings: readonly string[];
}

export interface WatchlistHealth {
  readonly index: IndexInfo;
  readonly state: 'ready' | 'failed';
  readonly entries: number;
  readonly references: number;
  /** References of another embedding space that are not embedded anew yet, or could not be: not searched. */
  readonly outdated: number;
}

export interface Watchlist extends AsyncDisposable {
  /** In order. Throws `watchlist.dimension` for an embedding of another space, `thread.exited` while the index is down. */
  search(queries: readonly Query[], k: number): Promise<readonly MatchResult[]>;
  /** Throws `photo.refused` (with `details.refusals`), `photo.undecodable`, `watchlist.unknown`, `control.request`, `store.full`. */
  enrol(request: EnrolRequest, signal?: AbortSignal): Promise<Enrolled>;
  list(): readonly Member[];
  /** The entry of this id or of this name, if only one has it. Throws `watchlist.unknown`. */
  get(idOrName: string): Member;
  /** JPEG of a reference. */
  image(referenceId: string): Promise<Uint8Array>;
  update(entryId: string, changes: EntryChanges, actor: string): Promise<EntryRecord>;
  /** Erases the entry and everything of it. */
  remove(entryId: string, actor: string): Promise<void>;
  removeReference(referenceId: string, actor: string): Promise<void>;
  /** New list settings and thresholds; takes effect with the next search. */
  configure(settings: { readonly lists: Lists; readonly thresholds: Readonly<Partial<Record<MatchKind, number>>> }): void;
  readonly health: WatchlistHealth;
  /** Resolves when all references of other spaces have been embedded anew or given up. */
  readonly settled: Promise<void>;
}

/** New values; null takes an optional one away. */
export interface EntryChanges {
  readonly name?: string;
  readonly list?: string;
  readonly notes?: string;
  readonly reason?: string;
  readonly expiresAt?: number | null;
  readonly threshold?: number | null;
}

/** Changes that may wait for their turn. */
const maxWaiting = 100;
/** How often expired entries are looked for. */
const sweepEveryMs = 60_000;
/** Entries looked at for one that is nearly identical to a new one. */
const comparedEntries = 10;

function pictureless({ vector: _vector, ...reference }: ReferenceHead): MemberReference {
  return reference;
}

/**
 * Loads the watchlist into its index. References of another embedding space than the one in use are embedded anew from their
 * pictures in the background; until then they are not found (`health.outdated`). Expired entries are erased at start and every minute.
 */
export async function startWatchlist(options: WatchlistOptions, ctx: Context): Promise<Watchlist> {
  const { store, photos } = options;
  const { clock, metrics } = ctx;
  const log = ctx.log.child({ room: 'watchlist' });
  const entryCount = metrics.gauge('sightline_watchlist_entries', 'Entries on the watchlist.', ['kind']);
  const referenceCount = metrics.gauge('sightline_watchlist_references', 'Pictures of the watchlist.', ['kind']);
  const outdatedCount = metrics.gauge('sightline_watchlist_outdated_references', 'Pictures not embedded in the space in use.');
  const ended = new AbortController();
  const stopping = AbortSignal.any([ctx.signal, ended.signal]);
  const turns = createTurns(maxWaiting);
  const members = createMembers();
  /** No longer matched but not yet erased, because the store could not. */
  const unfinished = new Map<string, EntryRecord>();
  let { lists, spaces } = options;

  function outdated(): readonly Outdated[] {
    return members.all().flatMap(({ entry: { kind }, references }) => {
      const space = spaces[matchKinds[kind]];
      if (space === undefined) return [];
      return references.filter((reference) => reference.space !== space.name).map((reference) => ({ reference, kind, space }));
    });
  }

  function count(): void {
    const all = members.all();
    for (const kind of ['face', 'body'] as const) {
      const found = all.filter(({ entry }) => entry.kind === kind);
      entryCount.set({ kind }, found.length);
      referenceCount.set(
        { kind },
        found.reduce((sum, { references }) => sum + references.length, 0),
      );
    }
    outdatedCount.set(outdated().length);
  }

  function warnOfLists(): void {
    const unknown = members.all().filter(({ entry }) => !Object.hasOwn(lists, entry.list));
    if (unknown.length === 0) return;
    const names = [...new Set(unknown.map(({ entry }) => entry.list))];
    log.warn({ lists: names, entries: unknown.length }, 'entries are on lists that the configuration does not have');
  }

  async function note(row: Omit<AuditRow, 'at'>): Promise<void> {
    try {
      await options.audit({ at: clock.now(), ...row });
    } catch (error) {
      log.error({ err: error, action: row.action, subject: row.subject }, 'audit row is lost');
    }
  }

  function get(idOrName: string): Member {
    const [found, ...more] = members.find(idOrName);
    if (found === undefined) {
      throw new SightlineError('watchlist.unknown', `there is no entry ${idOrName} on the watchlist`, {
        details: { entry: idOrName },
      });
    }
    if (more.length > 0) {
      const ids = [found, ...more].map(({ entry }) => `${entry.id} (${entry.list}, ${entry.kind})`);
      throw new SightlineError(
        'watchlist.unknown',
        `${ids.length} entries are called ${idOrName}: ${ids.join(', ')}; say which by its id`,
        {
          details: { entry: idOrName, ids },
        },
      );
    }
    return found;
  }

  /** The entry a request is about, as it will be. */
  function entryFor(request: EnrolRequest): { readonly entry: EntryRecord; readonly before: Member | undefined } {
    const kind = request.kind ?? 'face';
    const same = members.find(request.name).filter(({ entry }) => entry.list === request.list && entry.kind === kind);
    const before = request.entryId === undefined ? same[0] : get(request.entryId);
    if (before !== undefined && before.entry.kind !== kind) {
      throw new SightlineError('control.request', `entry ${before.entry.id} is of kind ${before.entry.kind}, not ${kind}`);
    }
    if (before === undefined && request.negative === true) {
      throw new SightlineError(
        'control.request',
        'a negative example needs the entry that it is mistaken for; enrol that one first',
      );
    }
    const { notes, reason, expiresAt, threshold } = request;
    const entry: EntryRecord = {
      ...(before?.entry ?? {
        id: randomUUID(),
        name: request.name,
        list: request.list,
        kind,
        notes: '',
        reason: '',
        addedBy: request.actor,
        addedAt: clock.now(),
      }),
      ...(notes === undefined ? {} : { notes }),
      ...(reason === undefined ? {} : { reason }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(threshold === undefined ? {} : { threshold }),
    };
    checkEntry(entry, lists, clock.now());
    return { entry, before };
  }

  async function compare(reference: ReferenceRecord, entry: EntryRecord, before: Member | undefined, threshold: number) {
    try {
      const { vector, space, negative } = reference;
      const query = { kind: matchKinds[entry.kind], embedding: { vector, space } };
      const [result] = await searcher.search([query], comparedEntries);
      return result === undefined ? [] : warningsOf(result, entry, before, { negative, threshold });
    } catch (error) {
      if (!isSightlineError(error, 'thread.exited')) throw error;
      return ['could not be compared with the other entries, the vector index is starting again'];
    }
  }

  async function enrol(request: EnrolRequest, signal: AbortSignal): Promise<Enrolled> {
    const { entry, before } = entryFor(request);
    const space = spaces[matchKinds[entry.kind]];
    if (space === undefined) {
      throw new SightlineError('control.request', `no embedder for a ${entry.kind} is configured; see recognise and models`);
    }
    const { picture, vector, quality, refusals } = await embedPhoto(photos, request, entry.kind, space, signal);
    const reference: ReferenceRecord = {
      id: randomUUID(),
      entryId: entry.id,
      negative: request.negative ?? false,
      space: space.name,
      vector,
      image: picture.jpeg,
      box: picture.box,
      ...(picture.landmarks === undefined ? {} : { landmarks: picture.landmarks }),
      quality,
      accepted: refusals.length > 0,
      source: request.source,
      addedAt: clock.now(),
    };
    const warnings = [
      ...refusals.map(({ message }) => `enrolled all the same, with a raised threshold: ${message}`),
      ...(await compare(reference, entry, before, space.threshold)),
    ];
    await put(entry, [reference]);
    const details = {
      list: entry.list,
      kind: entry.kind,
      reference: reference.id,
      accepted: reference.accepted,
      negative: reference.negative,
    };
    await note({ actor: request.actor, action: 'watchlist.enrol', subject: entry.id, details });
    log.info({ entry: entry.id, list: entry.list, warnings: warnings.length }, 'enrolled');
    return { entry, reference: pictureless(reference), warnings };
  }

  /** The store first: what it holds is what counts. */
  async function put(entry: EntryRecord, references: readonly ReferenceRecord[]): Promise<void> {
    await store.put(entry, references);
    members.put(entry, references.map(pictureless));
    await searcher.put(matchKinds[entry.kind], references);
    count();
  }

  async function update(entryId: string, changes: EntryChanges, actor: string): Promise<EntryRecord> {
    const { expiresAt, threshold, ...others } = changes;
    const { expiresAt: oldExpiry, threshold: oldThreshold, ...old } = get(entryId).entry;
    const newExpiry = expiresAt === undefined ? oldExpiry : (expiresAt ?? undefined);
    const newThreshold = threshold === undefined ? oldThreshold : (threshold ?? undefined);
    const entry: EntryRecord = {
      ...old,
      ...others,
      ...(newExpiry === undefined ? {} : { expiresAt: newExpiry }),
      ...(newThreshold === undefined ? {} : { threshold: newThreshold }),
    };
    checkEntry(entry, lists, clock.now());
    await put(entry, []);
    await note({ actor, action: 'watchlist.update', subject: entry.id, details: { fields: Object.keys(changes).join(' ') } });
    return entry;
  }

  /** Out of sight first, then out of the store. */
  async function remove({ entry, references }: Member, cause: RemovalCause, actor: string): Promise<void> {
    unfinished.set(entry.id, entry);
    members.remove(entry.id);
    count();
    await searcher.remove(
      matchKinds[entry.kind],
      references.map(({ id }) => id),
    );
    await options.onRemove?.(entry, cause);
    await erase(entry);
    await note({ actor, action: `watchlist.${cause}`, subject: entry.id, details: { list: entry.list, kind: entry.kind } });
    log.info({ entry: entry.id, list: entry.list, cause }, 'entry erased');
  }

  async function erase(entry: EntryRecord): Promise<void> {
    try {
      await store.erase(entry.id);
      unfinished.delete(entry.id);
    } catch (error) {
      log.error({ err: error, entry: entry.id }, 'entry is no longer matched but not yet erased, will be tried again');
      throw error;
    }
  }

  async function removeReference(referenceId: string, actor: string): Promise<void> {
    const reference = members.reference(referenceId);
    const entry = reference === undefined ? undefined : members.get(reference.entryId)?.entry;
    if (reference === undefined || entry === undefined) {
      throw new SightlineError('watchlist.unknown', `there is no reference ${referenceId} on the watchlist`);
    }
    await store.removeReference(referenceId);
    members.removeReference(referenceId);
    await searcher.remove(matchKinds[entry.kind], [referenceId]);
    count();
    await note({ actor, action: 'watchlist.remove_reference', subject: entry.id, details: { reference: referenceId } });
  }

  /** Erases what has ended, and what could not be erased before. */
  async function sweep(): Promise<void> {
    const now = clock.now();
    const over = members.all().filter(({ entry }) => (endOf(entry, lists) ?? Number.POSITIVE_INFINITY) <= now);
    for (const work of [
      ...[...unfinished.values()].map((entry) => () => erase(entry)),
      ...over.map((member) => () => remove(member, 'expired', 'sightline')),
    ]) {
      if (stopping.aborted) return;
      try {
        await turns.take(work);
      } catch (error) {
        log.warn({ reason: errorText(error) }, 'erasing did not work');
      }
    }
  }

  async function replaceVector({ reference, kind, space }: Outdated, vector: Float32Array): Promise<void> {
    const member = members.get(reference.entryId);
    if (member === undefined || members.reference(reference.id) === undefined) return;
    await store.replaceVector(reference.id, space.name, vector);
    members.put(member.entry, [{ ...reference, space: space.name }]);
    await searcher.put(matchKinds[kind], [{ id: reference.id, vector }]);
    count();
  }

  const loaded = await store.load();
  const byEntry = Map.groupBy(loaded.references, ({ entryId }) => entryId);
  for (const entry of loaded.entries) members.put(entry, (byEntry.get(entry.id) ?? []).map(pictureless));
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
    { ...ctx, log },
  );
  warnOfLists();
  count();
  log.info({ entries: members.size, references: loaded.references.length, index: searcher.info.kind }, 'watchlist loaded');

  const settled = embedAnew(
    outdated(),
    { store, photos, done: (item, vector) => turns.take(() => replaceVector(item, vector)) },
    { ...ctx, log, signal: stopping },
  );
  let sweeping = sweep();
  const timer = clock.every(sweepEveryMs, () => {
    sweeping = sweep();
    return sweeping;
  });

  return {
    search: (queries, k) => searcher.search(queries, k),
    enrol: (request, signal) =>
      turns.take(() => enrol(request, signal === undefined ? stopping : AbortSignal.any([signal, stopping]))),
    list: () => members.all(),
    get,
    image: async (referenceId) => {
      const image = members.reference(referenceId) === undefined ? undefined : await store.image(referenceId);
      if (image === undefined)
        throw new SightlineError('watchlist.unknown', `there is no reference ${referenceId} on the watchlist`);
      return image;
    },
    update: (entryId, changes, actor) => turns.take(() => update(entryId, changes, actor)),
    remove: (entryId, actor) => turns.take(async () => remove(get(entryId), 'removed', actor)),
    removeReference: (referenceId, actor) => turns.take(() => removeReference(referenceId, actor)),
    configure: (settings) => {
      lists = settings.lists;
      spaces = {
        ...(spaces.face === undefined
          ? {}
          : { face: { ...spaces.face, threshold: settings.thresholds.face ?? spaces.face.threshold } }),
        ...(spaces.appearance === undefined
          ? {}
          : { appearance: { ...spaces.appearance, threshold: settings.thresholds.appearance ?? spaces.appearance.threshold } }),
      };
      warnOfLists();
    },
    get health() {
      const all = members.all();
      return {
        index: searcher.info,
        state: searcher.state,
        entries: all.length,
        references: all.reduce((sum, { references }) => sum + references.length, 0),
        outdated: outdated().length,
      };
    },
    settled,
    [Symbol.asyncDispose]: async () => {
      ended.abort();
      timer[Symbol.dispose]();
      await Promise.all([settled, sweeping]);
      await searcher[Symbol.asyncDispose]();
    },
  };
}
