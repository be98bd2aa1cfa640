import { z } from 'zod';
import { maySee, type Principal } from '../../core/access.ts';
import type { CameraId } from '../../core/types.ts';
import type { Answer, Route } from './route.ts';
import type { EventName, eventSchemas } from './schemas.ts';
import type { ApiServices, FeedItem } from './services.ts';
import { asSeenBy, route, text, unknownCamera } from './shared.ts';

/** Server-sent events (HTML standard, section 9.2). */

/** Proxies end what is silent. */
const commentEveryMs = 15_000;
const retryMs = 3000;
/** Whom a proxy let in may have logged out there, which nobody tells us: the next connection comes with their name anew, or not at all. */
const proxiedMs = 10 * 60_000;

function message<N extends EventName>(name: N, data: z.input<(typeof eventSchemas)[N]>): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** As this reader is told of it; undefined when it is none of theirs. */
export function eventFor(item: FeedItem, principal: Principal, wanted: (camera: CameraId) => boolean): string | undefined {
  switch (item.type) {
    case 'lost':
      return message('lost', { count: item.count });
    case 'camera':
      if (!wanted(item.camera)) return undefined;
      return `event: camera\ndata: ${JSON.stringify({ camera: item.camera, state: item.state })}\n\n`;
    case 'alert': {
      const { alert, step, revision } = item.event;
      if (wanted(alert.camera))
        return `event: alert\ndata: ${JSON.stringify({ alert: asSeenBy(alert, principal), step, revision })}\n\n`;
      return alert.cameras.some(wanted) ? message('hidden', { id: alert.id, revision }) : undefined;
    }
  }
}

async function* told(
  principal: Principal,
  wanted: (camera: CameraId) => boolean,
  { items, leave }: { readonly items: AsyncIterator<FeedItem>; readonly leave: () => void },
  services: ApiServices,
): AsyncGenerator<string, void, undefined> {
  let beat = Promise.withResolvers<undefined>();
  let over = false;
  using _beats = services.every(commentEveryMs, () => beat.resolve(undefined));
  using _end = services.every(proxiedMs, () => {
    over = principal.via === 'proxy';
    beat.resolve(undefined);
  });
  // Listening begins here: what happens while the first lines are sent is not missed.
  let next = items.next();
  next.catch(() => {});
  try {
    yield `retry: ${retryMs}\n\n`;
    for (const { camera, state } of services.cameras.list()) {
      const said = eventFor({ type: 'camera', camera, state }, principal, wanted);
      if (said !== undefined) yield said;
    }
    while (true) {
      const got = await Promise.race([next, beat.promise]);
      if (over) return;
      if (got === undefined) {
        beat = Promise.withResolvers<undefined>();
        yield ':\n\n';
        continue;
      }
      if (got.done === true) return;
      const said = eventFor(got.value, principal, wanted);
      next = items.next();
      next.catch(() => {});
      if (said !== undefined) yield said;
    }
  } finally {
    // What waits for the next item would keep the iterator from returning.
    leave();
    await items.return?.();
  }
}

export const eventRoutes: readonly Route<ApiServices>[] = [
  route({
    method: 'GET',
    path: '/api/v1/events',
    access: 'alerts.read',
    group: 'Events',
    says: 'Alerts and states of cameras as they happen, from now on, as server-sent events (docs/asyncapi.json has them). After a lost connection ask for the alerts again; whom a trusted proxy let in is disconnected every ten minutes.',
    query: z.strictObject({ camera: text.exactOptional().describe('Only of this one.') }),
    answers: {
      200: {
        says: 'Events until the caller goes or is no longer let in; 16 times for one user or token.',
        media: 'text/event-stream',
      },
    },
    handle: ({ principal, query: { camera }, signal }, services): Answer => {
      if (camera !== undefined && !maySee(principal, camera)) throw unknownCamera(camera);
      const wanted = (some: CameraId) => maySee(principal, some) && (camera === undefined || some === camera);
      const left = new AbortController();
      const heard = {
        items: services.events(AbortSignal.any([signal, left.signal]), principal.user)[Symbol.asyncIterator](),
        leave: () => left.abort(),
      };
      return { kind: 'stream', media: 'text/event-stream', chunks: told(principal, wanted, heard, services) };
    },
  }),
];
