import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Control } from '../core/control.ts';
import { isSightlineError, SightlineError } from '../core/errors.ts';
import { memberNamed, type Scene } from './scene.ts';

/** Enrolment of the cast as an operator does it: photos through the control socket. */

export const watchedList = 'watched';
export const ignoredList = 'staff';

/** `present`: was on that list already. Rejects with `photo.refused` when no photo of the member was taken. */
export async function listMember(
  control: Control,
  scene: Scene,
  who: { readonly name: string; readonly list: string; readonly actor: string },
  signal: AbortSignal,
): Promise<'listed' | 'present'> {
  const { name, list, actor } = who;
  const { entries } = await control.call('watchlist.list', {}, signal);
  const own = entries.filter(({ entry }) => entry.name === name);
  if (own.some(({ entry }) => entry.list === list)) return 'present';
  const photos = await scene.photos(name);
  // Nobody is to be told of and to be ignored at the same time.
  for (const { entry } of own) await control.call('watchlist.remove', { entry: entry.id, actor }, signal);
  let taken = 0;
  let refused: unknown;
  for (const photo of photos) {
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
  if (taken > 0) return 'listed';
  throw new SightlineError('photo.refused', `no photo of ${name} was taken`, { cause: refused });
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
