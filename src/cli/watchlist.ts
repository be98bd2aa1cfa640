import { createReadStream } from 'node:fs';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Control, type EntryView, parsePortableEntry, type ReferenceSummary } from '../core/control.ts';
import { descriptionMeaning } from '../core/descriptions.ts';
import { isSystemError, SightlineError } from '../core/errors.ts';
import { type Command, type CommandIo, noPositionals, onlyPositional, parse, present, usage } from './command.ts';
import { sessionHelp, sessionOptions, withStore } from './session.ts';
import { count, dateTime, table } from './text.ts';

const header = { sightline: 'watchlist', version: 1 };

export const watchlist: Command = {
  help: `Shows, erases, exports and imports who is listed. New people: sightline enroll.

Usage: sightline watchlist list [--list LIST]
       sightline watchlist show ENTRY [--save DIR]
       sightline watchlist remove ENTRY [--picture ID]
       sightline watchlist export FILE [--list LIST]
       sightline watchlist import FILE

ENTRY is the id of an entry, or its name where only one has it.

  show      with --save its pictures are written to DIR
  remove    erases the entry with everything that is of it: pictures, vectors, snapshots, clips, rows;
            --picture erases one of its pictures or descriptions only
  export    entries with their pictures, one a line, readable by the owner only; the file holds biometric data
  import    adds what is not there yet

      --list LIST     only this list
${sessionHelp}`,
  run: async (args, io, services) => {
    const { values, positionals } = parse(args, {
      ...sessionOptions,
      list: { type: 'string' },
      save: { type: 'string' },
      picture: { type: 'string' },
    });
    const [verb, ...rest] = positionals;
    const print = (value: unknown, lines: readonly string[]) => {
      for (const line of values.json === true ? [JSON.stringify(value)] : lines) io.out(line);
    };
    const use = <T>(action: (control: Control) => Promise<T>) => withStore(values, io, services, action);
    const query = present({ list: values.list });
    switch (verb) {
      case 'list': {
        noPositionals(rest);
        const entries = await use(async (control) => {
          const found = await control.call('watchlist.list', query, io.signal);
          if (found.entries.length > 0 || values.list === undefined) return found.entries;
          const all = await control.call('watchlist.list', {}, io.signal);
          const lists = [...new Set(all.entries.map(({ entry }) => entry.list))].toSorted();
          const there = lists.length === 0 ? 'nobody is on any list' : `lists with entries: ${lists.join(', ')}`;
          io.say(`nobody is on the list ${values.list}; ${there}`);
          return [];
        });
        if (values.json === true) for (const view of entries) print(view, []);
        else for (const line of table(entries.map((view) => row(view, io)))) io.out(line);
        return 0;
      }
      case 'show': {
        const entry = onlyPositional(rest, 'ENTRY');
        await use(async (control) => {
          const view = await control.call('watchlist.show', { entry }, io.signal);
          print(view, details(view, io));
          if (values.save !== undefined) await savePictures(control, view, values.save, io);
        });
        return 0;
      }
      case 'remove': {
        const entry = onlyPositional(rest, 'ENTRY');
        await use(async (control) => {
          if (values.picture === undefined) {
            const removed = await control.call('watchlist.remove', { entry, actor: io.user }, io.signal);
            print(removed, [`${removed.entry.name} (${removed.entry.list}) is erased`]);
          } else {
            const view = await control.call('watchlist.show', { entry }, io.signal);
            const referenceId = values.picture;
            if (!view.references.some(({ id }) => id === referenceId))
              throw new SightlineError(
                'watchlist.unknown',
                `${view.entry.name} has no picture ${referenceId}; "watchlist show" lists them`,
              );
            const removed = await control.call('watchlist.removeReference', { referenceId, actor: io.user }, io.signal);
            print(removed, [`picture ${referenceId} of ${view.entry.name} is erased`]);
          }
        });
        return 0;
      }
      case 'export': {
        const file = onlyPositional(rest, 'FILE');
        const written = await use((control) => exportTo(file, control, query, io));
        io.say(`${count(written, 'entry', 'entries')} written to ${file}`);
        return 0;
      }
      case 'import': {
        const file = onlyPositional(rest, 'FILE');
        await use((control) => importFrom(file, control, io));
        return 0;
      }
      default:
        throw usage(
          verb === undefined
            ? 'watchlist needs one of list, show, remove, export, import'
            : `watchlist has no ${verb}; expected list, show, remove, export or import`,
        );
    }
  },
};

