import type { PartState } from '../core/control.ts';
import type { WatchlistHealth } from '../watchlist/watchlist.ts';

/** The watchlist among the parts of the daemon: not ready while anybody on it cannot be matched. */
export function watchlistPart({ state, outdated }: Pick<WatchlistHealth, 'state' | 'outdated'>): PartState {
  const reasons = [
    ...(state === 'ready' ? [] : ['the vector index is starting again, nobody is matched']),
    ...(outdated === 0
      ? []
      : [`${outdated} pictures are of another embedding space and not matched until they are embedded anew`]),
  ];
  return { name: 'watchlist', ready: reasons.length === 0, ...(reasons.length === 0 ? {} : { reason: reasons.join('; ') }) };
}
