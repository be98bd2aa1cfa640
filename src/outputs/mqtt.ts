import type { MqttConfig } from '../config/schema.ts';
import { aborted } from '../core/aborted.ts';
import { Backoff } from '../core/backoff.ts';
import { passed } from '../core/checkpoints.ts';
import type { Context } from '../core/context.ts';
import { errorText, isAbort, isSightlineError } from '../core/errors.ts';
import { FloodGate } from '../core/log.ts';
import type { CameraId, CameraState } from '../core/types.ts';
import { pubackVerdict } from './mqtt-codes.ts';
import { type Link, type LinkAnswer, type LinkEnded, type LinkMessage, openLink, packetBytes } from './mqtt-link.ts';
import { brokerWarnings, clientOptions } from './mqtt-settings.ts';
import type { DaemonState, Delivery, DeliveryResult, Output, OutputState } from './output.ts';
import { PacketLimit } from './packet-limit.ts';
import { alertToMessage, cameraToMessage } from './payload.ts';
import { type Attempt, createRefusals } from './refusals.ts';
import { contractVersion, lateExpiryMs, type StatusMessage, topicName, topics } from './topics.ts';

/**
 * The MQTT output. One loop keeps a connection: connect, publish the retained states, serve deliveries, and when it ends try
 * again with back-off. Nothing is queued here: deliveries fail while there is no connection and the outbox offers them again.
 * States are the newest per topic; all of them are published after every connect, then as they change.
 */

export interface MqttTuning {
  readonly connectTimeoutMs: number;
  readonly answerTimeoutMs: number;
  /** Deliveries under way at once, or fewer when the broker takes fewer. */
  readonly window: number;
  readonly retryFirstMs: number;
  readonly retryMaxMs: number;
  /** Pause after a refusal that a person must mend: of the connection, or of a retained state. */
  readonly refusedRetryMs: number;
  /** A connection that lived this long was a good one: the next attempt starts from the first delay again. */
  readonly steadyMs: number;
  /** For saying goodbye. */
  readonly goodbyeMs: number;
  /** How long after connecting retained states of an earlier run are listened for. */
  readonly leftoverMs: number;
  /** How long a packet size on which the broker ended the connection is remembered. */
  readonly packetLimitMs: number;
}

export const mqttTuning: MqttTuning = {
  connectTimeoutMs: 10_000,
  answerTimeoutMs: 15_000,
  window: 16,
  retryFirstMs: 500,
  retryMaxMs: 30_000,
  refusedRetryMs: 60_000,
  steadyMs: 30_000,
  goodbyeMs: 1000,
  leftoverMs: 5000,
  packetLimitMs: 3_600_000,
};

export interface MqttOptions {
  readonly config: MqttConfig;
  /** Version of Sightline, for the status. */
  readonly version: string;
  readonly tuning?: Partial<MqttTuning>;
}

export interface MqttOutput extends Output {
  /** Settings of reload class `live`: snapshot and topK. */
  configure(config: MqttConfig): void;
  /**
   * Every camera that there is has been told: retained states of others below our base topic are of an earlier run and are taken
   * away, once. A base topic belongs to one daemon.
   */
  clearOtherCameras(): void;
}

/** Topics of one broker that are taken away at most; a start later takes the rest. */
const leftoverLimit = 1000;

/** So many short connections in a row, each ended by the broker, look like another client with our client id. */
const shortLinksToSuspect = 5;

