import { Backoff } from '../core/backoff.ts';
import type { Context } from '../core/context.ts';
import { isAbort } from '../core/errors.ts';
import type { WatchlistStore } from '../core/store.ts';
import type { MemberReference } from './members.ts';
import { type Embedders, embedReference } from './photos.ts';
import type { EntryKind, Space } from './spaces.ts';

export interface Outdated {
  readonly reference: MemberReference;
  readonly kind: EntryKind;
  readonly space: Space;
}

const sayEvery = 100;
const retry = { firstMs: 1000, maxMs: 10 * 60_000 };

export interface EmbedAnewOptions {
  readonly store: WatchlistStore;
  readonly embedders: Embedders;
  readonly done: (item: Outdated, vector: Float32Array) => Promise<void>;
}

/**
 * Embeds references of another space anew from their pictures or words, one after the other, in rounds with growing delays until none is
 * left or the signal fires. One that fails is named in the log by its id, the first time; one that was removed meanwhile is done.
 */
export async function embedAnew(outdated: readonly Outdated[], options: EmbedAnewOptions, ctx: Context): Promise<void> {
  if (outdated.length === 0) return;
  const backoff = new Backoff(retry);
  ctx.log.info({ count: outdated.length }, 'embedding references anew, their embedding space is not the one in use');
  let left = outdated;
  try {
    while (true) {
      const failed = await embedRound(left, backoff.attempt === 0, options, ctx);
      if (failed.length < left.length) ctx.log.info({ count: left.length - failed.length }, 'references embedded anew');
      if (failed.length === 0) return;
      left = failed;
      const retryMs = backoff.next();
      ctx.log.warn({ count: left.length, retryMs }, 'references are still of another embedding space and not matched');
      await ctx.clock.sleep(retryMs, ctx.signal);
    }
  } catch (error) {
    if (!ctx.signal.aborted && !isAbort(error)) throw error;
  }
}

/** Gives those that failed. */
async function embedRound(
  items: readonly Outdated[],
  first: boolean,
  options: EmbedAnewOptions,
  ctx: Context,
): Promise<readonly Outdated[]> {
  const failed: Outdated[] = [];
  for (const [place, item] of items.entries()) {
    ctx.signal.throwIfAborted();
    try {
      const { reference, kind, space } = item;
      const jpeg = await options.store.image(reference.id);
      if (jpeg === undefined) continue;
      await options.done(item, await embedReference(options.embedders, reference, jpeg, kind, space, ctx.signal));
    } catch (error) {
      if (ctx.signal.aborted) throw error;
      failed.push(item);
      if (first) ctx.log.warn({ reference: item.reference.id, err: error }, 'reference cannot be embedded anew');
    }
    if ((place + 1) % sayEvery === 0) ctx.log.info({ done: place + 1, of: items.length }, 'embedding references anew');
  }
  return failed;
}
