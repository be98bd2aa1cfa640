import { SightlineError } from '../core/errors.ts';

/** What a camera's `source` setting names. `shown` is fit for people: it never holds a password. */
export type SourceAddress =
  | { readonly kind: 'rtsp' | 'http'; readonly url: string; readonly shown: string }
  | { readonly kind: 'file'; readonly path: string; readonly shown: string }
  | { readonly kind: 'gst'; readonly pipeline: string; readonly shown: string };

const schemes: Readonly<Record<string, 'rtsp' | 'http'>> = { rtsp: 'rtsp', rtsps: 'rtsp', http: 'http', https: 'http' };

/** A user or password as it was meant, whether it was written percent-encoded or raw. */
function meant(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * User and password of `rest` (what follows `://`). They end at the last `@` before the path; where a raw password holds `/`,
 * `?` or `#`, what precedes the first of them is no host, and the last `@` of all is taken.
 */
function splitCredentials(rest: string): { readonly credentials: string | undefined; readonly tail: string } {
  const end = rest.search(/[/?#]/);
  const authority = end < 0 ? rest : rest.slice(0, end);
  const inAuthority = authority.lastIndexOf('@');
  if (inAuthority >= 0) return { credentials: rest.slice(0, inAuthority), tail: rest.slice(inAuthority + 1) };
  const isHost = /^(\[[0-9a-f:.%]+\]|[^:[\]]+)?(:\d+)?$/i.test(authority);
  const last = rest.lastIndexOf('@');
  if (isHost || last < 0) return { credentials: undefined, tail: rest };
  return { credentials: rest.slice(0, last), tail: rest.slice(last + 1) };
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
  if (scheme === undefined || rest === undefined) return { kind: 'file', path: text, shown: text };
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
  const shown = `${name}://${tail.replace(/[?#].*$/s, '')}`;
  if (credentials === undefined) return { kind, url: `${name}://${tail}`, shown };
  const colon = credentials.indexOf(':');
  const user = colon < 0 ? credentials : credentials.slice(0, colon);
  const password = colon < 0 ? undefined : credentials.slice(colon + 1);
  const encoded = [user, password].filter((part) => part !== undefined).map((part) => encodeURIComponent(meant(part)));
  return { kind, url: `${name}://${encoded.join(':')}@${tail}`, shown };
}
