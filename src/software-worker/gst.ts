import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import {
  AV_CODEC_ID_H264,
  AV_CODEC_ID_HEVC,
  AV_CODEC_ID_MJPEG,
  AV_CODEC_ID_RAWVIDEO,
  AV_NOPTS_VALUE,
  AV_PIX_FMT_YUV420P,
  type AVCodecID,
  AVMEDIA_TYPE_VIDEO,
} from 'node-av/constants';
import { CodecParameters, Packet } from 'node-av/lib';
import type { Context } from '../core/context.ts';
import { isSystemError, SightlineError } from '../core/errors.ts';
import { noDebugger } from '../core/node-flags.ts';
import { redact } from '../core/redact.ts';
import type { UnitSource } from './demux.ts';
import { GdpReader, type PipelineFormat, readCaps } from './gdp.ts';
import { isKeyPicture } from './key-pictures.ts';
import { parsePipeline } from './pipeline-template.ts';

/**
 * Custom sources: a file of `pipelines/` run by GStreamer in a child process. It hands over whatever is nearest to the camera
 * (H.264 or H.265 access units, JPEG pictures, else raw I420) with its time stamps, and decoding stays here: nothing is encoded
 * twice, and encoded video can be passed on as it is.
 */
export interface PipelineOptions {
  readonly name: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly openTimeoutMs: number;
}

const pipelines = new URL('../../pipelines/', import.meta.url);
const childModule = fileURLToPath(new URL('./gst-child.ts', import.meta.url));
/** A pipeline that does not stop in this time is killed. */
const stopWithinMs = 2000;
const nanoseconds = { num: 1, den: 1_000_000_000 } as const;
const linesKept = 8;

const codecIds: Readonly<Record<PipelineFormat['codec'], AVCodecID>> = {
  h264: AV_CODEC_ID_H264,
  h265: AV_CODEC_ID_HEVC,
  jpeg: AV_CODEC_ID_MJPEG,
  i420: AV_CODEC_ID_RAWVIDEO,
};

/** The launch string of a shipped or added pipeline; rejects with `source.unsupported` naming what is wrong. */
export async function loadPipeline(name: string, properties: Readonly<Record<string, string>>): Promise<string> {
  let text: string;
  try {
    text = await readFile(new URL(`${name}.gst`, pipelines), 'utf8');
  } catch (cause) {
    if (!isSystemError(cause, 'ENOENT')) throw cause;
    throw new SightlineError('source.unsupported', `there is no pipelines/${name}.gst`, { details: { pipeline: name } });
  }
  return parsePipeline(name, text).render(properties);
}

function parametersOf(format: PipelineFormat): CodecParameters {
  const parameters = new CodecParameters();
  parameters.alloc();
  parameters.codecType = AVMEDIA_TYPE_VIDEO;
  parameters.codecId = codecIds[format.codec];
  parameters.width = format.width;
  parameters.height = format.height;
  if (format.codec === 'i420') parameters.format = AV_PIX_FMT_YUV420P;
  return parameters;
}

interface BusLine {
  readonly kind: 'error' | 'refused' | 'eos';
  readonly message: string;
  readonly debug: string;
}

/** A line of the child's; plugins may print lines of their own. */
function busLine(text: string): BusLine | undefined {
  try {
    const { kind, message, debug } = JSON.parse(text);
    return kind === 'error' || kind === 'refused' || kind === 'eos'
      ? { kind, message: String(message), debug: String(debug) }
      : undefined;
  } catch {
    return undefined;
  }
}

function busError(name: string, line: BusLine): SightlineError {
  const words = redact(line.message).replace(/\.$/, '');
  const all = `${line.message} ${line.debug}`;
  const code =
    line.kind === 'refused'
      ? 'source.unsupported'
      : /unauthorized|not authorized|401/i.test(all)
        ? 'source.auth'
        : /could not (open|connect)|failed to connect|cannot identify device|not found/i.test(all)
          ? 'source.unreachable'
          : 'source.failed';
  return new SightlineError(code, `pipeline ${name}: ${words}`, { details: { pipeline: name } });
}

