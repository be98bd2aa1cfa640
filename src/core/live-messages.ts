import { z } from 'zod';
import { maxTicketLength } from './tickets.ts';
import { matchKinds } from './types.ts';

/**
 * The live feed of the media door, a WebSocket with the subprotocol `sightline.live.v1`: what is said in text is JSON of these schemas, what
 * is said in bytes is video. docs/asyncapi.json follows from this file. A subscriber that reads too slowly loses its own messages:
 * video up to the next key frame, metadata the oldest, and is told how many (`lost`).
 */
export const liveProtocol = 'sightline.live.v1';
/** The first message must be `hello`, within this. */
export const liveHelloWithinMs = 5000;
/** A connection whose newest ticket is over for so long is ended with `http.auth`: clients renew at half of a ticket's life. */
export const liveRenewGraceMs = 60_000;
/** Streams of one connection. */
export const maxLiveStreams = 64;
/** Largest message of a client: a ticket with all cameras that a user may have, 88 KiB. So much of a stranger's hello waits in memory at most. */
export const liveMessageLimitBytes = maxTicketLength + 128;

const stream = z
  .number()
  .int()
  .min(0)
  .max(65_535)
  .describe('Number that the client gives to a subscription; answers and units of video about it carry it.');
const camera = z.string().min(1).max(64);
/** 90 kHz, continuous across the epochs of a camera for as long as the door runs; below 2^53. */
const pts = z.number().int();

/** Of a message that is wrong in many ways a few are told, and never back all that was said. */
const issuesSaid = 4;
const wrongLimit = 400;

/** What a client says. `stream` is its own number for a subscription. */
export const liveRequest = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('hello'), ticket: z.string().min(1).max(maxTicketLength) }),
  z.strictObject({
    type: z.literal('subscribe'),
    stream,
    camera,
    video: z.boolean().default(true),
    metadata: z.boolean().default(true),
    /** Annotated video has its boxes burnt in and is H.264 always; the clean one is as the camera sends it. */
    variant: z.enum(['clean', 'annotated']).default('clean'),
  }),
  z.strictObject({ type: z.literal('unsubscribe'), stream }),
  /** A new ticket, before the one before is over: a minute after that the connection ends. */
  z.strictObject({ type: z.literal('renew'), ticket: z.string().min(1).max(maxTicketLength) }),
]);
export type LiveRequest = z.output<typeof liveRequest>;

/** What a client said, or which of its fields is wrong and how. */
export function readLiveRequest(text: string): { readonly request: LiveRequest } | { readonly wrong: string } {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    return { wrong: 'it is no JSON' };
  }
  const { data, error } = liveRequest.safeParse(said);
  if (data !== undefined) return { request: data };
  const issues = error.issues.slice(0, issuesSaid).map(({ path, message }) => [...path, message].join(': '));
  return { wrong: issues.join('; ').slice(0, wrongLimit) };
}

const fraction = z.number();
/** One object of a frame. Box: left, top, width, height as fractions of the picture, origin top left. */
export const liveBox = z.strictObject({
  track: z.number().int(),
  label: z.string(),
  box: z.tuple([fraction, fraction, fraction, fraction]),
  /** Of the detector, 0 to 1. */
  score: z.number(),
  /** Whom it is similar to, once that is known. A similarity, never an identity. */
  match: z
    .strictObject({
      entryId: z.string(),
      name: z.string(),
      list: z.string(),
      kind: z.enum(matchKinds),
      similarity: z.number(),
    })
    .exactOptional(),
  /** #rrggbb of the list's severity; grey while nobody is known, and of people to be ignored. */
  colour: z.string(),
  /** Whether the track has been decided. */
  decided: z.boolean(),
});
export type LiveBox = z.output<typeof liveBox>;

export const liveFrame = z.strictObject({
  type: z.literal('frame'),
  camera,
  pts,
  /** Wall clock of the capture, milliseconds since 1970. */
  time: z.number(),
  /** Boxes are predictions of the tracker. */
  predicted: z.boolean(),
  boxes: z.array(liveBox),
});
export type LiveFrame = z.output<typeof liveFrame>;

export const liveState = z.strictObject({
  type: z.literal('state'),
  camera,
  state: z.enum(['connecting', 'live', 'away', 'ended', 'failed']),
  /** Milliseconds since 1970. */
  since: z.number(),
  reason: z.string().exactOptional(),
  /** Frames of video that came without their metadata lately: inference does not keep up, or none runs. */
  inferenceBehindMs: z.number().exactOptional(),
});
export type LiveState = z.output<typeof liveState>;

/** What the server says in text. */
export const liveAnswer = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('welcome'), user: z.string(), now: z.number(), expiresAt: z.number() }),
  /** Before the first unit and whenever the video changes: units after it belong to it. `description`: avcC or hvcC, base64. */
  z.strictObject({
    type: z.literal('config'),
    stream,
    camera,
    variant: z.enum(['clean', 'annotated']),
    codec: z.string(),
    description: z.string(),
    width: z.number().int(),
    height: z.number().int(),
  }),
  liveFrame,
  liveState,
  z.strictObject({ type: z.literal('lost'), stream, units: z.number().int(), frames: z.number().int() }),
  z.strictObject({ type: z.literal('unsubscribed'), stream, reason: z.string() }),
  /** After one of these with no `stream` the server closes. */
  z.strictObject({ type: z.literal('error'), code: z.string(), message: z.string(), stream: stream.exactOptional() }),
]);
export type LiveAnswer = z.output<typeof liveAnswer>;

/**
 * A unit of video in bytes, big-endian:
 *
 *     0 u8 kind (1)   1 u8 flags (1 = key)   2 u16 stream   4 i32 pts - dts   8 i64 pts (90 kHz)
 *     16 f64 capture time (ms since 1970)    24 f64 time it was sent (ms since 1970)    32 NAL units, each after its length in u32
 *
 * Parameter sets and access unit delimiters are not among the NAL units: `config` has them.
 */
export const unitHeadBytes = 32;
export const unitKind = 1;

export interface UnitHead {
  readonly key: boolean;
  readonly stream: number;
  readonly ptsMinusDts: number;
  readonly pts: number;
  readonly captureMs: number;
  readonly sentMs: number;
}

export function writeUnitHead(head: UnitHead): Buffer {
  const bytes = Buffer.allocUnsafe(unitHeadBytes);
  bytes.writeUInt8(unitKind, 0);
  bytes.writeUInt8(head.key ? 1 : 0, 1);
  bytes.writeUInt16BE(head.stream, 2);
  bytes.writeInt32BE(head.ptsMinusDts, 4);
  bytes.writeBigInt64BE(BigInt(head.pts), 8);
  bytes.writeDoubleBE(head.captureMs, 16);
  bytes.writeDoubleBE(head.sentMs, 24);
  return bytes;
}
