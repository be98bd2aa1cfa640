import type { z } from 'zod';
import { liveAnswer, liveProtocol, liveRequest } from '../core/live-messages.ts';
import { eventSchemas } from '../http/api/schemas.ts';
import { createSchemaWriter, type Json } from '../http/json-schema.ts';
import { contractVersion, topics } from '../outputs/topics.ts';

/** AsyncAPI 3.0 of what comes by itself: MQTT, the live feed and the server-sent events. */

/** The variants of a union by their `type`. */
function variants(
  union: { readonly options: readonly z.ZodType[] },
  write: (schema: z.ZodType) => Json,
): readonly (readonly [string, Json])[] {
  return union.options.map((option) => {
    const schema = write(option);
    const { type } = schema['properties'] as { readonly type: { readonly const: string } };
    return [type.const, schema] as const;
  });
}

function capital(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}

function reference(...path: readonly string[]): Json {
  return { $ref: `#/${path.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}` };
}

export function asyncApi(version: string): Json {
  const write = createSchemaWriter();
  const messages: Record<string, Json> = {};
  const channels: Record<string, Json> = {};
  const operations: Record<string, Json> = {};

  function channel(name: string, more: Json, said: Readonly<Record<string, Json>>): void {
    for (const [id, message] of Object.entries(said)) messages[id] = message;
    channels[name] = {
      ...more,
      messages: Object.fromEntries(Object.keys(said).map((id) => [id, reference('components', 'messages', id)])),
    };
  }
  function operation(name: string, action: 'send' | 'receive', of: string, ids: readonly string[], more: Json = {}): void {
    operations[name] = {
      action,
      channel: reference('channels', of),
      messages: ids.map((id) => reference('channels', of, 'messages', id)),
      ...more,
    };
  }

  for (const [name, { pattern, qos, retain, expiry, says, payload }] of Object.entries(topics)) {
    const id = `mqtt${capital(name)}`;
    const address = `{base}/v${contractVersion}/${pattern}`;
    channel(
      id,
      {
        address,
        servers: [reference('servers', 'mqtt')],
        description: `${says} Retained: ${retain ? 'yes' : 'no'}. Expiry (MQTT 5): ${expiry}.`,
        parameters: {
          base: { description: '`mqtt.baseTopic`.', default: 'sightline' },
          ...(pattern.includes('{camera}') ? { camera: { description: 'Name of the camera in the configuration.' } } : {}),
        },
      },
      { [id]: { name, contentType: 'application/json', payload: write.said(payload) } },
    );
    operation(`publish${capital(name)}`, 'send', id, [id], { bindings: { mqtt: { qos, retain, bindingVersion: '0.2.0' } } });
  }

  const asked = variants(liveRequest, write.told).map(([type, payload]) => [`liveAsk${capital(type)}`, type, payload] as const);
  const said = variants(liveAnswer, write.said).map(([type, payload]) => [`liveSay${capital(type)}`, type, payload] as const);
  const video = 'liveVideo';
  channel(
    'live',
    {
      address: '/api/v1/live',
      servers: [reference('servers', 'http')],
      description: `WebSocket with the subprotocol \`${liveProtocol}\`. Text messages are JSON, bytes are video. The first message must be \`hello\` with a ticket of POST /api/v1/tickets; \`renew\` with a new one at half of its life keeps the connection, which ends with \`http.auth\` a minute after a ticket is over. A subscriber without \`video\` gets metadata alone.`,
      bindings: { ws: { method: 'GET', bindingVersion: '0.1.0' } },
    },
    {
      ...Object.fromEntries(
        [...asked, ...said].map(([id, name, payload]) => [id, { name, contentType: 'application/json', payload }]),
      ),
      [video]: {
        name: 'video',
        contentType: 'application/octet-stream',
        description:
          'A unit of video, big-endian: u8 kind (1), u8 flags (1 = key), u16 stream, i32 pts - dts, i64 pts (90 kHz), f64 capture time and f64 time it was sent (ms since 1970), then NAL units, each after its length in u32.',
        payload: { type: 'string', format: 'binary' },
      },
    },
  );
  operation(
    'liveAsk',
    'receive',
    'live',
    asked.map(([id]) => id),
  );
  operation('liveSay', 'send', 'live', [...said.map(([id]) => id), video]);

  const events = Object.entries(eventSchemas).map(([name, schema]) => [`event${capital(name)}`, name, schema] as const);
  channel(
    'events',
    {
      address: '/api/v1/events',
      servers: [reference('servers', 'http')],
      description:
        'Server-sent events: `event` is the name, `data` JSON. From the connection on; what was before is in GET /api/v1/alerts. A comment every 15 s keeps the connection. First come the states of the cameras.',
      bindings: { http: { bindingVersion: '0.3.0' } },
    },
    Object.fromEntries(
      events.map(([id, name, schema]) => [id, { name, contentType: 'application/json', payload: write.said(schema) }]),
    ),
  );
  operation(
    'tellEvents',
    'send',
    'events',
    events.map(([id]) => id),
    { bindings: { http: { method: 'GET', bindingVersion: '0.3.0' } } },
  );

  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Sightline',
      version,
      description: 'What a Sightline daemon says by itself. Scores are similarities, never identifications.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    servers: {
      mqtt: { host: 'localhost:1883', protocol: 'mqtt', description: 'The broker of `mqtt.url`.' },
      http: {
        host: 'localhost:8080',
        protocol: 'http',
        description: '`http.host` and `http.port`; https and wss with `http.tls`.',
      },
    },
    channels,
    operations,
    components: { schemas: write.named, messages },
  };
}
