import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError, SightlineError } from '../core/errors.ts';
import type { ModelDescription } from '../core/inference.ts';
import { type ModelConfig, parseModelConfig } from './model-config.ts';

/**
 * A Triton model repository on disk: `<directory>/<model>/config.pbtxt` and `<directory>/<model>/<version>/model.onnx`
 * (https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_repository.md).
 */

const modelName = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
/** Triton ignores folders that are not plain numbers or begin with 0. */
const versionName = /^[1-9]\d*$/;

/** Models that have a `config.pbtxt`, sorted. Rejects with `model.missing` when the directory itself is not there. */
export async function listModels(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((cause: unknown) => {
    throw new SightlineError('model.missing', `no model repository at ${directory}; set inference.repository`, {
      cause,
      details: { repository: directory },
    });
  });
  const found = await Promise.all(
    entries
      .filter((entry) => modelName.test(entry.name) && !entry.isFile())
      .map(async (entry) => ((await isFile(join(directory, entry.name, 'config.pbtxt'))) ? [entry.name] : [])),
  );
  return found.flat().sort();
}

/**
 * Describes one model. Rejects with `model.unknown` (naming the models there are) or `model.invalid` (naming file and line).
 * With `triton` the model may be of any backend, and an ensemble: the server runs it, in its latest version where none is here. A model whose weights are not there is described
 * without `weights`; `requireWeights` gives the reason for that.
 */
export async function describeModel(
  directory: string,
  model: string,
  engine: 'embedded' | 'triton' = 'embedded',
): Promise<ModelDescription> {
  const file = join(directory, model, 'config.pbtxt');
  if (!modelName.test(model)) throw await unknownModel(directory, model);
  let source: string;
  try {
    source = await readFile(file, 'utf8');
  } catch (cause) {
    if (isSystemError(cause, 'ENOENT') || isSystemError(cause, 'ENOTDIR')) throw await unknownModel(directory, model);
    throw new SightlineError('model.invalid', `cannot read ${file}`, { cause, details: { model, file } });
  }
  const config = parseModelConfig(source, file, engine);
  if (config.name !== undefined && config.name !== '' && config.name !== model)
    throw new SightlineError('model.invalid', `${file}: name "${config.name}" differs from its folder "${model}"`, {
      details: { model, file },
    });
  const { version, weights } = await findVersion(join(directory, model), config, engine);
  const { labelFile } = config;
  const labels = labelFile === undefined ? undefined : await readLabels(join(directory, model, labelFile), model);
  return {
    name: model,
    version,
    maxBatchSize: config.maxBatchSize,
    inputs: config.inputs,
    outputs: config.outputs,
    parameters: config.parameters,
    ...(labels === undefined ? {} : { labels }),
    ...(weights === undefined ? {} : { weights }),
  };
}

/** A name per line; a class without one would take its neighbour's, so none may be empty. */
async function readLabels(file: string, model: string): Promise<readonly string[]> {
  const details = { model, file };
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new SightlineError('model.invalid', `cannot read ${file}, the label_filename of ${model}`, { cause, details });
  });
  const labels = text
    .trimEnd()
    .split('\n')
    .map((line) => line.trim());
  const empty = labels.indexOf('');
  if (empty >= 0) throw new SightlineError('model.invalid', `${file}:${empty + 1}: a class has no name`, { details });
  return labels;
}

/** The path of a described model's weights, or `model.missing` with the remedy. */
export function requireWeights(directory: string, model: ModelDescription): string {
  if (model.weights !== undefined) return model.weights;
  const file = join(directory, model.name, model.version || '1', 'model.onnx');
  throw new SightlineError(
    'model.missing',
    `${model.name} has no weights at ${file}; get them with "sightline models fetch ${model.name}" or "sightline models add FILE --as ${model.name}"`,
    { details: { model: model.name, file } },
  );
}

async function findVersion(
  folder: string,
  config: ModelConfig,
  engine: 'embedded' | 'triton',
): Promise<{ version: string; weights?: string }> {
  const versions = (await readdir(folder))
    .filter((name) => versionName.test(name) && (config.versions?.includes(Number(name)) ?? true))
    .sort((a, b) => Number(b) - Number(a));
  for (const version of versions) {
    const weights = join(folder, version, config.fileName);
    if (await isFile(weights)) return { version, weights };
  }
  const [stated = engine === 'triton' ? '' : 1] = config.versions ?? [];
  return { version: versions[0] ?? String(stated) };
}

async function unknownModel(directory: string, model: string): Promise<SightlineError> {
  const known = await listModels(directory);
  const there = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`;
  return new SightlineError('model.unknown', `no model "${model}" in ${directory}: ${there}`, {
    details: { model, repository: directory, known },
  });
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) return false;
    throw error;
  }
}
