import { Socket } from 'node:net';
import { connect, type IClientOptions, type Packet } from 'mqtt';
import type { Clock } from '../core/clock.ts';
import { behindLookup } from '../core/descriptors.ts';
import { SightlineError } from '../core/errors.ts';
import { closedText, connackRefusal, disconnectReason, type LinkRefusal, socketRefusal } from './mqtt-codes.ts';

/**
 * One connection to a broker, from CONNECT to its end. The client library is used for its packets only: a new client per
 * connection, no reconnecting, nothing queued while away, no session kept. What must survive a connection is in our outbox.
 */

export interface LinkMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retain: boolean;
  /** MQTT 5 only; left out for 3.1.1. */
  readonly expirySeconds?: number;
  /** An alert message that carries its picture. */
  readonly picture?: boolean;
}

/** `code`: PUBACK with a reason code at or above 128. `lost`: the connection ended first. */
export type LinkAnswer =
  | { readonly kind: 'taken' }
  | { readonly kind: 'code'; readonly code: number }
  | { readonly kind: 'lost' };

export interface LinkEnded extends LinkRefusal {
  /** `close` or `abandon` ended it, or an answer was overdue. */
  readonly byUs: boolean;
  readonly unanswered: readonly LinkMessage[];
  /** Of the messages taken; 0 when there were none. */
  readonly largestTakenBytes: number;
  readonly eventsTaken: number;
}

export interface Link {
  /** Largest PUBLISH packet the broker takes. */
  readonly maximumPacketBytes: number;
  /** Messages that may be unacknowledged at once. */
  readonly receiveMaximum: number;
  /** Messages taken so far that are not retained: those that wait in the outbox. */
  readonly eventsTaken: number;
  /** Publishes at QoS 1; waits its turn when the broker's receive maximum is used up; never rejects. */
  send(message: LinkMessage): Promise<LinkAnswer>;
  /**
   * Calls back with the topic of every retained message that lies at the broker under `filter`, until the other function is called.
   * Rejects when the broker refuses or the connection ends.
   */
  subscribeRetained(filter: string, onTopic: (topic: string) => void): Promise<() => Promise<void>>;
  /** Resolves once. */
  readonly ended: Promise<LinkEnded>;
  /** DISCONNECT, so that the will is not published; gives up waiting for the other side when the signal fires. */
  close(signal: AbortSignal): Promise<void>;
  /** Cuts the connection; the broker publishes the will. */
  abandon(reason: string): void;
}

export interface LinkOptions {
  readonly client: IClientOptions;
  readonly will: LinkMessage;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** An unacknowledged message of this age means that the connection is dead. */
  readonly answerTimeoutMs: number;
}

const keepaliveSeconds = 30;
/** As the client library says it. */
const connackTimeout = 'connack timeout';
/** Fixed header, topic length, packet id and our properties are below this. */
const packetOverheadBytes = 64;

export function packetBytes(message: LinkMessage): number {
  return message.payload.length + Buffer.byteLength(message.topic) + packetOverheadBytes;
}

/** What the end of a connection means on which nothing was answered. */
function unansweredRefusal(end: LinkRefusal, { client: { protocol }, connectTimeoutMs }: LinkOptions): LinkRefusal {
  const secure = protocol === 'mqtts' || protocol === 'wss';
  if (end.reason === connackTimeout)
    return { ...end, reason: `broker took the connection and did not answer within ${connectTimeoutMs} ms` };
  if (end.reason !== closedText) return end;
  const guess = secure ? 'does it speak TLS at that port?' : 'does it expect TLS there (mqtts://)?';
  return { ...end, reason: `${closedText} before it answered; ${guess}` };
}