function row({ entry, references }: EntryView, io: CommandIo): string[] {
  const expires = entry.expiresAt === undefined ? '' : `until ${dateTime(entry.expiresAt, io.timeZone)}`;
  const known =
    entry.kind === 'description'
      ? `${references.map(quoted).join(' or ')} (${descriptionMeaning})`
      : count(references.length, 'picture');
  return [entry.name, entry.list, entry.kind, known, expires, entry.id];
}

function quoted({ text }: ReferenceSummary): string {
  return JSON.stringify(text ?? '');
}

function details({ entry, references }: EntryView, io: CommandIo): string[] {
  const time = (ms: number) => dateTime(ms, io.timeZone);
  const rows = [
    ['entry', entry.id],
    ['name', entry.name],
    ['list', entry.list],
    ['kind', entry.kind],
    ['added', `${time(entry.addedAt)} by ${entry.addedBy}`],
    ['expires', entry.expiresAt === undefined ? '' : time(entry.expiresAt)],
    ['threshold', entry.threshold === undefined ? '' : String(entry.threshold)],
    ['reason', entry.reason],
    ['notes', entry.notes],
    ['meaning', entry.kind === 'description' ? descriptionMeaning : ''],
  ];
  const words = references
    .filter(({ text }) => text !== undefined)
    .map((reference) => ['description', reference.id, quoted(reference)]);
  const pictures = references
    .filter(({ text }) => text === undefined)
    .map((reference) => [
      'picture',
      reference.id,
      reference.source,
      `quality ${reference.quality.toFixed(2)}`,
      [reference.negative ? 'negative' : '', reference.accepted ? 'accepted despite its quality' : '']
        .filter(Boolean)
        .join(', '),
    ]);
  return [...table(rows.filter(([, value]) => value !== '')), ...table(pictures), ...table(words)];
}

async function savePictures(control: Control, view: EntryView, folder: string, io: CommandIo): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const { id, text } of view.references) {
    if (text !== undefined) continue;
    const { jpegBase64 } = await control.call('watchlist.image', { referenceId: id }, io.signal);
    await writeFile(join(folder, `${id}.jpg`), Buffer.from(jpegBase64, 'base64'), { mode: 0o600 });
  }
}

async function exportTo(path: string, control: Control, query: { readonly list?: string }, io: CommandIo): Promise<number> {
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    if (isSystemError(error, 'EEXIST')) throw usage(`${path} exists already; choose another name`);
    throw error;
  });
  let written = 0;
  try {
    await file.write(`${JSON.stringify(header)}\n`);
    for await (const entry of control.stream('watchlist.export', { ...query, actor: io.user }, io.signal)) {
      await file.write(`${JSON.stringify(entry)}\n`);
      written += 1;
    }
  } finally {
    await file.close();
  }
  return written;
}

async function importFrom(path: string, control: Control, io: CommandIo): Promise<void> {
  let number = 0;
  let begun = false;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1;
    if (line.trim() === '') continue;
    const value = json(line, path, number);
    if (!begun) {
      checkHeader(value, path);
      begun = true;
      continue;
    }
    const record = parsePortableEntry(value, `${path}:${number}`);
    const { entry, references, warnings } = await control.call('watchlist.import', { record, actor: io.user }, io.signal);
    io.out(
      `${entry.name} (${entry.list}): ${count(references, entry.kind === 'description' ? 'description' : 'picture')} added`,
    );
    for (const warning of warnings) io.say(`${entry.name}: warning: ${warning}`);
  }
  if (!begun) throw notAnExport(path);
}

function json(line: string, path: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new SightlineError('control.request', `${path}:${number} is not a line of an export`, { cause });
  }
}

function notAnExport(path: string): SightlineError {
  return new SightlineError(
    'control.request',
    `${path} is not an export of a watchlist: its first line is not ${JSON.stringify(header)}`,
  );
}

function checkHeader(value: unknown, path: string): void {
  const known = value !== null && typeof value === 'object' && 'sightline' in value && value.sightline === header.sightline;
  if (!known) throw notAnExport(path);
  if (!('version' in value) || value.version !== header.version)
    throw new SightlineError(
      'control.request',
      `${path} was written by another version of sightline; this one reads version ${header.version}`,
    );
}
