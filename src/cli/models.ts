import { resolve } from 'node:path';
import { errorText, isAbort, SightlineError } from '../core/errors.ts';
import type { CatalogueEntry, FetchProgress, ModelSet, ModelShelf, ShelfModel } from '../core/model-shelf.ts';
import { type Command, type CommandIo, noPositionals, onlyPositional, parse, present, usage } from './command.ts';
import { table } from './text.ts';

const sets = ['face', 'appearance', 'all'] as const;
/** At most one line of progress in this time. */
const progressEveryMs = 2000;

export const models: Command = {
  help: `Gets, adds and checks the weights of models. They are not part of the program: each has a licence and terms of its own.

Usage: sightline models list [MODEL...]
       sightline models fetch [--set face|appearance|all] [MODEL...] [--accept] [--replace]
       sightline models add FILE --as MODEL [--free-axes] [--replace]
       sightline models verify [MODEL...]

  list      what the catalogue knows and what is here; with a name everything about it
  fetch     downloads, goes on where an earlier download ended, checks the hash and that the network is what config.pbtxt says
  add       takes a file of yours
  verify    reads all weights again: hashes, and networks against config.pbtxt; exit code 1 when something is wrong

      --set SET         the models of a purpose; all: everything that has an address
      --accept          takes a file whose hash nobody has published, and pins it: from then on it must stay the same
      --replace         although there are weights already
      --free-axes       rewrites sizes that the file declares and config.pbtxt leaves free
  -c, --config FILE     its inference.repository is meant (default $SIGHTLINE_CONFIG; without one the program's own repository)
      --repository DIR  this repository instead
      --json            one JSON object a line instead of text

Behind a proxy: HTTPS_PROXY, HTTP_PROXY and NO_PROXY are followed.`,
  run: async (args, io, services) => {
    const { values, positionals } = parse(args, {
      set: { type: 'string' },
      as: { type: 'string' },
      accept: { type: 'boolean' },
      replace: { type: 'boolean' },
      'free-axes': { type: 'boolean' },
      config: { type: 'string', short: 'c' },
      repository: { type: 'string' },
      json: { type: 'boolean' },
    });
    const [verb, ...rest] = positionals;
    const config = values.config ?? io.env['SIGHTLINE_CONFIG'];
    const open = () =>
      services.models(
        present({
          repository: values.repository === undefined ? undefined : resolve(values.repository),
          config: config === undefined ? undefined : resolve(config),
        }),
      );
    const print = (value: unknown, lines: readonly string[]) => {
      for (const line of values.json === true ? [JSON.stringify(value)] : lines) io.out(line);
    };
    switch (verb) {
      case 'list': {
        using shelf = await open();
        const all = await shelf.list();
        const chosen = rest.length === 0 ? all : rest.map((name) => one(all, name));
        if (values.json === true) for (const model of chosen) print(model, []);
        else if (rest.length > 0) for (const line of chosen.flatMap(details)) io.out(line);
        else for (const line of table([heading, ...chosen.map(row)])) io.out(line);
        return 0;
      }
      case 'fetch': {
        const set = sets.find((name) => name === values.set);
        if (values.set !== undefined && set === undefined) throw usage(`--set ${values.set} is none of ${sets.join(', ')}`);
        if (set === undefined && rest.length === 0) throw usage('name models, or a set: --set face');
        using shelf = await open();
        const names = [...new Set([...rest, ...(set === undefined ? [] : await inSet(shelf, set))])];
        const how = { accept: values.accept === true, replace: values.replace === true };
        return await fetchAll(shelf, names, how, io, print);
      }
      case 'add': {
        const file = resolve(onlyPositional(rest, 'FILE'));
        if (values.as === undefined) throw usage('--as MODEL is missing: which model of the repository these weights are for');
        using shelf = await open();
        const { pin, known } = await shelf.add(file, {
          model: values.as,
          replace: values.replace === true,
          freeAxes: values['free-axes'] === true,
          signal: io.signal,
        });
        const what = known === undefined ? 'unverified: the catalogue does not know this file' : `known: ${known}`;
        print({ model: values.as, pin, known }, [
          `${values.as}: added, ${size(pin.bytes)}, SHA-256 ${pin.sha256}`,
          `  ${what}`,
        ]);
        return 0;
      }
      case 'verify': {
        using shelf = await open();
        const found = await shelf.verify(rest, io.signal);
        for (const { model, state, notes } of found)
          print({ model, state, notes }, [`${model}: ${words[state]}`, ...notes.map((note) => `  ${note}`)]);
        if (found.length === 0) io.say(`no model in ${shelf.repository} has weights`);
        return found.some(({ state }) => state === 'bad') ? 1 : 0;
      }
      case undefined:
        throw usage('what: list, fetch, add or verify');
      default:
        noPositionals(['list', 'fetch', 'add', 'verify'].includes(verb) ? [] : [verb]);
        return 0;
    }
  },
};

const words = {
  verified: 'verified',
  accepted: 'unverified, unchanged since it was accepted',
  unpinned: 'unverified',
  bad: 'WRONG',
} as const;

