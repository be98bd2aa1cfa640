import { z } from 'zod';
import { may, maySee, type Principal, seesBehindMasks } from '../../core/access.ts';
import type { Alert } from '../../core/alerts.ts';
import { isSightlineError, SightlineError } from '../../core/errors.ts';
import type { PhotoCheck } from '../../core/photo-check.ts';
import type { CameraId } from '../../core/types.ts';
import { type Answer, jpeg, json, type Route } from './route.ts';
import { alertDetail, alertStates, alertView, clipIndex, rejectedAlert } from './schemas.ts';
import type { ApiServices } from './services.ts';
import {
  alertFor,
  anAlert,
  asSeenBy,
  cursor,
  flag,
  id,
  limit,
  note,
  ofCameras,
  route,
  text,
  time,
  unknownCamera,
} from './shared.ts';

const group = 'Alerts';
const reasoned = z.strictObject({ reason: note.exactOptional() }).prefault({});

async function act(
  services: ApiServices,
  principal: Principal,
  what: { readonly id: string; readonly step: 'acknowledged' | 'resolved' | 'rejected'; readonly reason?: string },
  signal: AbortSignal,
): Promise<Alert> {
  await alertFor(what.id, principal, services);
  const { alert } = await services.control['alerts.act']({ ...what, actor: principal.user }, signal);
  return asSeenBy(alert, principal);
}

/** The face of the crop that the alert is about: crops are cut around it. */
export function middleOf({ width, height, subjects }: PhotoCheck): number | undefined {
  const off = ({ box }: PhotoCheck['subjects'][number]) =>
    Math.hypot(box.left + box.width / 2 - width / 2, box.top + box.height / 2 - height / 2);
  const nearest = subjects.toSorted((a, b) => off(a) - off(b))[0];
  return nearest === undefined ? undefined : subjects.indexOf(nearest) + 1;
}

/** The crop of an alert as a negative example of its entry; what keeps it from being one is said in words. */
async function enrolNegative(alert: Alert, principal: Principal, services: ApiServices, signal: AbortSignal) {
  const { entry, kind } = alert;
  const crop = await services.alerts.snapshot(alert.id);
  if (entry === undefined || kind === 'unknown') return { refused: 'the alert is about nobody on the watchlist' };
  if (kind === 'description') return { refused: 'a description has no negative examples' };
  if (crop === undefined) return { refused: "the alert's picture is past its retention" };
  const of = kind === 'face' ? 'face' : 'body';
  try {
    const { photo, pick } = await subjectOf(crop, of, services, signal);
    const { reference } = await services.control['watchlist.enrol'](
      {
        photoBase64: Buffer.from(photo).toString('base64'),
        source: `alert ${alert.id}`,
        name: entry.name,
        list: entry.list,
        entryId: entry.id,
        kind: of,
        ...(pick === undefined ? {} : { pick }),
        acceptQuality: true,
        negative: true,
        actor: principal.user,
      },
      signal,
    );
    return { referenceId: reference.id };
  } catch (error) {
    if (isSightlineError(error) && /^(photo|watchlist|control)\./.test(error.code)) return { refused: error.message };
    throw error;
  }
}

/** The crop as it is or, where nobody is found on it, with room around it; with the number of the one it is about. */
async function subjectOf(crop: Uint8Array, kind: 'face' | 'body', services: ApiServices, signal: AbortSignal) {
  const pick = middleOf(await services.check(crop, kind, signal));
  if (pick !== undefined) return { photo: crop, pick };
  const photo = await services.pad(crop);
  return { photo, pick: middleOf(await services.check(photo, kind, signal)) };
}

function unknownClip({ id, camera }: Alert, { clips }: ApiServices): SightlineError {
  const { reason, dueAt } = clips.absence({ id, camera });
  return new SightlineError('clip.unknown', `alert ${id} has no clip: ${reason}`, {
    details: { id, ...(dueAt === undefined ? {} : { dueAt }) },
  });
}

