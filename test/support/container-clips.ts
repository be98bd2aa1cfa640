import type { ClipData } from './clips.ts';
import { removeContainersOf } from './container-world.ts';
import type { Image } from './docker.ts';

/** The same clips and people, with cameras that DeepStream containers of this image read. */
export function containerData(data: ClipData, image: Image): ClipData {
  return {
    ...data,
    settings: [...data.settings, `deepstream: { image: '${image.name}', gpuAccess: none }`],
    cameras: {
      face: ['runtime: deepstream', data.cameras.face].filter(Boolean).join(', '),
      appearance: ['runtime: deepstream', data.cameras.appearance].filter(Boolean).join(', '),
    },
    cleanUp: removeContainersOf,
  };
}
