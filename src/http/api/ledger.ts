import { z } from 'zod';
import { maySee } from '../../core/access.ts';
import { json, type Route } from './route.ts';
import { ledgerRow } from './schemas.ts';
import type { ApiServices } from './services.ts';
import { limit, ofCameras, route, text, time, unknownCamera } from './shared.ts';

const group = 'Why not';

export const ledgerRoutes: readonly Route<ApiServices>[] = [
  route({
    method: 'GET',
    path: '/api/v1/ledger',
    access: 'ledger.read',
    group,
    says: 'Matches and tracks that told nobody, with the reason, oldest first.',
    query: z.strictObject({
      camera: text.exactOptional(),
      from: time.default(0),
      to: time.default(8.64e15),
      limit: limit.default(200),
    }),
    answers: { 200: { says: 'The rows.', json: z.strictObject({ items: z.array(ledgerRow) }) } },
    handle: async ({ principal, query }, { ledger }) => {
      if (query.camera !== undefined && !maySee(principal, query.camera)) throw unknownCamera(query.camera);
      return json({ items: await ledger.query({ ...query, ...ofCameras(principal) }) });
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/why',
    access: 'ledger.read',
    group,
    says: 'Why nobody was told: what happened on a camera around a time, in words.',
    query: z.strictObject({
      camera: text,
      at: time,
      window: z.coerce.number().int().min(1000).max(86_400_000).default(60_000).describe('Milliseconds either way.'),
      timeZone: text.default('UTC').describe('IANA name; times in the answer are in it.'),
    }),
    answers: { 200: { says: 'Lines of text.', json: z.strictObject({ lines: z.array(z.string()) }) } },
    handle: async ({ principal, query: { window, ...query }, signal }, { control, cameras }) => {
      // What was on a camera that is gone from the configuration is for those who may see all.
      const known = principal.cameras === 'all' || cameras.list().some(({ camera }) => camera === query.camera);
      if (!known || !maySee(principal, query.camera)) throw unknownCamera(query.camera);
      return json(await control.why({ ...query, windowMs: window }, signal));
    },
  }),
];
