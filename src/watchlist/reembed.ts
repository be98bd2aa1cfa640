import type { Context } from '../core/context.ts';
import { isAbort } from '../core/errors.ts';
import type { WatchlistStore } from '../core/store.ts';
import type { MemberReference } from './members.ts';
import { embedPicture, type PhotoTools } from './photos.ts';
import type { EntryKind, Space } from './spaces.ts';

export interface Outdated {
  readonly reference: MemberReference;
  readonly kind: EntryKind;
  readonly space: Space;
}

const sayEvery = 100;

/**
 * Embeds references of another space anew from their pictures, one after the other. One that fails is counted and named in the log
 * by its id, and stays outdated; it is tried again at the next start.
 */
export async function embedAnew(
  outdated: readonly Outdated[],
  options: {
    readonly store: WatchlistStore;
    readonly photos: PhotoTools;
    readonly done: (item: Outdated, vector: Float32Array) => Promise<void>;
  },
  ctx: Context,
): Promise<void> {
  if (outdated.length === 0) return;
  ctx.log.info({ count: outdated.length }, 'embedding references anew, their embedding space is not the one in use');
  let failed = 0;
  for (const [place, item] of outdated.entries()) {
    try {
      ctx.signal.throwIfAborted();
      const { id, box, landmarks } = item.reference;
      const jpeg = await options.store.image(id);
      if (jpeg === undefined) continue;
      const picture = { jpeg, box, ...(landmarks === undefined ? {} : { landmarks }) };
      await options.done(item, await embedPicture(options.photos, picture, item.kind, item.space, ctx.signal));
    } catch (error) {
      if (ctx.signal.aborted || isAbort(error)) return;
      failed += 1;
      ctx.log.warn({ reference: item.reference.id, err: error }, 'reference cannot be embedded anew');
    }
    if ((place + 1) % sayEvery === 0) ctx.log.info({ done: place + 1, of: outdated.length }, 'embedding references anew');
  }
  ctx.log.info({ count: outdated.length - failed, failed }, 'references embedded anew');
}
