import { z } from 'zod';
import { maySee, mayWatch, type Principal } from '../../core/access.ts';
import { SightlineError } from '../../core/errors.ts';
import { liveFrame } from '../../core/live-messages.ts';
import { json, type Route } from './route.ts';
import { cameraView, listView } from './schemas.ts';
import type { ApiCamera, ApiServices } from './services.ts';
import { aCamera, route, unknownCamera } from './shared.ts';

const group = 'Cameras';

/** Only these come as they are; of every other codec there is annotated video alone. While it is not known it may be. */
function isServed(state: ApiCamera['state']): boolean {
  return state.state !== 'live' || ['h264', 'hevc', 'h265'].includes(state.codec);
}

/** `host`: the name by which the caller has reached us. */
export function cameraFor(camera: ApiCamera, principal: Principal, host: string): z.input<typeof cameraView> {
  const { state, masked, figures, rtsp } = camera;
  const url = (variant: string) => `${rtsp?.scheme}://${host}:${rtsp?.port}/${camera.camera}${variant}`;
  return {
    camera: camera.camera,
    state,
    ...(state.state === 'live' ? { width: state.width, height: state.height, codec: state.codec } : {}),
    masked,
    ...(rtsp === undefined
      ? {}
      : {
          rtsp: {
            ...(isServed(state) && mayWatch(principal, camera.camera, { variant: 'clean', masked }) ? { clean: url('') } : {}),
            annotated: url('/annotated'),
          },
        }),
    figures,
  };
}

export function camerasFor(principal: Principal, host: string, { cameras }: ApiServices): z.input<typeof cameraView>[] {
  return cameras
    .list()
    .filter(({ camera }) => maySee(principal, camera))
    .map((camera) => cameraFor(camera, principal, host));
}

export const cameraRoutes: readonly Route<ApiServices>[] = [
  route({
    method: 'GET',
    path: '/api/v1/cameras',
    access: 'live',
    group,
    says: "The caller's cameras.",
    answers: { 200: { says: 'The cameras.', json: z.strictObject({ items: z.array(cameraView) }) } },
    handle: ({ principal, raw }, services) => json({ items: camerasFor(principal, services.hostOf(raw), services) }),
  }),
  route({
    method: 'GET',
    path: '/api/v1/cameras/{camera}',
    access: 'live',
    group,
    says: 'One camera.',
    params: aCamera,
    answers: { 200: { says: 'The camera.', json: cameraView } },
    handle: ({ principal, params, raw }, services) => {
      const found = camerasFor(principal, services.hostOf(raw), services).find(({ camera }) => camera === params.camera);
      if (found === undefined) throw unknownCamera(params.camera);
      return json(found);
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/cameras/{camera}/frame',
    access: 'live',
    group,
    says: 'Boxes of the newest frame, as the live feed sends them; `pts` is the time stamp in the open source, 90 kHz.',
    params: aCamera,
    answers: { 200: { says: 'The frame.', json: liveFrame } },
    handle: ({ principal, params: { camera } }, { cameras }) => {
      if (!maySee(principal, camera) || !cameras.list().some((known) => known.camera === camera)) throw unknownCamera(camera);
      const frame = cameras.frame(camera);
      if (frame === undefined)
        throw new SightlineError('http.unknown', `camera ${camera} has given no frame yet`, { details: { camera } });
      return json(frame);
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/lists',
    access: 'alerts.read',
    group,
    says: 'The lists of the configuration.',
    answers: { 200: { says: 'The lists.', json: z.strictObject({ items: z.array(listView) }) } },
    handle: (_request, { lists }) => json({ items: lists() }),
  }),
];
