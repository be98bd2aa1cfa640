import { connect, type IClientOptions } from 'mqtt';
import { z } from 'zod';
import { aborted } from '../core/aborted.ts';
import type { Context } from '../core/context.ts';
import type { DemoAlert } from '../core/demo.ts';
import { errorText } from '../core/errors.ts';

/** A consumer of alerts like any other: it knows the public contract (docs/mqtt.md) and nothing else of the daemon. */
export interface AlertListener extends AsyncDisposable {
  /** Cameras that are live by their last state. */
  readonly live: ReadonlySet<string>;
  /** Resolves when what the broker had for us so far has been taken. */
  settle(): Promise<void>;
}

export interface AlertListenerOptions {
  /** Without credentials. */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  readonly protocolVersion: 4 | 5;
  readonly clientId: string;
  readonly baseTopic: string;
  /** Their retained states are taken away from the broker at the end. */
  readonly cameras: readonly string[];
  onAlert(alert: DemoAlert, jpeg: Uint8Array | undefined): void;
  onCamera(camera: string, state: string, reason: string | undefined): void;
  /** Connected, or not and why; said at every change. */
  onConnection(trouble: string | undefined): void;
}

const reconnectMs = 1000;
const connectTimeoutMs = 5000;
const stopWithinMs = 1000;
/** Alerts that are remembered so that a repetition is not told again. */
const rememberedAlerts = 10_000;

const alertMessage = z.object({
  id: z.string(),
  state: z.string(),
  late: z.boolean(),
  entry: z.object({ name: z.string(), list: z.string() }).optional(),
  camera: z.string(),
  score: z.number(),
  threshold: z.number(),
  firstSeenAt: z.number(),
  times: z.object({ event: z.number(), published: z.number() }),
  stages: z.array(z.object({ sinceReceivedMs: z.number() })),
  snapshot: z.object({ mode: z.string(), data: z.base64().optional() }),
});
const cameraMessage = z.object({ camera: z.string(), state: z.string(), reason: z.string().optional() });

/** Undefined for what is no opened alert of somebody listed. */
export function readAlert(
  payload: string,
  nowMs: number,
): { readonly alert: DemoAlert; readonly jpeg: Uint8Array | undefined } | undefined {
  const parsed = parse(alertMessage, payload);
  if (parsed === undefined || parsed.state !== 'opened' || parsed.entry === undefined) return undefined;
  const { id, late, entry, camera, score, threshold, firstSeenAt, times, stages, snapshot } = parsed;
  const underWayMs = Math.max(0, nowMs - times.published);
  const sinceFrameMs = Math.max(0, ...stages.map(({ sinceReceivedMs }) => sinceReceivedMs)) + underWayMs;
  return {
    alert: {
      id,
      name: entry.name,
      list: entry.list,
      camera,
      at: nowMs,
      similarity: score,
      threshold,
      // Event time and arrival are different clocks: differences of each, not between them.
      sinceSeenMs: Math.max(0, times.event - firstSeenAt) + sinceFrameMs,
      sinceFrameMs,
      late,
    },
    jpeg: snapshot.data === undefined ? undefined : Buffer.from(snapshot.data, 'base64'),
  };
}

function parse<T>(schema: z.ZodType<T>, payload: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(payload)).data;
  } catch {
    return undefined; // somebody else's message on our topic
  }
}

/** Returns at once and keeps trying to connect. */
export function startAlertListener(options: AlertListenerOptions, ctx: Context): AlertListener {
  const { clock } = ctx;
  const { baseTopic } = options;
  const live = new Set<string>();
  const told = new Set<string>();
  let trouble: string | undefined | 'unknown' = 'unknown';
  let stopping: Promise<void> | undefined;

  function say(next: string | undefined): void {
    if (stopping !== undefined || next === trouble) return;
    trouble = next;
    options.onConnection(next);
  }

  const settings: IClientOptions = {
    protocolVersion: options.protocolVersion,
    clientId: options.clientId,
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
    clean: true,
    reconnectPeriod: reconnectMs,
    connectTimeout: connectTimeoutMs,
    log: () => {},
  };
  const client = connect(options.url, settings);
  const topics = [`${baseTopic}/v1/alerts/+`, `${baseTopic}/v1/late/+`, `${baseTopic}/v1/cameras/+/state`];
  client.on('connect', () => {
    client.subscribeAsync(topics, { qos: 1 }).then(
      () => say(undefined),
      (error: unknown) => say(errorText(error)),
    );
  });
  client.on('error', (error) => say(words(error)));
  client.on('close', () => {
    if (trouble === undefined) say('the connection was lost');
  });
  client.on('message', (topic, payload) => {
    const text = payload.toString('utf8');
    if (topic.startsWith(`${baseTopic}/v1/cameras/`)) {
      const state = parse(cameraMessage, text);
      if (state === undefined) return;
      if (state.state === 'live') live.add(state.camera);
      else live.delete(state.camera);
      options.onCamera(state.camera, state.state, state.reason);
      return;
    }
    const read = readAlert(text, clock.now());
    if (read === undefined || told.has(read.alert.id)) return;
    told.add(read.alert.id);
    for (const oldest of told) {
      if (told.size <= rememberedAlerts) break;
      told.delete(oldest);
    }
    options.onAlert(read.alert, read.jpeg);
  });

  async function within(work: Promise<unknown>): Promise<void> {
    using limit = clock.deadline(stopWithinMs);
    const expired = aborted(limit.signal);
    await Promise.race([work, expired]);
  }

  /** A broker of the user's keeps what is retained; nothing of a demo should be left there. */
  async function forget(): Promise<void> {
    const states = options.cameras.map((camera) => `${baseTopic}/v1/cameras/${camera}/state`);
    for (const topic of [...states, `${baseTopic}/v1/status`]) await client.publishAsync(topic, '', { qos: 1, retain: true });
  }

  async function stop(): Promise<void> {
    if (client.connected) await within(forget().catch(() => {})); // gone meanwhile: its owner finds "offline" there
    await within(client.endAsync(!client.connected));
    client.removeAllListeners();
    client.on('error', () => {}); // what comes after the end concerns nobody
    client.end(true);
  }

  return {
    live,
    settle: async () => {
      if (client.connected) await within(client.unsubscribeAsync(topics).catch(() => {}));
    },
    [Symbol.asyncDispose]: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

function words(error: Error): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(errorText).join('; ');
  return error.message === '' && 'code' in error ? String(error.code) : error.message;
}
