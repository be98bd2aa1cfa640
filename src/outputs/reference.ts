import { z } from 'zod';
import type { AlertEvent } from '../core/alerts.ts';
import { alertToMessage, cameraToMessage } from './payload.ts';
import { contractVersion, type StatusMessage, type TopicName, topics } from './topics.ts';

/** `docs/mqtt.md`, written from the contract. `npm run gen` writes it; a test proves that it is current. */

const exampleAt = Date.UTC(2026, 2, 14, 8, 30, 0);

const exampleEvent: AlertEvent = {
  alert: {
    id: '0198f2a4-7c1e-7b53-9d0f-3a2b1c4d5e6f',
    episodeId: '0198f2a4-7c1d-7a11-8e55-0c9d8b7a6f54',
    rule: 'banned person at a door',
    severity: 'high',
    kind: 'face',
    entry: { id: 'e-31', name: 'Alex Example', list: 'banned' },
    state: 'opened',
    steps: [{ state: 'opened', at: exampleAt + 640, actor: 'sightline' }],
    camera: 'lobby',
    cameras: ['lobby'],
    track: { camera: 'lobby', epoch: 4, trackId: 17 },
    label: 'face',
    box: { left: 812, top: 240, width: 96, height: 120 },
    frame: { sequence: 5120, width: 1920, height: 1080 },
    score: 0.6132,
    threshold: 0.5,
    margin: 0.2871,
    top: [
      { entryId: 'e-31', entryName: 'Alex Example', list: 'banned', score: 0.6132 },
      { entryId: 'e-07', entryName: 'Kim Sample', list: 'banned', score: 0.3261 },
    ],
    quality: { heightPx: 120, sharpness: 214, rollDegrees: 3.5, yaw: 0.12, visible: 1, score: 0.93, overall: 0.81 },
    space: 'mobilefacenet@1',
    sightings: 3,
    firstSeenAt: exampleAt - 200,
    lastSeenAt: exampleAt + 520,
    eventTime: exampleAt + 520,
    cameraTime: exampleAt + 505,
    cameraTimeSource: 'rtcp',
    decidedAt: exampleAt + 640,
    stages: {
      receivedMs: 7_200_520,
      decodedMs: 7_200_524,
      detectedMs: 7_200_596,
      sentMs: 7_200_597,
      bridgedMs: 7_200_598,
      embeddedMs: 7_200_636,
      matchedMs: 7_200_638,
      decidedMs: 7_200_640,
      storedMs: 7_200_641,
    },
    durable: true,
  },
  step: { state: 'opened', at: exampleAt + 640, actor: 'sightline' },
  revision: 1,
  snapshot: Buffer.from('ffd8ffd9', 'hex'),
};

const exampleStatus: StatusMessage = {
  v: contractVersion,
  state: 'online',
  health: 'degraded',
  problems: ['camera lobby: no frame for 10 s'],
  version: '0.1.0',
  at: exampleAt,
};

function exampleAlert(late: boolean): object {
  return alertToMessage(exampleEvent, {
    publishedAt: late ? exampleAt + 95_000 : exampleAt + 642,
    ...(late ? {} : { publishedMonoMs: 7_200_642, expiresAt: exampleAt + 60_520 }),
    snapshot: late ? 'reference' : 'inline',
    topK: 3,
  });
}

/** A message of each topic as it would be published. */
export const examples: Readonly<Record<TopicName, object>> = {
  alert: exampleAlert(false),
  late: exampleAlert(true),
  status: exampleStatus,
  camera: cameraToMessage('lobby', {
    state: 'live',
    since: exampleAt,
    codec: 'h264',
    width: 1920,
    height: 1080,
    decode: 'software',
  }),
};

interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly oneOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
}

/** JSON Schema (draft 2020-12) of a topic's payload. Open: later fields of the same version must not break a consumer. */
export function payloadSchema(topic: TopicName): JsonSchema {
  const open = ({ jsonSchema }: { jsonSchema: object }) => {
    if ('additionalProperties' in jsonSchema) delete jsonSchema.additionalProperties;
  };
  return z.toJSONSchema(topics[topic].payload, { override: open }) as JsonSchema;
}

function typeText(schema: JsonSchema): string {
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(' ');
  if (schema.type === 'array') return `list of ${schema.items === undefined ? 'anything' : typeText(schema.items)}`;
  return schema.type ?? 'one of the following';
}

function rows(schema: JsonSchema, path: string): string[] {
  const variants = schema.oneOf ?? schema.anyOf ?? [];
  if (variants.length > 0) return variants.flatMap((variant) => rows(variant, path));
  const inner = schema.type === 'array' ? schema.items : schema;
  if (inner?.properties === undefined) return [];
  const prefix = schema.type === 'array' ? `${path}[]` : path;
  return Object.entries(inner.properties).flatMap(([key, property]) => {
    const name = prefix === '' ? key : `${prefix}.${key}`;
    const optional = inner.required?.includes(key) === true ? '' : 'optional ';
    const about = (property.description ?? '').replaceAll('|', '\\|');
    return [`| \`${name}\` | ${optional}${typeText(property)} | ${about} |`, ...rows(property, name)];
  });
}

function block(text: string): string {
  return `\`\`\`json\n${text}\n\`\`\``;
}

