import { resolve } from 'node:path';
import type { ModelDescription } from '../../src/core/inference.ts';
import { describeModel } from '../../src/inference/repository.ts';
import { planDetector } from '../../src/models/detector-plan.ts';
import type { ContainerInput } from '../../src/workers/render.ts';
import { shippedRepository } from './repository.ts';

/** Containers whose files lie in test/fixtures/deepstream; `node tools/container-fixtures.ts` writes them anew. */
export const containerFixtures = resolve(import.meta.dirname, '../fixtures/deepstream');

const small = { width: 1280, height: 720 };
const large = { width: 1920, height: 1080 };

/** A YOLO as exported with its grid or decoded, under names that have to be quoted. */
export function describedYolo(kind: 'yolov7' | 'yolov8', over: Partial<ModelDescription> = {}): ModelDescription {
  const output = kind === 'yolov7' ? { name: '/model.77/"grid"', dims: [25_200, 7] } : { name: 'a\\b:0', dims: [6, 8400] };
  return {
    name: kind,
    version: '1',
    maxBatchSize: 4,
    inputs: [{ name: 'images', datatype: 'FP16', dims: [3, 640, 640] }],
    outputs: [{ datatype: 'FP32', ...output }],
    parameters: { kind, labels: 'person, "dog" \\ größer', colour: 'bgr', scale: '1/255', mean: '0.4, 0.5, 0.6' },
    ...over,
  };
}

/** By name of the folder. */
export async function containerCases(): Promise<Readonly<Record<string, ContainerInput>>> {
  const shipped = async (model: string, frame: typeof small) =>
    planDetector(await describeModel(shippedRepository, model, 'triton'), frame);
  const common = { logLevel: 'info', gpu: 0, startMs: 120_000 } as const;
  return {
    'faces-and-people': {
      ...common,
      worker: 'deepstream-main',
      media: true,
      frame: large,
      detectors: [
        { ...(await shipped('centerface', large)), fps: 5 },
        { ...(await shipped('yolox_nano', large)), minScore: 0.25, fps: 2.5 },
      ],
      tracker: 'nvdcf',
      encoder: { kind: 'auto', bitrateKbps: 4000 },
      triton: { host: 'localhost', port: 8001, tls: false },
      cudaBufferSharing: false,
      cameras: ['lobby', 'yard'],
    },
    'same-gpu': {
      ...common,
      worker: 'deepstream-yard.2',
      media: false,
      frame: small,
      detectors: [
        { ...planDetector(describedYolo('yolov7'), small), fps: 10 },
        { ...planDetector(describedYolo('yolov8'), small), fps: 10 },
      ],
      tracker: 'nvsort',
      encoder: { kind: 'none', bitrateKbps: 4000 },
      triton: { host: 'fd00::1', port: 9001, tls: false },
      cudaBufferSharing: true,
      cameras: ['a', 'b', 'c', 'd', 'e', 'f'],
    },
    'one-list': {
      ...common,
      worker: 'deepstream-main',
      media: false,
      frame: small,
      detectors: [{ ...(await shipped('yolov7', small)), fps: 5 }],
      tracker: 'iou',
      encoder: { kind: 'none', bitrateKbps: 4000 },
      triton: { host: 'localhost', port: 8001, tls: false },
      cudaBufferSharing: false,
      cameras: ['lobby', 'yard'],
    },
  };
}
