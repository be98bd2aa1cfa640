import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { type Control, type ControlRequest, type EnrolView, photoLimitBytes } from '../core/control.ts';
import { tidyDescription } from '../core/descriptions.ts';
import { entryName } from '../core/entry-name.ts';
import { isSightlineError, isSystemError, SightlineError } from '../core/errors.ts';
import { type Command, type CommandIo, numberOption, parse, present, usage } from './command.ts';
import { sessionHelp, sessionOptions, withStore } from './session.ts';
import { parseExpiry } from './text.ts';

const pictures = ['.jpg', '.jpeg', '.png', '.webp', '.avif', '.tif', '.tiff', '.gif'];

const photoOptions = ['kind', 'face', 'accept-quality', 'negative'] as const;

export const enroll: Command = {
  help: `Puts somebody on a list, by one or several photos.

Usage: sightline enroll FILE|DIR... --name NAME --list LIST [options]
       sightline enroll DIR --list LIST [options]
       sightline enroll --text DESCRIPTION --list LIST [--name NAME] [options]

A folder stands for the pictures in it. Without --name each subfolder of DIR is a person of that name.
A photo that would recognise badly is refused with the reason and what would help.

--text "red jacket, black cap" lists whoever looks like that instead of a person: experimental, matches a description, not a
person. It needs watchlist.text in the configuration and the models of CLIP; docs/models.md says what to expect.

      --name NAME       who it is; with --text the description unless given
      --list LIST       a list of the configuration
      --text TEXT       attributes in English, separated by commas, instead of photos
      --kind KIND       face (default) or body
      --face N          which of several faces or bodies on the photo, counted from 1 from the left
      --accept-quality  takes a photo of poor quality too, marked, with a raised threshold
      --negative        a photo of somebody else who looks like this entry
      --entry ID        adds to this entry
      --notes TEXT      kept with the entry
      --reason TEXT     why this person is listed
      --expires WHEN    erased then: after 30d, or at "2026-12-31 00:00"
      --threshold N     own threshold of this entry, 0 to 1
${sessionHelp}

Exit codes: 0 every photo was taken, 1 some photo was refused.`,
  run: async (args, io, services) => {
    const { values, positionals } = parse(args, {
      ...sessionOptions,
      name: { type: 'string' },
      text: { type: 'string' },
      list: { type: 'string' },
      kind: { type: 'string' },
      face: { type: 'string' },
      'accept-quality': { type: 'boolean' },
      negative: { type: 'boolean' },
      entry: { type: 'string' },
      notes: { type: 'string' },
      reason: { type: 'string' },
      expires: { type: 'string' },
      threshold: { type: 'string' },
    });
    if (values.text !== undefined) {
      const stray = photoOptions.find((option) => values[option] !== undefined);
      if (stray !== undefined) throw usage(`--${stray} is about photos and cannot stand beside --text`);
      if (positionals.length > 0)
        throw usage(`${positionals[0]} cannot stand beside --text: an entry has photos or is described`);
    } else if (positionals.length === 0) throw usage('FILE is missing');
    if (values.list === undefined) throw usage('--list is missing');
    const { kind = 'face' } = values;
    if (kind !== 'face' && kind !== 'body') throw usage(`--kind ${kind} is unknown; expected face or body`);
    const shared = {
      list: values.list,
      actor: io.user,
      ...present({
        entryId: values.entry,
        notes: values.notes,
        reason: values.reason,
        expiresAt: values.expires === undefined ? undefined : parseExpiry(values.expires, io.clock.now(), io.timeZone),
        threshold: numberOption(values.threshold, 'threshold', { min: 0, max: 1 }),
      }),
    };
    if (values.text !== undefined) {
      const text = tidyDescription(values.text);
      const name = entryName(values.name ?? text);
      return await withStore(values, io, services, async (control) => {
        const result = await control.call('watchlist.describe', { ...shared, text, name }, io.signal);
        if (values.json === true) io.out(JSON.stringify(result));
        else sayDescribed(text, result, io);
        return 0;
      });
    }
    const photos = (await Promise.all(positionals.map((path) => photosAt(path, values.name)))).flat();
    // Before anything is enrolled: of a folder of people none is left over because the name of another is none.
    if (values.entry === undefined) for (const { name, unreadable } of photos) if (unreadable === undefined) entryName(name);
    const common: Omit<Details, 'name'> = {
      ...shared,
      kind,
      ...present({
        pick: numberOption(values.face, 'face', { min: 1, max: 1000, whole: true }),
        acceptQuality: values['accept-quality'],
        negative: values.negative,
      }),
    };
    return await withStore(values, io, services, async (control) => {
      let refused = 0;
      for (const { path, name, unreadable } of photos) {
        const result = unreadable ?? (await enrolOne(control, path, { ...common, name }, io));
        if (result instanceof SightlineError) refused += 1;
        if (values.json === true) io.out(JSON.stringify(asJson(path, result)));
        else say(path, result, io);
      }
      return refused === 0 ? 0 : 1;
    });
  },
};

interface Photo {
  readonly path: string;
  readonly name: string;
  /** Why it cannot even be looked at. */
  readonly unreadable?: SightlineError;
}

