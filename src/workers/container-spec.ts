import { createHash } from 'node:crypto';
import type { DeepStreamConfig } from '../config/schema.ts';

/** A container as data: what the Docker engine is asked to create, and by what its own are known again. Pure. */

export const labels = {
  owner: 'io.sightline.owner',
  worker: 'io.sightline.worker',
  config: 'io.sightline.config',
  version: 'io.sightline.version',
} as const;

/** Inside the container. */
export const containerPaths = {
  run: '/run/sightline',
  settings: '/etc/sightline',
  cudaCache: '/var/cache/cuda',
} as const;

/** In the folder of settings: what the program is started with. */
export const settingsName = 'container.json';

export interface ContainerPlan {
  readonly owner: string;
  readonly worker: string;
  readonly version: string;
  readonly settings: Pick<DeepStreamConfig, 'image' | 'gpuAccess' | 'network' | 'memoryMegabytes' | 'cpus' | 'shmMegabytes'>;
  /** By content, not by name. */
  readonly imageId: string;
  readonly gpu: string;
  /** Numbers of the groups that the container's user is in besides its own. */
  readonly groups: readonly number[];
  readonly user: { readonly uid: number; readonly gid: number };
  /** As the engine calls them. */
  readonly folders: { readonly run: string; readonly settings: string };
  /** Films that cameras read, each where the daemon has it. */
  readonly films: readonly { readonly inside: string; readonly host: string }[];
  /** Files in the folder of settings, without the token. */
  readonly files: ReadonlyMap<string, string>;
}

/** The body of `POST /containers/create`, as far as we set it. */
export type ContainerBody = ReturnType<typeof containerBody>;

/** Of a container or a volume, as the engine lists it. */
export function ownedName(owner: string, what: string): string {
  return `sightline-${owner.slice(0, 8)}-${what}`;
}

/** Of a container, as the engine's own client shows it. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

const megabyte = 1024 * 1024;

/** Not in there: anything secret. Whoever may ask the engine may read all of it. */
export function containerBody(plan: ContainerPlan) {
  const wanted = wantedBody(plan);
  return { ...wanted, Labels: { ...wanted.Labels, [labels.config]: hashOf(wanted, plan), [labels.version]: plan.version } };
}

/** Equal for containers that would do the same. */
function hashOf(wanted: ReturnType<typeof wantedBody>, { imageId, files }: ContainerPlan): string {
  const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([wanted, imageId, sorted]))
    .digest('hex');
}

function wantedBody({ owner, worker, settings, gpu, groups, user, folders, films }: ContainerPlan) {
  const memory = settings.memoryMegabytes * megabyte;
  const runtime = settings.gpuAccess === 'runtime';
  const bind = (source: string, target: string) => ({ Type: 'bind', Source: source, Target: target, ReadOnly: true }) as const;
  return {
    Image: settings.image,
    Entrypoint: ['sightline-bridge'],
    Cmd: [`${containerPaths.settings}/${settingsName}`],
    User: `${user.uid}:${user.gid}`,
    WorkingDir: '/',
    // The user has no home, and caches of libraries must be where it may write.
    Env: [
      'HOME=/tmp',
      `CUDA_CACHE_PATH=${containerPaths.cudaCache}`,
      ...(runtime ? [`NVIDIA_VISIBLE_DEVICES=${gpu}`, 'NVIDIA_DRIVER_CAPABILITIES=compute,video,utility'] : []),
    ],
    Labels: { [labels.owner]: owner, [labels.worker]: worker },
    StopSignal: 'SIGTERM',
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      NetworkMode: settings.network,
      ReadonlyRootfs: true,
      Init: true,
      CapDrop: ['ALL'],
      ...(groups.length === 0 ? {} : { GroupAdd: groups.map(String) }),
      SecurityOpt: ['no-new-privileges'],
      PidsLimit: 4096,
      Memory: memory,
      // No swap beside it: a container that leaks is ended, not slow.
      MemorySwap: memory,
      ...(settings.cpus === undefined ? {} : { NanoCpus: Math.round(settings.cpus * 1e9) }),
      ShmSize: settings.shmMegabytes * megabyte,
      Ulimits: [
        // For memory that the card reads; an engine without a card may not be allowed to give it.
        ...(settings.gpuAccess === 'none' ? [] : [{ Name: 'memlock', Soft: -1, Hard: -1 }]),
        { Name: 'stack', Soft: 67_108_864, Hard: 67_108_864 },
        { Name: 'nofile', Soft: 16_384, Hard: 16_384 },
        { Name: 'core', Soft: 0, Hard: 0 },
      ],
      Tmpfs: { '/tmp': 'rw,nosuid,nodev,size=256m,mode=1777' },
      // A socket can be connected to on a mount that cannot be written to.
      Mounts: [
        bind(folders.run, containerPaths.run),
        bind(folders.settings, containerPaths.settings),
        ...films.map(({ inside, host }) => bind(host, inside)),
        {
          Type: 'volume',
          Source: ownedName(owner, 'cuda'),
          Target: containerPaths.cudaCache,
          ReadOnly: false,
          VolumeOptions: { Labels: { [labels.owner]: owner } },
        } as const,
      ],
      // Its output goes to our log; this is for whoever asks the engine.
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } },
      RestartPolicy: { Name: 'no' },
      ...(runtime ? { Runtime: 'nvidia' } : {}),
      ...(settings.gpuAccess === 'request'
        ? { DeviceRequests: [{ Driver: 'nvidia', DeviceIDs: [gpu], Capabilities: [['gpu', 'compute', 'video', 'utility']] }] }
        : {}),
    },
  };
}