/** Starts the pipeline and resolves with its first pictures; rejects with a `source.*` error whose words hold no credentials. */
export async function openPipeline(options: PipelineOptions, ctx: Context): Promise<UnitSource> {
  const { name } = options;
  const launch = await loadPipeline(name, options.properties);
  try {
    createRequire(import.meta.url).resolve('gstreamer-superficial');
  } catch (cause) {
    throw new SightlineError('source.unsupported', 'gst: sources need gstreamer-superficial, which is not installed', {
      cause,
    });
  }
  const { UV_THREADPOOL_SIZE: _, ...environment } = process.env;
  const child = spawn(process.execPath, [noDebugger, childModule], {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    env: environment,
  });
  const pipe = child.stdio[3];
  if (!(pipe instanceof Readable)) throw new SightlineError('source.failed', `pipeline ${name}: no pipe for its video`);
  const video: Readable = pipe;
  const reader = new GdpReader();
  const ready: { readonly data: Buffer; readonly ptsNs: bigint | undefined }[] = [];
  let format: PipelineFormat | undefined;
  let trouble: unknown;
  let over = false;
  let wake = Promise.withResolvers<void>();
  const said: string[] = [];

  function tell(): void {
    wake.resolve();
    wake = Promise.withResolvers();
  }

  function fail(error: unknown): void {
    trouble ??= error;
    over = true;
    tell();
  }

  function lines(stream: Readable, take: (line: string) => void): void {
    let rest = '';
    stream.setEncoding('utf8').on('data', (text: string) => {
      const whole = `${rest}${text}`.split('\n');
      rest = whole.pop() ?? '';
      whole.filter((line) => line !== '').forEach(take);
    });
  }

  function keep(line: string): void {
    said.push(redact(line));
    if (said.length > linesKept) said.shift();
  }

  let played = false;
  lines(child.stdout, (line) => {
    const message = busLine(line);
    if (message === undefined) keep(line);
    else if (message.kind !== 'eos') fail(busError(name, message));
    else {
      played = true;
      child.stdin.end();
    }
  });
  lines(child.stderr, keep);
  // A process that died early has closed its end; how it ended says more.
  child.stdin.on('error', (error) => ctx.log.debug({ pipeline: name, err: error }, 'pipeline takes no orders'));
  child.stdin.write(`${JSON.stringify({ launch })}\n`);
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(String(code ?? signal)));
  });
  const drained = new Promise<void>((resolve) => {
    video.once('close', resolve);
    video.once('error', () => resolve());
  });
  video.on('readable', tell);
  void Promise.all([exited, drained]).then(([how]) => {
    if (played || over) over = true;
    else
      fail(
        new SightlineError('source.failed', `pipeline ${name}: its process ended with ${how}`, {
          details: { pipeline: name, said },
        }),
      );
    tell();
  });

  async function stop(): Promise<void> {
    over = true;
    child.stdin.end();
    video.destroy();
    using limit = ctx.clock.deadline(stopWithinMs);
    const kill = () => void child.kill('SIGKILL');
    limit.signal.addEventListener('abort', kill, { once: true });
    await exited;
    limit.signal.removeEventListener('abort', kill);
  }

  /** Reads until there is a picture, the end, or trouble. */
  async function fill(): Promise<void> {
    while (ready.length === 0) {
      const chunk: Buffer | null = over ? null : video.read();
      if (chunk === null) {
        if (over) return;
        await wake.promise;
        continue;
      }
      for (const packet of reader.push(chunk)) {
        if (packet.kind === 'buffer') ready.push(packet);
        else {
          const next = readCaps(packet.caps);
          if (format !== undefined && next.codec !== format.codec) {
            throw new SightlineError('source.format', `pipeline ${name} changed from ${format.codec} to ${next.codec}`);
          }
          format = next;
        }
      }
    }
  }

  let late = false;
  try {
    using limit = ctx.clock.deadline(options.openTimeoutMs, ctx.signal);
    const expire = () => {
      late = true;
      over = true;
      tell();
    };
    limit.signal.addEventListener('abort', expire, { once: true });
    await fill();
    limit.signal.removeEventListener('abort', expire);
    ctx.signal.throwIfAborted();
    if (trouble !== undefined) throw trouble;
    if (late) throw new SightlineError('source.timeout', `pipeline ${name}: no video within ${options.openTimeoutMs} ms`);
    if (format === undefined) throw new SightlineError('source.ended', `pipeline ${name}: it ended before its first picture`);
  } catch (error) {
    await stop();
    throw error;
  }

  const packet = new Packet();
  packet.alloc();
  const parameters = parametersOf(format);
  const coding = format.codec === 'h264' || format.codec === 'h265' ? format.codec : undefined;
  return {
    kind: 'live',
    parameters,
    timeBase: nanoseconds,
    frameRate: format.frameRate,
    broken: 0,
    read: async () => {
      await fill();
      const unit = ready.shift();
      if (unit === undefined) {
        if (trouble !== undefined) throw trouble;
        return undefined;
      }
      packet.unref();
      packet.data = unit.data;
      packet.pts = unit.ptsNs ?? AV_NOPTS_VALUE;
      packet.dts = AV_NOPTS_VALUE;
      packet.isKeyframe = coding === undefined || isKeyPicture(unit.data, coding);
      return {
        packet,
        receivedMonoUs: BigInt(Math.round(ctx.clock.mono() * 1000)),
        wallUs: ctx.clock.now() * 1000,
        ntpUs: undefined,
      };
    },
    interrupt: () => {
      over = true;
      ready.length = 0;
      tell();
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      packet.free();
      parameters.free();
    },
  };
}
