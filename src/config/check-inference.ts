import { isLoopback } from '../core/loopback.ts';
import { defaultPort, otherPorts, readTritonUrl } from '../core/triton-url.ts';
import type { CropKind } from '../core/types.ts';
import type { Config } from './schema.ts';
import type { SettingPath } from './settings.ts';

export interface InferenceCheck {
  readonly config: Config;
  readonly lookups: {
    describeModel(name: string): { readonly missing?: string } | undefined;
    readonly tritonFiles?: readonly { readonly setting: string; readonly says: string }[];
  };
  readonly refuse: (path: SettingPath, message: string) => void;
  readonly warn: (path: SettingPath, message: string) => void;
}

/** Of Triton: what cannot be reached as it is written, and what crosses a network that others can read. */
export function checkInference({ config, lookups, refuse, warn }: InferenceCheck): void {
  const { inference } = config;
  const path = (...rest: SettingPath) => ['inference', ...rest];
  if (inference.certFile !== undefined && inference.keyFile === undefined) refuse(path('certFile'), 'needs inference.keyFile');
  if (inference.keyFile !== undefined && inference.certFile === undefined) refuse(path('keyFile'), 'needs inference.certFile');
  if (inference.engine === 'embedded') return;
  const servers = inference.url.flatMap((url) => readTritonUrl(url) ?? []);
  const what = Object.keys(inference.headers).length === 0 ? 'pictures' : 'pictures and the secrets in inference.headers';
  const places = servers.map(({ host, port }) => `${host}:${port}`);
  for (const [index, { host, port, tls }] of servers.entries()) {
    const first = places.indexOf(places[index] ?? '');
    if (first < index) {
      warn(path('url', index), `is the same server as inference.url[${first}]`);
      continue;
    }
    const other = otherPorts.get(port);
    if (other !== undefined)
      warn(
        path('url', index),
        `${port} is Triton's port for ${other} unless it was told otherwise; for gRPC it is ${defaultPort}`,
      );
    if (!tls && !isLoopback(host))
      warn(path('url', index), `${what} cross the network of ${host} in the clear; grpcs:// is TLS`);
  }
  if (servers.some(({ tls }) => tls)) for (const { setting, says } of lookups.tritonFiles ?? []) refuse(path(setting), says);
  else if ((inference.caFile ?? inference.certFile) !== undefined)
    warn(path(inference.caFile === undefined ? 'certFile' : 'caFile'), 'is not used: no address in inference.url is grpcs://');
  if (inference.fallback === 'none') return;
  const missing = modelsInUse(config).filter((name) => lookups.describeModel(name)?.missing !== undefined);
  if (missing.length > 0)
    warn(
      path('fallback'),
      `embedded cannot run ${missing.join(', ')} yet: ${missing.map((name) => lookups.describeModel(name)?.missing).join('; ')}`,
    );
}

/** Models that cameras look with, and those that what they recognise is compared and enrolled with, in pictures or words. */
export function modelsInUse({
  cameras,
  models,
  watchlist,
}: Pick<Config, 'cameras' | 'models' | 'watchlist'>): readonly string[] {
  const used = Object.values(cameras);
  const detectors = used.flatMap(({ detect }) => detect.map(({ model }) => model));
  const recognises = (kind: CropKind) => used.some(({ recognise }) => recognise.includes(kind));
  const all = [
    ...detectors,
    ...(recognises('face') ? [models.face, models.enrolment] : []),
    ...(recognises('appearance') ? [models.appearance, models.enrolmentBody] : []),
    ...(watchlist.text ? [models.appearance, models.text] : []),
  ];
  return [...new Set(all)];
}
