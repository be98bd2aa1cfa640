/** Addresses, transports and answers of RTSP (RFC 2326). Pure. */

const reasons = {
  200: 'OK',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Large',
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
  /** Several values are several lines. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
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
  const head = Object.entries(headers).flatMap(([name, values]) => [values].flat().map((value) => `${name}: ${value}\r\n`));
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

/** Channels of an interleaved transport, or UDP ports: RTP, then RTCP. */
export interface Channels {
  readonly rtp: number;
  readonly rtcp: number;
}

export type Transport =
  | { readonly kind: 'interleaved'; readonly channels: Channels }
  | { readonly kind: 'udp'; readonly ports: Channels };

export interface TransportLimits {
  /** Channels for an offer that names none. */
  readonly free: Channels;
  /** Absent: nothing leaves over UDP. Packets go to this address, the client's, and to no other. */
  readonly udpTo?: string;
}

/** The first offered transport (RFC 2326 section 12.39) that can be served: unicast, to play. Undefined when there is none. */
export function chooseTransport(header: string, limits: TransportLimits): Transport | undefined {
  for (const offer of header.split(',')) {
    const [profile = '', ...parameters] = offer.split(';').map((part) => part.trim());
    const named = new Map(
      parameters.map((parameter) => {
        const [name = '', value = ''] = parameter.split('=', 2);
        return [name.toLowerCase(), value] as const;
      }),
    );
    const mode = named.get('mode')?.replaceAll('"', '').toUpperCase() ?? 'PLAY';
    if (named.has('multicast') || mode !== 'PLAY') continue;
    if (profile.toUpperCase() === 'RTP/AVP/TCP') {
      const asked = named.get('interleaved');
      const channels = asked === undefined ? limits.free : parsePair(asked, 0, 255);
      if (channels !== undefined) return { kind: 'interleaved', channels };
    } else if (/^RTP\/AVP(?:\/UDP)?$/i.test(profile) && limits.udpTo !== undefined) {
      const ports = parsePair(named.get('client_port') ?? '', 1024, 65_535);
      const destination = named.get('destination') ?? limits.udpTo;
      if (ports !== undefined && (destination === '' || destination === limits.udpTo)) return { kind: 'udp', ports };
    }
  }
  return undefined;
}

function parsePair(text: string, least: number, most: number): Channels | undefined {
  const [, first, second] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  if (first === undefined) return undefined;
  const pair = { rtp: Number(first), rtcp: second === undefined ? Number(first) + 1 : Number(second) };
  return [pair.rtp, pair.rtcp].some((value) => value < least || value > most) || pair.rtp === pair.rtcp ? undefined : pair;
}
