import { z } from 'zod';
import { may, maySee, type Principal } from '../../core/access.ts';
import type { Alert } from '../../core/alerts.ts';
import { SightlineError } from '../../core/errors.ts';
import type { CameraId } from '../../core/types.ts';
import { routesOf } from './route.ts';
import type { ApiServices } from './services.ts';

/** What several routes of the API share: values in addresses, and what of a camera somebody may know of. */

export const route = routesOf<ApiServices>();

export const text = z.string().min(1).max(200);
export const id = z.string().regex(/^[A-Za-z0-9_-]{1,200}$/, 'expected 1 to 200 letters, digits, - and _');
export const note = z.string().max(2000);
const lastMoment = 8.64e15;
const isoTime = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/;

function readTime(text: string): number {
  // A `+` that was not escaped has become a blank on its way.
  const written = text.replace(/ (?=\d\d:\d\d$)/, '+');
  if (/^\d{1,16}$/.test(written)) return Number(written);
  return isoTime.test(written) ? Date.parse(written) : Number.NaN;
}

/** In an address, where everything is text. */
export const time = z
  .string()
  .max(40)
  .transform((text, context) => {
    const ms = readTime(text);
    if (ms >= 0 && ms <= lastMoment) return ms;
    const message = 'expected milliseconds since 1970, or a time with its zone such as 2026-11-22T14:03:00Z';
    context.issues.push({ code: 'custom', message, input: text });
    return z.NEVER;
  })
  .describe(
    'Milliseconds since 1970-01-01T00:00:00Z, or ISO 8601 with the zone: `2026-11-22T14:03:00Z`; a date alone begins at midnight UTC.',
  );
export const limit = z.coerce.number().int().min(1).max(1000).default(50);
export const flag = z.enum(['true', 'false']).transform((value) => value === 'true');
export const cursor = z.string().max(1000).describe('From the page before.');

export const anAlert = z.strictObject({ id });
export const aCamera = z.strictObject({ camera: text });

/** For queries: undefined where all cameras may be seen. */
export function ofCameras(principal: Principal): { readonly ofCameras?: readonly CameraId[] } {
  return principal.cameras === 'all' ? {} : { ofCameras: principal.cameras };
}

/** A camera that somebody may not know of is one that is not there. */
export function unknownCamera(camera: CameraId): SightlineError {
  return new SightlineError('http.unknown', `there is no camera ${camera}`, { details: { camera } });
}

export function unknownAlert(alertId: string): SightlineError {
  return new SightlineError('alert.unknown', `there is no alert ${alertId}`, { details: { id: alertId } });
}

/**
 * An alert is of the camera whose sighting it describes; of its others only those are named that may be seen, and of entries that it is not
 * about only those who may read the watchlist are told.
 */
export function asSeenBy(alert: Alert, principal: Principal): Alert {
  return {
    ...alert,
    cameras: alert.cameras.filter((camera) => maySee(principal, camera)),
    top: may(principal, 'watchlist.read') ? alert.top : [],
  };
}

/** Throws `alert.unknown` also for an alert of a camera that is not theirs. */
export async function alertFor(
  alertId: string,
  principal: Principal,
  { alerts }: ApiServices,
): Promise<{ readonly alert: Alert; readonly revision: number }> {
  const found = await alerts.get(alertId);
  if (found === undefined || !maySee(principal, found.alert.camera)) throw unknownAlert(alertId);
  return { alert: asSeenBy(found.alert, principal), revision: found.revision };
}
