import { z } from 'zod';
import { type CameraId, matchKinds } from '../core/types.ts';

/**
 * The public contract on MQTT: every topic with its payload, quality of service, retention and expiry. `docs/mqtt.md` is
 * generated from this file. A change that an existing consumer could notice needs a new version in the topic and in `v`.
 * State is retained, recognitions never are: nothing that lies at a broker may act later as if somebody were in view now.
 */
export const contractVersion = 1;

/** Late alerts leave the queues of absent consumers after this long (MQTT 5 only). */
export const lateExpiryMs = 24 * 3_600_000;

/** At most this many steps travel with an alert: the first and the newest; `stepsOmitted` counts the rest. */
export const maxSteps = 20;

const ms = z.number();
const camera = z.string().describe('Camera, by its name in the configuration.');
const at = (what: string) => ms.describe(`${what}; milliseconds since 1970-01-01T00:00:00Z.`);

const rectangle = (unit: string) =>
  z.strictObject({ left: z.number(), top: z.number(), width: z.number(), height: z.number() }).describe(unit);

const step = z.strictObject({
  state: z.enum(['opened', 'updated', 'acknowledged', 'resolved', 'rejected', 'closed']),
  at: at('When, by the clock of the machine; where that is behind, `firstSeenAt` or the step before'),
  actor: z.string().describe('`sightline`, or the person who acted.'),
  reason: z
    .string()
    .optional()
    .describe('For `closed`: left, retracted, source_ended, entry_removed. For people: their words.'),
});

export const stageNames = [
  'received',
  'decoded',
  'detected',
  'sent',
  'bridged',
  'embedded',
  'matched',
  'decided',
  'stored',
  'published',
] as const;

const stage = z.strictObject({
  stage: z.enum(stageNames),
  at: at('End of the stage on the wall clock of the host'),
  tookMs: ms.describe('Milliseconds since the stage before it ended; 0 for the first.'),
  sinceReceivedMs: ms.describe('Milliseconds since the frame had arrived.'),
});

const snapshot = z
  .discriminatedUnion('mode', [
    z.strictObject({
      mode: z.literal('inline'),
      mediaType: z.literal('image/jpeg'),
      data: z.base64().describe('The picture, base64.'),
    }),
    z.strictObject({
      mode: z.literal('reference'),
      mediaType: z.literal('image/jpeg'),
      path: z
        .string()
        .describe(
          "Path at the daemon's HTTP server, for a login or token with the permission `alerts.read`; `sightline alerts show ID --snapshot FILE` fetches the picture too.",
        ),
    }),
    z.strictObject({ mode: z.literal('off') }),
    z.strictObject({
      mode: z.literal('omitted'),
      reason: z
        .enum(['none', 'too_large', 'not_taken'])
        .describe(
          'none: the event has no picture; too_large: above the packet size that the broker takes; not_taken: the broker closed the connection on the message with the picture.',
        ),
    }),
  ])
  .describe('The picture of the sighting described here, as `mqtt.snapshot` says.');

export const alertMessage = z.strictObject({
  v: z.literal(contractVersion).describe('Version of this contract.'),
  id: z.string().describe('The alert; the same in all its messages, also after a restart.'),
  revision: z.number().int().min(1).describe('Grows by one with every message of this alert.'),
  dedupe: z
    .string()
    .describe('`id/revision`. Delivery is at least once: a message with a known value is a repetition and must be ignored.'),
  state: step.shape.state.describe('What has just become of the alert.'),
  steps: z.array(step).min(1).max(maxSteps).describe('Its history, oldest first; the last one is what this message says.'),
  stepsOmitted: z.number().int().min(0).describe('Steps between the first and the second listed one that are not listed.'),
  late: z.boolean().describe('True on the late topic: history, not something to act on as if it were now.'),
  durable: z.boolean().describe('False when the disk was full: a restart of the daemon forgets this alert.'),
  rule: z.string(),
  severity: z.enum(['low', 'medium', 'high', 'critical']),
  kind: z
    .enum([...matchKinds, 'unknown'])
    .describe(
      'What was compared. description: a body with words, which is experimental and about nobody in particular. unknown: a usable face that matched nobody.',
    ),
  similarity: z.literal(true).describe('Always true: the score is a similarity, never an identification.'),
  meaning: z.string().describe('The same in words, to be shown beside the name.'),
  entry: z
    .strictObject({ id: z.string(), name: z.string(), list: z.string() })
    .optional()
    .describe('The entry of the watchlist; absent for unknown.'),
  episode: z.string().describe("One presence of one entry, across tracks and cameras; several rules' alerts may share it."),
  score: z
    .number()
    .describe('Cosine of the best reference, -1 to 1. Beside a description it is far lower than beside a picture.'),
  threshold: z.number().describe('Score from which a sighting speaks for the entry.'),
  margin: z
    .number()
    .describe('Score minus that of the next entry; where there is none, as beside a description, that counts as -1.'),
  space: z
    .string()
    .describe(
      'Embedding space: model and version. Scores of different spaces do not compare, nor do those of different kinds.',
    ),
  top: z
    .array(z.strictObject({ entryId: z.string(), entryName: z.string(), list: z.string(), score: z.number() }))
    .describe('The best entries, by falling score; as many as `mqtt.topK` says.'),
  quality: z
    .strictObject({
      heightPx: z.number(),
      sharpness: z.number(),
      rollDegrees: z.number(),
      yaw: z.number(),
      visible: z.number(),
      score: z.number(),
      overall: z.number(),
    })
    .describe('Of the crop that was compared; `overall` is 0 (useless) to 1.'),
  sightings: z.number().int().min(0).describe('Sightings that spoke for the entry in this episode so far.'),
  firstSeenAt: at('First sighting of the episode, event time'),
  lastSeenAt: at('Latest sighting of the episode, event time'),
  camera,
  cameras: z.array(camera).describe('All cameras of the episode so far.'),
  track: z
    .strictObject({ epoch: z.number().int(), id: z.number().int() })
    .describe('Track on that camera; `epoch` counts the openings of its source.'),
  label: z.string().describe('What the detector called it: face, person, ...'),
  frame: z
    .strictObject({ sequence: z.number().int(), width: z.number(), height: z.number() })
    .describe('Frame of the sighting, sizes in pixels.'),
  box: z
    .strictObject({
      pixels: rectangle('Pixels of the frame, origin top left.'),
      fractions: rectangle('The same as fractions of width and height.'),
    })
    .describe('Where in the picture.'),
  times: z.strictObject({
    camera: at('Capture, as `cameraSource` says'),
    cameraSource: z
      .enum(['rtcp', 'arrival'])
      .describe("rtcp: the camera's own clock; arrival: it has none, the frame's arrival counts."),
    event: at(
      'Event time: when the first picture of the source had arrived plus media time since; the clock by which evidence and cooldowns run. It may be ahead of the clock of the machine: that picture came late, the clock was set, a file is played faster than it was filmed',
    ),
    decided: at('Decision, by the clock of the machine'),
    published: at('Publication, by the clock of the machine'),
    expires: at('From then on nobody should act on this message; absent on the late topic').optional(),
  }),
  stages: z.array(stage).describe('The way of the frame, oldest stage first.'),
  trace: z
    .string()
    .optional()
    .describe(
      'Trace id (W3C, 32 hexadecimal digits) of the request that compared the sighting, where a Triton server was asked with one: `inference.traceRatio`.',
    ),
  snapshot,
});
export type AlertMessage = z.output<typeof alertMessage>;

