import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { type Control, type ControlRequest, type EnrolView, photoLimitBytes } from '../core/control.ts';
import { isSightlineError, isSystemError, SightlineError } from '../core/errors.ts';
import { type Command, type CommandIo, numberOption, parse, present, usage } from './command.ts';
import { sessionHelp, sessionOptions, withStore } from './session.ts';
import { parseSpan, parseTime } from './text.ts';

const pictures = ['.jpg', '.jpeg', '.png', '.webp', '.avif', '.tif', '.tiff', '.gif'];

export const enroll: Command = {
  help: `Puts somebody on a list, by one or several photos.

Usage: sightline enroll FILE|DIR... --name NAME --list LIST [options]
       sightline enroll DIR --list LIST [options]

A folder stands for the pictures in it. Without --name each subfolder of DIR is a person of that name.
A photo that would recognise badly is refused with the reason and what would help.

      --name NAME       who it is
      --list LIST       a list of the configuration
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
      list: { type: 'string' },
      kind: { type: 'string', default: 'face' },
      face: { type: 'string' },
      'accept-quality': { type: 'boolean' },
      negative: { type: 'boolean' },
      entry: { type: 'string' },
      notes: { type: 'string' },
      reason: { type: 'string' },
      expires: { type: 'string' },
      threshold: { type: 'string' },
    });
    if (positionals.length === 0) throw usage('FILE is missing');
    if (values.list === undefined) throw usage('--list is missing');
    const { kind } = values;
    if (kind !== 'face' && kind !== 'body') throw usage(`--kind ${kind} is unknown; expected face or body`);
    const photos = (await Promise.all(positionals.map((path) => photosIn(path, values.name)))).flat();
    const common: Omit<Details, 'name'> = {
      list: values.list,
      kind,
      actor: io.user,
      ...present({
        entryId: values.entry,
        pick: numberOption(values.face, 'face', { min: 1, max: 1000, whole: true }),
        acceptQuality: values['accept-quality'],
        negative: values.negative,
        notes: values.notes,
        reason: values.reason,
        expiresAt: values.expires === undefined ? undefined : expiry(values.expires, io),
        threshold: numberOption(values.threshold, 'threshold', { min: 0, max: 1 }),
      }),
    };
    return await withStore(values, io, services, async (control) => {
      let refused = 0;
      for (const { path, name } of photos) {
        const result = await enrolOne(control, path, { ...common, name }, io);
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
}

async function photosIn(path: string, name: string | undefined): Promise<readonly Photo[]> {
  const kind = await stat(path).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) throw usage(`there is no file or folder ${path}`);
    throw error;
  });
  if (!kind.isDirectory()) {
    if (!kind.isFile()) throw usage(`${path} is neither a file nor a folder`);
    if (name === undefined) throw usage('--name is missing');
    return [{ path, name }];
  }
  const names = (await readdir(path)).toSorted((a, b) => a.localeCompare(b));
  // Links count as what they lead to: collections of photos are full of them.
  const entries = await Promise.all(names.map(async (name) => ({ name, kind: await stat(join(path, name)) })));
  if (name === undefined) {
    const people = entries.filter((entry) => entry.kind.isDirectory());
    if (people.length === 0) throw usage(`${path} has no subfolders, one for each person; give --name for the pictures in it`);
    return (await Promise.all(people.map((person) => photosIn(join(path, person.name), person.name)))).flat();
  }
  const found = entries.filter((entry) => entry.kind.isFile() && pictures.includes(extname(entry.name).toLowerCase()));
  if (found.length === 0) throw usage(`${path} has no pictures; known are ${pictures.join(', ')}`);
  return found.map((entry) => ({ path: join(path, entry.name), name }));
}

function expiry(text: string, io: CommandIo): number {
  const now = io.clock.now();
  if (/^\d+(\.\d+)?(ms|s|m|h|d)$/.test(text)) return now + parseSpan(text, 'expires');
  try {
    return parseTime(text, now, io.timeZone);
  } catch (error) {
    if (!isSightlineError(error, 'cli.usage')) throw error;
    throw usage(`--expires ${text} is neither a duration nor a time; write 30d or "2026-12-31 00:00"`);
  }
}

type Details = Omit<ControlRequest<'watchlist.enrol'>, 'photoBase64' | 'source'>;

/** What became of the photo; errors that are not about it are thrown. */
async function enrolOne(control: Control, path: string, details: Details, io: CommandIo): Promise<EnrolView | SightlineError> {
  const { size } = await stat(path);
  if (size > photoLimitBytes) {
    return new SightlineError(
      'photo.refused',
      `${path} has ${Math.ceil(size / 2 ** 20)} MiB; at most 20 are taken: scale it down`,
    );
  }
  const photo = await readFile(path);
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

function asJson(path: string, result: EnrolView | SightlineError): object {
  if (!(result instanceof SightlineError)) return { file: path, ...result };
  return { file: path, error: { code: result.code, message: result.message, details: result.details } };
}
