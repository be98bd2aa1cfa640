import { SightlineError } from '../core/errors.ts';

/**
 * GStreamer Data Protocol 1.0 as `gdppay` writes it: the only way a time stamp leaves a pipeline through a pipe. Every packet has
 * a header of 62 bytes, big-endian: type u16 at 4 (1 buffer, 2 caps, from 64 on events), payload length u32 at 6, PTS in
 * nanoseconds u64 at 10 (all ones: none). Buffers become units; caps say what they are.
 */
export type GdpPacket =
  | { readonly kind: 'caps'; readonly caps: string }
  | { readonly kind: 'buffer'; readonly ptsNs: bigint | undefined; readonly data: Buffer };

const headerBytes = 62;
const types = { buffer: 1, caps: 2 } as const;
const noTime = 0xffff_ffff_ffff_ffffn;
/** An uncompressed 8K picture; more is no video. */
const payloadLimitBytes = 64 * 1024 * 1024;

export class GdpReader {
  #chunks: Buffer[] = [];
  #buffered = 0;
  #header: Buffer | undefined;

  /** Packets that are complete with `chunk`; throws `source.format` on what is not GDP 1.0. */
  *push(chunk: Buffer): Generator<GdpPacket> {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    while (true) {
      this.#header ??= this.#buffered >= headerBytes ? this.#readHeader() : undefined;
      if (this.#header === undefined) return;
      const length = this.#header.readUInt32BE(6);
      if (this.#buffered < length) return;
      const header = this.#header;
      this.#header = undefined;
      const payload = this.#take(length);
      const type = header.readUInt16BE(4);
      // Caps are a C string with its end.
      if (type === types.caps) yield { kind: 'caps', caps: payload.toString('utf8').replace(/\0+$/, '') };
      else if (type === types.buffer) {
        const pts = header.readBigUInt64BE(10);
        yield { kind: 'buffer', ptsNs: pts === noTime ? undefined : pts, data: payload };
      }
    }
  }

  #readHeader(): Buffer {
    const header = this.#take(headerBytes);
    if (header[0] !== 1 || header.readUInt32BE(6) > payloadLimitBytes) {
      throw new SightlineError('source.format', 'the pipeline does not end in gdppay ! fdsink fd=3');
    }
    return header;
  }

  #take(count: number): Buffer {
    const all = this.#chunks.length === 1 && this.#chunks[0] !== undefined ? this.#chunks[0] : Buffer.concat(this.#chunks);
    this.#chunks = [all.subarray(count)];
    this.#buffered -= count;
    return all.subarray(0, count);
  }
}

/** What a pipeline hands over, from its caps. */
export interface PipelineFormat {
  readonly codec: 'h264' | 'h265' | 'jpeg' | 'i420';
  readonly width: number;
  readonly height: number;
  /** Frames a second, undefined when it varies. */
  readonly frameRate: number | undefined;
}

const codecs: Readonly<Record<string, 'h264' | 'h265' | 'jpeg'>> = {
  'video/x-h264': 'h264',
  'video/x-h265': 'h265',
  'image/jpeg': 'jpeg',
};

/** Throws `source.unsupported` naming what would be allowed. */
export function readCaps(caps: string): PipelineFormat {
  const fields = new Map([...caps.matchAll(/([\w-]+)=\([a-z]+\)("[^"]*"|[^,;\s]+)/gi)].map(([, key, value]) => [key, value]));
  const media = /^[^,;\s]+/.exec(caps)?.[0] ?? '';
  const width = Number(fields.get('width') ?? 0);
  const height = Number(fields.get('height') ?? 0);
  const [frames, seconds] = (fields.get('framerate') ?? '0/1').split('/').map(Number);
  const frameRate = frames && seconds ? frames / seconds : undefined;
  const codec = codecs[media];
  const stream = fields.get('stream-format');
  if (codec !== undefined && (codec === 'jpeg' || (stream === 'byte-stream' && fields.get('alignment') === 'au'))) {
    return { codec, width, height, frameRate };
  }
  // Rows of other widths are padded, each plane in its own way.
  if (media === 'video/x-raw' && fields.get('format') === 'I420' && width > 0 && width % 8 === 0 && height % 2 === 0) {
    return { codec: 'i420', width, height, frameRate };
  }
  throw new SightlineError(
    'source.unsupported',
    `the pipeline hands over ${media}${stream === undefined ? '' : `, ${stream}`}; allowed are video/x-h264 and video/x-h265 ` +
      'as byte-stream with alignment=au, image/jpeg, and video/x-raw as I420 with a width that is a multiple of 8 and an even height',
    { details: { caps } },
  );
}
