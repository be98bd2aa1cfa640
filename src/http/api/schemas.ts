import { z } from 'zod';
import { descriptionMeaning } from '../../core/descriptions.ts';
import { liveBox } from '../../core/live-messages.ts';
import { matchKinds } from '../../core/types.ts';

/** What the API answers, as JSON schemas. They describe the types of core/; a test holds real answers against them. */

const at = (what: string) => z.number().describe(`${what}; milliseconds since 1970-01-01T00:00:00Z.`);
const fraction = z.number().min(0).max(1);

export const boxView = z
  .strictObject({ left: z.number(), top: z.number(), width: z.number(), height: z.number() })
  .describe('Pixels, origin top left.')
  .meta({ id: 'Box' });
const point = z.strictObject({ x: z.number(), y: z.number() });
const landmarks = z
  .array(point)
  .length(5)
  .describe("Eye on the picture's left, eye on its right, nose tip, mouth corner left, mouth corner right.");
const quality = z
  .strictObject({
    heightPx: z.number(),
    sharpness: z.number(),
    rollDegrees: z.number(),
    yaw: z.number(),
    visible: z.number(),
    score: z.number(),
    overall: z.number(),
  })
  .describe('Of the crop; `overall` is 0 (useless) to 1.')
  .meta({ id: 'Quality' });

export const alertStates = ['opened', 'updated', 'acknowledged', 'resolved', 'rejected', 'closed'] as const;
export const severities = ['low', 'medium', 'high', 'critical'] as const;

const step = z
  .strictObject({
    state: z.enum(alertStates),
    at: at('When, by the clock of the machine; where that is behind, `firstSeenAt` or the step before'),
    actor: z.string().describe('`sightline`, or the person who acted.'),
    reason: z.string().optional(),
  })
  .meta({ id: 'Step' });

export const alertView = z
  .strictObject({
    id: z.string(),
    episodeId: z.string().describe('One presence of one entry, across tracks and cameras.'),
    rule: z.string(),
    severity: z.enum(severities),
    kind: z
      .enum([...matchKinds, 'unknown'])
      .describe(`What was compared. A similarity, never an identification. description: ${descriptionMeaning}.`),
    entry: z.strictObject({ id: z.string(), name: z.string(), list: z.string() }).optional(),
    state: z.enum(alertStates),
    steps: z.array(step).describe('Its history, oldest first.'),
    camera: z.string().describe('Of the sighting described here.'),
    cameras: z.array(z.string()).describe("All cameras of the episode so far that are the caller's."),
    track: z.strictObject({ camera: z.string(), epoch: z.number().int(), trackId: z.number().int() }),
    label: z.string(),
    box: boxView,
    frame: z.strictObject({ sequence: z.number().int(), width: z.number(), height: z.number() }),
    score: z.number().describe('Cosine of the best reference, -1 to 1.'),
    threshold: z.number().describe('Score from which a sighting speaks for the entry.'),
    margin: z.number(),
    top: z
      .array(z.strictObject({ entryId: z.string(), entryName: z.string(), list: z.string(), score: z.number() }))
      .describe('Entries that it was nearest to; empty without `watchlist.read`.'),
    referenceId: z.string().optional().describe('The reference that the sighting is nearest to.'),
    quality,
    space: z.string().describe('Embedding space; scores of different spaces do not compare.'),
    sightings: z.number().int(),
    firstSeenAt: at('First sighting of the episode, event time'),
    lastSeenAt: at('Latest sighting of the episode, event time'),
    eventTime: at('Event time of the sighting: may be ahead of the clock of the machine, see docs/mqtt.md'),
    cameraTime: at("The same by the camera's clock"),
    cameraTimeSource: z.enum(['rtcp', 'arrival']),
    decidedAt: at('Decision'),
    stages: z.record(z.string(), z.number()).describe('Ends of the stages of the frame, CLOCK_MONOTONIC milliseconds.'),
    trace: z
      .string()
      .optional()
      .describe('Trace id (W3C) of the request that embedded the sighting, where a Triton server was asked with one.'),
    durable: z.boolean().describe('False when the disk was full: a restart forgets this alert.'),
  })
  .meta({ id: 'Alert' });
export const alertDetail = alertView.extend({
  revision: z.number().int().min(1).describe('Grows by one with every event of this alert.'),
});
export const rejectedAlert = alertView.extend({
  negative: z
    .strictObject({ referenceId: z.string().optional(), refused: z.string().optional() })
    .optional()
    .describe('Where a negative example was asked for: its reference, or why there is none.'),
});

