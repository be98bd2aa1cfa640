/** Addresses, transports and answers of RTSP (RFC 2326). Pure. */

const reasons = {
  200: 'OK',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  413: 'Request Entity Too Large',
  451: 'Parameter Not Understood',
  454: 'Session Not Found',
  455: 'Method Not Valid in This State',
  459: 'Aggregate Operation Not Allowed',
  461: 'Unsupported Transport',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  505: 'RTSP Version Not Supported',
  551: 'Option not supported',
} as const;

export type RtspStatus = keyof typeof reasons;

export interface RtspAnswer {
  readonly status: RtspStatus;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export function isRtspStatus(value: unknown): value is RtspStatus {
  return typeof value === 'number' && value in reasons;
}

/** `cseq` is repeated byte for byte as it came; a request without one is answered without. */
export function formatAnswer(answer: RtspAnswer, cseq: string | undefined): Buffer {
  const body = Buffer.from(answer.body ?? '');
  const headers = {
    ...(cseq === undefined ? {} : { CSeq: cseq }),
    Server: 'Sightline',
    ...answer.headers,
    ...(body.length === 0 ? {} : { 'Content-Length': String(body.length) }),
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const text = `RTSP/1.0 ${answer.status} ${reasons[answer.status]}\r\n${head.join('')}\r\n`;
  return Buffer.concat([Buffer.from(text, 'latin1'), body]);
}

export interface RtspTarget {
  /** Path without its slashes at both ends and without the track. */
  readonly stream: string;
  /** The last part when it names a track, e.g. `trackID=0`. */
  readonly track?: string;
  /** What relative addresses of the description begin with; without credentials and query. */
  readonly base: string;
}

/** Undefined for addresses that are not of RTSP or not decodable. */
export function parseTarget(uri: string): RtspTarget | undefined {
  const url = URL.parse(uri);
  if (url === null || (url.protocol !== 'rtsp:' && url.protocol !== 'rtsps:') || url.host === '') return undefined;
  const parts = url.pathname.split('/').filter((part) => part !== '');
  const track = parts.at(-1)?.startsWith('trackID=') === true ? parts.pop() : undefined;
  try {
    const stream = parts.map((part) => decodeURIComponent(part)).join('/');
    const base = `${url.protocol}//${url.host}/${parts.map((part) => `${part}/`).join('')}`;
    return { stream, base, ...(track === undefined ? {} : { track }) };
  } catch {
    return undefined;
  }
}

/** Channels of an interleaved transport: RTP, then RTCP. */
export interface Channels {
  readonly rtp: number;
  readonly rtcp: number;
}

/**
 * The first offered transport (RFC 2326 section 12.39) that we can serve: unicast inside this connection, to play. `undefined`
 * when there is none: UDP, multicast, recording.
 */
export function chooseTransport(header: string, free: Channels): Channels | undefined {
  for (const offer of header.split(',')) {
    const [profile, ...parameters] = offer.split(';').map((part) => part.trim());
    const named = new Map(
      parameters.map((parameter) => {
        const [name = '', value = ''] = parameter.split('=', 2);
        return [name.toLowerCase(), value] as const;
      }),
    );
    if (profile?.toUpperCase() !== 'RTP/AVP/TCP' || named.has('multicast')) continue;
    const mode = named.get('mode')?.replaceAll('"', '').toUpperCase() ?? 'PLAY';
    const interleaved = named.get('interleaved');
    const channels = interleaved === undefined ? free : parseChannels(interleaved);
    if (mode === 'PLAY' && channels !== undefined) return channels;
  }
  return undefined;
}

function parseChannels(text: string): Channels | undefined {
  const [, first, second] = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(text) ?? [];
  if (first === undefined) return undefined;
  const channels = { rtp: Number(first), rtcp: second === undefined ? Number(first) + 1 : Number(second) };
  return channels.rtp > 255 || channels.rtcp > 255 || channels.rtp === channels.rtcp ? undefined : channels;
}
