import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { systemClock } from '../../src/core/clock.ts';
import type { Context } from '../../src/core/context.ts';
import { createLogger } from '../../src/core/log.ts';
import { createMetrics } from '../../src/core/metrics.ts';
import { seeded } from './seeded.ts';

/**
 * Fuzzing, on the side of the target: a program of test/fixtures/fuzz/, which `fuzzTest` runs. Inputs are mutated from a corpus; one that
 * gives an outcome not seen before joins it.
 */
export interface FuzzTarget {
  /** Inputs to begin with, most of them valid. */
  readonly corpus: readonly Uint8Array[];
  /** Pieces that mean something to the reader of the input. */
  readonly words: readonly string[];
  /** Longest input in bytes, but for one in a thousand, which may be 16 times as long; absent: 2048. */
  readonly maxBytes?: number;
  /** Inputs on their way at a time; absent: 1. */
  readonly parallel?: number;
  /**
   * Resolves to what became of the input, as few different texts as tell one way from another; throws for what must never be. What
   * it decides by chance it takes from `random`, which follows from the input. `slot` is below `parallel` and nobody else's meanwhile.
   */
  run(input: Uint8Array, random: Random, slot: number): string | Promise<string>;
  /** Another input with a change that bytes alone would seldom make; every other input comes from it. */
  mutate?(input: Uint8Array, random: Random): Uint8Array;
  /** Lets go of what the inputs were right to leave behind: memory is measured after it. */
  settle?(): Promise<void>;
}

export type Random = (below: number) => number;

function createRandom(seed: number): Random {
  const random = seeded(seed);
  return (below) => Math.floor(random() * below);
}

function seedOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

const numbers = ['0', '-0', '-1', '255', '65536', '2147483648', '4294967296', '9007199254740993', '1e309', '1e-400', 'NaN'];
const texts = [
  '__proto__',
  'constructor',
  'toString',
  '../../etc/passwd',
  '%00',
  '%ff',
  '\0',
  '\r\n',
  '\u2028',
  '\ufeff',
  '\ud83d',
];
const lengths = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xfffffffe, 0xffffffff];

type Mutation = (input: Buffer, random: Random, other: () => Uint8Array, words: readonly string[]) => Buffer;

function splice(input: Buffer, from: number, to: number, ...pieces: readonly Uint8Array[]): Buffer {
  return Buffer.concat([input.subarray(0, from), ...pieces, input.subarray(to)]);
}

function range(input: Buffer, random: Random, longest = input.length): readonly [from: number, to: number] {
  const from = random(input.length + 1);
  return [from, Math.min(input.length, from + 1 + random(Math.max(1, longest)))];
}

const mutations: readonly Mutation[] = [
  (input, random) => {
    const changed = Buffer.from(input);
    const at = random(input.length);
    changed[at] = (changed[at] ?? 0) ^ (1 << random(8));
    return changed;
  },
  (input, random) => splice(input, ...range(input, random, 1), Buffer.from([random(256)])),
  (input, random) => splice(input, ...range(input, random, 16)),
  (input, random) => splice(input, ...range(input, random)),
  (input, random) => input.subarray(0, random(input.length + 1)),
  (input, random) => {
    const [from, to] = range(input, random, 64);
    return splice(input, from, from, ...Array<Uint8Array>(1 + random(4)).fill(input.subarray(from, to)));
  },
  (input, random, other) => {
    const given = Buffer.from(other());
    return splice(input, ...range(input, random, 256), given.subarray(...range(given, random, 256)));
  },
  (input, random, other) => Buffer.concat([input.subarray(0, random(input.length + 1)), Buffer.from(other())]),
  (input, random, _other, words) => {
    const [from, to] = range(input, random, 8);
    return splice(input, from, random(2) === 0 ? from : to, Buffer.from(words[random(words.length)] ?? ''));
  },
  (input, random) => {
    const at = random(input.length + 1);
    return splice(input, at, at, Buffer.from(texts[random(texts.length)] ?? ''));
  },
  (input, random) => {
    // A number somewhere in a text becomes another one.
    const start = random(input.length);
    const [digits] = /\d+(?:\.\d+)?/.exec(input.toString('latin1', start, start + 256)) ?? [];
    if (digits === undefined) return input;
    const from = input.indexOf(digits, start, 'latin1');
    return splice(input, from, from + digits.length, Buffer.from(numbers[random(numbers.length)] ?? ''));
  },
  (input, random) => {
    // A length or another number in binary lies.
    const size = 1 << random(3);
    const value = ((lengths[random(lengths.length)] ?? 0) & (2 ** (8 * size) - 1)) >>> 0;
    const bytes = Buffer.alloc(size);
    if (random(2) === 0) bytes.writeUIntBE(value % 2 ** (8 * size), 0, size);
    else bytes.writeUIntLE(value % 2 ** (8 * size), 0, size);
    const at = random(input.length + 1);
    return splice(input, at, random(4) === 0 ? at : Math.min(input.length, at + size), bytes);
  },
  (input, random) => {
    const lies = [
      Buffer.alloc(10, 0xff),
      Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]),
      Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 1]),
    ];
    return splice(input, ...range(input, random, 2), lies[random(lies.length)] ?? Buffer.alloc(0));
  },
];

