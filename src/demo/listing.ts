import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Control, EntryView } from '../core/control.ts';
import { isSightlineError, SightlineError } from '../core/errors.ts';
import { memberNamed, type Scene } from './scene.ts';

/** Enrolment of the cast as an operator does it: photos through the control socket. */

export const watchedList = 'watched';
export const ignoredList = 'staff';

interface Listing {
  readonly name: string;
  readonly list: string;
  readonly actor: string;
}

/**
 * Enrols the photos that are not there yet: an enrolment that broke off is finished by the next. `present`: all were there, or all
 * that can be. Rejects with `photo.refused` when no photo of the member is taken.
 */
export async function listMember(
  control: Control,
  scene: Scene,
  who: Listing,
  signal: AbortSignal,
): Promise<'listed' | 'present'> {
  const { name, list, actor } = who;
  const { entries } = await control.call('watchlist.list', {}, signal);
  const own = entries.filter(({ entry }) => entry.name === name);
  const there = sourcesIn(own.filter(({ entry }) => entry.list === list));
  const photos = await scene.photos(name);
  // Nobody is to be told of and to be ignored at the same time.
  for (const { entry } of own.filter(({ entry }) => entry.list !== list))
    await unlessGone(control.call('watchlist.remove', { entry: entry.id, actor }, signal));
  let taken = 0;
  let refused: unknown;
  for (const photo of photos.filter((path) => !there.has(basename(path)))) {
    try {
      await control.call(
        'watchlist.enrol',
        { photoBase64: (await readFile(photo)).toString('base64'), source: basename(photo), name, list, kind: 'face', actor },
        signal,
      );
      taken += 1;
    } catch (error) {
      if (!isSightlineError(error, 'photo.refused') && !isSightlineError(error, 'photo.undecodable')) throw error;
      refused = error;
    }
  }
  if (taken > 0) {
    await removeTwins(control, who, new Set(photos.map((path) => basename(path))), signal);
    return 'listed';
  }
  if (there.size > 0) return 'present';
  throw new SightlineError('photo.refused', `no photo of ${name} was taken`, { cause: refused });
}

function sourcesIn(views: readonly EntryView[]): ReadonlySet<string> {
  return new Set(views.flatMap(({ references }) => references.map(({ source }) => source)));
}

/**
 * Two terminals that list the same member at once both find it missing. Each removes all of a photo but the first, which is the same
 * one for both, so whoever comes last leaves every photo once.
 */
async function removeTwins(
  control: Control,
  { name, list, actor }: Listing,
  photos: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  const { entries } = await control.call('watchlist.list', { list }, signal);
  const own = entries.filter(({ entry }) => entry.name === name);
  const first = new Map<string, string>();
  const inOrder = own
    .flatMap(({ references }) => references)
    .filter(({ source }) => photos.has(source))
    .toSorted((a, b) => a.addedAt - b.addedAt || (a.id < b.id ? -1 : 1));
  for (const { id, source } of inOrder) if (!first.has(source)) first.set(source, id);
  const twins = inOrder.filter(({ id, source }) => first.get(source) !== id);
  if (twins.length === 0) return;
  for (const { id } of twins) await unlessGone(control.call('watchlist.removeReference', { referenceId: id, actor }, signal));
  const { entries: after } = await control.call('watchlist.list', { list }, signal);
  for (const { entry, references } of after)
    if (entry.name === name && references.length === 0)
      await unlessGone(control.call('watchlist.remove', { entry: entry.id, actor }, signal));
}

/** What somebody else has removed meanwhile is as it should be. */
async function unlessGone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!isSightlineError(error, 'watchlist.unknown')) throw error;
  }
}

/** Gives what became of it, in words. */
export async function watchMember(
  control: Control,
  scene: Scene,
  typed: string,
  actor: string,
  signal: AbortSignal,
): Promise<string> {
  const { name } = memberNamed(scene.cast, typed);
  const outcome = await listMember(control, scene, { name, list: watchedList, actor }, signal);
  return outcome === 'present' ? `${name} is listed already` : `${name} is listed now; wait for the next visit`;
}
