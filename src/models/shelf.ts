import { copyFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Context } from '../core/context.ts';
import { errorText, isSightlineError, isSystemError, SightlineError } from '../core/errors.ts';
import type { ModelDescription } from '../core/inference.ts';
import type {
  CatalogueEntry,
  HashAlgorithm,
  ModelShelf,
  ModelSource,
  Pin,
  ShelfModel,
  VerifiedModel,
} from '../core/model-shelf.ts';
import { readTextIfThere } from '../core/read-text.ts';
import { findEntry, requireSource } from './catalogue.ts';
import { catalogueEntries } from './catalogue-data.ts';
import { download, dropEmptyPart, dropPart } from './download.ts';
import { hashFile } from './hashes.ts';
import { redeclareShapes } from './onnx-shapes.ts';

/** What the shelf needs of the engine's room. */
export interface ShelfTools {
  /** Names of the models in the repository. */
  listModels(repository: string): Promise<readonly string[]>;
  /** Rejects with `model.unknown` or `model.invalid`. */
  describeModel(repository: string, model: string): Promise<ModelDescription>;
  /** Loads the network of `file` and says in words what is not as described; empty when it fits. Rejects with `model.invalid`. */
  inspect(model: ModelDescription, file: string): Promise<readonly string[]>;
}

export interface ShelfOptions {
  readonly repository: string;
  /** The program's own repository, whose descriptions others may copy. */
  readonly shipped?: string;
  readonly entries?: readonly CatalogueEntry[];
  /** As in `DownloadOptions`. */
  readonly stallMs?: number;
  readonly retryMs?: readonly number[];
}

