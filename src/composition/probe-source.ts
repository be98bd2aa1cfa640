import type { ProbeTransport } from '../core/probe.ts';
import { redact } from '../core/redact.ts';
import { secretName } from '../core/secret-name.ts';
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

/** Also both of them where one value is user and password. */
const placeholders = /^(?:\$\{[A-Za-z_][A-Za-z0-9_]*\}:?)+$/;
/**
 * A value ends where the next key begins, which some cameras join by `_`: `/user=NAME_password=WORD_channel=1_stream=0.sdp`. A key has
 * a value: the `=` that pads Base64 makes none.
 */
const inPath = '((?:(?!_[a-z]+=[^=&;])[^&;/?#])+)';
const inQuery = '((?:(?![_/?][a-z]+=[^=&;#])[^&;#])+)';
const userKey = '[?&;/_#](?:user|username|usr|login|loginuse)';
const placesOf = (value: string) => ({
  users: new RegExp(`(${userKey}=)${value}`, 'gi'),
  secrets: new RegExp(`(${secretName}=)${value}`, 'gi'),
});
const pathPlaces = placesOf(inPath);
const queryPlaces = placesOf(inQuery);

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function readWrittenSource(written: string): WrittenSource {
  const invented = new Map<string, string>();
  const conceal = (text: string, kind: 'CAM_USER' | 'CAM_PASSWORD'): string => {
    const plain = decoded(text);
    if (placeholders.test(plain)) return plain;
    // Another value needs another variable, and none that the source names already.
    let variable: string = kind;
    for (let n = 2; written.includes(`\${${variable}}`) || (invented.get(variable) ?? plain) !== plain; n++)
      variable = `${kind}_${n}`;
    invented.set(variable, plain);
    return `\${${variable}}`;
  };
  const inPart = (part: string, { users, secrets }: ReturnType<typeof placesOf>) =>
    part
      .replace(users, (_whole, key: string, value: string) => `${key}${conceal(value, 'CAM_USER')}`)
      .replace(secrets, (_whole, key: string, value: string) => `${key}${conceal(value, 'CAM_PASSWORD')}`);
  const inTail = (tail: string) => {
    const [, path = '', query = ''] = /^([^?#]*)(.*)$/s.exec(tail) ?? [];
    return inPart(path, pathPlaces) + inPart(query, queryPlaces);
  };

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
  return { concealed, variables: [...new Set(variables)], invented: [...invented.keys()] };
}

export interface OpenedSource {
  /** Fit for people. */
  readonly shown: string;
  readonly transport: ProbeTransport;
  /** A name for the camera. */
  readonly name: string;
  /** Of a file. */
  readonly path?: string;
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
      return {
        shown,
        transport: 'file',
        path: address.path,
        name: nameFrom(address.path.replace(/^.*\//s, '').replace(/\.[^.]*$/, '')),
      };
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
