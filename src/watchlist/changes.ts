import { randomUUID } from 'node:crypto';
import type { Context } from '../core/context.ts';
import type { PortableEntry } from '../core/control.ts';
import { descriptionMeaning, tidyDescription } from '../core/descriptions.ts';
import { entryName } from '../core/entry-name.ts';
import { isSightlineError, SightlineError } from '../core/errors.ts';
import type { AuditRow, EntryRecord, ReferenceHead, ReferenceRecord, WatchlistStore } from '../core/store.ts';
import type { MatchKind, MatchResult } from '../core/types.ts';
import { importEntry } from './archive.ts';
import {
  checkEntry,
  type DescribeRequest,
  type EnrolRequest,
  type EntryRequest,
  embedPhoto,
  warningsOf,
  warningsOfDescription,
} from './enrolment.ts';
import { endOf, type Lists, type Member, type MemberReference, type Members } from './members.ts';
import { type DescriptionTools, embedReference, type PhotoTools } from './photos.ts';
import type { Outdated } from './reembed.ts';
import type { Searcher } from './searcher.ts';
import { type EntryKind, matchKinds, type Space, type Spaces } from './spaces.ts';

/** What changes the watchlist. Each change is carried out alone (`turns.ts`) and leaves an audit row. */

export type RemovalCause = 'removed' | 'expired';

export interface Enrolled {
  readonly entry: EntryRecord;
  readonly reference: MemberReference;
  /** Worth a person's look: near to another entry, unlike the entry's other pictures, accepted despite its quality. */
  readonly warnings: readonly string[];
}

export interface ImportResult {
  readonly entry: EntryRecord;
  /** Pictures that were added. */
  readonly references: number;
  readonly warnings: readonly string[];
}

export interface ChangesOptions {
  readonly members: Members;
  readonly searcher: Searcher;
  readonly store: WatchlistStore;
  readonly photos: PhotoTools;
  readonly descriptions: DescriptionTools | undefined;
  /** Never rejects. */
  readonly audit: (row: AuditRow) => Promise<void>;
  readonly onRemove?: ((entry: EntryRecord, cause: RemovalCause) => void | Promise<void>) | undefined;
  /** Removed in an earlier run, not erased yet. */
  readonly removed: readonly EntryRecord[];
  /** Whether what has ended may be erased now. */
  readonly mayExpire: () => boolean;
  /** As configured now. */
  readonly lists: () => Lists;
  readonly spaces: () => Spaces;
  /** Why a kind has none. */
  readonly noSpace: ((kind: MatchKind) => SightlineError | undefined) | undefined;
  /** Called after every change. */
  readonly changed: () => void;
}

/** Entries looked at for one that is nearly identical to a new one. */
const comparedEntries = 10;

export function pictureless(reference: ReferenceHead | ReferenceRecord): MemberReference {
  const { vector: _vector, image: _image, ...rest } = { image: undefined, ...reference };
  return rest;
}

