import { existsSync } from 'node:fs';
import { type CheckLookups, checkConfig, type ModelFacts } from '../config/check.ts';
import { modelsInUse } from '../config/check-inference.ts';
import { ConfigError, type ConfigIssue } from '../config/issues.ts';
import { loadConfigFile } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { isSightlineError, SightlineError } from '../core/errors.ts';
import type { ModelDescription } from '../core/inference.ts';
import { type FileTrouble, readPemFiles } from '../core/pem-files.ts';
import { describeModel, listModels, requireWeights } from '../inference/repository.ts';
import { planDetector } from '../models/detector-plan.ts';
import { createDetector, createEmbedder, createTextEmbedder, modelRole } from '../models/kinds.ts';
import { credentialTroubles } from '../outputs/mqtt-settings.ts';

export interface CheckedConfig {
  readonly config: Config;
  readonly warnings: readonly ConfigIssue[];
}

/** Loads a configuration file and checks it against the model repository that it names. Rejects with `ConfigError`, all issues at once. */
export async function loadCheckedConfig(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<CheckedConfig> {
  const loaded = loadConfigFile(path, env);
  const { config, issueAt } = loaded;
  const { repository, engine } = config.inference;
  const facts = new Map<string, ModelFacts>();
  const broken: ConfigIssue[] = [];
  try {
    for (const name of await listModels(repository)) {
      try {
        facts.set(name, modelFacts(repository, await describeModel(repository, name, engine)));
      } catch (error) {
        // A model that nobody uses may be broken; one that is used is then not in the repository, and this says why.
        if (!isSightlineError(error, 'model.invalid')) throw error;
        if (modelsInUse(config).includes(name)) broken.push(issueAt(['inference', 'repository'], error.message));
      }
    }
  } catch (error) {
    if (!(error instanceof SightlineError)) throw error;
    broken.push(issueAt(['inference', 'repository'], error.message));
  }
  const [broker, triton] = await Promise.all([
    credentialTroubles(config.mqtt),
    readPemFiles(config.inference, (setting) => `inference.${setting}`),
  ]);
  const lookups: CheckLookups = {
    describeModel: (name) => facts.get(name),
    modelNames: [...facts.keys()],
    hasFile,
    brokerFiles: broker.map(fileText),
    tritonFiles: triton.troubles.map(fileText),
    issueAt,
  };
  const { issues, warnings } = checkConfig(config, lookups);
  if (issues.length + broken.length > 0) throw new ConfigError(path, [...broken, ...issues]);
  return { config, warnings: [...loaded.warnings, ...warnings] };
}

function hasFile(source: string): boolean | undefined {
  return /^([a-z][a-z0-9+.-]*:\/\/|gst:)/i.test(source) ? undefined : existsSync(source);
}

interface SaidFile {
  readonly setting: string;
  readonly says: string;
}

function fileText({ setting, path, says }: FileTrouble<string>): SaidFile {
  return { setting, says: `${path}: ${says}` };
}

/** What is known of a model without running it. Throws `model.invalid`. */
export function modelFacts(repository: string, description: ModelDescription): ModelFacts {
  const missing = missingWeights(repository, description);
  const weights = missing === undefined ? {} : { missing };
  const role = modelRole(description);
  if (role === 'detector') {
    const { labels, landmarks } = createDetector(description, notToBeRun);
    const why = notForDeepStream(description);
    return { kind: 'detector', labels, landmarks, ...weights, ...(why === undefined ? {} : { notForDeepStream: why }) };
  }
  if (role === 'text_embedder') {
    const { space } = createTextEmbedder(description, notToBeRun, notToBeRun);
    return { kind: 'text', labels: [], landmarks: false, space, ...weights };
  }
  const { kind, space } = createEmbedder(description, notToBeRun);
  return { kind, labels: [], landmarks: false, space, ...weights };
}

function notForDeepStream(description: ModelDescription): string | undefined {
  try {
    // Of any size: what can be done does not depend on it.
    planDetector(description, { width: 1920, height: 1080 });
    return undefined;
  } catch (error) {
    if (isSightlineError(error, 'model.invalid')) return error.message;
    throw error;
  }
}

function missingWeights(repository: string, description: ModelDescription): string | undefined {
  try {
    requireWeights(repository, description);
    return undefined;
  } catch (error) {
    if (isSightlineError(error, 'model.missing')) return error.message;
    throw error;
  }
}

/** Facts come from `config.pbtxt` alone. */
const notToBeRun = () => Promise.reject(new TypeError('a model that was made for its facts was run'));
