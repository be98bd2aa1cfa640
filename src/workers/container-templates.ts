import { readFileSync } from 'node:fs';
import type { ContainerTemplates, TrackerPreset } from './render.ts';

/** Those of `deepstream/config/` that the program came with. */
export function readContainerTemplates(): ContainerTemplates {
  const read = (name: string) => readFileSync(new URL(`../../deepstream/config/${name}`, import.meta.url), 'utf8');
  const tracker = (preset: TrackerPreset) => read(`tracker-${preset}.yml`);
  return { infer: read('infer.txt'), trackers: { iou: tracker('iou'), nvsort: tracker('nvsort'), nvdcf: tracker('nvdcf') } };
}
