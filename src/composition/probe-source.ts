import { redact } from '../core/log.ts';
import type { ProbeTransport } from '../core/probe.ts';
import { parseSource } from '../software-worker/source-address.ts';

/** A source as it was written, with its credentials kept out of what is shown. Pure. */

export interface WrittenSource {
  /** For the configuration: credentials are `${NAME}`. */
  readonly concealed: string;
  /** Names of the variables in it. */
  readonly variables: readonly string[];
  /** Those put in the place of a user or password that was written out, and is then in the shell's history and in the process list. */
  readonly invented: readonly string[];
}

const placeholders = /^(?:\$\{[A-Za-z_][A-Za-z0-9_]*\})+$/;
/** A value ends where the next key begins, which some cameras join by `_`: `/user=NAME_password=WORD_channel=1_stream=0.sdp`. */
const userKeys = /([?&;/_](?:user|username|usr|login)=)((?:(?!_[a-z]+=)[^&;/?#\s])+)/gi;
const secretKeys = /([?&;/_](?:password|passwd|passphrase|pass|pwd|token|secret|api_?key)=)((?:(?!_[a-z]+=)[^&;/?#\s])+)/gi;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function readWrittenSource(written: string): WrittenSource {
  const invented = new Set<string>();
  const conceal = (text: string, variable: string): string => {
    const plain = decoded(text);
    if (placeholders.test(plain)) return plain;
    invented.add(variable);
    return `\${${variable}}`;
  };
  const inTail = (tail: string) =>
    tail
      .replace(userKeys, (_whole, key: string, value: string) => `${key}${conceal(value, 'CAM_USER')}`)
      .replace(secretKeys, (_whole, key: string, value: string) => `${key}${conceal(value, 'CAM_PASSWORD')}`);

  let concealed = written;
  const address = placeholders.test(written) ? undefined : parseSource(written);
  if (address !== undefined && 'url' in address) {
    // `parseSource` has percent-encoded the credentials: they hold none of these characters.
    const [, scheme = '', credentials, tail = ''] = /^([a-z]+:\/\/)(?:([^@/?#]*)@)?(.*)$/s.exec(address.url) ?? [];
    const [user, password] = credentials?.split(':') ?? [];
    const shown = [
      ...(user === undefined ? [] : [conceal(user, 'CAM_USER')]),
      ...(password === undefined ? [] : [conceal(password, 'CAM_PASSWORD')]),
    ];
    concealed = `${scheme}${shown.length === 0 ? '' : `${shown.join(':')}@`}${inTail(tail)}`;
  }
  const variables = [...concealed.matchAll(/(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g)]
    .filter(([, escaped]) => escaped === '')
    .map(([, , name = '']) => name);
  return { concealed, variables: [...new Set(variables)], invented: [...invented] };
}

export interface OpenedSource {
  /** Fit for people. */
  readonly shown: string;
  readonly transport: ProbeTransport;
  /** A name for the camera. */
  readonly name: string;
}

/** `source` with its variables filled in. Throws `source.unsupported`. */
export function describeSource(source: string, transport: 'tcp' | 'udp'): OpenedSource {
  const address = parseSource(source);
  const shown = redact(address.shown);
  switch (address.kind) {
    case 'rtsp':
    case 'http':
      return {
        shown,
        transport: address.kind === 'rtsp' ? transport : 'http',
        name: nameFrom(`camera-${/^[a-z]+:\/\/(\[[^\]]*\]|[^/:]*)/.exec(address.shown)?.[1] ?? ''}`),
      };
    case 'file':
      return { shown, transport: 'file', name: nameFrom(address.path.replace(/^.*\//s, '').replace(/\.[^.]*$/, '')) };
    case 'gst':
      return { shown, transport: 'pipeline', name: nameFrom(address.pipeline) };
  }
}

/** As keys of the configuration are: letters, digits, - and _. */
function nameFrom(text: string): string {
  const plain = text
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, '-')
    .replace(/^[-_]+|[-_]+$/g, '')
    .slice(0, 64);
  return plain === '' ? 'camera' : plain;
}
