import { SightlineError } from '../core/errors.ts';

/** What a camera's `source` setting names. `shown` is fit for people: it never holds a password. */
export type SourceAddress =
  | { readonly kind: 'rtsp' | 'http'; readonly url: string; readonly shown: string }
  | { readonly kind: 'file'; readonly path: string; readonly shown: string }
  | { readonly kind: 'gst'; readonly pipeline: string; readonly shown: string };

const schemes: Readonly<Record<string, 'rtsp' | 'http'>> = { rtsp: 'rtsp', rtsps: 'rtsp', http: 'http', https: 'http' };

/** `user:password@host`, `//host/path`, `rtsp:/host`: no file, and perhaps with a password that must not be shown. */
const withoutScheme = /^(?:(?:rtsps?|https?):|\/\/[^/]*@|[^/\s:@]+:[^/\s]*@[^/\s])/i;

/** A user or password as it was meant, whether it was written percent-encoded or raw. */
function meant(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

interface Split {
  readonly credentials: string | undefined;
  readonly tail: string;
}

/** The host of `tail`, when there is one and its port is a number. */
function hostOf(tail: string): string | undefined {
  const end = tail.search(/[/?#]/);
  const authority = end < 0 ? tail : tail.slice(0, end);
  return /^(\[[0-9a-f:.%]+\]|[^:@[\]\s]+)(:\d+)?$/i.exec(authority)?.[1];
}

/**
 * User and password of `rest` (what follows `://`). By RFC 3986 they end at the first `@`, which holds when they are
 * percent-encoded. Raw passwords may hold `@`, `/`, `?` or `#` themselves: then the first `@` is taken that leaves a host, one
 * with a dot or an IPv6 address before any other.
 */
function splitCredentials(rest: string): Split {
  const ways: Split[] = [{ credentials: undefined, tail: rest }];
  for (let at = rest.indexOf('@'); at >= 0; at = rest.indexOf('@', at + 1)) {
    ways.push({ credentials: rest.slice(0, at), tail: rest.slice(at + 1) });
  }
  const possible = ways.filter(({ credentials, tail }) => hostOf(tail) !== undefined && !/^[^:]*[/?#]/.test(credentials ?? ''));
  return (
    possible.find(({ tail }) => /^\[|\.|^localhost$/i.test(hostOf(tail) ?? '')) ??
    possible[0] ?? { credentials: undefined, tail: rest }
  );
}

/** Throws `source.unsupported` naming what would be allowed. */
export function parseSource(text: string): SourceAddress {
  const pipeline = /^gst:(.*)$/s.exec(text)?.[1];
  if (pipeline !== undefined) {
    if (!/^[a-z0-9][a-z0-9_-]*$/i.test(pipeline)) {
      throw new SightlineError(
        'source.unsupported',
        'gst: is followed by the name of a file in pipelines/, as in gst:test-pattern',
      );
    }
    return { kind: 'gst', pipeline, shown: `gst:${pipeline}` };
  }
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text) ?? [];
  if (scheme === undefined || rest === undefined) {
    if (withoutScheme.test(text)) {
      throw new SightlineError(
        'source.unsupported',
        'a source looks like an address without its scheme; write rtsp://HOST/PATH, and ./ before the name of a file',
      );
    }
    return { kind: 'file', path: text, shown: text };
  }
  const name = scheme.toLowerCase();
  if (name === 'file') return { kind: 'file', path: meant(rest), shown: meant(rest) };
  const kind = schemes[name];
  if (kind === undefined) {
    throw new SightlineError(
      'source.unsupported',
      `a source of scheme ${name}:// is not supported; use rtsp, rtsps, http, https, a file path or gst:NAME`,
    );
  }
  const { credentials, tail } = splitCredentials(rest);
  if (hostOf(tail) === undefined) {
    throw new SightlineError('source.unsupported', `a ${name}:// source names no host; write ${name}://HOST/PATH`);
  }
  const shown = `${name}://${tail.replace(/[?#].*$/s, '')}`;
  if (credentials === undefined) return { kind, url: `${name}://${tail}`, shown };
  const colon = credentials.indexOf(':');
  const user = colon < 0 ? credentials : credentials.slice(0, colon);
  const password = colon < 0 ? undefined : credentials.slice(colon + 1);
  const encoded = [user, password].filter((part) => part !== undefined).map((part) => encodeURIComponent(meant(part)));
  return { kind, url: `${name}://${encoded.join(':')}@${tail}`, shown };
}