/** Weights of a model repository. Holds nothing open; every call reads the disk. */
export function createModelShelf(options: ShelfOptions, tools: ShelfTools, ctx: Context): ModelShelf {
  const { repository, entries = catalogueEntries } = options;

  async function describe(model: string): Promise<ModelDescription> {
    try {
      return await tools.describeModel(repository, model);
    } catch (error) {
      if (!isSightlineError(error, 'model.unknown')) throw error;
      const remedy = await howToDescribe(model);
      throw new SightlineError('model.unknown', `${error.message}; ${remedy}`, { cause: error.cause, details: error.details });
    }
  }

  /** Weights need a description beside them. */
  async function howToDescribe(model: string): Promise<string> {
    const { shipped } = options;
    if (shipped === undefined || !(await tools.listModels(shipped)).includes(model))
      return 'a model begins with its config.pbtxt, which says what the network is: docs/models.md';
    const folder = join(repository, model);
    return `copy its description first: mkdir -p ${folder} && cp ${join(shipped, model, 'config.pbtxt')} ${folder}/`;
  }

  const weightsOf = (model: ModelDescription) => model.weights ?? join(repository, model.name, model.version, 'model.onnx');

  /** Throws `model.invalid` with all that tells the network from its description. */
  async function requireFit(model: ModelDescription, file: string, hint = ''): Promise<void> {
    const differences = await tools.inspect(model, file);
    if (differences.length === 0) return;
    const message = `the network is not what ${model.name}/config.pbtxt describes: ${differences.join('; ')}${hint}`;
    throw new SightlineError('model.invalid', message, { details: { model: model.name, differences } });
  }

  async function shelve(model: ModelDescription, file: string, pin: Pin): Promise<void> {
    const weights = weightsOf(model);
    // The pin first: weights without one are unverified, a pin without weights is nothing.
    await writePin(weights, pin);
    await rename(file, weights);
  }

  /** Whether it is only declared sizes that keep the network from fitting. */
  async function wouldFit(model: ModelDescription, file: string): Promise<boolean> {
    const trial = `${file}.trial`;
    try {
      await copyFile(file, trial);
      await rewriteAxes(model, trial);
      return (await tools.inspect(model, trial)).length === 0;
    } catch (error) {
      if (isSightlineError(error, 'model.invalid')) return false;
      throw error;
    } finally {
      await rm(trial, { force: true });
    }
  }

  async function rewriteAxes(model: ModelDescription, file: string): Promise<void> {
    const shapes = new Map(
      [...model.inputs, ...model.outputs].map(({ name, dims }) => [name, model.maxBatchSize > 0 ? [-1, ...dims] : dims]),
    );
    await writeFile(`${file}.new`, redeclareShapes(await readFile(file), shapes));
    await rename(`${file}.new`, file);
  }

  async function fetchInto(
    part: string,
    source: ModelSource,
    model: ModelDescription,
    how: Parameters<ModelShelf['fetch']>[1],
  ): Promise<Pin> {
    const { url, hash, bytes } = source;
    await download({
      url,
      file: part,
      clock: ctx.clock,
      signal: how.signal,
      progress: how.progress,
      checked: hash !== undefined,
      ...(options.stallMs === undefined ? {} : { stallMs: options.stallMs }),
      ...(options.retryMs === undefined ? {} : { retryMs: options.retryMs }),
    });
    const algorithms: HashAlgorithm[] = ['sha256', ...(hash === undefined ? [] : [hash.algorithm])];
    const found = await hashFile(part, algorithms, how.signal);
    const sha256 = found.hashes.get('sha256') ?? '';
    const wrong =
      bytes !== undefined && found.bytes !== bytes
        ? `it has ${found.bytes} bytes, ${bytes} are expected`
        : hash !== undefined && found.hashes.get(hash.algorithm) !== hash.value
          ? `its ${hash.algorithm} is ${found.hashes.get(hash.algorithm)}, ${hash.value} is expected (${hash.basis})`
          : undefined;
    if (wrong !== undefined) {
      await dropPart(part);
      throw new SightlineError('model.download', `what ${url} gave is not ${model.name}: ${wrong}; it was thrown away`, {
        details: { model: model.name, url },
      });
    }
    if (hash === undefined) {
      const earlier = await readPin(weightsOf(model));
      const accepted = earlier?.source === url ? (earlier.cameAs ?? earlier.sha256) : undefined;
      if (accepted !== undefined && accepted !== sha256 && !how.accept)
        throw new SightlineError(
          'model.catalogue',
          `${url} gave another file (SHA-256 ${sha256}) than the one that was accepted on ${earlier?.at.slice(0, 10)} (${accepted}); --accept takes the new one`,
          { details: { model: model.name, url, sha256, accepted } },
        );
      if (accepted === undefined && !how.accept)
        throw new SightlineError(
          'model.catalogue',
          `nobody vouches for ${url}: its SHA-256 is ${sha256} and upstream publishes none; --accept takes it and pins that hash`,
          { details: { model: model.name, url, sha256 } },
        );
    }
    const trust = hash === undefined ? 'accepted' : 'catalogue';
    const pin: Pin = { sha256, bytes: found.bytes, source: url, trust, at: new Date(ctx.clock.now()).toISOString() };
    return source.freeAxes ? await rewritten(model, part, pin, how.signal) : pin;
  }

  async function rewritten(model: ModelDescription, file: string, pin: Pin, signal: AbortSignal): Promise<Pin> {
    await rewriteAxes(model, file);
    const { bytes, hashes } = await hashFile(file, ['sha256'], signal);
    return { ...pin, sha256: hashes.get('sha256') ?? '', bytes, cameAs: pin.sha256 };
  }

  async function verifyOne(name: string, signal: AbortSignal): Promise<VerifiedModel | undefined> {
    let model: ModelDescription;
    try {
      model = await describe(name);
    } catch (error) {
      if (isSightlineError(error, 'model.invalid')) return { model: name, state: 'bad', notes: [errorText(error)] };
      throw error;
    }
    if (model.weights === undefined) return undefined;
    const { hashes, bytes } = await hashFile(model.weights, ['sha256'], signal);
    const sha256 = hashes.get('sha256') ?? '';
    const pin = await readPin(model.weights);
    const known = knownAs(findEntry(name, entries), sha256);
    const bad: string[] = [];
    if (pin !== undefined && pin.sha256 !== sha256)
      bad.push(
        `the file has changed since ${pin.at.slice(0, 10)}: SHA-256 ${sha256} (${bytes} bytes), pinned is ${pin.sha256}`,
      );
    try {
      bad.push(...(await tools.inspect(model, model.weights)));
    } catch (error) {
      bad.push(errorText(error));
    }
    if (bad.length > 0) return { model: name, state: 'bad', notes: bad };
    if (known !== undefined) return { model: name, state: 'verified', notes: [known] };
    if (pin === undefined) return { model: name, state: 'unpinned', notes: [`SHA-256 ${sha256}, from nobody knows where`] };
    const notes = [`SHA-256 ${sha256}, from ${pin.source}, ${pin.at.slice(0, 10)}`];
    return { model: name, state: pin.trust === 'catalogue' ? 'verified' : 'accepted', notes };
  }

  return {
    repository,
    list: async () => {
      const names = await tools.listModels(repository);
      const absent = entries.filter(({ model }) => !names.includes(model));
      const there = names.map(async (name): Promise<ShelfModel> => {
        const entry = findEntry(name, entries);
        const about = { model: name, ...(entry === undefined ? {} : { entry }) };
        try {
          const { weights } = await describe(name);
          if (weights === undefined) return about;
          const pin = await readPin(weights);
          return { ...about, bytes: (await stat(weights)).size, ...(pin === undefined ? {} : { pin }) };
        } catch (error) {
          if (isSightlineError(error, 'model.invalid')) return { ...about, problem: errorText(error) };
          throw error;
        }
      });
      const problem = 'the repository has no config.pbtxt for it';
      return [...(await Promise.all(there)), ...absent.map((entry) => ({ model: entry.model, entry, problem }))];
    },

    fetch: async (name, how) => {
      const { source } = requireSource(name, entries);
      const model = await describe(name);
      if (model.weights !== undefined && !how.replace) {
        const pin = await readPin(model.weights);
        return { outcome: 'present', ...(pin === undefined ? {} : { pin }) };
      }
      const part = `${weightsOf(model)}.part`;
      await mkdir(dirname(part), { recursive: true });
      let pin: Pin;
      try {
        pin = await fetchInto(part, source, model, how);
      } finally {
        await dropEmptyPart(part);
      }
      try {
        await requireFit(model, part);
        await shelve(model, part, pin);
      } finally {
        // In place, or whole and of no use.
        await dropPart(part);
      }
      ctx.log.info({ model: name, sha256: pin.sha256, bytes: pin.bytes, trust: pin.trust }, 'model fetched');
      return { outcome: 'fetched', pin };
    },

    add: async (file, { model: name, replace, freeAxes, signal }) => {
      const model = await describe(name);
      if (model.weights !== undefined && !replace)
        throw new SightlineError(
          'model.catalogue',
          `${name} has weights already (${model.weights}); --replace takes the new ones`,
          {
            details: { model: name, file: model.weights },
          },
        );
      const copy = `${weightsOf(model)}.added`;
      await mkdir(dirname(copy), { recursive: true });
      try {
        await copyFile(file, copy).catch((error: unknown) => {
          if (!isSystemError(error, 'ENOENT')) throw error;
          throw new SightlineError('model.missing', `there is no file ${file}`, {
            cause: error,
            details: { model: name, file },
          });
        });
        const { bytes, hashes } = await hashFile(copy, ['sha256'], signal);
        const sha256 = hashes.get('sha256') ?? '';
        const known = knownAs(findEntry(name, entries), sha256);
        const pin: Pin = {
          sha256,
          bytes,
          source: `file ${basename(file)}`,
          trust: known === undefined ? 'accepted' : 'catalogue',
          at: new Date(ctx.clock.now()).toISOString(),
        };
        const kept = freeAxes ? await rewritten(model, copy, pin, signal) : pin;
        const fits = freeAxes || (await tools.inspect(model, copy)).length === 0;
        const hint =
          !fits && (await wouldFit(model, copy)) ? '; with --free-axes it is added with its declared sizes rewritten' : '';
        if (!fits || freeAxes) await requireFit(model, copy, hint);
        await shelve(model, copy, kept);
        return { pin: kept, ...(known === undefined ? {} : { known }) };
      } finally {
        await rm(copy, { force: true });
      }
    },

    verify: async (models, signal) => {
      const found: VerifiedModel[] = [];
      for (const name of models.length > 0 ? models : await tools.listModels(repository)) {
        const verified = await verifyOne(name, signal);
        if (verified !== undefined) found.push(verified);
        else if (models.length > 0) found.push({ model: name, state: 'bad', notes: ['it has no weights'] });
      }
      return found;
    },
  };
}