/** Depth and length: a piece of the input many times, up to what is allowed. */
function amplified(input: Buffer, random: Random, most: number): Buffer {
  const [from, to] = range(input, random, 1 << random(8));
  const piece = input.subarray(from, to);
  const times = Math.floor((most - input.length) / Math.max(1, piece.length));
  return times < 1 ? input : splice(input, from, from, ...Array<Uint8Array>(1 + random(times)).fill(piece));
}

function mutated(base: Uint8Array, random: Random, other: () => Uint8Array, target: FuzzTarget): Buffer {
  const { words, maxBytes = 2048 } = target;
  const changed = random(2) === 0 ? target.mutate?.(base, random) : undefined;
  let input: Buffer = Buffer.from(changed ?? base);
  // Half of those go as they are.
  const most = changed !== undefined && random(2) === 0 ? 0 : 1 + random(1 << random(4));
  for (let left = most; left > 0; left -= 1)
    input = mutations[random(mutations.length)]?.(input, random, other, words) ?? input;
  if (random(200) === 0) input = amplified(input, random, random(5) === 0 ? 16 * maxBytes : maxBytes);
  else if (input.length > maxBytes) input = input.subarray(0, maxBytes);
  return input;
}

interface Memory {
  /** V8's heap and what hangs on it, less the corpus. */
  readonly heap: number;
  /** Resident and not V8's pages, of which some are empty. */
  readonly native: number;
  readonly files: number;
  readonly handles: number;
}

export interface FuzzReport {
  readonly inputs: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** How often each outcome was. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  readonly slowest: string;
  readonly before: Memory;
  readonly after: Memory;
  readonly failure?: { readonly input: string; readonly index: number; readonly error: string };
}

export type Line = { readonly progress: string } | { readonly done: FuzzReport };

/** Inputs kept for having given something new. */
const corpusLimit = 1000;
const outcomeLimit = 2000;

/** After the last input, milliseconds a round: longer than any deadline of what is fuzzed. */
const [roundMs, leastRounds, mostRounds] = [50, 4, 400];

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

/** What is held when all is quiet. Sockets and deadlines of a busy machine get their time to go, down to as many as there were `before`. */
async function settled(target: FuzzTarget, corpus: readonly Uint8Array[], before?: Memory): Promise<Memory> {
  await target.settle?.();
  const lingers = () =>
    before !== undefined && (openFiles() > before.files || process.getActiveResourcesInfo().length > before.handles);
  for (let round = 0; round < leastRounds || (lingers() && round < mostRounds); round += 1) {
    collect();
    // What was released may have more to release, and sockets close in turns of the loop.
    await new Promise((resolve) => setTimeout(resolve, roundMs));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  const native = rss - getHeapStatistics().total_physical_size;
  const own = corpus.reduce((sum, input) => sum + input.length, 0);
  const handles = process.getActiveResourcesInfo().length;
  return { heap: heapUsed + external - own, native, files: openFiles(), handles };
}

/** The same failure with less input: pieces are left out as long as it stays. */
async function shortened(target: FuzzTarget, input: Uint8Array, slot: number): Promise<Uint8Array> {
  const failing = async (some: Uint8Array) => {
    try {
      await target.run(some, createRandom(seedOf(some)), slot);
      return undefined;
    } catch (error) {
      return String(error).replaceAll(/\d+/g, '#').slice(0, 60);
    }
  };
  const how = await failing(input);
  if (how === undefined) return input;
  let shortest: Buffer = Buffer.from(input);
  const until = performance.now() + 10_000;
  for (let size = shortest.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < shortest.length && performance.now() < until; ) {
      const less = splice(shortest, at, at + size);
      if ((await failing(less)) === how) shortest = less;
      else at += size;
    }
  }
  return shortest;
}

