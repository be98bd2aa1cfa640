import { randomUUID } from 'node:crypto';
import type { PortableEntry, PortableReference } from '../core/control.ts';
import { errorText, isAbort, isSightlineError, SightlineError } from '../core/errors.ts';
import type { EntryRecord, ReferenceRecord, WatchlistStore } from '../core/store.ts';
import type { Member, MemberReference } from './members.ts';
import { type Embedders, embedReference } from './photos.ts';
import type { Space } from './spaces.ts';

/** The watchlist on its way to another machine: pictures and words instead of vectors, so that any embedder can take them in. */

function toPortable(reference: MemberReference, image: Uint8Array): PortableReference {
  const { space: _space, landmarks, ...portable } = reference;
  return {
    ...portable,
    ...(landmarks === undefined ? {} : { landmarks: [...landmarks] }),
    imageBase64: Buffer.from(image).toString('base64'),
  };
}

/** Entries as they are when each is reached; what is erased meanwhile is left out. */
export async function* exportMembers(
  ids: readonly string[],
  get: (entryId: string) => Member | undefined,
  store: WatchlistStore,
): AsyncGenerator<PortableEntry, void, undefined> {
  for (const id of ids) {
    const member = get(id);
    if (member === undefined) continue;
    const references: PortableReference[] = [];
    for (const reference of member.references) {
      const image = await store.image(reference.id);
      if (image !== undefined) references.push(toPortable(reference, image));
    }
    if (get(id) !== undefined) yield { entry: member.entry, references };
  }
}

export interface Imported {
  readonly entry: EntryRecord;
  /** Those that the entry did not have yet, embedded. */
  readonly references: readonly ReferenceRecord[];
  readonly warnings: readonly string[];
}

/**
 * Embeds what `before` lacks of an exported entry. An entry that is there keeps its own name, list and dates. Pictures that cannot be
 * embedded are warned of; throws `photo.refused` when none of a new entry's could, `control.request` for an entry of another kind.
 */
export async function importEntry(
  { entry, references }: PortableEntry,
  before: Member | undefined,
  options: {
    readonly embedders: Embedders;
    readonly space: Space;
    /** Whether a reference of this id belongs to somebody already. */
    readonly taken: (referenceId: string) => boolean;
    readonly signal: AbortSignal;
  },
): Promise<Imported> {
  if (before !== undefined && before.entry.kind !== entry.kind) {
    throw new SightlineError('control.request', `entry ${entry.id} is of kind ${before.entry.kind} here, not ${entry.kind}`);
  }
  const known = new Set(before?.references.map(({ id }) => id));
  const added: ReferenceRecord[] = [];
  const warnings: string[] = [];
  for (const { imageBase64, ...reference } of references) {
    if (known.has(reference.id)) continue;
    known.add(reference.id);
    const image = Buffer.from(imageBase64, 'base64');
    try {
      const vector = await embedReference(options.embedders, reference, image, entry.kind, options.space, options.signal);
      const id = options.taken(reference.id) ? randomUUID() : reference.id;
      added.push({ ...reference, id, entryId: entry.id, space: options.space.name, vector, image });
    } catch (error) {
      if (options.signal.aborted || isAbort(error) || isSightlineError(error, 'watchlist.dimension')) throw error;
      warnings.push(`picture ${reference.id} (${reference.source}) was left out: ${errorText(error)}`);
    }
  }
  if (before === undefined && added.length === 0) {
    const why = references.length === 0 ? 'it has no pictures' : warnings.join('; ');
    throw new SightlineError('photo.refused', `entry ${entry.id} is not imported: ${why}`, {
      details: { entry: entry.id, warnings },
    });
  }
  return { entry: before?.entry ?? entry, references: added, warnings };
}