async function fetchAll(
  shelf: ModelShelf,
  names: readonly string[],
  how: { readonly accept: boolean; readonly replace: boolean },
  io: CommandIo,
  print: (value: unknown, lines: readonly string[]) => void,
): Promise<number> {
  const entries = new Map((await shelf.list()).map(({ model, entry }) => [model, entry]));
  let failed = 0;
  for (const model of names) {
    const entry = entries.get(model);
    if (entry !== undefined) for (const line of terms(entry)) io.say(`${model}: ${line}`);
    try {
      const progress = progressLines(model, io);
      const { outcome, pin } = await shelf.fetch(model, { ...how, progress, signal: io.signal });
      const trust = pin === undefined || pin.trust === 'accepted' ? 'unverified' : 'verified';
      print({ model, outcome, pin }, [`${model}: ${outcome === 'present' ? 'is here already' : `fetched, ${trust}`}`]);
    } catch (error) {
      // One that cannot be had does not keep the others from coming.
      if (isAbort(error) || !(error instanceof SightlineError) || names.length === 1) throw error;
      failed += 1;
      print({ model, outcome: 'failed', reason: errorText(error) }, [`${model}: ${errorText(error)}`]);
    }
  }
  return failed === 0 ? 0 : 1;
}

function progressLines(model: string, io: CommandIo): (progress: FetchProgress) => void {
  let lastMs = io.clock.mono();
  return ({ receivedBytes, totalBytes }) => {
    const nowMs = io.clock.mono();
    if (nowMs - lastMs < progressEveryMs) return;
    lastMs = nowMs;
    const share =
      totalBytes === undefined ? '' : ` of ${size(totalBytes)}, ${Math.floor((100 * receivedBytes) / totalBytes)} %`;
    io.say(`${model}: ${size(receivedBytes)}${share}`);
  };
}

async function inSet(shelf: ModelShelf, set: ModelSet | 'all'): Promise<readonly string[]> {
  return (await shelf.list())
    .filter(({ entry }) => (set === 'all' ? entry?.source !== undefined : entry?.sets.includes(set)))
    .map(({ model }) => model);
}

function one(all: readonly ShelfModel[], name: string): ShelfModel {
  const found = all.find(({ model }) => model === name);
  if (found !== undefined) return found;
  throw new SightlineError('model.unknown', `there is no model ${name}; there are ${all.map(({ model }) => model).join(', ')}`);
}

const heading = ['MODEL', 'HERE', 'SIZE', 'RAM', 'TIME', 'LICENCE', 'WHAT'];

function presence({ entry, bytes, pin, problem }: ShelfModel): string {
  if (problem !== undefined) return 'unusable';
  if (bytes === undefined) return entry?.source === undefined ? 'no, add it' : 'no';
  if (pin !== undefined) return pin.trust === 'catalogue' ? 'verified' : 'unverified';
  // Whether it is that file, `models verify` says.
  return entry?.knownFiles.some((known) => known.bytes === bytes) ? 'known size' : 'unverified';
}

function row(shelved: ShelfModel): string[] {
  const { model, entry, bytes } = shelved;
  const source = entry?.source;
  const expected = source?.bytes ?? source?.aboutBytes;
  return [
    model,
    presence(shelved),
    bytes === undefined ? (expected === undefined ? '' : size(expected)) : size(bytes),
    entry?.measured === undefined ? '' : `${entry.measured.ramMiB} MiB`,
    entry?.measured === undefined ? '' : `${entry.measured.msPerRun} ms`,
    entry?.licence.split(',')[0] ?? '',
    `${entry?.what ?? 'your own'}${entry?.restrictions === undefined ? '' : ' (restricted)'}`,
  ];
}

/** What a person must know before using the weights. */
function terms(entry: CatalogueEntry): string[] {
  return [
    `licence ${entry.licence}; training data: ${entry.trainingData}`,
    ...(entry.restrictions === undefined ? [] : [`RESTRICTED: ${entry.restrictions}`]),
  ];
}

function details({ model, entry, bytes, pin, problem }: ShelfModel): string[] {
  const lines = [`${model}: ${entry?.what ?? 'not in the catalogue'}`];
  const add = (name: string, text: string | undefined) => text !== undefined && lines.push(`  ${name.padEnd(14)}${text}`);
  add('problem', problem);
  add(
    'here',
    bytes === undefined ? 'no' : `${size(bytes)}${pin === undefined ? ', not pinned' : `, from ${pin.source}, ${pin.at}`}`,
  );
  add('SHA-256', pin?.sha256);
  if (entry === undefined) return lines;
  const { source, measured } = entry;
  add('licence', entry.licence);
  add('training data', entry.trainingData);
  add('restrictions', entry.restrictions ?? 'none stated');
  add('address', source?.url ?? 'none');
  add('', source === undefined ? entry.sourceNote : source.tried ? undefined : 'noted, never fetched from by us');
  if (source !== undefined) {
    const known = source.bytes ?? source.aboutBytes;
    add('download', known === undefined ? 'size unknown' : `${source.bytes === undefined ? 'about ' : ''}${size(known)}`);
    const { hash } = source;
    add(
      'hash',
      hash === undefined ? 'unverified: --accept pins it on first use' : `${hash.algorithm} ${hash.value}: ${hash.basis}`,
    );
  }
  add(
    'memory, time',
    measured === undefined ? 'not measured' : `${measured.ramMiB} MiB, ${measured.msPerRun} ms: ${measured.how}`,
  );
  return lines;
}

function size(bytes: number): string {
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  return bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.round(bytes / 1e6)} MB`;
}
