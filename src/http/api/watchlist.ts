import { z } from 'zod';
import type { Principal } from '../../core/access.ts';
import { type EntryView, type PortableEntry, photoLimitBytes } from '../../core/control.ts';
import { descriptionMeaning, longestDescription } from '../../core/descriptions.ts';
import { SightlineError } from '../../core/errors.ts';
import { type Answer, jpeg, json, nothing, type Route } from './route.ts';
import { checkView, enrolledView, entryView } from './schemas.ts';
import type { ApiServices } from './services.ts';
import { cursor, id, limit, note, ofCameras, route, text } from './shared.ts';

const group = 'Watchlist';
const photoBodyBytes = Math.ceil((photoLimitBytes * 4) / 3) + 64 * 1024;
const photoBase64 = z
  .base64()
  .min(1, 'is empty: it takes a photo')
  .describe('JPEG, PNG, WebP, GIF, TIFF or AVIF, up to 20 MB, base64.');
const kind = z.enum(['face', 'body']).default('face');
const anEntry = z.strictObject({ id });
/** What may be said of an entry when it is enrolled, by a photo or by a description. */
const entryFields = {
  notes: note.exactOptional(),
  reason: note.exactOptional(),
  expiresAt: z.number().int().min(0).max(8.64e15).exactOptional(),
  threshold: z.number().min(0).max(1).exactOptional(),
};

/** Where a page ended: entries come by the time they were added. */
const place = z.tuple([z.number(), z.string()]);

function placeOf({ entry }: EntryView): string {
  return Buffer.from(JSON.stringify([entry.addedAt, entry.id])).toString('base64url');
}

function readPlace(text: string): readonly [number, string] {
  try {
    return place.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
  } catch (cause) {
    throw new SightlineError('http.request', 'the cursor is not one that a page gave', { cause });
  }
}

async function withSighting(
  { entry, references }: EntryView,
  principal: Principal,
  { alerts }: ApiServices,
): Promise<z.input<typeof entryView>> {
  const { alerts: newest } = await alerts.list({ entryId: entry.id, limit: 1, ...ofCameras(principal) });
  const [last] = newest;
  return {
    entry,
    references: references.map(({ landmarks, ...reference }) => ({
      ...reference,
      ...(landmarks === undefined ? {} : { landmarks: [...landmarks] }),
    })),
    ...(last === undefined ? {} : { lastSighting: { alertId: last.id, camera: last.camera, at: last.lastSeenAt } }),
  };
}

async function* ndjson(entries: AsyncIterable<PortableEntry>): AsyncGenerator<string, void, undefined> {
  for await (const entry of entries) yield `${JSON.stringify(entry)}\n`;
}

