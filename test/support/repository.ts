import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { dataPath, missingData } from './data.ts';
import { fixtureModelRepository } from './fixtures.ts';

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
export async function realRepository(): Promise<TestRepository> {
  const directory = await copyOf(shippedRepository);
  for (const [model, file] of Object.entries(testWeights)) {
    await mkdir(join(directory, model, '1'), { recursive: true });
    await symlink(dataPath(file), join(directory, model, '1', 'model.onnx'));
  }
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}

/** The shipped descriptions without weights, beside the fixtures' models with theirs: a copy that a test may change. */
export async function changeableRepository(): Promise<TestRepository> {
  const directory = await copyOf(shippedRepository);
  await cp(fixtureModelRepository, directory, { recursive: true });
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}

async function copyOf(repository: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sightline-models-'));
  await cp(repository, directory, { recursive: true, filter: (path) => !path.endsWith('.onnx') });
  return directory;
}