/** As that of one that was never written: nobody learns of cameras that are not theirs. */
function foreignClip({ id }: Alert): SightlineError {
  return new SightlineError('clip.unknown', `alert ${id} has no clip that you may see`, { details: { id } });
}

export const alertRoutes: readonly Route<ApiServices>[] = [
  route({
    method: 'GET',
    path: '/api/v1/alerts',
    access: 'alerts.read',
    group,
    says: 'Alerts, the latest first seen first.',
    query: z.strictObject({
      camera: text.exactOptional().describe('Only those that were seen there, too.'),
      entry: id.exactOptional().describe('Id of an entry of the watchlist.'),
      list: text.exactOptional(),
      state: z.enum(alertStates).exactOptional(),
      open: flag.exactOptional().describe('Whether it still goes on.'),
      from: time.exactOptional(),
      to: time.exactOptional(),
      limit,
      cursor: cursor.exactOptional(),
    }),
    answers: { 200: { says: 'A page.', json: z.strictObject({ items: z.array(alertView), cursor: z.string().optional() }) } },
    handle: async ({ principal, query: { entry, ...query } }, { alerts }) => {
      if (query.camera !== undefined && !maySee(principal, query.camera)) throw unknownCamera(query.camera);
      const page = await alerts.list({
        ...query,
        ...(entry === undefined ? {} : { entryId: entry }),
        ...ofCameras(principal),
      });
      return json({
        items: page.alerts.map((alert) => asSeenBy(alert, principal)),
        ...(page.cursor === undefined ? {} : { cursor: page.cursor }),
      });
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/alerts/{id}',
    access: 'alerts.read',
    group,
    says: 'One alert.',
    params: anAlert,
    answers: { 200: { says: 'The alert.', json: alertDetail } },
    handle: async ({ principal, params }, services) => {
      const { alert, revision } = await alertFor(params.id, principal, services);
      return json({ ...alert, revision });
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/alerts/{id}/snapshot',
    access: 'alerts.read',
    group,
    says: 'The picture of the sighting that the alert describes.',
    params: anAlert,
    answers: { 200: { says: 'The picture.', media: 'image/jpeg' } },
    handle: async ({ principal, params }, services) => {
      const { alert } = await alertFor(params.id, principal, services);
      const picture = await services.alerts.snapshot(alert.id);
      if (picture === undefined)
        throw new SightlineError('alert.unknown', `alert ${alert.id} has no picture, or it is past its retention`, {
          details: { id: alert.id },
        });
      services.audit.note(principal, 'picture.viewed', alert.id, { what: 'snapshot' });
      return jpeg(picture);
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/alerts/{id}/reference',
    access: 'pictures',
    group,
    says: 'The enrolled picture that the sighting is nearest to.',
    params: anAlert,
    answers: { 200: { says: 'The picture.', media: 'image/jpeg' } },
    handle: async ({ principal, params }, services) => {
      const { alert } = await alertFor(params.id, principal, services);
      const referenceId = await nearestReference(alert, services);
      const picture = await services.image(referenceId);
      services.audit.note(principal, 'picture.viewed', referenceId, { what: 'reference', alert: alert.id });
      return jpeg(picture);
    },
  }),
  ...(['acknowledge', 'resolve'] as const).map((verb) =>
    route({
      method: 'POST',
      path: `/api/v1/alerts/{id}/${verb}`,
      access: 'alerts.act',
      group,
      says: verb === 'acknowledge' ? 'Somebody has seen it.' : 'It is dealt with.',
      params: anAlert,
      body: reasoned,
      answers: { 200: { says: 'The alert as it is now.', json: alertView } },
      handle: async ({ principal, params, body, signal }, services) =>
        json(await act(services, principal, { ...params, ...body, step: `${verb}d` as 'acknowledged' | 'resolved' }, signal)),
    }),
  ),
  route({
    method: 'POST',
    path: '/api/v1/alerts/{id}/reject',
    access: 'alerts.act',
    group,
    says: 'It is not this person. With `negative` the crop becomes a negative example of the entry; that needs watchlist.write too.',
    params: anAlert,
    body: z.strictObject({ reason: note.exactOptional(), negative: z.boolean().default(false) }).prefault({}),
    answers: { 200: { says: 'The alert as it is now.', json: rejectedAlert } },
    handle: async ({ principal, params, body: { negative, ...body }, signal }, services) => {
      if (negative && !may(principal, 'watchlist.write'))
        throw new SightlineError('http.forbidden', 'a negative example changes the watchlist: that needs watchlist.write', {
          details: { permission: 'watchlist.write' },
        });
      const alert = await act(services, principal, { ...params, ...body, step: 'rejected' }, signal);
      return json({ ...alert, ...(negative ? { negative: await enrolNegative(alert, principal, services, signal) } : {}) });
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/alerts/{id}/clip',
    access: 'alerts.read',
    group,
    says: 'The video around the sighting. It shows what masks hide: of a camera that has some it is for admins, and for no token. While it is being written the answer is 404 with `details.dueAt`, ms since 1970.',
    params: anAlert,
    answers: {
      200: { says: 'The clip.', media: 'video/mp4' },
      206: { says: 'The part of it that was asked for.', media: 'video/mp4' },
    },
    handle: async ({ principal, params }, services): Promise<Answer> => {
      const { alert } = await alertFor(params.id, principal, services);
      const file = await services.clips.open(alert.id);
      if (file === undefined) throw unknownClip(alert, services);
      try {
        if (!maySee(principal, file.record.camera)) throw foreignClip(alert);
        requireUnmasked(file.record.camera, principal, services);
      } catch (error) {
        await file[Symbol.asyncDispose]();
        throw error;
      }
      services.audit.note(principal, 'picture.viewed', alert.id, { what: 'clip' });
      return { kind: 'file', media: 'video/mp4', file };
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/alerts/{id}/clip/index',
    access: 'alerts.read',
    group,
    says: 'The boxes of the clip, frame by frame, and of which camera it is: the one where the alert began.',
    params: anAlert,
    answers: { 200: { says: 'The index.', json: clipIndex } },
    handle: async ({ principal, params }, services) => {
      const { alert } = await alertFor(params.id, principal, services);
      const index = await services.clips.index(alert.id);
      if (index === undefined) throw unknownClip(alert, services);
      if (!maySee(principal, index.camera)) throw foreignClip(alert);
      return json(index);
    },
  }),
];

/** A clip is the clean stream. A camera that is gone from the configuration may have had masks. */
function requireUnmasked(camera: CameraId, principal: Principal, { cameras }: ApiServices): void {
  const masked = cameras.list().find((known) => known.camera === camera)?.masked ?? true;
  if (!masked || seesBehindMasks(principal)) return;
  throw new SightlineError('http.forbidden', `the clip shows what the masks of camera ${camera} hide: it is for admins`, {
    details: { camera },
  });
}

/** As the alert says; of one that does not, or whose reference is gone, the entry's best. */
async function nearestReference({ id: alertId, entry, referenceId }: Alert, services: ApiServices): Promise<string> {
  const none = () =>
    new SightlineError('watchlist.unknown', `alert ${alertId} is about nobody who is on the watchlist`, {
      details: { id: alertId },
    });
  if (entry === undefined) throw none();
  const { references } = await services.control['watchlist.show']({ entry: entry.id }, new AbortController().signal);
  if (references.some((reference) => reference.id === referenceId && referenceId !== undefined)) return referenceId ?? '';
  const best = references.filter(({ negative }) => !negative).toSorted((a, b) => b.quality - a.quality)[0];
  if (best === undefined) throw none();
  return best.id;
}
