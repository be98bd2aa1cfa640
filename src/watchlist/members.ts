import { comparableName } from '../core/entry-name.ts';
import { SightlineError } from '../core/errors.ts';
import type { EntryRecord, ReferenceHead } from '../core/store.ts';
import type { Ranked } from './ranking.ts';
import type { EntryKind } from './spaces.ts';

/** Who is enrolled, in memory: everything but pictures and vectors. */

/** A reference as lists show it. */
export type MemberReference = Omit<ReferenceHead, 'vector'>;

export interface Member {
  readonly entry: EntryRecord;
  readonly references: readonly MemberReference[];
}

export interface ListSettings {
  readonly kind: 'watch' | 'ignore';
  /** Milliseconds after which its entries are erased. */
  readonly maxAge?: number | undefined;
}

export type Lists = Readonly<Record<string, ListSettings>>;

/** When an entry ends: its own expiry or its list's greatest age, whichever is first. */
export function endOf(entry: EntryRecord, lists: Lists): number | undefined {
  const maxAge = lists[entry.list]?.maxAge;
  const ends = [entry.expiresAt, maxAge === undefined ? undefined : entry.addedAt + maxAge].filter((at) => at !== undefined);
  return ends.length === 0 ? undefined : Math.min(...ends);
}

/** How many there are of a kind. */
export interface Count {
  entries: number;
  references: number;
}

export interface Members {
  readonly size: number;
  readonly counts: Readonly<Record<EntryKind, Readonly<Count>>>;
  all(): readonly Member[];
  get(entryId: string): Member | undefined;
  put(entry: EntryRecord, references: readonly MemberReference[]): void;
  remove(entryId: string): Member | undefined;
  removeReference(referenceId: string): MemberReference | undefined;
  reference(referenceId: string): MemberReference | undefined;
  /** Entries of this id, or else of exactly this name, or else of one that looks the same (`comparableName`). */
  find(idOrName: string): readonly Member[];
  /** The entry of this id or of this name, if only one has it. Throws `watchlist.unknown`. */
  named(idOrName: string): Member;
  /** For `rank`: undefined once the entry has ended. */
  ranked(
    referenceId: string,
    options: { readonly now: number; readonly lists: Lists; readonly threshold: number },
  ): Ranked | undefined;
}

export function createMembers(): Members {
  const entries = new Map<string, EntryRecord>();
  const references = new Map<string, MemberReference>();
  const byEntry = new Map<string, Set<string>>();
  const counts: Record<EntryKind, Count> = {
    face: { entries: 0, references: 0 },
    body: { entries: 0, references: 0 },
    description: { entries: 0, references: 0 },
  };

  function member(entry: EntryRecord): Member {
    const ids = byEntry.get(entry.id) ?? new Set();
    return { entry, references: [...ids].flatMap((id) => references.get(id) ?? []) };
  }

  function find(idOrName: string): readonly Member[] {
    const byId = entries.get(idOrName);
    if (byId !== undefined) return [member(byId)];
    const exact = [...entries.values()].filter(({ name }) => name === idOrName);
    if (exact.length > 0) return exact.map(member);
    const wanted = comparableName(idOrName);
    return [...entries.values()].filter(({ name }) => comparableName(name) === wanted).map(member);
  }

  return {
    get size() {
      return entries.size;
    },
    counts,
    all: () => [...entries.values()].map(member),
    get: (entryId) => {
      const entry = entries.get(entryId);
      return entry === undefined ? undefined : member(entry);
    },
    put: (entry, added) => {
      if (!entries.has(entry.id)) counts[entry.kind].entries += 1;
      entries.set(entry.id, entry);
      const ids = byEntry.get(entry.id) ?? new Set();
      byEntry.set(entry.id, ids);
      for (const reference of added) {
        if (!ids.has(reference.id)) counts[entry.kind].references += 1;
        ids.add(reference.id);
        references.set(reference.id, reference);
      }
    },
    remove: (entryId) => {
      const entry = entries.get(entryId);
      if (entry === undefined) return undefined;
      const removed = member(entry);
      counts[entry.kind].entries -= 1;
      counts[entry.kind].references -= removed.references.length;
      for (const { id } of removed.references) references.delete(id);
      byEntry.delete(entryId);
      entries.delete(entryId);
      return removed;
    },
    removeReference: (referenceId) => {
      const reference = references.get(referenceId);
      if (reference === undefined) return undefined;
      const kind = entries.get(reference.entryId)?.kind;
      if (kind !== undefined) counts[kind].references -= 1;
      references.delete(referenceId);
      byEntry.get(reference.entryId)?.delete(referenceId);
      return reference;
    },
    reference: (referenceId) => references.get(referenceId),
    find,
    named: (idOrName) => {
      const [found, ...more] = find(idOrName);
      const details = { entry: idOrName };
      if (found === undefined) {
        throw new SightlineError('watchlist.unknown', `there is no entry ${idOrName} on the watchlist`, { details });
      }
      if (more.length === 0) return found;
      const ids = [found, ...more].map(({ entry }) => `${entry.id} (${entry.list}, ${entry.kind})`);
      const message = `${ids.length} entries are called ${idOrName}: ${ids.join(', ')}; say which by its id`;
      throw new SightlineError('watchlist.unknown', message, { details: { ...details, ids } });
    },
    ranked: (referenceId, { now, lists, threshold }) => {
      const reference = references.get(referenceId);
      const entry = reference === undefined ? undefined : entries.get(reference.entryId);
      if (reference === undefined || entry === undefined) return undefined;
      const end = endOf(entry, lists);
      if (end !== undefined && end <= now) return undefined;
      return {
        entryId: entry.id,
        entryName: entry.name,
        list: entry.list,
        negative: reference.negative,
        accepted: reference.accepted,
        threshold: entry.threshold ?? threshold,
      };
    },
  };
}