/** An object with one line per member. */
function lines(
  value: object,
  indent = '  ',
  inner: (key: string, item: unknown) => string = (_, item) => JSON.stringify(item),
): string {
  const members = Object.entries(value).map(([key, item]) => `${indent}${JSON.stringify(key)}: ${inner(key, item)}`);
  return `{\n${members.join(',\n')}\n${indent.slice(2)}}`;
}

function schemaText(schema: JsonSchema): string {
  return lines(schema, '  ', (key, item) =>
    key === 'properties' && typeof item === 'object' && item !== null ? lines(item, '    ') : JSON.stringify(item),
  );
}

function section(topic: TopicName, title: string): string {
  const contract = topics[topic];
  const said = topic === 'late' ? 'The payload is that of an alert, with `late` true and without `times.expires`.' : undefined;
  const table = `| field | type | |\n|---|---|---|\n${rows(payloadSchema(topic), '').join('\n')}`;
  const schema = `<details><summary>JSON Schema</summary>\n\n${block(schemaText(payloadSchema(topic)))}\n\n</details>`;
  return `## ${title}

\`<base>/v${contractVersion}/${contract.pattern}\`: ${contract.says}

${said ?? `${table}\n\nExample:\n\n${block(lines(examples[topic]))}\n\n${schema}`}
`;
}

const intro = `# MQTT

Generated from \`src/outputs/topics.ts\` by \`npm run gen\`. The settings are in \`docs/configuration.md\`, \`mqtt\` and \`alerting\`.

\`<base>\` is \`mqtt.baseTopic\`. Payloads are JSON in UTF-8; times are milliseconds since 1970-01-01T00:00:00Z. The number in the topic
and in \`v\` is the version of this contract: within a version fields are only added.

| topic | quality of service | retained | expires (MQTT 5) | |
|---|---|---|---|---|
${Object.values(topics)
  .map(
    ({ pattern, qos, retain, expiry, says }) =>
      `| \`<base>/v${contractVersion}/${pattern}\` | ${qos} | ${retain ? 'yes' : 'no'} | ${expiry} | ${says} |`,
  )
  .join('\n')}

## What a consumer may rely on

- **At least once.** Every message carries \`dedupe\` (alert id and revision); one that has been seen is a repetition. It happens after a
  connection was lost before the broker's acknowledgement, and after a crash between the acknowledgement and the removal of the row.
- **Order.** Live messages of one camera arrive in the order in which they happened, repetitions aside, and so do its late ones. Live
  ones do not wait for late ones: after an outage an alert may be closed on the live topic while its opening is still on its way to the late
  one. \`revision\` tells which state is newer: keep the highest. Across cameras there is no order:
  \`times\` tells. A message that the broker refused for good is missing; \`revision\` shows the gap.
- **Nothing stale acts.** Recognitions are never retained. A message that could not leave within \`alerting.liveFor\` goes to the late topic.
  A consumer that was away gets live messages from the broker only until they expire (MQTT 5); with MQTT 3.1.1 compare \`times.expires\`
  with your clock before acting.
- **A similarity, not an identification.** \`score\` says how alike two pictures are. Show \`meaning\` wherever the name is shown.
  With \`kind\` \`description\` it says how like words a body is: experimental, and about no person ([models.md](models.md)).
- **States.** \`status\` and the camera states are retained and published again after every connect. \`status\` turns to offline at a clean
  stop, or by the last will when the connection is lost; until it is online again the camera states are old. A camera that was taken out of
  the configuration while the daemon was not running loses its retained state at the next start, provided that the daemon may subscribe to
  \`<base>/v1/cameras/+/state\`. A base topic therefore belongs to one daemon: two on the same would take away each other's states.

## Refusals

Refused for good by the broker (not authorized, topic name invalid, packet too large, payload format invalid, retain or quality of service
not supported): the message goes to the dead letters at once, \`sightline_output_dead_letters_total\` counts it and the log says which. Any
other refusal (quota exceeded, unspecified error, ...) is tried again with growing delay, the camera's later messages waiting behind it, and
given up after 8 times. When the broker closes the connection on a message every time, that message is sent alone, then without its
picture, then given up. With MQTT 3.1.1 a broker cannot say that it refused a message: mosquitto, for one, acknowledges what its ACL
forbids and throws it away. Prefer MQTT 5.

A picture above the broker's maximum packet size is left out (\`snapshot.mode\` is \`omitted\`, \`reason\` is \`too_large\`). With MQTT 5 a
broker can say that size at the connection; then the first such picture is left out. One that does not is believed when it ends the
connection with "packet too large". One that ends it without a word, as all do over MQTT 3.1.1, is taken to mean the size after the second
connection in a row that ended on a picture clearly larger than all that it has taken. From then on alerts above that size leave
without their picture at once; a smaller one on which a connection ends lowers the size. The log says \`mqtt broker does not take large
messages\`, and \`sightline_mqtt_pictures_omitted_total\` counts. The size is forgotten an hour after the last such end, and by a restart:
after raising the limit at the broker restart Sightline, or wait.

## Speed

Give mosquitto \`set_tcp_nodelay true\`: it gathers small packets otherwise, and an acknowledgement waits, for 40 ms at worst, until the one
before it has arrived. Sightline sends each message at once.
`;

export function mqttReference(): readonly { readonly path: string; readonly text: string }[] {
  const parts = [
    intro,
    section('alert', 'Alerts'),
    section('late', 'Late alerts'),
    section('status', 'Status of the daemon'),
    section('camera', 'State of a camera'),
  ];
  return [{ path: 'docs/mqtt.md', text: parts.join('\n') }];
}