export const statusMessage = z.strictObject({
  v: z.literal(contractVersion),
  state: z
    .enum(['online', 'offline'])
    .describe('offline is published at a clean stop and, as last will, by the broker when the connection is lost.'),
  reason: z.string().optional().describe('offline: stopped or connection_lost.'),
  health: z.enum(['ok', 'degraded']).optional().describe('online: whether everything that is configured works.'),
  problems: z.array(z.string()).optional().describe('online and degraded: what does not work, in words.'),
  version: z.string().describe('Version of Sightline.'),
  at: at('When this was said; of a last will: when the connection it belongs to was made'),
});
export type StatusMessage = z.output<typeof statusMessage>;

export const cameraMessage = z.strictObject({
  v: z.literal(contractVersion),
  camera,
  state: z.enum(['connecting', 'live', 'away', 'ended', 'failed']),
  since: at('Since'),
  reason: z.string().optional().describe('In words: why; live: what is not as it should be although there are pictures.'),
  code: z.string().optional().describe('Error code of the reason, where it has one; see operations.md.'),
  otherCodes: z.array(z.string()).readonly().optional().describe('live: error codes of what else is not as it should be.'),
  retryAt: at('away: next attempt').optional(),
  codec: z.string().optional(),
  width: z.number().optional(),
  height: z.number().optional(),
  decode: z.string().optional().describe('live: the decoder in use.'),
});
export type CameraMessage = z.output<typeof cameraMessage>;

/** What a topic promises. `{camera}` stands for a camera's name. */
export interface TopicContract {
  readonly pattern: string;
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** In words, for the documentation. */
  readonly expiry: string;
  readonly payload: z.ZodType;
  readonly says: string;
}

export const topics = {
  alert: {
    pattern: 'alerts/{camera}',
    qos: 1,
    retain: false,
    expiry: '`alerting.liveFor` less the age of the message',
    payload: alertMessage,
    says: 'Alerts as they happen: somebody is, or was until just now, in view.',
  },
  late: {
    pattern: 'late/{camera}',
    qos: 1,
    retain: false,
    expiry: '24 hours',
    payload: alertMessage,
    says: 'Alerts that could not be published within `alerting.liveFor`: for the record, never to be acted on.',
  },
  status: {
    pattern: 'status',
    qos: 1,
    retain: true,
    expiry: 'none',
    payload: statusMessage,
    says: 'Whether the daemon is there. While it is offline the camera states mean nothing.',
  },
  camera: {
    pattern: 'cameras/{camera}/state',
    qos: 1,
    retain: true,
    expiry: 'none',
    payload: cameraMessage,
    says: 'State of a camera. An empty payload removes a camera that is no longer configured.',
  },
} as const satisfies Readonly<Record<string, TopicContract>>;

export type TopicName = keyof typeof topics;

/** `<base>/v1/<pattern>`. */
export function topicName(base: string, topic: 'status'): string;
export function topicName(base: string, topic: 'alert' | 'late' | 'camera', cameraId: CameraId): string;
export function topicName(base: string, topic: TopicName, cameraId = ''): string {
  return `${base}/v${contractVersion}/${topics[topic].pattern.replace('{camera}', cameraId)}`;
}