const cameraStateNames = ['connecting', 'live', 'away', 'ended', 'failed'] as const;
export const cameraStateView = z
  .strictObject({
    state: z.enum(cameraStateNames),
    since: at('Since'),
    reason: z.string().optional(),
    code: z.string().optional().describe('Error code of the reason.'),
    otherCodes: z.array(z.string()).readonly().optional(),
    retryAt: z.number().optional(),
    codec: z.string().optional(),
    width: z.number().optional(),
    height: z.number().optional(),
    decode: z.string().optional(),
  })
  .describe('Its state, in words where there is something to say.')
  .meta({ id: 'CameraState' });

export const figuresView = z.strictObject({
  fps: z.number().describe('Decoded frames in the last second.'),
  delayMs: z.number().optional().describe('From the arrival of the newest frame to the daemon; what detection takes is in it.'),
  drops: z
    .number()
    .int()
    .describe(
      'Frames since the worker started that were due for detection and found the detector busy, were not decoded, or were not taken.',
    ),
  lastFrameAt: at('When the newest frame came').optional(),
  usableFaces: fraction.optional().describe('Share of the faces of the last minutes that were good enough to be compared.'),
});
export const cameraView = z
  .strictObject({
    camera: z.string(),
    state: cameraStateView,
    width: z.number().optional(),
    height: z.number().optional(),
    codec: z.string().optional(),
    masked: z.boolean().describe('Parts of the picture are black; the clean stream is for admins.'),
    rtsp: z
      .strictObject({ clean: z.string().optional(), annotated: z.string() })
      .optional()
      .describe('Addresses without login; a stream password is asked for. Absent while there is no RTSP server.'),
    figures: figuresView,
  })
  .meta({ id: 'Camera' });

const pictureOf = z
  .strictObject({
    id: z.string(),
    entryId: z.string(),
    negative: z.boolean().describe('A picture of somebody else who looks like this entry.'),
    space: z.string(),
    text: z.string().optional().describe('A description in words; then there is no picture, and the box is empty.'),
    box: boxView,
    landmarks: landmarks.optional(),
    quality: fraction,
    accepted: z.boolean().describe('Enrolled although the photo was refused: the threshold is raised for it.'),
    source: z.string(),
    addedAt: at('When'),
  })
  .meta({ id: 'Reference' });
const entry = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    list: z.string(),
    kind: z.enum(['face', 'body', 'description']).describe(`description: ${descriptionMeaning}.`),
    notes: z.string(),
    reason: z.string(),
    addedBy: z.string(),
    addedAt: at('When'),
    expiresAt: z.number().optional(),
    threshold: z.number().optional(),
  })
  .meta({ id: 'Entry' });
export const entryView = z
  .strictObject({
    entry,
    references: z.array(pictureOf).describe('Without their pictures.'),
    lastSighting: z
      .strictObject({ alertId: z.string(), camera: z.string(), at: at('Latest sighting') })
      .optional()
      .describe("Of the newest alert of this entry on the caller's cameras."),
  })
  .meta({ id: 'EntryWithReferences' });
export const enrolledView = z.strictObject({
  entry,
  reference: pictureOf,
  warnings: z.array(z.string()).describe("Worth a person's look."),
});
export const checkView = z.strictObject({
  width: z.number(),
  height: z.number(),
  refusals: z.array(z.string()).describe('Of the photo as a whole: nobody, or several of whom one must be picked.'),
  faces: z
    .array(z.strictObject({ box: boxView, landmarks: landmarks.optional(), quality, refusals: z.array(z.string()) }))
    .describe('From left to right, as `pick` counts them, from 1. Bodies where `kind` is body.'),
});

export const listView = z
  .strictObject({
    list: z.string(),
    kind: z.enum(['watch', 'ignore']),
    severity: z.enum(severities),
    purpose: z.string(),
    owner: z.string(),
    colour: z.string().describe('#rrggbb, by severity.'),
  })
  .meta({ id: 'List' });

export const ledgerRow = z
  .strictObject({
    at: at('First'),
    lastAt: at('Last'),
    track: alertView.shape.track,
    label: z.string(),
    kind: z.enum(matchKinds),
    reason: z.string(),
    entryId: z.string().optional(),
    entryName: z.string().optional(),
    score: z.number().optional(),
    threshold: z.number().optional(),
    count: z.number().int(),
    details: z.record(z.string(), z.union([z.number(), z.string()])),
  })
  .meta({ id: 'LedgerRow' });

export const clipIndex = z.strictObject({
  camera: z.string().describe('Whose video it is. The alert may have gone on to another one since.'),
  fps: z.number(),
  frames: z
    .array(
      z.strictObject({
        time: z.number().describe('Seconds in the clip.'),
        pts: z.number().describe('90 kHz in the clip.'),
        boxes: z.array(liveBox),
      }),
    )
    .describe('In the order of presentation; frames without metadata are left out.'),
  at: z.number().describe('The sighting, seconds in the clip.'),
});

