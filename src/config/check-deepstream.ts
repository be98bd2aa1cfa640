import { mostContainerDetectors } from '../core/detectors.ts';
import { isLoopback } from '../core/loopback.ts';
import { readTritonUrl } from '../core/triton-url.ts';
import type { CameraConfig, Config } from './schema.ts';
import type { SettingPath } from './settings.ts';

interface DeepStreamCheck {
  readonly config: Config;
  readonly lookups: { describeModel(name: string): { readonly notForDeepStream?: string } | undefined };
  readonly refuse: (path: SettingPath, message: string) => void;
}

/** Of cameras with `runtime: deepstream`: what the containers cannot do, and what they cannot reach. */
export function checkDeepStream({ config, lookups, refuse }: DeepStreamCheck): void {
  checkGpus(config.deepstream.gpus, refuse);
  const names = Object.keys(config.cameras).filter((name) => config.cameras[name]?.runtime === 'deepstream');
  for (const name of names) {
    checkCamera(config.cameras[name], ['cameras', name], refuse);
    if (onJetson(config) && (config.cameras[name]?.masks ?? []).length > 0)
      refuse(
        ['cameras', name, 'masks'],
        'cannot be drawn with deepstream.gpuAccess: runtime, as on a Jetson, whose pictures are not in memory that CUDA writes to; use runtime: software for this camera, or gpuAccess: request where the card is no Jetson',
      );
    for (const [index, { model }] of (config.cameras[name]?.detect ?? []).entries()) {
      const why = lookups.describeModel(model)?.notForDeepStream;
      if (why !== undefined) refuse(['cameras', name, 'detect', index, 'model'], why);
    }
  }
  checkDetectors(config, names, refuse);
  const [first] = names;
  if (first === undefined) return;
  const { inference, deepstream } = config;
  if (inference.engine !== 'triton') {
    refuse(
      ['cameras', first, 'runtime'],
      'deepstream asks a Triton server and has no engine of its own; set inference.engine to triton, or runtime to software',
    );
    return;
  }
  const servers = inference.url.map((url) => readTritonUrl(url));
  for (const [index, server] of servers.entries())
    if (server?.tls === true)
      refuse(['inference', 'url', index], `grpcs:// is not for ${first}: DeepStream has no TLS towards Triton; use grpc://`);
  if (Object.keys(inference.headers).length > 0)
    refuse(['inference', 'headers'], `cannot be sent for ${first}: DeepStream has no headers towards Triton`);
  if (deepstream.start === 'docker' && deepstream.network === 'none') {
    refuse(
      ['deepstream', 'network'],
      'none is a container without a network, which reaches neither Triton nor cameras; set host, or the name of a network that has both',
    );
    return;
  }
  const own = deepstream.start === 'docker' && deepstream.network !== 'host' ? servers : [];
  const server = own.find((url) => url !== undefined && isLoopback(url.host));
  if (server !== undefined)
    refuse(
      ['deepstream', 'network'],
      `in ${deepstream.network}, ${server.host} of inference.url is the container itself; name Triton as that network knows it, or set network to host`,
    );
}

/** Cameras that share a container share its detectors. Which cameras do is known of a group that one container has room for. */
function checkDetectors({ cameras, deepstream }: Config, names: readonly string[], refuse: DeepStreamCheck['refuse']): void {
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const camera = cameras[name];
    if (camera?.enabled === true) groups.set(camera.group, [...(groups.get(camera.group) ?? []), name]);
  }
  for (const [group, own] of groups) {
    if (own.length > deepstream.camerasPerContainer) continue;
    const models = new Set<string>();
    const wishes = own.flatMap((name) => (cameras[name]?.detect ?? []).map(({ model }, index) => ({ name, model, index })));
    const over = wishes.find(({ model }) => models.add(model).size > mostContainerDetectors);
    if (over !== undefined)
      refuse(
        ['cameras', over.name, 'detect', over.index, 'model'],
        `${over.model} is one detector too many for the container of group ${group}, which has ${mostContainerDetectors} at most: ${[...models].join(', ')}; use fewer, or put cameras with other detectors into another group`,
      );
  }
}

/** One that stands there twice would get twice its share of the containers. */
function checkGpus(gpus: readonly string[], refuse: DeepStreamCheck['refuse']): void {
  // "00" is a number as well.
  const names = gpus.map((gpu) => (/^\d+$/.test(gpu) ? String(Number(gpu)) : gpu));
  for (const [index, name] of names.entries()) {
    const first = names.indexOf(name);
    if (first < index) refuse(['deepstream', 'gpus', index], `is the same GPU as ${gpus[first]} before it; name each once`);
  }
}

/** By what the settings say of it; where somebody else starts the containers they say nothing. */
function onJetson({ deepstream }: Config): boolean {
  return deepstream.start === 'docker' && deepstream.gpuAccess === 'runtime';
}

/** Why the program in the container does not take a source; undefined where it does. */
function notReadOnCard(source: string): string | undefined {
  if (/^gst:/i.test(source)) return 'gst: runs a pipeline of GStreamer on this machine, not on the card';
  const scheme = /^(rtsps|https?):\/\//i.exec(source)?.[1]?.toLowerCase();
  return scheme === undefined ? undefined : `DeepStream opens ${scheme}:// once, and never again after a loss`;
}

function checkCamera(camera: CameraConfig | undefined, path: SettingPath, refuse: DeepStreamCheck['refuse']): void {
  if (camera === undefined) return;
  if (camera.detectSource !== undefined)
    refuse(
      [...path, 'detectSource'],
      'is not used with runtime: deepstream: the card decodes one stream and scales it for the detectors itself; leave it out, or use runtime: software',
    );
  const why = notReadOnCard(camera.source);
  if (why !== undefined)
    refuse([...path, 'source'], `${why}; with runtime: deepstream use rtsp:// or a file, otherwise runtime: software`);
  if (camera.decode === 'vaapi' || camera.decode === 'qsv')
    refuse(
      [...path, 'decode'],
      `${camera.decode} is not on an NVIDIA card; with runtime: deepstream use auto, nvdec or software`,
    );
}
