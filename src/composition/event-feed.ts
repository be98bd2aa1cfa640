import type { AlertEvent } from '../core/alerts.ts';
import type { AlertEventView } from '../core/control.ts';
import type { Metrics } from '../core/metrics.ts';
import { BoundedQueue } from '../core/queue.ts';

/** Alert events to whoever listens now (`alerts tail`). A listener that does not keep up loses its oldest, counted. */
export interface EventFeed {
  push(events: readonly AlertEvent[]): void;
  /** Ends with the signal. No cameras means all. */
  listen(cameras: readonly string[], signal: AbortSignal): AsyncIterable<AlertEventView>;
}

const perListener = 1000;

export function createEventFeed(metrics: Metrics): EventFeed {
  const listeners = new Set<BoundedQueue<AlertEventView>>();
  const dropped = metrics.counter('sightline_feed_dropped_total', 'Alert events that a slow listener did not get');
  const count = metrics.gauge('sightline_feed_listeners', 'Listeners to live alerts');
  return {
    push: (events) => {
      for (const { snapshot: _snapshot, ...event } of events) for (const listener of listeners) listener.push(event);
    },
    async *listen(cameras, signal) {
      const queue = new BoundedQueue<AlertEventView>(perListener, () => dropped.inc());
      const close = () => queue.close();
      if (signal.aborted) return;
      signal.addEventListener('abort', close, { once: true });
      listeners.add(queue);
      count.set(listeners.size);
      try {
        for await (const event of queue) {
          if (signal.aborted) return;
          if (cameras.length === 0 || cameras.includes(event.alert.camera)) yield event;
        }
      } finally {
        signal.removeEventListener('abort', close);
        listeners.delete(queue);
        count.set(listeners.size);
      }
    },
  };
}