/** The program of a target, called by `fuzzTest` and by hand: the options below. */
export async function fuzz(target: FuzzTarget): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      inputs: { type: 'string' },
      seconds: { type: 'string' },
      /** Where inputs are noted before they are run. */
      notes: { type: 'string' },
      /** Base64: runs this one only. */
      input: { type: 'string' },
    },
  });
  if (options.input !== undefined) {
    const input = Buffer.from(options.input, 'base64');
    console.log(await target.run(input, createRandom(seedOf(input)), 0));
    return;
  }
  Error.stackTraceLimit = 6;
  // Opened now: it is a handle from the first word on.
  const { stdout } = process;
  const say = (line: Line) => stdout.write(`${ascii(JSON.stringify(line))}\n`);
  const notes = options.notes === undefined ? undefined : openSync(options.notes, 'w');
  const random = createRandom(Number(options.seed));
  const most = Number(options.inputs ?? Number.POSITIVE_INFINITY);
  const forMs = 1000 * Number(options.seconds ?? Number.POSITIVE_INFINITY);
  const corpus = [...target.corpus];
  const first = corpus.length;
  const pick = () => corpus[random(corpus.length)] ?? Buffer.alloc(0);
  const outcomes = new Map<string, number>();
  const began = performance.now();
  let inputs = 0;
  let told = began;
  let slowestMs = 0;
  let slowest = new Uint8Array();
  let failed: FuzzReport['failure'];

  const over = (share: number) => inputs >= share * most || performance.now() - began >= share * forMs;

  async function lane(slot: number, share: number): Promise<void> {
    while (failed === undefined && !over(share)) {
      const index = inputs++;
      // Every input of the corpus is run as it is, once.
      const input = index < first ? Buffer.from(corpus[index] ?? []) : mutated(pick(), random, pick, target);
      if (notes !== undefined) note(notes, slot, input);
      const start = performance.now();
      try {
        const running = target.run(input, createRandom(seedOf(input)), slot);
        const outcome = (typeof running === 'string' ? running : await running).replaceAll(/\d+/g, '#').slice(0, 200);
        const seen = outcomes.get(outcome);
        if (seen === undefined && corpus.length - first < corpusLimit && index >= first) {
          // A copy: a small buffer would keep the pool that it was cut from.
          corpus.push(new Uint8Array(input));
        }
        if (seen !== undefined || outcomes.size < outcomeLimit) outcomes.set(outcome, (seen ?? 0) + 1);
      } catch (error) {
        failed ??= {
          input: Buffer.from(input).toString('base64'),
          index,
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        };
        return;
      }
      const now = performance.now();
      if (now - start > slowestMs) {
        slowestMs = now - start;
        slowest = new Uint8Array(input);
      }
      if (now - told > 1000) {
        told = now;
        const rate = Math.round((1000 * inputs) / (now - began));
        const progress = `${inputs} inputs, ${rate} a second, ${outcomes.size} outcomes, slowest ${Math.round(slowestMs)} ms`;
        say({ progress: `${progress}, ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB` });
      }
    }
  }
  const lanes = (share: number) => Promise.all(Array.from({ length: target.parallel ?? 1 }, (_, slot) => lane(slot, share)));

  await lanes(0.3);
  const before = await settled(target, corpus);
  await lanes(1);
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage();
  const after = await settled(target, corpus, before);
  if (failed !== undefined)
    failed = {
      ...failed,
      input: Buffer.from(await shortened(target, Buffer.from(failed.input, 'base64'), 0)).toString('base64'),
    };
  say({
    done: {
      inputs,
      seconds,
      cpuSeconds: (user + system) / 1e6,
      outcomes: Object.fromEntries([...outcomes].sort(([, a], [, b]) => b - a)),
      slowestMs,
      slowest: Buffer.from(slowest).toString('base64'),
      before,
      after,
      ...(failed === undefined ? {} : { failure: failed }),
    },
  });
  if (notes !== undefined) closeSync(notes);
}

/** Outcomes may hold characters that readers of lines take for the end of one. */
function ascii(json: string): string {
  return json.replaceAll(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Slots lie one behind the other, each a length and its bytes. */
const slotBytes = 256 * 1024;

function note(file: number, slot: number, input: Uint8Array): void {
  const record = Buffer.allocUnsafe(4 + input.length);
  record.writeUInt32LE(input.length);
  record.set(input, 4);
  writeSync(file, record, 0, Math.min(record.length, slotBytes), slot * slotBytes);
}

/** What was noted last in each slot, as base64. */
export function noted(file: string): readonly string[] {
  const bytes = readFileSync(file);
  const found: string[] = [];
  for (let at = 0; at + 4 <= bytes.length; at += slotBytes)
    found.push(bytes.subarray(at + 4, at + 4 + bytes.readUInt32LE(at)).toString('base64'));
  return found;
}

export interface FuzzContext extends Context, Disposable {
  /** Lines of the level error that nobody has asked for yet. */
  readonly errors: string[];
}

/** A context whose log is written and, but for errors of the daemon itself, forgotten. */
export function fuzzContext(): FuzzContext {
  const controller = new AbortController();
  const errors: string[] = [];
  const write = (line: string) => {
    if (line.startsWith('{"level":"error"') && !line.includes('"worker":')) errors.push(line);
  };
  const log = createLogger({ level: 'debug', destination: { write } });
  return {
    log,
    clock: systemClock,
    metrics: createMetrics(),
    signal: controller.signal,
    errors,
    [Symbol.dispose]: () => controller.abort(),
  };
}

/** Throws when something inside went wrong that the log says a person must look at. */
export function complaints({ errors }: FuzzContext): void {
  const [first] = errors.splice(0);
  if (first !== undefined) throw new Error(`the log says ${first}`);
}