/** Resolves once CONNACK has come; rejects with `output.refused` or `output.unavailable` and the reason in words. */
export async function openLink(options: LinkOptions, signal: AbortSignal): Promise<Link> {
  signal.throwIfAborted();
  const { clock } = options;
  const modern = options.client.protocolVersion === 5;
  const client = connect({
    ...options.client,
    clean: true,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    keepalive: keepaliveSeconds,
    connectTimeout: options.connectTimeoutMs,
    will: { topic: options.will.topic, payload: options.will.payload, qos: 1, retain: options.will.retain },
    log: () => {},
  });
  // Each packet is small and waited for: gathering them costs up to the other side's delayed acknowledgement (40 ms on Linux).
  if (client.stream instanceof Socket) client.stream.setNoDelay(true);
  const pending = new Map<(answer: LinkAnswer) => void, LinkMessage>();
  const turns: (() => void)[] = [];
  const ended = Promise.withResolvers<LinkEnded>();
  let largestTakenBytes = 0;
  let eventsTaken = 0;
  let verdict: LinkRefusal | undefined;
  let byUs = false;
  let over = false;
  let abandoned: readonly LinkMessage[] | undefined;

  client.on('packetreceive', (packet: Packet) => {
    if (packet.cmd !== 'connack') return;
    const code = (modern ? packet.reasonCode : packet.returnCode) ?? 0;
    if (code > 0) verdict ??= connackRefusal(code);
  });
  client.on('disconnect', (packet) => {
    if ((packet.reasonCode ?? 0) >= 128) verdict ??= disconnectReason(packet.reasonCode ?? 128);
    client.stream.destroy();
  });
  client.on('error', (error) => {
    verdict ??= socketRefusal(behindLookup(error));
  });
  client.on('close', () => {
    over = true;
    const unanswered = abandoned ?? [...pending.values()];
    const why = verdict ?? { reason: closedText, kind: 'waiting' };
    ended.resolve({ ...why, byUs, unanswered, largestTakenBytes, eventsTaken });
    for (const answer of [...pending.keys()]) answer({ kind: 'lost' });
    for (const turn of turns.splice(0)) turn();
  });

  function abandon(reason: string): void {
    if (over) return;
    byUs = true;
    verdict ??= { reason, kind: 'waiting' };
    // The library answers them before it says that the connection is closed.
    abandoned = [...pending.values()];
    client.end(true);
  }

  const stop = () => abandon('stopped');
  signal.addEventListener('abort', stop, { once: true });
  const opened = new Promise<void>((resolve) => {
    client.on('connect', () => resolve());
  });
  const failed = await Promise.race([opened.then(() => undefined), ended.promise]);
  signal.removeEventListener('abort', stop);
  if (failed !== undefined) {
    signal.throwIfAborted();
    const { kind, reason } = unansweredRefusal(failed, options);
    throw new SightlineError(kind === 'refused' ? 'output.refused' : 'output.unavailable', reason);
  }

  const properties = client.serverProperties;
  const receiveMaximum = properties?.receiveMaximum ?? 65_535;
  if (properties?.maximumQoS === 0 || properties?.retainAvailable === false) {
    const lacks = properties.maximumQoS === 0 ? 'QoS 1' : 'retained messages';
    abandon('broker lacks a feature');
    throw new SightlineError('output.refused', `the broker does not offer ${lacks}, which alerts and states need`);
  }

  function publish(message: LinkMessage): Promise<LinkAnswer> {
    return new Promise((resolve) => {
      const limit = clock.deadline(options.answerTimeoutMs);
      const overdue = () => abandon(`no acknowledgement within ${options.answerTimeoutMs} ms`);
      limit.signal.addEventListener('abort', overdue, { once: true });
      const answer = (what: LinkAnswer) => {
        if (!pending.delete(answer)) return;
        limit[Symbol.dispose]();
        if (what.kind === 'taken') {
          largestTakenBytes = Math.max(largestTakenBytes, packetBytes(message));
          if (!message.retain) eventsTaken += 1;
        }
        turns.shift()?.();
        resolve(what);
      };
      pending.set(answer, message);
      const expiry = modern && message.expirySeconds !== undefined ? { messageExpiryInterval: message.expirySeconds } : {};
      const about = modern ? { properties: { ...expiry, contentType: 'application/json', payloadFormatIndicator: true } } : {};
      client.publish(message.topic, message.payload, { qos: 1, retain: message.retain, ...about }, (error) => {
        if (error === undefined || error === null) {
          answer({ kind: 'taken' });
        } else if ('code' in error && typeof error.code === 'number') {
          answer({ kind: 'code', code: error.code });
        } else {
          answer({ kind: 'lost' });
        }
      });
    });
  }

  return {
    maximumPacketBytes: properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    receiveMaximum,
    get eventsTaken() {
      return eventsTaken;
    },
    async send(message) {
      while (!over && pending.size >= receiveMaximum) await new Promise<void>((resolve) => turns.push(resolve));
      return over ? { kind: 'lost' } : publish(message);
    },
    async subscribeRetained(filter, onTopic) {
      client.on('message', (topic, payload, { retain }) => {
        if (retain && payload.length > 0) onTopic(topic);
      });
      const granted = await client.subscribeAsync(filter, { qos: 0, ...(modern ? { nl: true } : {}) });
      const refused = granted.find(({ qos }) => qos >= 128);
      if (refused !== undefined) throw new SightlineError('output.refused', `the broker refuses to be asked for ${filter}`);
      return async () => {
        client.removeAllListeners('message');
        await client.unsubscribeAsync(filter);
      };
    },
    ended: ended.promise,
    async close(closeSignal) {
      if (over) return;
      byUs = true;
      verdict ??= { reason: 'stopped', kind: 'waiting' };
      for (const id of Object.keys(client.outgoing)) client.removeOutgoingMessage(Number(id));
      client.end(false);
      const cut = () => client.stream.destroy();
      if (closeSignal.aborted) cut();
      closeSignal.addEventListener('abort', cut, { once: true });
      await ended.promise;
      closeSignal.removeEventListener('abort', cut);
    },
    abandon,
  };
}
