import { access, constants, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { CastMember } from '../core/demo.ts';
import { isSystemError, SightlineError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';

/** A scene: a film, who plays in it, and photos of them to enrol. `demo/README.md` describes the folder. */
export interface Scene {
  readonly directory: string;
  /** H.264 that can be served as it is. */
  readonly film: string;
  readonly cast: readonly CastMember[];
  /** Configuration to begin with; undefined: the program's own `config/demo.yaml`. */
  readonly template: string | undefined;
  /** Photos of a member; rejects with `demo.scene` when there are none, with `cli.usage` for one whose face nobody has seen. */
  photos(name: string): Promise<readonly string[]>;
}

const member = z.object({
  name: z
    .string()
    .regex(
      /^[\p{L}\p{N}][\p{L}\p{N} _.-]{0,63}$/u,
      'a name is 1 to 64 letters, digits, spaces or _.- and begins with one of the first two',
    ),
  role: z.enum(['listed', 'lookalike', 'ignored', 'hidden', 'other']),
  sentence: z.string().max(500).default(''),
});
const castFile = z.array(member).min(1).max(100);
/** Far more than a hundred members with their sentences. */
const maxCastBytes = 1_000_000;

const pictures = /\.(jpe?g|png|webp)$/i;

function broken(what: string, cause?: unknown): SightlineError {
  return new SightlineError('demo.scene', `the demo cannot begin: ${what}`, { cause });
}

async function requireFile(path: string, what: string, maxBytes = Number.POSITIVE_INFINITY): Promise<string> {
  try {
    await access(path, constants.R_OK);
    const about = await stat(path);
    // A pipe or a device would keep whoever reads it waiting.
    if (!about.isFile()) throw broken(`${what} ${path} is no file`);
    if (about.size > maxBytes) throw broken(`${what} ${path} has ${about.size} bytes, at most ${maxBytes} are read`);
    return path;
  } catch (cause) {
    if (cause instanceof SightlineError) throw cause;
    if (isSystemError(cause, 'ENOENT')) throw broken(`${what} ${path} is missing`);
    throw broken(`${what} ${path} cannot be read`, cause);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK);
    return true;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false;
    throw broken(`${path} cannot be read`, error);
  }
}

/** Rejects with `demo.scene` naming what is missing or unreadable. */
export async function readScene(directory: string): Promise<Scene> {
  const castPath = await requireFile(join(directory, 'cast.json'), 'the list of characters', maxCastBytes);
  const film = await requireFile(join(directory, 'lobby.mp4'), 'the film');
  const template = join(directory, 'demo.yaml');
  const cast = parseCast(await readFile(castPath, 'utf8'), castPath);
  return {
    directory,
    film,
    cast,
    template: (await exists(template)) ? await requireFile(template, 'the configuration') : undefined,
    photos: async (name) => {
      if (cast.some((one) => one.name === name && one.role === 'hidden'))
        throw new SightlineError('cli.usage', `${name} hides the face: there is no photo to list by`);
      const folder = join(directory, 'photos', name);
      let files: readonly string[];
      try {
        files = await readdir(folder);
      } catch (cause) {
        throw new SightlineError('demo.scene', `there are no photos of ${name} in ${folder}`, { cause });
      }
      const found = files.filter((file) => pictures.test(file)).toSorted((a, b) => a.localeCompare(b));
      if (found.length === 0) throw new SightlineError('demo.scene', `there are no photos of ${name} in ${folder}`);
      return Promise.all(found.map((file) => requireFile(join(folder, file), `the photo of ${name}`)));
    },
  };
}

/** Throws `demo.scene`. */
export function parseCast(text: string, path: string): readonly CastMember[] {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, '')); // as some editors begin a file
  } catch (cause) {
    throw broken(`${path} is not JSON`, cause);
  }
  const parsed = castFile.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw broken(
      `${[path, ...(issue?.path.length ? [issue.path.join('.')] : [])].join(' ')}: ${issue?.message ?? 'is not a cast'}`,
    );
  }
  const names = new Set<string>();
  for (const { name } of parsed.data) {
    if (names.has(name.toLowerCase())) throw broken(`${path} has ${name} twice; names differ in more than capitals`);
    names.add(name.toLowerCase());
  }
  return parsed.data;
}

/** The member of that name, capitals aside. Throws `cli.usage` with the names there are. */
export function memberNamed(cast: readonly CastMember[], name: string): CastMember {
  const found = cast.find((one) => one.name.toLowerCase() === name.trim().toLowerCase());
  if (found !== undefined) return found;
  const names = cast.map((one) => one.name);
  const near = nearest(name, names);
  throw new SightlineError(
    'cli.usage',
    `nobody in the scene is called ${name.trim()}${near === undefined ? '' : `; did you mean ${near}?`}; there are ${names.join(', ')}`,
    { details: { name, names } },
  );
}
