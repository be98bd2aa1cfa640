import type { PartState, StatusView } from '../core/control.ts';
import type { WatchlistHealth } from '../watchlist/watchlist.ts';

export function watchlistCounts({ entries, references, descriptions }: WatchlistHealth): StatusView['watchlist'] {
  return { entries, references, descriptions };
}

/** The watchlist among the parts of the daemon: not ready while anybody on it cannot be matched. */
export function watchlistPart({ state, outdated }: Pick<WatchlistHealth, 'state' | 'outdated'>): PartState {
  const reasons = [
    ...(state === 'ready' ? [] : ['the vector index is starting again, nobody is matched']),
    ...(outdated === 0
      ? []
      : [`${outdated} references are of another embedding space and not matched until they are embedded anew`]),
  ];
  return { name: 'watchlist', ready: reasons.length === 0, ...(reasons.length === 0 ? {} : { reason: reasons.join('; ') }) };
}