export const watchlistRoutes: readonly Route<ApiServices>[] = [
  route({
    method: 'GET',
    path: '/api/v1/watchlist',
    access: 'watchlist.read',
    group,
    says: 'Entries, in the order in which they were added.',
    query: z.strictObject({ list: text.exactOptional(), limit, cursor: cursor.exactOptional() }),
    answers: { 200: { says: 'A page.', json: z.strictObject({ items: z.array(entryView), cursor: z.string().optional() }) } },
    handle: async ({ principal, query, signal }, services) => {
      const after = query.cursor === undefined ? undefined : readPlace(query.cursor);
      const { entries } = await services.control['watchlist.list'](
        query.list === undefined ? {} : { list: query.list },
        signal,
      );
      const sorted = entries
        .filter(({ entry: { addedAt, id: own } }) => {
          if (after === undefined) return true;
          return addedAt === after[0] ? own > after[1] : addedAt > after[0];
        })
        .toSorted(({ entry: a }, { entry: b }) => a.addedAt - b.addedAt || (a.id < b.id ? -1 : 1));
      const page = sorted.slice(0, query.limit);
      const last = page.at(-1);
      const items = await Promise.all(page.map((entry) => withSighting(entry, principal, services)));
      return json({ items, ...(last !== undefined && sorted.length > page.length ? { cursor: placeOf(last) } : {}) });
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/watchlist/export',
    access: 'watchlist.export',
    group,
    says: 'Entries with their pictures, one a line, as `sightline watchlist import` takes them.',
    query: z.strictObject({ list: text.exactOptional() }),
    answers: { 200: { says: 'Lines of JSON.', media: 'application/x-ndjson' } },
    handle: ({ principal, query, signal }, { control }): Answer => ({
      kind: 'stream',
      media: 'application/x-ndjson',
      chunks: ndjson(control['watchlist.export']({ ...query, actor: principal.user }, signal)),
    }),
  }),
  route({
    method: 'GET',
    path: '/api/v1/watchlist/{id}',
    access: 'watchlist.read',
    group,
    says: 'One entry.',
    params: anEntry,
    answers: { 200: { says: 'The entry.', json: entryView } },
    handle: async ({ principal, params, signal }, services) => {
      const found = await entryOf(params.id, services, signal);
      return json(await withSighting(found, principal, services));
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/watchlist/references/{reference}/picture',
    access: 'pictures',
    group,
    says: 'The picture of a reference.',
    params: z.strictObject({ reference: id }),
    answers: { 200: { says: 'The picture.', media: 'image/jpeg' } },
    handle: async ({ principal, params: { reference } }, services) => {
      const picture = await services.image(reference);
      services.audit.note(principal, 'picture.viewed', reference, { what: 'watchlist' });
      return jpeg(picture);
    },
  }),
  route({
    method: 'POST',
    path: '/api/v1/watchlist',
    access: 'watchlist.write',
    group,
    says: 'Enrols a photo: into the entry of `entryId`, into the one of the same name, list and kind, or into a new one. A photo that would recognise badly is refused (`photo.refused`, `details.refusals` and `details.boxes`).',
    bodyLimitBytes: photoBodyBytes,
    body: z.strictObject({
      photoBase64,
      source: z.string().min(1).max(1000).default('photo').describe('Name of the file, for people.'),
      name: text,
      list: text,
      kind,
      entryId: id.exactOptional(),
      pick: z.number().int().min(1).max(1000).exactOptional().describe('Which face of several, from 1 from the left.'),
      acceptQuality: z.boolean().default(false).describe('Takes a poor photo, marked, with a raised threshold.'),
      negative: z.boolean().default(false).describe('Somebody else who looks like this entry.'),
      ...entryFields,
    }),
    answers: { 201: { says: 'Enrolled.', json: enrolledView } },
    handle: async ({ principal, body, signal }, { control }) =>
      json(await control['watchlist.enrol']({ ...body, actor: principal.user }, signal), 201),
  }),
  route({
    method: 'POST',
    path: '/api/v1/watchlist/descriptions',
    access: 'watchlist.write',
    group,
    says: `Enrols a description instead of a photo: ${descriptionMeaning}. Refused while \`watchlist.text\` is off.`,
    body: z.strictObject({
      text: z
        .string()
        .min(1)
        .max(2 * longestDescription)
        .describe('Attributes, separated by commas: `red jacket, black cap`.'),
      name: text,
      list: text,
      entryId: id.exactOptional(),
      ...entryFields,
    }),
    answers: { 201: { says: 'Enrolled.', json: enrolledView } },
    handle: async ({ principal, body, signal }, { control }) =>
      json(await control['watchlist.describe']({ ...body, actor: principal.user }, signal), 201),
  }),
  route({
    method: 'POST',
    path: '/api/v1/watchlist/check',
    access: 'watchlist.write',
    group,
    says: 'What enrolling the photo would say. Nothing is kept.',
    bodyLimitBytes: photoBodyBytes,
    body: z.strictObject({ photoBase64, kind }),
    answers: { 200: { says: 'What is on the photo.', json: checkView } },
    handle: async ({ body, signal }, { check }) => {
      const { subjects, ...found } = await check(Buffer.from(body.photoBase64, 'base64'), body.kind, signal);
      return json({ ...found, faces: subjects });
    },
  }),
  route({
    method: 'DELETE',
    path: '/api/v1/watchlist/{id}',
    access: 'watchlist.write',
    group,
    says: 'Erases the entry with everything that is of it.',
    params: anEntry,
    answers: { 204: { says: 'Erased.' } },
    handle: async ({ principal, params, signal }, services) => {
      const { entry } = await entryOf(params.id, services, signal);
      await services.control['watchlist.remove']({ entry: entry.id, actor: principal.user }, signal);
      return nothing;
    },
  }),
  route({
    method: 'DELETE',
    path: '/api/v1/watchlist/{id}/references/{reference}',
    access: 'watchlist.write',
    group,
    says: 'Erases one picture of an entry.',
    params: z.strictObject({ id, reference: id }),
    answers: { 204: { says: 'Erased.' } },
    handle: async ({ principal, params, signal }, services) => {
      const { references } = await entryOf(params.id, services, signal);
      if (!references.some((reference) => reference.id === params.reference))
        throw new SightlineError('watchlist.unknown', `entry ${params.id} has no reference ${params.reference}`, {
          details: params,
        });
      await services.control['watchlist.removeReference']({ referenceId: params.reference, actor: principal.user }, signal);
      return nothing;
    },
  }),
];

/** By its id alone: a name may be given to another one by the next request. */
async function entryOf(entryId: string, { control }: ApiServices, signal: AbortSignal): Promise<EntryView> {
  const found = await control['watchlist.show']({ entry: entryId }, signal);
  if (found.entry.id === entryId) return found;
  throw new SightlineError('watchlist.unknown', `there is no entry ${entryId} on the watchlist`, {
    details: { entry: entryId },
  });
}
