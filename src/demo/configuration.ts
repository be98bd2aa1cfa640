import { createHash } from 'node:crypto';
import { type Document, parseDocument } from 'yaml';
import { errorText, SightlineError } from '../core/errors.ts';

/** The configuration of a demo: `config/demo.yaml` with what only the moment knows filled in. Pure. */

/** Environment variable through which a password of the user's own broker reaches the configuration, and in which it may be given. */
export const passwordVariable = 'MQTT_PASSWORD';

/** Begins the comment above every configuration that a demo writes: by it a directory of an earlier demo is known. */
export const writtenByDemo = ' Written by sightline demo';

export interface BrokerSettings {
  /** Without credentials. */
  readonly url: string;
  readonly username?: string;
  /** It comes from `passwordVariable`. */
  readonly password: boolean;
  /** As the embedded broker speaks it; the user's own has the default. */
  readonly protocol?: '3.1.1';
  readonly clientId: string;
}

export interface DemoSettings {
  /** Lines above everything else. */
  readonly comment: string;
  readonly dataDir: string;
  readonly baseTopic: string;
  /** Where the networks lie, unless the template says so. */
  readonly repository: string;
  /** Of our own streams; 0 takes a free one. */
  readonly rtspPort: number;
  /** Undefined: alerts stay in history. */
  readonly broker: BrokerSettings | undefined;
  /** Sources by name; each camera is otherwise like the only one of the template. */
  readonly cameras: ReadonlyMap<string, { readonly source: string; readonly film: boolean }>;
}

/** Throws `demo.scene` when the template is no configuration with one camera. */
export function renderConfiguration(template: string, path: string, settings: DemoSettings): string {
  const document = parseDocument(template);
  const content = contentOf(document, path);
  const { cameras } = content;
  const [pattern, ...more] = cameras !== null && typeof cameras === 'object' ? Object.values(cameras) : [];
  if (pattern === null || typeof pattern !== 'object' || more.length > 0) throw noPattern(path, 'expected one camera in it');
  for (const section of ['mqtt', 'inference', 'http', 'media']) {
    const value = content[section] ?? undefined;
    if (value === undefined) document.delete(section);
    else if (typeof value !== 'object' || Array.isArray(value)) throw noPattern(path, `expected settings in ${section}`);
  }
  document.commentBefore = settings.comment;
  document.set('dataDir', settings.dataDir);
  setBroker(document, settings.broker);
  document.setIn(['mqtt', 'baseTopic'], settings.baseTopic);
  if (!document.hasIn(['inference', 'repository'])) document.setIn(['inference', 'repository'], settings.repository);
  document.setIn(['http', 'port'], 0);
  // Its summary names the addresses: they are to answer.
  document.setIn(['http', 'metrics'], 'loopback');
  document.setIn(['media', 'rtsp'], document.createNode({ port: settings.rtspPort, open: true }));
  const { source: _source, realtime: _realtime, loop: _loop, ...camera } = pattern as Record<string, unknown>;
  document.set(
    'cameras',
    document.createNode(
      Object.fromEntries(
        [...settings.cameras].map(([name, { source, film }]) => [
          name,
          { source, ...(film ? { realtime: true, loop: true } : {}), ...camera },
        ]),
      ),
    ),
  );
  return document.toString({ lineWidth: 120 });
}

function noPattern(path: string, why: string): SightlineError {
  return new SightlineError('demo.scene', `${path} cannot be the pattern of a demo: ${why}`);
}

function contentOf(document: Document, path: string): Readonly<Record<string, unknown>> {
  const [mistake] = document.errors;
  // The first line says what and where; a picture of the place follows.
  if (mistake !== undefined) throw noPattern(path, mistake.message.split(':\n')[0] ?? mistake.message);
  try {
    return document.toJS() ?? {};
  } catch (error) {
    throw noPattern(path, errorText(error)); // an alias of nothing
  }
}

function setBroker(document: Document, broker: BrokerSettings | undefined): void {
  if (document.has('mqtt'))
    for (const key of ['url', 'username', 'password', 'protocol', 'clientId', 'enabled']) document.deleteIn(['mqtt', key]);
  if (broker === undefined) {
    document.setIn(['mqtt', 'enabled'], false);
    return;
  }
  const { url, username, password, protocol, clientId } = broker;
  document.setIn(['mqtt', 'url'], url);
  document.setIn(['mqtt', 'clientId'], clientId);
  if (username !== undefined) document.setIn(['mqtt', 'username'], username);
  if (password) document.setIn(['mqtt', 'password'], `\${${passwordVariable}}`);
  if (protocol !== undefined) document.setIn(['mqtt', 'protocol'], protocol);
}

export interface OwnBroker {
  /** Without credentials. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly username: { readonly username?: string };
  readonly password: string | undefined;
}

/**
 * The user's broker with its credentials taken out of the URL; a password that the URL lacks may be in `passwordVariable`. Throws
 * `cli.usage`.
 */
export function ownBroker(text: string, env: Readonly<Record<string, string | undefined>>): OwnBroker {
  const url = URL.parse(text);
  const usualPort = url === null ? undefined : usualPorts[url.protocol];
  if (url === null || usualPort === undefined || url.hostname === '') {
    throw new SightlineError(
      'cli.usage',
      '--mqtt takes the URL of a broker: mqtt://host:port, mqtts://host:port, ws:// or wss://',
    );
  }
  let credentials: { readonly username: string; readonly password: string };
  try {
    credentials = { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  } catch {
    throw new SightlineError('cli.usage', 'user or password in --mqtt have a % that stands alone; write it as %25');
  }
  const { username } = credentials;
  const password = credentials.password || (username === '' ? undefined : env[passwordVariable]);
  url.username = '';
  url.password = '';
  return {
    url: url.href.replace(/\/$/, ''),
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? usualPort : Number(url.port),
    username: username === '' ? {} : { username },
    password,
  };
}

const usualPorts: Readonly<Record<string, number>> = {
  'mqtt:': 1883,
  'tcp:': 1883,
  'mqtts:': 8883,
  'ssl:': 8883,
  'ws:': 80,
  'wss:': 443,
};

const seal = /\n# As a demo wrote it: ([0-9a-f]{64})\n$/;

/** With a last line by which it is seen whether a person has changed the rest since. */
export function sealed(text: string): string {
  return `${text}\n# As a demo wrote it: ${createHash('sha256').update(text).digest('hex')}\n`;
}

export function isAsWritten(text: string): boolean {
  const match = seal.exec(text);
  return match !== null && text === sealed(text.slice(0, match.index));
}

/** `lobby`, `lobby-2`, `lobby-3`, ... */
export function cameraNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => (index === 0 ? 'lobby' : `lobby-${index + 1}`));
}
