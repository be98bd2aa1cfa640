import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { constants, copyFile, lstat, mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { errorText, isSystemError, SightlineError } from '../core/errors.ts';
import type { ModelDescription } from '../core/inference.ts';
import { makeFolder } from '../core/make-folder.ts';
import { readTextIfThere } from '../core/read-text.ts';
import type { RenderReport, RenderRequest } from '../core/triton-tools.ts';
import { detectEmbedFiles, embedImageFiles, ensembleNames } from './render-ensembles.ts';
import { planConfig } from './render-plan.ts';
import { describeModel, listModels, requireWeights } from './repository.ts';
import { parseTextFormat } from './text-format.ts';

/** Writes a repository for a stock Triton server (backend `onnxruntime`) from ours. */

const scripts = new URL('./triton-python/', import.meta.url);

/** What an earlier run has written, so that the next knows what it may overwrite. Servers look at folders alone. */
const listName = 'sightline-render.json';

interface RenderedFile {
  /** Relative, with slashes. */
  readonly path: string;
  readonly content: { readonly text: string } | { readonly copyOf: string };
}

/** SHA-256 by path. */
type Hashes = ReadonlyMap<string, string>;

/** Rejects as `TritonTools.render` says. */
export async function renderRepository(request: RenderRequest, signal: AbortSignal): Promise<RenderReport> {
  const { models, files, left } = await plan(request);
  const notes = notesFor(request);
  const hashes = new Map<string, string>();
  for (const { path, content } of files) {
    signal.throwIfAborted();
    hashes.set(path, 'text' in content ? hashText(content.text) : await hashFile(content.copyOf));
  }
  const { directory } = request;
  const earlier = await readList(directory);
  const present = await requireOwn(directory, hashes, earlier);
  makeOwnFolder(directory);
  const written: string[] = [];
  const unchanged: string[] = [];
  for (const { path, content } of files) {
    signal.throwIfAborted();
    if (present.get(path) === hashes.get(path)) {
      unchanged.push(path);
      continue;
    }
    await put(join(directory, path), content);
    written.push(path);
  }
  const removed: string[] = [];
  for (const [path, hash] of earlier) {
    if (hashes.has(path)) continue;
    // What leads elsewhere is not what that run has left.
    const now = (await isPlain(directory, path)) ? await hashIfThere(join(directory, path)) : '';
    if (now === hash) {
      await rm(join(directory, path));
      await removeEmpty(directory, dirname(path));
      removed.push(path);
    } else if (now !== undefined)
      notes.push(`${path} is of an earlier run and was changed since: it stays, and belongs to nothing`);
  }
  const list = { hardware: request.hardware, files: Object.fromEntries([...hashes].sort()) };
  await put(join(directory, listName), { text: `${JSON.stringify(list, undefined, 1)}\n` });
  return { directory, models, written, unchanged, removed, left, notes };
}

function notesFor(request: RenderRequest): string[] {
  const notes: string[] = [];
  const usesPython = request.detectEmbed !== undefined || (request.embedImage !== undefined && request.decoder === 'python');
  if (usesPython)
    notes.push('the ensembles decode pictures with Pillow, in the Python of the server: docs/triton-repository.md');
  if (request.embedImage !== undefined && request.decoder === 'dali')
    notes.push(
      'the decoder dali was tried outside a server and on a CPU alone: compare some vectors with those of the decoder python',
    );
  if (request.hardware === 'gpu-tensorrt')
    notes.push(
      `TensorRT builds its engines when a model is first loaded, which takes minutes; they are kept in ${request.engineCache} on the server, one for each kind of GPU`,
    );
  if (request.hardware !== 'cpu') notes.push(`the class ${request.hardware} has never been run by us: no GPU was at hand`);
  return notes;
}

async function plan(request: RenderRequest): Promise<{
  readonly models: readonly string[];
  readonly files: readonly RenderedFile[];
  readonly left: RenderReport['left'];
}> {
  const { repository, embedImage, detectEmbed } = request;
  const all = await listModels(repository);
  const parts = [embedImage, detectEmbed?.detector, detectEmbed?.embedder].flatMap((name) => name ?? []);
  const required = new Set([...(request.models ?? []), ...parts]);
  const names = new Set([...(request.models ?? all), ...parts]);
  const described = new Map<string, ModelDescription>();
  const files: RenderedFile[] = [];
  const left: RenderReport['left'][number][] = [];
  for (const name of [...names].sort()) {
    try {
      const model = await describeServable(repository, name);
      described.set(name, model);
      files.push(...(await modelFiles(repository, model, request)));
    } catch (error) {
      if (!(error instanceof SightlineError) || required.has(name)) throw error;
      left.push({ model: name, code: error.code, reason: error.message });
    }
  }
  if (described.size === 0)
    throw new SightlineError(
      'model.missing',
      `nothing in ${repository} can be served: ${left.map(({ reason }) => reason).join('; ')}`,
      {
        details: { repository },
      },
    );
  const ensembles: RenderedFile[] = [];
  const add = (found: ReturnType<typeof embedImageFiles>) => {
    for (const { path, content } of found)
      ensembles.push({ path, content: 'script' in content ? { copyOf: fileOf(content.script) } : content });
  };
  const [image, detector, embedder] = [embedImage, detectEmbed?.detector, detectEmbed?.embedder].map((name) =>
    name === undefined ? undefined : described.get(name),
  );
  if (image !== undefined) add(embedImageFiles(image, request, request.decoder));
  if (detector !== undefined && embedder !== undefined) add(detectEmbedFiles(detector, embedder, request));
  const extra = ensembleNames.filter((name) => ensembles.some(({ path }) => path.startsWith(`${name}/`)));
  const taken = extra.find((name) => described.has(name));
  if (taken !== undefined)
    throw new SightlineError(
      'model.invalid',
      `${repository} has a model ${taken}, the name of a part of an ensemble; rename it`,
      {
        details: { model: taken },
      },
    );
  return { models: [...described.keys(), ...extra], files: [...files, ...ensembles], left };
}

function fileOf(script: string): string {
  return fileURLToPath(new URL(script, scripts));
}

/** Rejects with `model.missing` or `model.invalid` when a stock server could not run it. */
async function describeServable(repository: string, name: string): Promise<ModelDescription> {
  const model = await describeModel(repository, name, 'triton');
  const file = join(repository, name, 'config.pbtxt');
  for (const { name: field, value, line } of parseTextFormat(await readFile(file, 'utf8'), file)) {
    if (!['backend', 'platform'].includes(field) || value.kind !== 'string') continue;
    if (!['', 'onnxruntime', 'onnxruntime_onnx'].includes(value.text))
      throw new SightlineError(
        'model.invalid',
        `${file}:${line}: ${field} "${value.text}" is not rendered; copy its folder yourself`,
        {
          details: { model: name, file, line },
        },
      );
  }
  requireWeights(repository, model);
  return model;
}

/** The description with what the hardware asks for, and everything beside it and beside the weights. */
async function modelFiles(
  repository: string,
  model: ModelDescription,
  request: RenderRequest,
): Promise<readonly RenderedFile[]> {
  const folder = join(repository, model.name);
  const file = join(folder, 'config.pbtxt');
  const text = planConfig(model, await readFile(file, 'utf8'), file, request);
  return [
    { path: `${model.name}/config.pbtxt`, content: { text } },
    ...(await filesIn(folder))
      .filter((name) => name !== 'config.pbtxt')
      .map((name) => copied(repository, `${model.name}/${name}`)),
    ...(await filesIn(join(folder, model.version))).map((name) => copied(repository, `${model.name}/${model.version}/${name}`)),
  ];
}

function copied(repository: string, path: string): RenderedFile {
  return { path, content: { copyOf: join(repository, path) } };
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort();
}

/** Hashes of what is there. Rejects with `model.foreign` when something is in the way that is neither ours nor the same. */
async function requireOwn(directory: string, wanted: Hashes, earlier: Hashes): Promise<Hashes> {
  const present = new Map<string, string>();
  const foreign: string[] = [];
  for (const [path, hash] of wanted) {
    if (!(await isPlain(directory, path))) {
      foreign.push(path);
      continue;
    }
    const now = await hashIfThere(join(directory, path));
    if (now === undefined) continue;
    present.set(path, now);
    if (now !== hash && now !== earlier.get(path)) foreign.push(path);
  }
  if (foreign.length === 0) return present;
  const shown = foreign.length > 5 ? [...foreign.slice(0, 5), `and ${foreign.length - 5} more`] : foreign;
  throw new SightlineError(
    'model.foreign',
    `${directory} has files that an earlier run did not leave so: ${shown.join(', ')}; nothing was written: move them away, or name another folder`,
    { details: { directory, files: foreign } },
  );
}

/** Whether a path leads through folders to a file, or to nothing; links would take us elsewhere. */
async function isPlain(directory: string, path: string): Promise<boolean> {
  const steps = path.split('/');
  for (let depth = 1; depth <= steps.length; depth += 1) {
    try {
      const found = await lstat(join(directory, ...steps.slice(0, depth)));
      if (depth < steps.length ? !found.isDirectory() : !found.isFile()) return false;
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return true;
      throw error;
    }
  }
  return true;
}

function makeOwnFolder(directory: string): void {
  try {
    makeFolder(directory);
  } catch (error) {
    throw new SightlineError('model.foreign', `${directory} cannot be made: ${errorText(error)}; name another folder`, {
      details: { directory },
    });
  }
}

async function readList(directory: string): Promise<Hashes> {
  const file = join(directory, listName);
  const text = await readTextIfThere(file).catch((cause: unknown) => {
    const words = isSystemError(cause, 'ENOTDIR') ? `${directory} is no folder; name another` : `${file} cannot be read`;
    throw new SightlineError('model.foreign', words, {
      details: { file },
      ...(isSystemError(cause, 'ENOTDIR') ? {} : { cause }),
    });
  });
  if (text === undefined) return new Map();
  try {
    const list: unknown = JSON.parse(text);
    if (list === null || typeof list !== 'object' || !('files' in list)) throw new TypeError('it has no files');
    const entries = Object.entries(list.files ?? {}).filter(([, hash]) => typeof hash === 'string');
    // It may have been edited: nothing outside the folder is ours.
    return new Map(entries.filter(([path]) => !path.startsWith('/') && !path.split('/').includes('..')));
  } catch (cause) {
    throw new SightlineError(
      'model.foreign',
      `${file} is not what an earlier run has left; remove it, or name another folder`,
      {
        cause,
        details: { file },
      },
    );
  }
}

/** Whole or not at all: a server may be looking. */
async function put(path: string, content: RenderedFile['content']): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const fresh = `${path}.sightline-new`;
  // Of a run that was killed, or a link of somebody else's, which writing would follow.
  await rm(fresh, { force: true });
  try {
    if ('text' in content) await writeFile(fresh, content.text, { flag: 'wx' });
    else await copyFile(content.copyOf, fresh, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}

async function removeEmpty(directory: string, folder: string): Promise<void> {
  if (folder === '.') return;
  try {
    await rmdir(join(directory, folder));
  } catch (error) {
    if (isSystemError(error, 'ENOTEMPTY') || isSystemError(error, 'EEXIST')) return;
    throw error;
  }
  await removeEmpty(directory, dirname(folder));
}

function hashText(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function hashIfThere(path: string): Promise<string | undefined> {
  try {
    return await hashFile(path);
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}
