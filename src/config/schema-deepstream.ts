import { z } from 'zod';
import { mostContainerCameras } from '../core/detectors.ts';
import { duration, section, setting, worded } from './declare.ts';

/** Settings of `deepstream`: a part of `schema.ts`. */

const gpu = worded(
  z.string().regex(/^(\d{1,3}|(GPU|MIG)-[0-9a-zA-Z/-]{1,100})$/),
  'a GPU as nvidia-smi -L numbers it ("0") or names it (GPU-… or MIG-…)',
);

export const deepstream = z.strictObject({
  start: setting(
    z.enum(['docker', 'attached']).default('docker'),
    'daemon',
    'docker: the daemon starts containers through the Docker engine. attached: somebody else does, as the kubelet in a pod; they find their settings in dataDir.',
  ),
  image: setting(
    worded(
      z.string().regex(/^[a-zA-Z0-9[][a-zA-Z0-9._:/@[\]-]{0,511}$/),
      'an image of containers as REGISTRY/NAME:TAG',
    ).default('sightline/deepstream:latest'),
    'daemon',
    'Image of the containers; `make deepstream-image` builds the default one.',
  ),
  pull: setting(
    z.enum(['never', 'missing']).default('never'),
    'daemon',
    'missing: an image that is not on this machine is pulled from its registry.',
  ),
  socket: setting(
    worded(z.string().startsWith('/'), 'the absolute path of a socket').default('/var/run/docker.sock'),
    'daemon',
    'Socket of the Docker engine. Whoever may use it rules this machine: give it to nobody else.',
  ),
  hostDataDir: setting(
    worded(z.string().startsWith('/'), 'an absolute path').optional(),
    'daemon',
    'What the machine calls `dataDir`, where Sightline runs in a container itself; absent: the same.',
    { example: '/srv/sightline/data' },
  ),
  gpus: setting(
    z.array(gpu).min(1).max(64).default(['0']),
    'daemon',
    'GPUs to share the containers among, each container on one; each is named once.',
  ),
  gpuAccess: setting(
    z.enum(['request', 'runtime', 'none']).default('request'),
    'daemon',
    'How a container gets its GPU: asked of the engine (docker run --gpus), by the runtime nvidia (Jetson), or not at all.',
  ),
  groups: setting(
    z.array(z.number().int().min(1).max(4_294_967_294)).max(32).optional(),
    'daemon',
    'With gpuAccess runtime: numbers of the groups that may use the GPU (on a Jetson video and render); absent: those that have its device files here.',
    { example: [44, 104] },
  ),
  camerasPerContainer: setting(
    z.number().int().min(1).max(mostContainerCameras).default(16),
    'daemon',
    'Cameras of one group beyond this are spread over more containers; each costs GPU memory.',
  ),
  width: setting(
    z.number().int().min(320).max(7680).multipleOf(2).default(1920),
    'daemon',
    'Width to which all cameras of a container are scaled before the detectors look.',
  ),
  height: setting(z.number().int().min(240).max(4320).multipleOf(2).default(1080), 'daemon', 'Height of the same.'),
  tracker: setting(
    z.enum(['nvdcf', 'nvsort', 'iou']).default('nvdcf'),
    'daemon',
    'How objects are followed: nvdcf by their looks too, nvsort by motion, iou by overlap alone; each cheaper than the one before.',
  ),
  encoder: section(
    z
      .strictObject({
        kind: setting(
          z.enum(['auto', 'hardware', 'software', 'none']).default('auto'),
          'daemon',
          'What encodes annotated video; auto: the card where it can, else the processor. none: there is no annotated video.',
        ),
        bitrateKbps: setting(
          z.number().int().min(100).max(50_000).default(4000),
          'daemon',
          'Bit rate of one annotated stream.',
        ),
      })
      .prefault({}),
    'Annotated video.',
  ),
  cudaBufferSharing: setting(
    z.boolean().default(false),
    'daemon',
    'Tensors go to Triton without leaving the GPU; for a Triton on this machine and on the same GPU.',
  ),
  network: setting(
    worded(z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/), 'the name of a Docker network').default('host'),
    'daemon',
    "Docker network of the containers. host: this machine's own, with Triton on localhost; one of your own limits them to what it reaches.",
  ),
  memoryMegabytes: setting(
    z.number().int().min(256).max(1_048_576).default(8192),
    'daemon',
    'Memory of one container; one that takes more is ended and started again.',
  ),
  cpus: setting(z.number().min(0.1).max(1024).optional(), 'daemon', 'Cores that one container may take; absent: all.', {
    example: 4,
  }),
  shmMegabytes: setting(z.number().int().min(64).max(65_536).default(256), 'daemon', 'Size of its /dev/shm.'),
  startTimeout: setting(
    duration({ min: '5s', max: '30m' }).prefault('2m'),
    'daemon',
    'A container that takes longer to begin is started again. Its first start on a new kind of GPU takes minutes.',
  ),
});
