import type { Readable } from 'node:stream';
import type { Clock } from '../core/clock.ts';
import type { Context } from '../core/context.ts';
import { LineRate } from '../core/line-rate.ts';
import { foreignFields, type Logger } from '../core/log.ts';
import { redact } from '../core/redact.ts';

/** Brings what a worker prints line by line into the log. It is always read, so that a worker never blocks on it. */

const lineLimitChars = 4096;

const levels = ['debug', 'info', 'warn', 'error'] as const;

/** Cuts chunks into lines; what a line has beyond the limit is left out. */
export class LineSplitter {
  #line = '';

  *push(chunk: string): Generator<string> {
    let from = 0;
    while (true) {
      const end = chunk.indexOf('\n', from);
      const part = chunk.slice(from, end === -1 ? undefined : end);
      this.#line += part.slice(0, lineLimitChars - this.#line.length);
      if (end === -1) return;
      yield this.#take();
      from = end + 1;
    }
  }

  /** The last line, when it had no end. */
  *rest(): Generator<string> {
    if (this.#line !== '') yield this.#take();
  }

  #take(): string {
    const line = this.#line;
    this.#line = '';
    return line;
  }
}

function parsed(
  line: string,
):
  | { readonly level: (typeof levels)[number]; readonly msg: string; readonly bridged: boolean; readonly fields: object }
  | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const { level: name, msg, bridged, ...fields } = JSON.parse(line);
    const level = levels.find((known) => known === name);
    return level === undefined || typeof msg !== 'string'
      ? undefined
      : { level, msg, bridged: bridged === true, fields: foreignFields(fields) };
  } catch {
    return undefined;
  }
}

function relay(line: string, stream: 'stdout' | 'stderr', log: Logger, onError: (words: string) => void): void {
  const own = parsed(line);
  if (own !== undefined) {
    // What came over the bridge as well is in the log already.
    if (!own.bridged) log[own.level](own.fields, redact(own.msg));
    if (own.level === 'error') onError(redact(own.msg));
  } else if (line.trim() !== '') log[stream === 'stderr' ? 'warn' : 'info']({ stream, line }, 'worker printed');
}

/**
 * Reads `readable` to its end. Our own JSON lines keep their level and fields, others become one message with the line as a field.
 * Above 200 lines a second the rest of that second is only counted; `onSkipped` gets each count with the log.
 */
export function relayOutput(
  readable: Readable,
  options: {
    readonly stream: 'stdout' | 'stderr';
    readonly log: Logger;
    readonly clock: Clock;
    onSkipped(lines: number): void;
    /** Gets what the worker calls an error, in its own lines. */
    onError?(words: string): void;
  },
): void {
  const { stream, log, clock } = options;
  const splitter = new LineSplitter();
  const rate = new LineRate(clock);
  let skipped = 0;

  function report(): void {
    if (skipped === 0) return;
    log.warn({ stream, count: skipped }, 'worker prints too much, lines were left out');
    options.onSkipped(skipped);
    skipped = 0;
  }

  function take(line: string): void {
    if (!rate.take()) {
      skipped += 1;
      return;
    }
    report();
    relay(line, stream, log, (words) => options.onError?.(words));
  }

  readable.setEncoding('utf8');
  readable.on('data', (chunk: string) => {
    for (const line of splitter.push(chunk)) take(line);
  });
  readable.on('error', (error) => log.warn({ stream, err: error }, 'worker output cannot be read'));
  readable.on('close', () => {
    for (const line of splitter.rest()) take(line);
    report();
  });
}

/** All that a worker prints, into the log of `ctx`; counts what is left out. */
export function relayWorkerOutput(
  output: { readonly worker: string; readonly stdout: Readable; readonly stderr: Readable; onError?(words: string): void },
  ctx: Pick<Context, 'clock' | 'log' | 'metrics'>,
): void {
  const { worker, onError } = output;
  const { clock, log, metrics } = ctx;
  const skipped = metrics.counter('sightline_worker_output_skipped_total', 'Lines of workers left out of the log', ['worker']);
  const onSkipped = (lines: number) => skipped.inc({ worker }, lines);
  for (const stream of ['stdout', 'stderr'] as const)
    relayOutput(output[stream], { stream, log, clock, onSkipped, ...(onError === undefined ? {} : { onError }) });
}