/** Of a file or folder that was named; throws `cli.usage` when there is nothing to enrol. */
async function photosAt(path: string, name: string | undefined): Promise<readonly Photo[]> {
  const kind = await stat(path).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) throw usage(`there is no file or folder ${path}`);
    const why = unreadableText(error, path);
    throw why === undefined ? error : usage(`${path} cannot be read: ${why}`);
  });
  if (kind.isDirectory()) return await photosIn(path, name);
  if (!kind.isFile()) throw usage(`${path} is neither a file nor a folder`);
  if (name === undefined) throw usage('--name is missing');
  return [{ path, name }];
}

/** Of a folder. What cannot be read in it is among them, with its reason. */
async function photosIn(folder: string, name: string | undefined): Promise<readonly Photo[]> {
  const names = (await readdir(folder)).toSorted((a, b) => a.localeCompare(b));
  // Links count as what they lead to: collections of photos are full of them.
  const entries = await Promise.all(
    names.map(async (name) => ({ name, kind: await readably(join(folder, name), (at) => stat(at)) })),
  );
  const unreadable = entries.flatMap((entry) =>
    entry.kind instanceof SightlineError
      ? [{ path: join(folder, entry.name), name: name ?? entry.name, unreadable: entry.kind }]
      : [],
  );
  if (name === undefined) {
    const people = entries.filter(({ kind }) => !(kind instanceof SightlineError) && kind.isDirectory());
    if (people.length + unreadable.length === 0) {
      throw usage(`${folder} has no subfolders, one for each person; give --name for the pictures in it`);
    }
    const photos = people.map(async (person): Promise<readonly Photo[]> => {
      const path = join(folder, person.name);
      const found = await readably(path, (at) => photosIn(at, person.name));
      return found instanceof SightlineError ? [{ path, name: person.name, unreadable: found }] : found;
    });
    return [...(await Promise.all(photos)).flat(), ...unreadable];
  }
  const isPicture = (file: string) => pictures.includes(extname(file).toLowerCase());
  const found = entries.filter(
    (entry) => isPicture(entry.name) && !(entry.kind instanceof SightlineError) && entry.kind.isFile(),
  );
  const refused = unreadable.filter(({ path }) => isPicture(path));
  if (found.length + refused.length === 0) throw usage(`${folder} has no pictures; known are ${pictures.join(', ')}`);
  return [...found.map((entry) => ({ path: join(folder, entry.name), name })), ...refused];
}

/** What `read` gives, or why the system does not let it be read. */
async function readably<T>(path: string, read: (path: string) => Promise<T>): Promise<T | SightlineError> {
  try {
    return await read(path);
  } catch (cause) {
    const why = unreadableText(cause, path);
    if (why === undefined) throw cause;
    return new SightlineError('photo.refused', why, { details: { path } });
  }
}

/** Undefined when it is not the system that refused. */
function unreadableText(error: unknown, path: string): string | undefined {
  if (isSystemError(error, 'ELOOP')) return 'it is a link that leads to itself';
  if (isSystemError(error, 'EACCES')) return 'this user may not read it';
  // What of a name is no UTF-8 is shown as this, and a path with it leads nowhere.
  if (isSystemError(error, 'ENOENT') && path.includes('\ufffd')) return 'its name is not UTF-8; give it another one';
  if (isSystemError(error, 'ENOENT')) return 'it is a link to nothing, or was removed';
  return error instanceof Error && 'errno' in error ? error.message : undefined;
}

type Details = Omit<ControlRequest<'watchlist.enrol'>, 'photoBase64' | 'source'>;

/** What became of the photo; errors that are not about it are thrown. */
async function enrolOne(control: Control, path: string, details: Details, io: CommandIo): Promise<EnrolView | SightlineError> {
  const file = await readably(path, (at) => stat(at));
  if (file instanceof SightlineError) return file;
  const { size } = file;
  if (size > photoLimitBytes) {
    return new SightlineError(
      'photo.refused',
      `${path} has ${Math.ceil(size / 2 ** 20)} MiB; at most 20 are taken: scale it down`,
    );
  }
  const photo = await readably(path, (at) => readFile(at));
  if (photo instanceof SightlineError) return photo;
  try {
    return await control.call(
      'watchlist.enrol',
      { ...details, photoBase64: photo.toString('base64'), source: basename(path) },
      io.signal,
    );
  } catch (error) {
    if (isSightlineError(error, 'photo.refused') || isSightlineError(error, 'photo.undecodable')) return error;
    throw error;
  }
}

function say(path: string, result: EnrolView | SightlineError, io: CommandIo): void {
  if (result instanceof SightlineError) {
    io.say(`${path}: ${result.message}`);
    return;
  }
  const { entry, reference, warnings } = result;
  io.out(`${path}: enrolled as ${entry.name} (${entry.list}), quality ${reference.quality.toFixed(2)}, entry ${entry.id}`);
  for (const warning of warnings) io.say(`${path}: warning: ${warning}`);
}

function sayDescribed(text: string, { entry, warnings }: EnrolView, io: CommandIo): void {
  io.out(`${JSON.stringify(text)}: enrolled as ${entry.name} (${entry.list}), entry ${entry.id}`);
  for (const warning of warnings) io.say(`${JSON.stringify(text)}: warning: ${warning}`);
}

function asJson(path: string, result: EnrolView | SightlineError): object {
  if (!(result instanceof SightlineError)) return { file: path, ...result };
  return { file: path, error: { code: result.code, message: result.message, details: result.details } };
}
