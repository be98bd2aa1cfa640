import { PassThrough } from 'node:stream';
import { z } from 'zod';
import { SightlineError } from '../core/errors.ts';
import { LineSplitter } from './output.ts';

/**
 * What the Docker engine sends for as long as it likes: a container's output, the progress of a pull. The client's own readers end the
 * process on a line that is no JSON and on many small writes of a container at once, and keep all progress.
 */

const headBytes = 8;
/** In the head: 0 and 1 are its standard output, 2 its standard error, 3 what the engine itself has to say. */
const lastKind = 3;

export interface OutputPart {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Buffer;
}

/** Takes what a container without a terminal prints apart (`POST /containers/ID/attach`); keeps nothing of a chunk but half a head. */
class OutputSplitter {
  readonly #head = Buffer.alloc(headBytes);
  #filled = 0;
  #stream: OutputPart['stream'] = 'stdout';
  #left = 0;
  /** A head that is none: all from there on is passed as it is. */
  #isPlain = false;

  *push(chunk: Buffer): Generator<OutputPart> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#isPlain || this.#left > 0) {
        const bytes = chunk.subarray(at, this.#isPlain ? undefined : at + this.#left);
        at += bytes.length;
        this.#left -= bytes.length;
        yield { stream: this.#stream, bytes };
        continue;
      }
      const copied = chunk.copy(this.#head, this.#filled, at, at + headBytes - this.#filled);
      this.#filled += copied;
      at += copied;
      if (this.#filled === headBytes) yield* this.#begin();
    }
  }

  *#begin(): Generator<OutputPart> {
    this.#filled = 0;
    const kind = this.#head.readUInt8(0);
    this.#isPlain = kind > lastKind;
    this.#stream = kind < 2 || this.#isPlain ? 'stdout' : 'stderr';
    this.#left = this.#head.readUInt32BE(4);
    if (this.#isPlain) yield { stream: this.#stream, bytes: Buffer.from(this.#head) };
  }
}

/** Whoever does not read one of them is waited for. Both end with `from`, however it ends. */
export function splitOutput(from: NodeJS.ReadableStream): { readonly stdout: PassThrough; readonly stderr: PassThrough } {
  const sinks = { stdout: new PassThrough(), stderr: new PassThrough() };
  const splitter = new OutputSplitter();
  const full = new Set<PassThrough>();
  from.on('data', (chunk: Buffer) => {
    for (const { stream, bytes } of splitter.push(chunk)) {
      const sink = sinks[stream];
      if (!sink.destroyed && !sink.write(bytes)) full.add(sink);
    }
    if (full.size > 0) from.pause();
  });
  const all = Object.values(sinks);
  for (const sink of all) {
    const goOn = () => {
      full.delete(sink);
      if (full.size === 0) from.resume();
    };
    sink.on('drain', goOn).on('close', goOn);
  }
  const end = () => {
    for (const sink of all) sink.end();
  };
  from.on('error', end).on('end', end).on('close', end);
  return sinks;
}

export interface PullProgress {
  readonly doneBytes: number;
  /** Of what is known by now. */
  readonly totalBytes: number;
}

const bytes = z.number().int().min(0);
const layerSchema = z.object({ id: z.string(), progressDetail: z.object({ current: bytes, total: bytes }) });
/** No image has so many. */
const mostLayers = 1000;

/** Adds up what the engine says of each layer. */
export class PullMeter {
  readonly #layers = new Map<string, PullProgress>();

  see(event: unknown): PullProgress {
    const layer = layerSchema.safeParse(event).data;
    if (layer !== undefined && (this.#layers.size < mostLayers || this.#layers.has(layer.id))) {
      const { current, total } = layer.progressDetail;
      // A layer is unpacked after it was fetched, and counted from the beginning for that.
      const before = this.#layers.get(layer.id)?.doneBytes ?? 0;
      this.#layers.set(layer.id, { doneBytes: Math.max(before, Math.min(current, total)), totalBytes: total });
    }
    const layers = [...this.#layers.values()];
    return {
      doneBytes: layers.reduce((sum, { doneBytes }) => sum + doneBytes, 0),
      totalBytes: layers.reduce((sum, { totalBytes }) => sum + totalBytes, 0),
    };
  }
}

const failureSchema = z.object({ error: z.string() });

/** Reads what the engine says of a pull to its end; rejects with `container.image` when that is a failure. What is no JSON is passed over. */
export async function followPull(from: NodeJS.ReadableStream, onProgress: (progress: PullProgress) => void): Promise<void> {
  const meter = new PullMeter();
  const lines = new LineSplitter();
  const see = (line: string) => {
    const event = jsonOf(line);
    const failure = failureSchema.safeParse(event).data;
    if (failure !== undefined)
      throw new SightlineError('container.image', failure.error.trim().replace(/\s+/g, ' ').slice(0, 500));
    onProgress(meter.see(event));
  };
  for await (const chunk of from.setEncoding('utf8')) for (const line of lines.push(String(chunk))) see(line);
  for (const line of lines.rest()) see(line);
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