export const partView = z
  .strictObject({
    name: z.string(),
    ready: z.boolean(),
    reason: z.string().optional(),
    needed: z
      .literal(false)
      .optional()
      .describe('Of what is not ready while others do its work: a problem, and the daemon is ready without it.'),
  })
  .meta({ id: 'Part' });

const settingChanges = z.array(z.strictObject({ path: z.string(), reload: z.string() }));

export const reloadView = z
  .strictObject({
    state: z.enum(['applied', 'unchanged', 'refused']),
    at: at('When'),
    changes: settingChanges,
    taken: z
      .strictObject({ at: at('The latest of them'), changes: settingChanges })
      .optional()
      .describe('What was taken from the changed file already, by itself or at SIGHUP, since a reload was last asked for.'),
    needsDaemonRestart: z.array(z.string()),
    issues: z.array(z.string()).describe('`file:line:column path: message`, when refused.'),
  })
  .meta({ id: 'Reload' });

export const queueView = z.strictObject({
  name: z.string(),
  waiting: z.number(),
  limit: z.number().optional(),
  dropped: z.number(),
});

export const statusView = z
  .strictObject({
    version: z.string(),
    startedAt: at('When the daemon started'),
    now: at('Its clock'),
    parts: z.array(partView).describe("Of cameras those that are the caller's."),
    cameras: z.array(cameraView),
    queues: z.array(queueView).describe('`dropped` counts since the daemon started.'),
    models: z.array(
      z.strictObject({
        model: z.string(),
        state: z.enum(['ready', 'loading', 'unavailable']),
        reason: z.string().optional(),
        workers: z
          .array(z.string())
          .describe("Those that look at cameras with it, in this state; empty: it is the daemon's own."),
      }),
    ),
    engine: z.string(),
    servers: z
      .array(
        z.strictObject({
          name: z.string(),
          state: z.enum(['unknown', 'ready', 'busy', 'away']),
          reason: z.string().optional().describe('Why it is not ready.'),
        }),
      )
      .optional()
      .describe('Triton servers; absent where the program itself runs the networks.'),
    served: z
      .array(
        z.strictObject({
          model: z.string(),
          server: z.string(),
          answersPerSecond: z.number().describe('Messages answered, of the daemon and its workers.'),
          roundTripMs: z.number().describe('Mean time from writing a message to having its answer.'),
          queueMs: z.number().optional().describe("Of it in the server's queue, by the server's own count of all who ask it."),
          computeMs: z.number().optional().describe('Of it in the network, by the same.'),
          networkMs: z.number().optional().describe('The rest: the network, and writing and reading of messages at both ends.'),
        }),
      )
      .optional()
      .describe('What models did on Triton servers in the last minute.'),
    gpus: z
      .array(
        z.strictObject({
          uuid: z.string(),
          name: z.string(),
          workers: z.array(z.string()).describe('DeepStream workers on it.'),
          utilization: z.number().optional().describe('Share of the last second in which it ran a kernel.'),
          decoder: z.number().optional().describe('Share of the last second in which it decoded video.'),
          encoder: z.number().optional().describe('Share of the last second in which it encoded video.'),
          memoryUsedBytes: z.number().optional(),
          memoryBytes: z.number().optional(),
          celsius: z.number().optional(),
        }),
      )
      .optional()
      .describe('GPUs of DeepStream workers, whoever else uses them; what a driver does not tell is absent.'),
    index: z.strictObject({ kind: z.string(), reason: z.string().optional() }),
    watchlist: z.strictObject({ entries: z.number(), references: z.number(), outdated: z.number() }),
    alerts: z.strictObject({ open: z.number() }).describe("Those of the caller's cameras."),
    outbox: z.strictObject({ waiting: z.number(), dead: z.number() }),
    media: z
      .strictObject({
        rtspReaders: z.number(),
        liveSubscribers: z.number(),
        rssBytes: z.number(),
        cpuSeconds: z.number(),
        ringBytes: z.number(),
      })
      .optional()
      .describe('The media door; absent while it is not running.'),
    lastReload: reloadView.optional().describe('With `config.reload` alone: it tells of the configuration file.'),
  })
  .meta({ id: 'Status' });

/** Data of the events on `GET /api/v1/events`, by name. */
export const eventSchemas = {
  alert: z.strictObject({ alert: alertView, step, revision: z.number().int() }),
  hidden: z
    .strictObject({ id: z.string(), revision: z.number().int() })
    .describe("The alert goes on at a camera that is not the caller's: what is shown of it is old."),
  camera: z.strictObject({
    camera: z.string(),
    state: cameraStateView.optional().describe('Absent: the camera is no longer configured.'),
  }),
  lost: z.strictObject({ count: z.number().int().describe('Events that this reader was too slow for.') }),
} as const;
export type EventName = keyof typeof eventSchemas;
