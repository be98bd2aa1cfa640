import type { AlertEvent } from '../core/alerts.ts';
import type { Context } from '../core/context.ts';
import { errorText } from '../core/errors.ts';
import { FloodGate } from '../core/log.ts';
import type { AlertCommit } from '../core/store.ts';
import type { CropFaces } from '../core/types.ts';

/** The same picture without the faces of others, or as it is where they may be seen. */
export type HideFaces = (jpeg: Uint8Array, faces: CropFaces) => Promise<Uint8Array>;

/** Hides the faces of others in the pictures of a commit, before it is stored or told to anybody. */
export interface Pictures extends Disposable {
  /** Whether there is anything to hide. Nothing is decoded and nothing waits otherwise. */
  needed(commit: AlertCommit): boolean;
  /** Never rejects: a picture that cannot be made ready in time is left out, counted. */
  ready(commit: AlertCommit): Promise<AlertCommit>;
}

/** The pictures of one transaction together; alerts are not kept waiting longer. */
const withinMs = 500;

/** Without `hide` pictures with faces of others are left out. */
export function createPictures(hide: HideFaces | undefined, { clock, log, metrics }: Context): Pictures {
  const flood = new FloodGate(log, clock);
  const hidden = metrics.counter(
    'sightline_alert_pictures_blurred_total',
    'Pictures of alerts in which faces of others were hidden.',
  );
  const leftOut = metrics.counter(
    'sightline_alert_pictures_left_out_total',
    'Pictures of alerts that were left out because the faces of others in them could not be hidden.',
    ['reason'],
  );

  async function made(snapshot: Uint8Array, faces: CropFaces, late: AbortSignal): Promise<Uint8Array | undefined> {
    const lapsed = Promise.withResolvers<undefined>();
    const lapse = () => lapsed.resolve(undefined);
    late.addEventListener('abort', lapse, { once: true });
    try {
      const picture = late.aborted ? undefined : await Promise.race([hide?.(snapshot, faces), lapsed.promise]);
      if (picture !== undefined) hidden.inc();
      else leftOut.inc({ reason: hide === undefined ? 'failed' : 'late' });
      return picture;
    } catch (error) {
      leftOut.inc({ reason: 'failed' });
      flood.warn('a picture was left out, faces of others could not be hidden', { reason: errorText(error) });
      return undefined;
    } finally {
      late.removeEventListener('abort', lapse);
    }
  }

  return {
    needed: ({ events }) => events.some(({ faces }) => faces !== undefined),
    ready: async (commit) => {
      using limit = clock.deadline(withinMs);
      const events: AlertEvent[] = [];
      for (const event of commit.events) {
        const { faces, snapshot, ...rest } = event;
        if (faces === undefined || snapshot === undefined) {
          events.push(event);
          continue;
        }
        const picture = await made(snapshot, faces, limit.signal);
        events.push(picture === undefined ? rest : { ...rest, snapshot: picture });
      }
      return { ...commit, events };
    },
    [Symbol.dispose]: () => flood[Symbol.dispose](),
  };
}
