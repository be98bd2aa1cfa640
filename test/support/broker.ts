import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type IClientOptions, type IPublishPacket } from 'mqtt';
import { freePort } from './port.ts';
import { until } from './until.ts';

const programs = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto', '/opt/homebrew/sbin/mosquitto'];
const program = programs.find((path) => existsSync(path));
export const hasMosquitto = program !== undefined;

export interface BrokerOptions {
  /** Logins; without them everybody is let in. */
  readonly users?: Readonly<Record<string, string>>;
  /** Lines of an acl_file. */
  readonly acl?: readonly string[];
  /** Lines of mosquitto.conf; `{dir}` is the broker's directory. */
  readonly settings?: readonly string[];
  readonly tls?: {
    readonly caFile: string;
    readonly certFile: string;
    readonly keyFile: string;
    readonly clientCertificate?: boolean;
  };
}

export interface Broker extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly directory: string;
  /** What the broker itself said so far. */
  log(): string;
  /** New lines of the acl_file, in force at once; only for one that was started with some. */
  allow(acl: readonly string[]): void;
  /** As a power cut would. */
  kill(): Promise<void>;
  /** On the same port. */
  start(): Promise<void>;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** A real mosquitto on a free loopback port, gone with its files when disposed. */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  if (program === undefined) throw new Error('mosquitto is not installed');
  const command = program;
  const directory = mkdtempSync(join(tmpdir(), 'sightline-broker-'));
  const port = await freePort();
  const { users, acl, tls } = options;
  const lines = [`listener ${port} 127.0.0.1`, `allow_anonymous ${users === undefined}`, 'persistence false', 'log_type all'];
  // Started by root it would give up root and could not read its files then.
  if (process.getuid?.() === 0) lines.push('user root');
  if (users !== undefined) {
    const file = join(directory, 'passwords');
    writeFileSync(
      file,
      Object.entries(users)
        .map((pair) => pair.join(':'))
        .join('\n'),
      { mode: 0o600 },
    );
    execFileSync('mosquitto_passwd', ['-U', file]);
    lines.push(`password_file ${file}`);
  }
  if (acl !== undefined) {
    writeFileSync(join(directory, 'acl'), `${acl.join('\n')}\n`, { mode: 0o600 });
    lines.push(`acl_file ${join(directory, 'acl')}`);
  }
  if (tls !== undefined) {
    lines.push(`cafile ${tls.caFile}`, `certfile ${tls.certFile}`, `keyfile ${tls.keyFile}`);
    if (tls.clientCertificate === true) lines.push('require_certificate true', 'use_identity_as_username true');
  }
  lines.push(...(options.settings ?? []).map((line) => line.replaceAll('{dir}', directory)));
  const file = join(directory, 'mosquitto.conf');
  writeFileSync(file, `${lines.join('\n')}\n`);

  let child: ChildProcess | undefined;
  let said = '';
  async function start(): Promise<void> {
    const started = spawn(command, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    child = started;
    started.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await until('mosquitto accepts connections', async () => {
      if (started.exitCode !== null) throw new Error(`mosquitto ended: ${said}`);
      return accepts(port);
    });
  }
  async function kill(): Promise<void> {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const exited = once(running, 'exit');
    running.kill('SIGKILL');
    await exited;
  }
  await start();
  return {
    port,
    url: `${tls === undefined ? 'mqtt' : 'mqtts'}://localhost:${port}`,
    directory,
    log: () => said,
    allow(lines) {
      writeFileSync(join(directory, 'acl'), `${lines.join('\n')}\n`, { mode: 0o600 });
      child?.kill('SIGHUP');
    },
    kill,
    start,
    async [Symbol.asyncDispose]() {
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export interface Received {
  readonly topic: string;
  readonly text: string;
  readonly retain: boolean;
  readonly qos: number;
  readonly expirySeconds: number | undefined;
  readonly contentType: string | undefined;
}

export interface Listener extends AsyncDisposable {
  readonly messages: readonly Received[];
  /** Once it is subscribed, after an outage again: what is published from then on comes to it. */
  subscribed(): Promise<void>;
  /** Once all that the broker has confirmed to others is among `messages`: a PUBACK says nothing of who listens. */
  settled(): Promise<void>;
}

/** A consumer that notes down whatever matches `filter`, retained messages first; reconnects by itself. */
export async function listen(port: number, filter = '#', options: IClientOptions = {}): Promise<Listener> {
  const messages: Received[] = [];
  const settings: IClientOptions = {
    protocol: 'mqtt',
    host: '127.0.0.1',
    port,
    protocolVersion: 5,
    reconnectPeriod: 50,
    ...options,
    resubscribe: false,
  };
  const client = connect(settings);
  // Of its own messages to itself: a broker keeps each consumer's in the order in which it took them.
  const fence = `listener-fence/${randomUUID()}`;
  let sent = 0;
  let come = 0;
  client.on('message', (topic: string, payload: Buffer, packet: IPublishPacket) => {
    if (topic === fence) {
      come = Number(payload.toString());
      return;
    }
    const { messageExpiryInterval, contentType } = packet.properties ?? {};
    messages.push({
      topic,
      text: payload.toString('utf8'),
      retain: packet.retain,
      qos: packet.qos,
      expirySeconds: messageExpiryInterval,
      contentType,
    });
  });
  let isSubscribed = false;
  let refused: Error | undefined;
  client.on('close', () => {
    isSubscribed = false;
  });
  client.on('connect', () => {
    client.subscribe([filter, fence], { qos: 1, ...(settings.protocolVersion === 5 ? { rap: true } : {}) }, (error) => {
      // One that the end of the connection took along is sent again with the next one.
      refused = error ?? undefined;
      isSubscribed = error === null || error === undefined;
    });
  });
  const subscribed = async () => {
    await until('the listener is subscribed', () => isSubscribed, 60_000).catch((cause: unknown) => {
      throw new Error(`the listener is not subscribed to ${filter}: ${refused?.message ?? 'no answer'}`, { cause });
    });
  };
  await subscribed();
  return {
    messages,
    subscribed,
    settled: async () => {
      await subscribed();
      sent += 1;
      const mine = sent;
      await client.publishAsync(fence, String(mine), { qos: 1 });
      await until('what the broker took before', () => come >= mine, 60_000);
    },
    async [Symbol.asyncDispose]() {
      await client.endAsync(true);
    },
  };
}
