import type { AlertEvent } from '../core/alerts.ts';
import type { AlertEventView } from '../core/control.ts';
import { SightlineError } from '../core/errors.ts';
import type { Metrics } from '../core/metrics.ts';
import { BoundedQueue } from '../core/queue.ts';
import type { CameraId, CameraState } from '../core/types.ts';
import type { FeedItem } from '../http/api/services.ts';

/** What happens, to whoever listens now. A listener that does not keep up loses its oldest, counted, and is told how many. */
export interface EventFeed {
  push(events: readonly AlertEvent[]): void;
  /** `undefined` once the camera is no longer configured. */
  pushCamera(camera: CameraId, state: CameraState | undefined): void;
  /** Alerts alone (`alerts tail`). Ends with the signal. No cameras means all. */
  listen(cameras: readonly string[], signal: AbortSignal): AsyncIterable<AlertEventView>;
  /**
   * Everything, from this call on. Ends with the signal, which must fire. Throws `http.limited` when too many listen already, of this one
   * or of all.
   */
  items(signal: AbortSignal, listener: string): AsyncIterable<FeedItem>;
  /** Items that listeners have yet to read. */
  readonly waiting: number;
  /** Items that listeners lost so far. */
  readonly dropped: number;
}

export const feedLimit = 1000;
const maxListeners = 256;
/** Nobody alone takes the places of all: a page has one, a person some pages. */
const maxOfOne = 16;

export function createEventFeed(metrics: Metrics): EventFeed {
  /** With who it is; undefined on the control socket. */
  const listeners = new Map<BoundedQueue<FeedItem>, string | undefined>();
  const dropped = metrics.counter('sightline_feed_dropped_total', 'Alert events that a slow listener did not get');
  const count = metrics.gauge('sightline_feed_listeners', 'Listeners to live alerts');

  let droppedCount = 0;
  function tell(item: FeedItem): void {
    for (const listener of listeners.keys()) listener.push(item);
  }

  function listenTo(signal: AbortSignal, who?: string): AsyncIterable<FeedItem> {
    let lost = 0;
    const queue = new BoundedQueue<FeedItem>(feedLimit, () => {
      lost += 1;
      droppedCount += 1;
      dropped.inc();
    });
    function leave(): void {
      if (!listeners.delete(queue)) return;
      signal.removeEventListener('abort', leave);
      queue.close();
      count.set(listeners.size);
    }
    async function* read(): AsyncGenerator<FeedItem, void, undefined> {
      try {
        for await (const item of queue) {
          if (signal.aborted) return;
          if (lost > 0) {
            const missed = lost;
            lost = 0;
            yield { type: 'lost', count: missed };
          }
          yield item;
        }
      } finally {
        leave();
      }
    }
    listeners.set(queue, who);
    count.set(listeners.size);
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    return read();
  }

  return {
    push: (events) => {
      for (const { snapshot: _snapshot, ...event } of events) tell({ type: 'alert', event });
    },
    pushCamera: (camera, state) => tell({ type: 'camera', camera, state }),
    async *listen(cameras, signal) {
      for await (const item of listenTo(signal)) {
        if (item.type !== 'alert') continue;
        if (cameras.length === 0 || cameras.includes(item.event.alert.camera)) yield item.event;
      }
    },
    items: (signal, listener) => {
      const own = listeners.values().reduce((sum, who) => sum + (who === listener ? 1 : 0), 0);
      if (own >= maxOfOne) throw limited(`${listener} listens to the events ${own} times already`, maxOfOne);
      if (listeners.size >= maxListeners) throw limited(`${maxListeners} listen to the events already`, maxListeners);
      return listenTo(signal, listener);
    },
    get dropped() {
      return droppedCount;
    },
    get waiting() {
      return [...listeners.keys()].reduce((sum, queue) => sum + queue.depth, 0);
    },
  };
}

function limited(words: string, limit: number): SightlineError {
  return new SightlineError('http.limited', `${words}; close some of them`, { details: { limit, retryAfterS: 10 } });
}
