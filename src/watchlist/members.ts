import type { EntryRecord, ReferenceHead } from '../core/store.ts';
import type { Ranked } from './ranking.ts';

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

export interface Members {
  readonly size: number;
  all(): readonly Member[];
  get(entryId: string): Member | undefined;
  put(entry: EntryRecord, references: readonly MemberReference[]): void;
  remove(entryId: string): Member | undefined;
  removeReference(referenceId: string): MemberReference | undefined;
  reference(referenceId: string): MemberReference | undefined;
  /** Entries of this id, or else of this name. */
  find(idOrName: string): readonly Member[];
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

  function member(entry: EntryRecord): Member {
    const ids = byEntry.get(entry.id) ?? new Set();
    return { entry, references: [...ids].flatMap((id) => references.get(id) ?? []) };
  }

  return {
    get size() {
      return entries.size;
    },
    all: () => [...entries.values()].map(member),
    get: (entryId) => {
      const entry = entries.get(entryId);
      return entry === undefined ? undefined : member(entry);
    },
    put: (entry, added) => {
      entries.set(entry.id, entry);
      const ids = byEntry.get(entry.id) ?? new Set();
      byEntry.set(entry.id, ids);
      for (const reference of added) {
        ids.add(reference.id);
        references.set(reference.id, reference);
      }
    },
    remove: (entryId) => {
      const entry = entries.get(entryId);
      if (entry === undefined) return undefined;
      const removed = member(entry);
      for (const { id } of removed.references) references.delete(id);
      byEntry.delete(entryId);
      entries.delete(entryId);
      return removed;
    },
    removeReference: (referenceId) => {
      const reference = references.get(referenceId);
      if (reference === undefined) return undefined;
      references.delete(referenceId);
      byEntry.get(reference.entryId)?.delete(referenceId);
      return reference;
    },
    reference: (referenceId) => references.get(referenceId),
    find: (idOrName) => {
      const byId = entries.get(idOrName);
      if (byId !== undefined) return [member(byId)];
      return [...entries.values()].filter(({ name }) => name === idOrName).map(member);
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
