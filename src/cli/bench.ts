import { existsSync } from 'node:fs';
import { access, constants, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errorText, isSystemError } from '../core/errors.ts';
import type { TritonBenchProgress } from '../core/triton-bench.ts';
import { benchPicture } from './bench-picture.ts';
import { benchText } from './bench-text.ts';
import { type Command, type CommandIo, numberOption, onlyPositional, parse, present, usage } from './command.ts';
import { headersOf } from './header-file.ts';

const most = { batch: 1024, concurrency: 1024, streams: 4096 };
const longestSeconds = 3600;
const mostPoints = 100;
/** More a second than a machine can even ask for: it would be busy long after its time. */
const mostOffered = 100_000;

export const bench: Command = {
  help: `Puts load on a Triton server and says what it does with it: answers a second, how long they take, and where the time goes.

Usage: sightline bench triton URL [options]

  URL   one server: host:port, [::1]:8001, grpc://host:port or grpcs://host:port (TLS)

At full pace, every pair of:
      --batch 1,2,4         rows of one request (default 1)
      --concurrency 1,4,16  requests under way at any time (default 1,2,4,8,16)
At the pace of cameras, through the queue and the batches that sightline run has; alone, where neither of the above is given:
      --streams 4,8,16      cameras, one after another so many
      --fps F               requests a second of each (default 5)
      --deadline MS         an answer later than this is none (default 200)
      --shared-memory       large tensors of these through /dev/shm; for a server on this machine

      --model M             default: the only one that is ready
      --shape INPUT=3x384x640  sizes of free axes, without the batch; may be given for each input
      --seconds S           how long each point is measured, after a second of warming up (default 5)
      --ca FILE             PEM of the authority that has signed the server's certificate (default: those that Node.js trusts)
      --cert FILE, --key FILE
                            PEM of our own certificate and its key, where the server asks for one
      --header-file FILE    headers for every request, such as tokens of a proxy: a line name: value for each
      --json FILE           all figures
      --svg FILE            a picture of them

Tensors are of random values in the model's shapes. Times of the server are means a request from its statistics: waiting for a turn, and the run
with its tensors in and out. It is a load test: do not try it on a server that is at work. Ctrl-C ends it and reports what was measured.

Exit codes: 0 measured, 1 the server or the model did not answer, 2 wrong usage.`,
  run: async (args, io, services) => {
    const { values, positionals } = parse(args, {
      model: { type: 'string' },
      batch: { type: 'string' },
      concurrency: { type: 'string' },
      streams: { type: 'string' },
      fps: { type: 'string' },
      deadline: { type: 'string' },
      'shared-memory': { type: 'boolean' },
      shape: { type: 'string', multiple: true },
      seconds: { type: 'string' },
      ca: { type: 'string' },
      cert: { type: 'string' },
      key: { type: 'string' },
      'header-file': { type: 'string' },
      json: { type: 'string' },
      svg: { type: 'string' },
    });
    const [what, ...rest] = positionals;
    if (what !== 'triton')
      throw usage(what === undefined ? 'what to measure is missing: triton' : `unexpected ${what}; there is triton`);
    const streams = numbers(values.streams, 'streams') ?? [];
    for (const name of ['fps', 'deadline', 'shared-memory'] as const)
      if (values[name] !== undefined && streams.length === 0) throw usage(`--${name} is of --streams, which is missing`);
    const sweeps = streams.length === 0 || values.batch !== undefined || values.concurrency !== undefined;
    const { ca, cert, key } = values;
    if ((cert === undefined) !== (key === undefined)) throw usage('--cert and --key go together');
    const tls = present({ ca, cert, key });
    const request = {
      ...(Object.keys(tls).length === 0 ? {} : { tls }),
      url: onlyPositional(rest, 'URL'),
      headers: (await headersOf(values['header-file'])) ?? {},
      batches: sweeps ? (numbers(values.batch, 'batch') ?? [1]) : [],
      concurrencies: sweeps ? (numbers(values.concurrency, 'concurrency') ?? [1, 2, 4, 8, 16]) : [],
      streams,
      fps: numberOption(values.fps, 'fps', { min: 0.1, max: 1000 }) ?? 5,
      deadlineMs: numberOption(values.deadline, 'deadline', { min: 1, max: 60_000 }) ?? 200,
      seconds: numberOption(values.seconds, 'seconds', { min: 0.1, max: longestSeconds }) ?? 5,
      shapes: shapesOf(values.shape ?? []),
      sharedMemory: values['shared-memory'] === true,
      ...present({ model: values.model }),
    };
    const points = request.batches.length * request.concurrencies.length + streams.length;
    if (points > mostPoints) throw usage(`${points} points are too many; at most ${mostPoints} are measured at once`);
    const offered = Math.max(0, ...streams) * request.fps;
    if (offered > mostOffered)
      throw usage(`${offered} requests a second are too many; at most ${mostOffered}: fewer --streams or --fps`);
    const files = { json: await writable(values.json, 'json'), svg: await writable(values.svg, 'svg') };
    const show = (progress: TritonBenchProgress) => (io.progress ?? io.say)(progressText(progress));
    try {
      const report = await services.benchTriton(request, show);
      io.progress?.('');
      for (const line of benchText(report)) io.out(line);
      const measured = report.sweep.length + report.streams.length > 0;
      let written = await write(io, 'json', files.json, () => `${JSON.stringify(report, undefined, 2)}\n`);
      if (measured) written = (await write(io, 'svg', files.svg, () => benchPicture(report))) && written;
      return measured && written ? 0 : 1;
    } finally {
      io.progress?.('');
    }
  },
};

function progressText({ point, done, of }: TritonBenchProgress): string {
  return `${done + 1} of ${of}: ${point}`;
}

/** `1,4,16`, each once and in their order. */
function numbers(text: string | undefined, name: 'batch' | 'concurrency' | 'streams'): readonly number[] | undefined {
  if (text === undefined) return undefined;
  const range = { min: 1, max: most[name], whole: true };
  return [...new Set(text.split(',').map((item) => numberOption(item, name, range) ?? 1))].sort((a, b) => a - b);
}

function shapesOf(texts: readonly string[]): Readonly<Record<string, readonly number[]>> {
  return Object.fromEntries(
    texts.map((text) => {
      // Names of tensors may hold anything, an equals sign too.
      const at = text.lastIndexOf('=');
      const sizes = text.slice(at + 1).split('x');
      if (at < 1 || !sizes.every((size) => /^[1-9]\d{0,8}$/.test(size)))
        throw usage(`--shape ${text} is not INPUT=SIZES, as in --shape images=3x384x640`);
      return [text.slice(0, at), sizes.map(Number)] as const;
    }),
  );
}

/** The path, when a file can be made there: to find out after minutes of measuring would be late. */
async function writable(path: string | undefined, name: string): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const file = resolve(path);
  try {
    await access(dirname(file), constants.W_OK);
    if ((await stat(file)).isDirectory()) throw new TypeError('it is a folder');
  } catch (error) {
    if (!isSystemError(error, 'ENOENT') || !existsSync(dirname(file)))
      throw usage(`--${name} ${path} cannot be written: ${errorText(error)}`);
  }
  return file;
}

/** False when it could not be written, which is said. */
async function write(
  io: Pick<CommandIo, 'say'>,
  name: string,
  file: string | undefined,
  content: () => string,
): Promise<boolean> {
  if (file === undefined) return true;
  try {
    await writeFile(file, content());
    return true;
  } catch (error) {
    io.say(`--${name} ${file} cannot be written: ${errorText(error)}`);
    return false;
  }
}