export function createChanges(options: ChangesOptions, ctx: Context) {
  const { members, searcher, store, photos, descriptions, lists, spaces, changed } = options;
  const { clock, log } = ctx;
  /** No longer matched but not yet erased, because the store could not. */
  const unfinished = new Map(options.removed.map((entry) => [entry.id, entry]));

  async function note(row: Omit<AuditRow, 'at'>): Promise<void> {
    await options.audit({ at: clock.now(), ...row });
  }

  function spaceOf({ kind }: EntryRecord): Space {
    const space = spaces()[matchKinds[kind]];
    if (space !== undefined) return space;
    const why = options.noSpace?.(matchKinds[kind]);
    throw why ?? new SightlineError('control.request', `no embedder for entries of kind ${kind} is configured`);
  }

  /** The entry a request is about, as it will be. */
  function entryFor(
    request: EntryRequest & Pick<EnrolRequest, 'negative'>,
    kind: EntryKind,
  ): { readonly entry: EntryRecord; readonly before: Member | undefined } {
    const same = members.find(request.name).filter(({ entry }) => entry.list === request.list && entry.kind === kind);
    const before = request.entryId === undefined ? same[0] : members.named(request.entryId);
    // One that is there keeps its name, whatever was allowed when it came.
    const name = before?.entry.name ?? entryName(request.name);
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
        name,
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
    checkEntry(entry, lists(), clock.now());
    return { entry, before };
  }

  async function compare(
    { vector, space }: ReferenceRecord,
    kind: EntryKind,
    warnings: (result: MatchResult) => readonly string[],
  ): Promise<readonly string[]> {
    try {
      const [result] = await searcher.search([{ kind: matchKinds[kind], embedding: { vector, space } }], comparedEntries);
      return result === undefined ? [] : warnings(result);
    } catch (error) {
      if (!isSightlineError(error, 'thread.exited')) throw error;
      return ['could not be compared with the other entries, the vector index is starting again'];
    }
  }

  /** The store first: what it holds is what counts. */
  async function put(entry: EntryRecord, references: readonly ReferenceRecord[]): Promise<void> {
    const leftover = unfinished.get(entry.id);
    if (leftover !== undefined) await erase(leftover);
    await store.put(entry, references);
    members.put(entry, references.map(pictureless));
    await searcher.put(matchKinds[entry.kind], references);
    changed();
  }

  async function enrol(request: EnrolRequest, signal: AbortSignal): Promise<Enrolled> {
    const { entry, before } = entryFor(request, request.kind ?? 'face');
    const space = spaceOf(entry);
    const { picture, vector, quality, refusals } = await embedPhoto(photos, request, request.kind ?? 'face', space, signal);
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
      ...(await compare(reference, entry.kind, (result) =>
        warningsOf(result, entry, before, { negative: reference.negative, threshold: space.threshold }),
      )),
    ];
    return await keep(entry, reference, request.actor, warnings);
  }

  /** An entry known by words alone. They are kept with it, shown wherever it is, and erased with it. */
  async function describe(request: DescribeRequest, signal: AbortSignal): Promise<Enrolled> {
    const text = tidyDescription(request.text);
    const { entry } = entryFor(request, 'description');
    const space = spaceOf(entry);
    const source = { text, box: { left: 0, top: 0, width: 0, height: 0 } };
    const image = new Uint8Array(0);
    const reference: ReferenceRecord = {
      ...source,
      id: randomUUID(),
      entryId: entry.id,
      negative: false,
      space: space.name,
      vector: await embedReference({ photos, descriptions }, source, image, entry.kind, space, signal),
      image,
      quality: 1,
      accepted: false,
      source: 'description',
      addedAt: clock.now(),
    };
    const same = await compare(reference, entry.kind, (result) => warningsOfDescription(result, entry));
    return await keep(entry, reference, request.actor, [descriptionMeaning, ...same]);
  }

  async function keep(
    entry: EntryRecord,
    reference: ReferenceRecord,
    actor: string,
    warnings: readonly string[],
  ): Promise<Enrolled> {
    await put(entry, [reference]);
    const { id, accepted, negative } = reference;
    const details = { list: entry.list, kind: entry.kind, reference: id, accepted, negative };
    await note({ actor, action: 'watchlist.enrol', subject: entry.id, details });
    log.info({ entry: entry.id, list: entry.list, kind: entry.kind, warnings: warnings.length }, 'enrolled');
    return { entry, reference: pictureless(reference), warnings };
  }

  async function importOne(given: PortableEntry, actor: string, signal: AbortSignal): Promise<ImportResult> {
    const before = members.get(given.entry.id);
    const record = before === undefined ? { ...given, entry: { ...given.entry, name: entryName(given.entry.name) } } : given;
    checkEntry(before?.entry ?? record.entry, lists(), clock.now());
    const taken = (id: string) => members.reference(id) !== undefined;
    const space = spaceOf(record.entry);
    const { entry, references, warnings } = await importEntry(record, before, {
      embedders: { photos, descriptions },
      space,
      taken,
      signal,
    });
    await put(entry, references);
    const details = { list: entry.list, kind: entry.kind, references: references.length };
    await note({ actor, action: 'watchlist.import', subject: entry.id, details });
    return { entry, references: references.length, warnings };
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

  /** So that a daemon that ends before the erasure does not match the entry again. Without it the erasure is still tried. */
  async function remember(entry: EntryRecord): Promise<void> {
    try {
      await store.markRemoved(entry.id);
    } catch (error) {
      log.error({ err: error, entry: entry.id }, 'removal is remembered only until the daemon ends');
    }
  }

  /** Takes its references out of the index; whatever becomes of that, nothing of a removed entry is ranked. */
  async function forget({ entry, references }: Member): Promise<void> {
    try {
      const ids = references.map(({ id }) => id);
      await searcher.remove(matchKinds[entry.kind], ids);
    } catch (error) {
      log.error({ err: error, entry: entry.id }, 'references of a removed entry stay in the index until it is built again');
    }
  }

  /** Out of sight first, then out of the store. What fails on the way does not keep the rest from happening. */
  async function remove(member: Member, cause: RemovalCause, actor: string): Promise<void> {
    const { entry } = member;
    unfinished.set(entry.id, entry);
    members.remove(entry.id);
    changed();
    await remember(entry);
    await forget(member);
    try {
      await options.onRemove?.(entry, cause);
    } finally {
      await erase(entry);
    }
    await note({
      actor,
      action: cause === 'removed' ? 'watchlist.remove' : 'watchlist.expire',
      subject: entry.id,
      details: { list: entry.list, kind: entry.kind },
    });
    log.info({ entry: entry.id, list: entry.list, cause }, 'entry erased');
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
    changed();
    await note({ actor, action: 'watchlist.removeReference', subject: entry.id, details: { reference: referenceId } });
  }

  async function replaceVector({ reference, kind, space }: Outdated, vector: Float32Array): Promise<void> {
    const member = members.get(reference.entryId);
    if (member === undefined || members.reference(reference.id) === undefined) return;
    await store.replaceVector(reference.id, space.name, vector);
    members.put(member.entry, [{ ...reference, space: space.name }]);
    await searcher.put(matchKinds[kind], [{ id: reference.id, vector }]);
    changed();
  }

  /** Erasures that are due: of entries that have ended, and those that did not work before. */
  function overdue(): readonly (() => Promise<void>)[] {
    const hasEnded = ({ entry }: Member) =>
      (endOf(entry, lists()) ?? Number.POSITIVE_INFINITY) <= clock.now() && options.mayExpire();
    const again = [...unfinished.values()].map((entry) => async () => {
      if (unfinished.has(entry.id)) await erase(entry);
    });
    const over = members.all().filter(hasEnded);
    return [
      ...again,
      ...over.map(({ entry: { id } }) => async () => {
        const member = members.get(id);
        if (member !== undefined && hasEnded(member)) await remove(member, 'expired', 'sightline');
      }),
    ];
  }

  return { note, enrol, describe, import: importOne, remove, removeReference, replaceVector, overdue };
}
