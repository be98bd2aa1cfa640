import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { dataPath, missingData } from './data.ts';

/** The repository as shipped: descriptions, no weights. */
export const shippedRepository = resolve(import.meta.dirname, '../../model_repository');

/** Which test model stands for which model of the shipped repository. */
export const testWeights: Readonly<Record<string, string>> = {
  centerface: 'models/centerface_int8w.onnx',
  yunet: 'models/yunet_n_dynamic.onnx',
  yolox_nano: 'models/yolox_nano_end2end_640_fp16w.onnx',
  face_embed: 'models/mobilefacenet_128_fp16w.onnx',
  face_embed_224: 'models/face_embed_224_512_mobilefacenet_fp16w.onnx',
  person_embed: 'models/osnet_x0_25_msmt17.onnx',
  person_embed_224: 'models/person_embed_224_512_osnet_fp16w.onnx',
};

export interface TestRepository extends AsyncDisposable {
  readonly directory: string;
}

/** Why the real models cannot be used here, or false. */
export function missingModels(...models: readonly string[]): string | false {
  return missingData(...models.map((model) => testWeights[model] ?? model));
}

/** A model repository in a temporary folder: the shipped descriptions with the test data's weights linked in. */
export function realRepository(): Promise<TestRepository> {
  return linkedRepository(Object.entries(testWeights).map(([model, file]) => [model, dataPath(file)]));
}

/** The same with networks of our own that see drawn faces only (drawn-faces.ts): models `centerface` and `face_embed`. */
export function fixtureRepository(): Promise<TestRepository> {
  const folder = resolve(import.meta.dirname, '../fixtures/models');
  return linkedRepository(['centerface', 'face_embed'].map((model) => [model, join(folder, `${model}.onnx`)]));
}

async function linkedRepository(weights: readonly (readonly [string, string])[]): Promise<TestRepository> {
  const directory = await mkdtemp(join(tmpdir(), 'sightline-models-'));
  await cp(shippedRepository, directory, { recursive: true, filter: (path) => !path.endsWith('.onnx') });
  for (const [model, file] of weights) {
    await mkdir(join(directory, model, '1'), { recursive: true });
    await symlink(file, join(directory, model, '1', 'model.onnx'));
  }
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}