/** What the catalogue knows a file by. */
function knownAs(entry: CatalogueEntry | undefined, sha256: string): string | undefined {
  const { source, knownFiles = [] } = entry ?? {};
  if (source?.hash?.algorithm === 'sha256' && source.hash.value === sha256) return `the file of ${source.url}`;
  return knownFiles.find((known) => known.sha256 === sha256)?.what;
}

const pinFile = (weights: string) => `${weights}.pin.json`;

async function writePin(weights: string, pin: Pin): Promise<void> {
  const file = pinFile(weights);
  await writeFile(`${file}.new`, `${JSON.stringify(pin, undefined, 2)}\n`);
  await rename(`${file}.new`, file);
}

async function readPin(weights: string): Promise<Pin | undefined> {
  const file = pinFile(weights);
  const text = await readTextIfThere(file);
  if (text === undefined) return undefined;
  try {
    const pin: unknown = JSON.parse(text);
    if (isPin(pin)) return pin;
  } catch (cause) {
    throw new SightlineError('model.invalid', `${file} cannot be read; delete it to pin the weights anew`, { cause });
  }
  throw new SightlineError('model.invalid', `${file} is no pin; delete it to pin the weights anew`, { details: { file } });
}

function isPin(value: unknown): value is Pin {
  if (value === null || typeof value !== 'object') return false;
  const { sha256, bytes, source, trust, at } = value as Readonly<Record<string, unknown>>;
  const texts = [sha256, source, trust, at].every((text) => typeof text === 'string');
  return texts && typeof bytes === 'number' && (trust === 'catalogue' || trust === 'accepted');
}