/** Cuts of the connection, this message alone under way, after which its picture is left out. */
const cutsBeforeOmitting = 2;

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** Returns at once; the connection is made in the background. Throws `config.invalid` only. */
export function startMqtt(options: MqttOptions, ctx: Context): MqttOutput {
  const { clock, log } = ctx;
  const tuning = { ...mqttTuning, ...options.tuning };
  const base = options.config.baseTopic;
  const statusTopic = topicName(base, 'status');
  for (const warning of brokerWarnings(options.config)) log.warn({ warning }, 'mqtt broker is used without protection');

  let config = options.config;
  /** Connected, and the birth has been answered. */
  let link: Link | undefined;
  /** What came of the attempt before this one. */
  let trouble: string | undefined;
  /** A connection on which no alert message was answered says so on the next one, until one is taken or would be overdue again. */
  let doubt: { readonly reason: string; untilMono: number } | undefined;
  /** Connected, and the birth has not been answered yet. */
  let newborn: Link | undefined;
  let state: OutputState = { state: 'connecting', since: clock.now() };
  let daemon: DaemonState = { health: 'ok', problems: [] };
  let onWindow: () => void = () => {};
  let stopping: Promise<void> | undefined;
  const stop = new AbortController();
  const backoff = new Backoff({ firstMs: tuning.retryFirstMs, maxMs: tuning.retryMaxMs });
  const packetLimit = new PacketLimit(tuning.packetLimitMs);
  /** What should lie at the broker, by topic; an empty payload takes a topic away. */
  const wanted = new Map<string, Buffer>();
  const dirty = new Set<string>();
  let publishingStates = false;
  const refusals = createRefusals();
  const flood = new FloodGate(log, clock);
  /** `unasked` once all cameras are known. */
  let leftovers: 'unknown' | 'unasked' | 'asked' = 'unknown';

  const connected = ctx.metrics.gauge('sightline_output_connected', '1 while the output is connected', ['output']);
  const connections = ctx.metrics.counter('sightline_output_connections_total', 'Connections made', ['output']);
  const statesRefused = ctx.metrics.counter('sightline_mqtt_states_refused_total', 'Retained states the broker refused');
  const picturesOmitted = ctx.metrics.counter(
    'sightline_mqtt_pictures_omitted_total',
    'Deliveries without the picture that belongs to them, because of the broker',
    ['reason'],
  );
  connected.set({ output: 'mqtt' }, 0);

  function enter(next: OutputState): void {
    state = next;
    connected.set({ output: 'mqtt' }, next.state === 'connected' ? 1 : 0);
    onWindow();
  }

  /** What the broker refuses is part of the state. */
  function showRefusals(): void {
    if (state.state === 'connected' && state.reason !== refusals.words) enter(connectedSince(state.since));
  }

  function refused(topic: string, reason: string, alert?: Attempt): void {
    refusals.refused(topic, reason, alert);
    showRefusals();
  }

  function taken(topic: string, alert?: Attempt): void {
    refusals.taken(topic, alert);
    showRefusals();
  }

  function connectedSince(since: number): OutputState {
    const reason = refusals.words;
    return { state: 'connected', since, ...(reason === undefined ? {} : { reason }) };
  }

  function status(fields: Omit<StatusMessage, 'v' | 'version' | 'at'>): Buffer {
    return json({ v: contractVersion, ...fields, version: options.version, at: clock.now() } satisfies StatusMessage);
  }

  function online(): Buffer {
    return status({ state: 'online', health: daemon.health, problems: [...daemon.problems] });
  }

  function retained(topic: string, payload: Buffer): LinkMessage {
    return { topic, payload, retain: true };
  }

  function want(topic: string, payload: Buffer): void {
    wanted.set(topic, payload);
    dirty.add(topic);
    void publishStates();
  }

  /** One at a time, so that a hundred cameras do not stand in front of an alert. */
  async function publishStates(): Promise<void> {
    if (publishingStates) return;
    publishingStates = true;
    while (link !== undefined) {
      const topic = dirty.values().next().value;
      const payload = topic === undefined ? undefined : wanted.get(topic);
      if (topic === undefined || payload === undefined) break;
      dirty.delete(topic);
      const answer = await tell(link, topic, payload);
      if (answer === 'lost') dirty.add(topic);
      if (answer === 'taken' && payload.length === 0 && wanted.get(topic) === payload) wanted.delete(topic);
    }
    publishingStates = false;
  }

  async function tell(through: Link, topic: string, payload: Buffer): Promise<LinkAnswer['kind']> {
    const answer = await through.send(retained(topic, payload));
    if (answer.kind === 'taken') taken(topic);
    if (answer.kind === 'code') {
      const { reason } = pubackVerdict(answer.code);
      statesRefused.inc();
      refused(topic, reason);
      flood.warn('broker refused a state', { topic, reason });
    }
    return answer.kind;
  }

  async function clearLeftovers(): Promise<void> {
    const current = link;
    if (current === undefined || leftovers !== 'unasked') return;
    leftovers = 'asked';
    let found = 0;
    try {
      const unsubscribe = await current.subscribeRetained(topicName(base, 'camera', '+'), (topic) => {
        if (wanted.has(topic) || found >= leftoverLimit) return;
        found += 1;
        log.info({ topic }, 'state of a camera that is no longer configured is taken away');
        want(topic, Buffer.alloc(0));
      });
      await clock.sleep(tuning.leftoverMs, stop.signal);
      await unsubscribe();
    } catch (error) {
      if (stop.signal.aborted) return;
      // A connection that ended is asked again when there is a new one.
      if (link !== current) leftovers = 'unasked';
      else log.warn({ reason: errorText(error) }, 'states of cameras of an earlier run cannot be looked for');
    }
  }

  async function connectOnce(): Promise<Link> {
    const will = retained(statusTopic, status({ state: 'offline', reason: 'connection_lost' }));
    const { connectTimeoutMs, answerTimeoutMs } = tuning;
    return openLink({ client: await clientOptions(config), will, clock, connectTimeoutMs, answerTimeoutMs }, stop.signal);
  }

  async function pause(kind: 'waiting' | 'refused', reason: string): Promise<void> {
    const delayMs = kind === 'refused' ? tuning.refusedRetryMs : backoff.next();
    const since = clock.now();
    trouble = reason;
    enter({ state: kind, since, reason, retryAt: since + delayMs });
    flood.warn(kind === 'refused' ? 'mqtt broker refuses us' : 'mqtt broker is away', { reason, retryInMs: delayMs });
    await clock.sleep(delayMs, stop.signal);
  }

  async function serve(): Promise<void> {
    let shortLinks = 0;
    while (!stop.signal.aborted) {
      enter({ state: 'connecting', since: clock.now(), ...(trouble === undefined ? {} : { reason: trouble }) });
      let opened: Link;
      try {
        opened = await connectOnce();
      } catch (error) {
        if (stop.signal.aborted) return;
        await pause(isSightlineError(error, 'output.refused') ? 'refused' : 'waiting', errorText(error));
        continue;
      }
      const began = clock.mono();
      connections.inc({ output: 'mqtt' });
      // The birth goes alone: once it is answered, a connection that ends on an alert message says something of that message.
      refusals.clear();
      newborn = opened;
      dirty.delete(statusTopic);
      const birth = await tell(opened, statusTopic, online());
      newborn = undefined;
      if (birth !== 'lost') {
        log.info({ protocol: config.protocol }, 'mqtt broker connected');
        link = opened;
        if (doubt !== undefined) doubt.untilMono = clock.mono() + 2 * tuning.answerTimeoutMs;
        for (const topic of wanted.keys()) if (topic !== statusTopic) dirty.add(topic);
        void publishStates();
        void clearLeftovers();
        enter(connectedSince(clock.now()));
      }
      const end = await opened.ended;
      link = undefined;
      if (stop.signal.aborted) return;
      const steady = clock.mono() - began >= tuning.steadyMs;
      // Whatever ended it, alerts get through: a longer pause would only keep them.
      if (steady || end.eventsTaken > 0) backoff.reset();
      const unheard = end.byUs && end.unanswered.some(({ retain }) => !retain);
      doubt = unheard ? { reason: `${end.reason} on the connection before`, untilMono: 0 } : undefined;
      const tooLarge = tooLargeText(end);
      shortLinks = steady || end.byUs || tooLarge !== undefined ? 0 : shortLinks + 1;
      const hint = shortLinks < shortLinksToSuspect ? '' : '; does another client use this mqtt.clientId?';
      await pause(end.kind, tooLarge ?? `${end.reason}${hint}`);
    }
  }

  /** In words, when a packet was too large for the broker; remembers its size. */
  function tooLargeText(end: LinkEnded): string | undefined {
    if (end.byUs) return undefined;
    const now = clock.mono();
    const unanswered = end.unanswered.map((message) => ({
      bytes: packetBytes(message),
      picture: message.picture === true,
    }));
    const account = { tooLarge: end.tooLarge === true, unanswered, largestTaken: end.largestTakenBytes };
    const bytes = packetLimit.learn(account, now);
    if (bytes === undefined) return end.tooLarge === true ? end.reason : undefined;
    const pictureBytes = packetLimit.bytes(now);
    flood.warn('mqtt broker does not take large messages', { bytes, picturesLeftOutAbove: pictureBytes });
    return `${end.reason} on a message of ${bytes} bytes; alerts above ${pictureBytes} bytes go without their picture for now`;
  }

  async function deliver(delivery: Delivery): Promise<DeliveryResult> {
    const current = link;
    if (current === undefined) return { kind: 'lost', closed: false };
    const { event, late } = delivery;
    const publishedAt = clock.now();
    const compose = (omit: 'too_large' | 'not_taken' | undefined): LinkMessage => {
      const message = alertToMessage(event, {
        publishedAt,
        ...(delivery.sameRun ? { publishedMonoMs: clock.mono() } : {}),
        ...(late ? {} : { expiresAt: delivery.expiresAt }),
        snapshot: config.snapshot,
        topK: config.topK,
        ...(omit === undefined ? {} : { omit }),
      });
      const { snapshot } = message;
      if (snapshot.mode === 'omitted' && snapshot.reason !== 'none') picturesOmitted.inc({ reason: snapshot.reason });
      const lifeMs = late ? lateExpiryMs : delivery.expiresAt - publishedAt;
      return {
        topic: topicName(base, late ? 'late' : 'alert', event.alert.camera),
        payload: json(message),
        retain: topics[late ? 'late' : 'alert'].retain,
        expirySeconds: Math.max(1, Math.ceil(lifeMs / 1000)),
        picture: snapshot.mode === 'inline',
      };
    };
    const pictureBytes = Math.min(current.maximumPacketBytes, packetLimit.bytes(clock.mono()));
    let message = compose(delivery.cuts >= cutsBeforeOmitting ? 'not_taken' : undefined);
    if (message.picture === true && packetBytes(message) > pictureBytes) message = compose('too_large');
    if (packetBytes(message) > current.maximumPacketBytes) return { kind: 'refused', reason: 'packet too large' };
    const attempt = { dedupe: `${event.alert.id}/${event.revision}`, monoMs: clock.mono() };
    const sending = current.send(message);
    passed('publish handed to the socket', [event]);
    const answer = await sending;
    if (answer.kind === 'taken') {
      taken(message.topic, attempt);
      return { kind: 'taken' };
    }
    if (answer.kind === 'code') {
      const verdict = pubackVerdict(answer.code);
      refused(message.topic, verdict.reason, attempt);
      return verdict;
    }
    const end = await current.ended;
    // Whichever message the broker meant, the largest is too large.
    const guilty = end.tooLarge === true && end.unanswered.every((other) => packetBytes(other) <= packetBytes(message));
    if (guilty && message.picture !== true) return { kind: 'refused', reason: 'packet too large' };
    return { kind: 'lost', closed: !end.byUs };
  }

  async function goodbye(): Promise<void> {
    using limit = clock.deadline(tuning.goodbyeMs);
    newborn?.abandon('stopped');
    const last = link;
    if (last !== undefined) {
      const said = last.send(retained(statusTopic, status({ state: 'offline', reason: 'stopped' })));
      const late = aborted(limit.signal);
      await Promise.race([said, late]);
      link = undefined;
      stop.abort();
      await last.close(limit.signal);
    }
    stop.abort();
    await serving;
    retrying[Symbol.dispose]();
    flood[Symbol.dispose]();
    enter({ state: 'stopped', since: clock.now() });
  }

  /** States are said once, so that one that was refused must be said again. */
  const retrying = clock.every(tuning.refusedRetryMs, () => {
    for (const topic of refusals.topics) if (wanted.has(topic)) dirty.add(topic);
    refusals.lapse(clock.mono());
    showRefusals();
    void publishStates();
  });

  const serving = serve().catch((error: unknown) => {
    if (!isAbort(error)) throw error;
  });

  return {
    name: 'mqtt',
    get state() {
      if (state.state !== 'connected' || state.reason !== undefined || doubt === undefined) return state;
      const over = (link?.eventsTaken ?? 0) > 0 || clock.mono() >= doubt.untilMono;
      return over ? state : { ...state, reason: doubt.reason };
    },
    get window() {
      return link === undefined ? 0 : Math.min(tuning.window, link.receiveMaximum);
    },
    onWindow(listener) {
      onWindow = listener;
    },
    deliver,
    cameraState(camera: CameraId, cameraState: CameraState | undefined) {
      if (cameraState === undefined) for (const topic of ['alert', 'late'] as const) taken(topicName(base, topic, camera));
      want(
        topicName(base, 'camera', camera),
        cameraState === undefined ? Buffer.alloc(0) : json(cameraToMessage(camera, cameraState)),
      );
    },
    daemonState(next) {
      daemon = next;
      want(statusTopic, online());
    },
    configure(next) {
      config = { ...config, snapshot: next.snapshot, topK: next.topK };
    },
    clearOtherCameras() {
      if (leftovers === 'unknown') leftovers = 'unasked';
      void clearLeftovers();
    },
    [Symbol.asyncDispose]() {
      stopping ??= goodbye();
      return stopping;
    },
  };
}
