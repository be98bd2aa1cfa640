import { z } from 'zod';
import { may, maySee, type Principal } from '../../core/access.ts';
import { isReady, type PartState } from '../../core/control.ts';
import { camerasFor } from './cameras.ts';
import { type Answer, json, type Route } from './route.ts';
import { partView, reloadView, statusView } from './schemas.ts';
import type { ApiServices } from './services.ts';
import { route } from './shared.ts';

const group = 'Health';

/** For machines, with paths of their own. */
export const healthRoutes: readonly Route<ApiServices>[] = [
  route({
    method: 'GET',
    path: '/healthz',
    access: 'open',
    group,
    says: 'Whether the daemon is alive.',
    answers: { 200: { says: 'It is.', json: z.strictObject({ status: z.literal('alive') }) } },
    handle: () => json({ status: 'alive' }),
  }),
  route({
    method: 'GET',
    path: '/readyz',
    access: 'open',
    group,
    says: 'Whether the daemon is ready. Which part is not, and why, is told to those who may read the health or the metrics.',
    answers: {
      200: { says: 'All that is needed are.', json: z.strictObject({ ready: z.boolean(), parts: z.array(partView) }) },
      503: { says: 'Not all that is needed are.', json: z.strictObject({ ready: z.boolean(), parts: z.array(partView) }) },
    },
    handle: async ({ principal, raw }, services) => {
      const reads = (principal !== undefined && may(principal, 'health.read')) || (await services.mayReadMetrics(raw));
      return readiness(services.parts(), reads ? (part) => mayKnow(part, principal) : () => false);
    },
  }),
  route({
    method: 'GET',
    path: '/metrics',
    access: 'metrics.read',
    group,
    says: 'Prometheus text. Open to this machine where `http.metrics` is loopback.',
    answers: { 200: { says: 'The metrics.', media: 'text/plain' } },
    handle: async (_request, services): Promise<Answer> => {
      const { media, text } = await services.metrics();
      return { kind: 'text', media, text };
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/status',
    access: 'health.read',
    group,
    says: 'How everything is: parts, cameras, queues, models, engine, index.',
    answers: { 200: { says: 'The state.', json: statusView } },
    handle: async ({ principal, raw }, services) => {
      const { parts, lastReload, ...status } = await services.status();
      const { cameras } = principal;
      const theirs =
        cameras === 'all' ? undefined : await services.alerts.list({ open: true, ofCameras: cameras, limit: mostOpen });
      return json({
        ...status,
        ...(theirs === undefined ? {} : { alerts: { open: theirs.alerts.length } }),
        parts: parts.filter((part) => mayKnow(part, principal)),
        cameras: camerasFor(principal, services.hostOf(raw), services),
        ...(lastReload === undefined || !may(principal, 'config.reload') ? {} : { lastReload }),
      });
    },
  }),
  route({
    method: 'POST',
    path: '/api/v1/config/reload',
    access: 'config.reload',
    group,
    says: 'Loads the configuration file again.',
    answers: { 200: { says: 'What came of it.', json: reloadView } },
    handle: async ({ principal, signal }, services) => {
      const view = await services.control['config.reload']({}, signal);
      services.audit.note(principal, 'config.reloaded', 'configuration', { state: view.state, changes: view.changes.length });
      return json(view);
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/openapi.json',
    access: 'any',
    group,
    says: 'This API as OpenAPI 3.1.',
    answers: { 200: { says: 'The document.', media: 'application/json' } },
    handle: (_request, { documents }): Answer => ({ kind: 'text', media: 'application/json', text: documents.openapi }),
  }),
  route({
    method: 'GET',
    path: '/api/v1/asyncapi.json',
    access: 'any',
    group,
    says: 'MQTT, the live feed and the events as AsyncAPI 3.0.',
    answers: { 200: { says: 'The document.', media: 'application/json' } },
    handle: (_request, { documents }): Answer => ({ kind: 'text', media: 'application/json', text: documents.asyncapi }),
  }),
  route({
    method: 'GET',
    path: '/api/v1/live',
    access: 'open',
    upgrade: true,
    group: 'Live feed',
    says: 'WebSocket with the subprotocol `sightline.live.v1` (docs/asyncapi.json): boxes and video. The ticket of its first message lets in.',
    answers: { 101: { says: 'The WebSocket.' } },
    handle: (): Answer => ({ kind: 'empty', status: 426, headers: { upgrade: 'websocket' } }),
  }),
];

/** Open alerts are counted up to here for those who see some cameras only. */
const mostOpen = 1000;

const cameraPart = 'camera ';

/** Parts are named after cameras, too. Whoever reads the metrics without a login reads of all of them. */
function mayKnow({ name }: Pick<PartState, 'name'>, principal: Principal | undefined): boolean {
  return principal === undefined || !name.startsWith(cameraPart) || maySee(principal, name.slice(cameraPart.length));
}

/** Ready is the whole daemon, whatever of it is told. */
function readiness(parts: readonly PartState[], isTold: (part: PartState) => boolean): Answer {
  const ready = isReady(parts);
  return json({ ready, parts: parts.filter(isTold) }, ready ? 200 : 503);
}
