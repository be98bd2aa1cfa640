import { z } from 'zod';
import { headerName, headerNameForm, headerValue, headerValueForm } from '../core/request-headers.ts';
import { readTritonUrl, tritonUrlForms } from '../core/triton-url.ts';
import { cropKinds, matchKinds } from '../core/types.ts';
import { duration, fraction, oneOrMore, section, setting, worded } from './declare.ts';
import { deepstream } from './schema-deepstream.ts';
import { models } from './schema-models.ts';

/**
 * Every setting once: type, range, default, one sentence, and what a reload does to it. Types, defaults, `config/schema.json`,
 * `docs/configuration.md` and `config/sightline.example.yaml` follow from this file, `schema-models.ts` and `schema-deepstream.ts`.
 */

const name = worded(
  z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/),
  'a name of 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit',
);
const corner = worded(z.tuple([fraction, fraction]), 'a corner [x, y], both from 0 to 1');
const polygon = worded(z.array(corner).min(3).max(64), 'a polygon of 3 to 64 corners [x, y], both from 0 to 1');
export const severities = ['low', 'medium', 'high', 'critical'] as const;

const detect = z.strictObject({
  model: setting(
    z.string().min(1),
    'camera',
    'Detector in the model repository: centerface, yunet, yolox_nano, yolov7, or one of your own.',
  ),
  fps: setting(
    z.number().gt(0).max(60).default(5),
    'camera',
    'Frames a second that this detector looks at. A live camera is looked at up to a fifth more often where new faces or bodies come: each sooner a second time.',
  ),
  minScore: setting(
    fraction.optional(),
    'camera',
    "Detections below this score are dropped; absent: the model's own default.",
    {
      example: 0.5,
    },
  ),
  classes: setting(
    z.array(z.string()).default([]),
    'camera',
    "Classes to keep, in the words of the model's labels; empty keeps all.",
  ),
  minSize: setting(z.number().min(0).max(4096).default(0), 'camera', 'Boxes lower than this many source pixels are dropped.'),
  width: setting(
    z.number().int().min(160).max(1920).multipleOf(32).optional(),
    'camera',
    "Width at which the detector looks; absent: the model's own.",
    { example: 640 },
  ),
});

const motion = z.strictObject({
  enabled: setting(z.boolean().default(true), 'camera', 'Spare the detector while nothing moves.'),
  threshold: setting(
    z.number().min(1).max(64).default(6),
    'camera',
    'Mean grey difference (0 to 255) of a cell of the picture that counts as motion.',
  ),
  keep: setting(duration({ max: '5m' }).prefault('3s'), 'camera', 'Keeps detecting this long after the last motion.'),
  refresh: setting(
    duration({ min: '100ms', max: '1m' }).prefault('1s'),
    'camera',
    'Looks at least this often in a still scene.',
  ),
  refreshEmpty: setting(
    duration({ min: '100ms', max: '1m' }).prefault('2s'),
    'camera',
    'The same where the last look found nothing; counts where it is longer.',
  ),
});

const crops = z.strictObject({
  minFaceHeight: setting(
    z.number().min(8).max(512).default(24),
    'camera',
    'Faces lower than this many pixels are not compared: too small to tell.',
  ),
  minBodyHeight: setting(
    z.number().min(16).max(2048).default(64),
    'camera',
    'Bodies lower than this many pixels are not compared.',
  ),
  refresh: setting(
    duration({ min: '200ms', max: '5m' }).prefault('2s'),
    'camera',
    'After a decision a track is looked at again at least this often.',
  ),
  betterBy: setting(
    fraction.default(0.15),
    'camera',
    'After a decision a crop of this much better quality is looked at again.',
  ),
});

const camera = z.strictObject({
  source: setting(
    z.string().min(1),
    'camera',
    'rtsp://, rtsps://, http(s)://, a file path, or gst:NAME for pipelines/NAME.gst. May hold ${ENV} for credentials.',
    { path: 'config', example: 'rtsp://${CAM_USER}:${CAM_PASSWORD}@10.0.0.21/stream1' },
  ),
  detectSource: setting(
    z.string().min(1).optional(),
    'camera',
    'Substream to detect on; crops still come from the main source.',
    { path: 'config', example: 'rtsp://${CAM_USER}:${CAM_PASSWORD}@10.0.0.21/stream2' },
  ),
  properties: setting(
    z.record(z.string(), z.string()).default({}),
    'camera',
    'Values for the placeholders of a gst: pipeline.',
    { secret: true, example: { uri: 'srt://10.0.0.30:7001' } },
  ),
  runtime: setting(z.enum(['software', 'deepstream']).default('software'), 'worker', 'Which kind of worker reads this camera.'),
  group: setting(
    name.default('main'),
    'worker',
    'Cameras of one group share a worker process; a crash costs one group for seconds.',
  ),
  enabled: setting(z.boolean().default(true), 'camera', 'false leaves the camera alone without deleting its settings.'),
  transport: setting(z.enum(['tcp', 'udp']).default('tcp'), 'camera', 'How RTSP carries the video.'),
  decode: setting(
    z.enum(['auto', 'vaapi', 'qsv', 'nvdec', 'software']).default('auto'),
    'camera',
    'Which decoder; the chosen one is in the camera state.',
  ),
  realtime: setting(z.boolean().default(false), 'camera', 'Files only: play at camera pace instead of full speed.'),
  loop: setting(z.boolean().default(false), 'camera', 'Files only: start again at the end.'),
  openTimeout: setting(
    duration({ min: '1s', max: '2m' }).prefault('10s'),
    'camera',
    'Give up opening after this long and try again later. Local files take the time they need.',
  ),
  silenceTimeout: setting(
    duration({ min: '1s', max: '10m' }).prefault('10s'),
    'camera',
    'No frame for this long counts as away. Local files take the time they need.',
  ),
  detect: setting(
    z
      .array(detect)
      .min(1)
      .max(8)
      .prefault([{ model: 'centerface' }]),
    'camera',
    'Detectors of this camera.',
  ),
  recognise: setting(
    z.array(z.enum(cropKinds)).default(['face']),
    'camera',
    'What is compared with the watchlist; each needs a detector that feeds it.',
  ),
  masks: setting(
    z.array(polygon).max(32).default([]),
    'camera',
    'Polygons, as fractions of the picture, that are black everywhere: detection, crops, snapshots, video.',
    {
      example: [
        [
          [0, 0],
          [0.2, 0],
          [0.2, 1],
          [0, 1],
        ],
      ],
    },
  ),
  zones: setting(z.record(name, polygon).default({}), 'live', 'Named polygons for rules; the foot point of a box decides.', {
    example: {
      door: [
        [0.4, 0.2],
        [0.6, 0.2],
        [0.6, 1],
        [0.4, 1],
      ],
    },
  }),
  motion: section(motion.prefault({}), 'The motion gate.'),
  crops: section(crops.prefault({}), 'Which crops are compared.'),
});

const list = z.strictObject({
  kind: setting(
    z.enum(['watch', 'ignore']).default('watch'),
    'live',
    'watch alerts; ignore keeps its people from alerting as anybody else.',
  ),
  severity: setting(z.enum(severities).default('medium'), 'live', 'Severity of alerts of this list.'),
  purpose: setting(z.string().max(500).default(''), 'live', 'Why these people are listed; shown wherever the list is.'),
  owner: setting(z.string().max(200).default(''), 'live', 'Who answers for the list.'),
  maxAge: setting(
    duration({ min: '1h' }).optional(),
    'live',
    'Entries are erased this long after they were added; absent: only by their own expiry.',
    { example: '365d' },
  ),
});

const timeOfDay = worded(z.string().regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/), 'a time HH:MM from 00:00 to 24:00');
const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

const schedule = z.strictObject({
  days: setting(
    z
      .array(z.enum(weekdays))
      .min(1)
      .default([...weekdays]),
    'live',
    'Days on which the window begins.',
  ),
  from: setting(timeOfDay.default('00:00'), 'live', 'Begin, local time of `timeZone`.'),
  to: setting(timeOfDay.default('24:00'), 'live', 'End; earlier than `from` runs past midnight.'),
  timeZone: setting(z.string().default('UTC'), 'live', 'IANA time zone; daylight saving is followed.'),
});

const rule = z.strictObject({
  name: setting(z.string().min(1).max(100), 'live', 'Name of the rule, unique; it is in every alert.', {
    example: 'banned person at a door',
  }),
  when: section(
    z
      .strictObject({
        lists: setting(
          z.array(name).default([]),
          'live',
          'Lists whose entries count; empty with empty `entries`: all watch lists.',
          { example: ['banned'] },
        ),
        entries: setting(z.array(z.string()).default([]), 'live', 'Entries by id or name.'),
        unknown: setting(
          duration({ min: '1s', max: '1h' }).optional(),
          'live',
          'Instead of entries: a usable face that matched nobody for this long.',
          { example: '10s' },
        ),
        kinds: setting(z.array(z.enum(matchKinds)).default([]), 'live', 'Kinds of match that count; empty: all.'),
        cameras: setting(z.array(name).default([]), 'live', 'Cameras; empty: all.', { example: ['lobby'] }),
        zones: setting(z.array(name).default([]), 'live', 'Zones of those cameras; empty: anywhere.', { example: ['door'] }),
        dwell: setting(duration({ max: '1h' }).prefault('0s'), 'live', 'Only after this long inside the zone.'),
        schedule: section(z.array(schedule).default([]), 'Times at which the rule counts; empty: always.'),
        minScore: setting(fraction.optional(), 'live', 'Only matches at or above this score.', { example: 0.6 }),
      })
      .prefault({}),
    'What must hold.',
  ),
  cooldown: setting(
    duration({ max: '7d' }).prefault('0s'),
    'live',
    'Counted from an alert that was sent: no other of this rule and entry before it has passed.',
  ),
  severity: setting(z.enum(severities).optional(), 'live', "Instead of the list's severity.", { example: 'critical' }),
});

const retention = z.strictObject({
  alerts: setting(duration({ min: '1h' }).prefault('30d'), 'live', 'Alerts and their history.'),
  snapshots: setting(duration({ min: '1m' }).prefault('30d'), 'live', 'Pictures of sightings.'),
  ledger: setting(duration({ min: '1m' }).prefault('7d'), 'live', 'Why-not rows.'),
  clips: setting(duration({ min: '1m' }).prefault('7d'), 'live', 'Clips of alerts.'),
  audit: setting(duration({ min: '1d' }).prefault('365d'), 'live', 'Who did what.'),
});

const mqtt = z.strictObject({
  url: setting(
    worded(
      z.string().regex(/^(mqtts?|wss?|tcp|ssl):\/\/./),
      'a broker URL that begins with mqtt://, mqtts://, ws:// or wss://',
    ).default('mqtt://localhost:1883'),
    'daemon',
    'Broker.',
  ),
  enabled: setting(z.boolean().default(true), 'daemon', 'false keeps alerts in history only.'),
  username: setting(z.string().min(1).optional(), 'daemon', 'Login.', { example: 'sightline' }),
  password: setting(z.string().min(1).optional(), 'daemon', 'Password; write ${MQTT_PASSWORD} or use passwordFile.', {
    secret: true,
    example: '${MQTT_PASSWORD}',
  }),
  passwordFile: setting(z.string().min(1).optional(), 'daemon', 'File whose first line is the password.', {
    path: 'config',
    example: 'mqtt.password',
  }),
  clientId: setting(z.string().min(1).max(128).default('sightline'), 'daemon', 'Client identifier; unique at the broker.'),
  protocol: setting(z.enum(['5', '3.1.1']).default('5'), 'daemon', 'MQTT version; 5 adds expiry.'),
  baseTopic: setting(
    worded(
      z.string().regex(/^(?!\/)(?!\$)[^#+\s]*[^#+\s/]$/),
      'a topic without #, + and spaces that does not begin with / or $ or end with /',
    ).default('sightline'),
    'daemon',
    'First level of every topic.',
  ),
  caFile: setting(z.string().min(1).optional(), 'daemon', 'Certificate authority of the broker, PEM.', {
    path: 'config',
    example: 'ca.pem',
  }),
  certFile: setting(z.string().min(1).optional(), 'daemon', 'Client certificate, PEM; needs keyFile.', {
    path: 'config',
    example: 'client.pem',
  }),
  keyFile: setting(z.string().min(1).optional(), 'daemon', 'Key of the client certificate, PEM.', {
    path: 'config',
    example: 'client.key',
  }),
  snapshot: setting(
    z.enum(['inline', 'reference', 'off']).default('inline'),
    'live',
    'Whether an alert carries its picture (inline), names its path at the HTTP server, which asks for a login or token (reference), or neither.',
  ),
  topK: setting(z.number().int().min(1).max(20).default(3), 'live', 'How many candidates an alert lists.'),
});

const alerting = z.strictObject({
  leaveAfter: setting(
    duration({ min: '1s', max: '1h' }).prefault('10s'),
    'live',
    'An episode ends this long after the last sighting.',
  ),
  liveFor: setting(
    duration({ min: '5s', max: '1h' }).prefault('60s'),
    'live',
    'Older alerts go to the late topic, never to the live one.',
  ),
  updateEvery: setting(
    duration({ min: '1s', max: '1h' }).prefault('5s'),
    'live',
    'An open alert is updated at most this often.',
  ),
});

const certificate = z.strictObject({
  certFile: setting(z.string().min(1), 'daemon', 'Certificate with its chain, PEM.', {
    path: 'config',
    example: 'sightline.pem',
  }),
  keyFile: setting(z.string().min(1), 'daemon', 'Its key, PEM.', { path: 'config', example: 'sightline.key' }),
});

const media = z.strictObject({
  enabled: setting(z.boolean().default(true), 'daemon', 'Video for people: RTSP, the live viewer, clips.'),
  rtsp: section(
    z
      .strictObject({
        enabled: setting(z.boolean().default(true), 'daemon', 'The RTSP server.'),
        host: setting(z.string().default('127.0.0.1'), 'daemon', 'Address to listen on; loopback unless told otherwise.'),
        port: setting(z.number().int().min(0).max(65535).default(8554), 'daemon', 'Port; 0 takes a free one.'),
        udp: setting(z.boolean().default(true), 'daemon', 'RTP over UDP too; false leaves TCP interleaved alone.'),
        open: setting(z.boolean().default(false), 'daemon', 'Nobody is asked for a password; on a loopback address only.'),
        maxReaders: setting(z.number().int().min(1).max(10_000).default(256), 'daemon', 'Connections at once.'),
        tls: section(
          certificate
            .extend({
              port: setting(z.number().int().min(0).max(65535).default(8322), 'daemon', 'Port of RTSPS; 0 takes a free one.'),
            })
            .optional(),
          'RTSPS beside RTSP.',
        ),
      })
      .prefault({}),
    'Streams for players: rtsp://HOST:8554/CAMERA and rtsp://HOST:8554/CAMERA/annotated.',
  ),
  ring: section(
    z
      .strictObject({
        duration: setting(
          duration({ min: '5s', max: '10m' }).prefault('60s'),
          'daemon',
          'How much encoded video of each camera stays in memory.',
        ),
        megabytes: setting(z.number().int().min(1).max(4096).default(64), 'daemon', 'What it may take of memory, per camera.'),
      })
      .prefault({}),
    'The last moments of each camera, for clips.',
  ),
  clips: section(
    z
      .strictObject({
        enabled: setting(z.boolean().default(true), 'live', 'A clip of each alert is written, without encoding anew.'),
        before: setting(duration({ min: '0s', max: '5m' }).prefault('5s'), 'live', 'Begins this long before the sighting.'),
        after: setting(duration({ min: '1s', max: '5m' }).prefault('10s'), 'live', 'Ends this long after it.'),
        diskMegabytes: setting(
          z.number().int().min(1).default(10_000),
          'live',
          'All clips together; the oldest go when there are more.',
        ),
      })
      .prefault({}),
    'Clips of alerts.',
  ),
  legacyView: section(
    z
      .strictObject({
        enabled: setting(
          z.boolean().default(false),
          'daemon',
          'MPEG-1 over WebSocket (rtsp-relay), for browsers that play nothing else; needs ffmpeg and costs a core or so per camera.',
        ),
        host: setting(z.string().default('127.0.0.1'), 'daemon', 'Address to listen on; loopback unless told otherwise.'),
        port: setting(z.number().int().min(0).max(65535).default(8081), 'daemon', 'Port; 0 takes a free one.'),
      })
      .prefault({}),
    'The legacy view.',
  ),
});

const headers = z.record(
  worded(z.string().regex(headerName), headerNameForm),
  worded(z.string().regex(headerValue), headerValueForm),
);
const tritonUrl = worded(
  z.string().refine((text) => readTritonUrl(text) !== undefined),
  `a Triton server as ${tritonUrlForms}`,
);

export const configSchema = z.strictObject({
  dataDir: setting(
    z.string().min(1).default('./sightline-data'),
    'daemon',
    'Store, control socket, pictures; made with mode 0700. Relative paths begin at this file.',
    { path: 'config' },
  ),
  logLevel: setting(z.enum(['debug', 'info', 'warn', 'error']).default('info'), 'live', 'How much is said.'),
  inference: section(
    z
      .strictObject({
        engine: setting(
          z.enum(['embedded', 'triton']).default('embedded'),
          'daemon',
          'embedded runs in process; triton asks servers.',
        ),
        url: setting(
          oneOrMore(tritonUrl, 16).prefault('localhost:8001'),
          'daemon',
          'Triton servers, gRPC; a name with several addresses is as many servers. grpcs:// is TLS.',
        ),
        caFile: setting(
          z.string().min(1).optional(),
          'daemon',
          'Certificate authority of the Triton servers, PEM; absent: those that Node.js trusts.',
          { path: 'config', example: 'ca.pem' },
        ),
        certFile: setting(
          z.string().min(1).optional(),
          'daemon',
          'Client certificate for the Triton servers, PEM; needs keyFile.',
          { path: 'config', example: 'client.pem' },
        ),
        keyFile: setting(z.string().min(1).optional(), 'daemon', 'Key of the client certificate, PEM.', {
          path: 'config',
          example: 'client.key',
        }),
        headers: setting(
          headers.default({}),
          'daemon',
          'Sent with every request to the Triton servers: what restricted protocols ask for, tokens of a proxy. May hold ${ENV}.',
          { secret: true, example: { authorization: 'Bearer ${TRITON_TOKEN}' } },
        ),
        fallback: setting(
          z.enum(['none', 'embedded']).default('none'),
          'daemon',
          'What runs a model that no Triton server can run at the moment; none: crops wait for a server. embedded takes memory for the networks once it is needed.',
        ),
        sharedMemory: setting(
          z.boolean().default(false),
          'daemon',
          'Large tensors through /dev/shm, for Triton servers on this machine that share it.',
        ),
        queueTimeout: setting(
          z.boolean().default(false),
          'daemon',
          'Tells Triton servers how long a request may wait there. Only a queue policy with allow_timeout_override uses it, and a queue policy stalls requests for up to half a second: docs/triton.md.',
        ),
        traceRatio: setting(
          fraction.default(0),
          'daemon',
          'Share of the requests to Triton servers that carry a trace id; 1 is all. A server with OpenTelemetry traces each of them, whatever its own rate.',
        ),
        repository: setting(
          z.string().min(1).default('model_repository'),
          'daemon',
          'Model repository; relative paths are tried beside this file, then beside the program.',
          { path: 'program' },
        ),
        threads: setting(
          z.number().int().min(1).max(64).default(1),
          'daemon',
          'Threads of one network run of the embedded engine, per process.',
        ),
      })
      .prefault({}),
    'Who runs the networks.',
  ),
  models: section(models.prefault({}), 'Which models are used for what.'),
  deepstream: section(deepstream.prefault({}), 'Containers of cameras with `runtime: deepstream`, on NVIDIA GPUs.'),
  mqtt: section(mqtt.prefault({}), 'Where alerts go.'),
  http: section(
    z
      .strictObject({
        enabled: setting(z.boolean().default(true), 'daemon', 'Pages, API, health and metrics.'),
        host: setting(z.string().default('127.0.0.1'), 'daemon', 'Address to listen on; loopback unless told otherwise.'),
        port: setting(z.number().int().min(0).max(65535).default(8080), 'daemon', 'Port; 0 takes a free one.'),
        publicUrl: setting(
          worded(
            z.string().regex(/^https?:\/\/[^\s/?#@]+\/?$/),
            'an address without a path that begins with http:// or https://, such as https://sightline.example',
          ).optional(),
          'daemon',
          'Where people reach the pages, for links to them; absent: what host and port say, of all addresses the name of this machine. In a container nobody knows that name.',
          { example: 'https://sightline.example' },
        ),
        tls: section(
          certificate.optional(),
          'HTTPS instead of HTTP. Video then passes through the daemon; with many viewers put a reverse proxy in front instead.',
        ),
        metrics: setting(
          z.enum(['login', 'loopback']).default('login'),
          'daemon',
          'Who reads /metrics, and in /readyz which part is not ready: users and tokens that may, or whoever is on this machine too; both name every camera. A reverse proxy is on this machine.',
        ),
        trustedProxy: section(
          z
            .strictObject({
              addresses: setting(
                z.array(z.string().min(1)).min(1),
                'daemon',
                'Addresses or networks of the proxy; from anywhere else its headers are ignored.',
                { example: ['127.0.0.1', '172.30.32.0/23'] },
              ),
              userHeader: setting(z.string().min(1).default('Remote-User'), 'daemon', 'Header that names the user.'),
              secretHeader: setting(
                z.string().min(1).default('X-Sightline-Proxy'),
                'daemon',
                'Header in which the proxy sends the secret.',
              ),
              secretFile: setting(z.string().min(1), 'daemon', 'File whose first line is that secret.', {
                path: 'config',
                example: 'proxy.secret',
              }),
            })
            .optional(),
          'A proxy that has logged the user in (Authelia, Authentik, Home Assistant). The user must be known here: roles are ours.',
        ),
      })
      .prefault({}),
    'HTTP server.',
  ),
  media: section(media.prefault({}), 'Video for people. It runs in a process of its own, so that it never delays an alert.'),
  snapshot: section(
    z
      .strictObject({
        others: setting(
          z.enum(['blur', 'show']).default('blur'),
          'live',
          'Other faces in the picture of an alert: blurred, or shown.',
        ),
      })
      .prefault({}),
    'Pictures of alerts.',
  ),
  retention: section(retention.prefault({}), 'How long what is kept. Unmatched crops and vectors are never on disk.'),
  watchlist: section(
    z
      .strictObject({
        text: setting(
          z.boolean().default(false),
          'daemon',
          'Experimental: entries described in words (`sightline enroll --text`). What they match resembles a description; it is nobody in particular.',
        ),
      })
      .prefault({}),
    'What else may be on the lists.',
  ),
  lists: section(z.record(name, list).default({}), 'Lists that entries belong to, by name.'),
  cameras: section(z.record(name, camera).default({}), 'Cameras, by name.'),
  alerting: section(alerting.prefault({}), 'When an alert begins, goes on and ends.'),
  alerts: setting(z.array(rule).default([]), 'live', 'Rules; none means: every entry of every watch list, on every camera.'),
});

export type Config = z.output<typeof configSchema>;
export type ConfigInput = z.input<typeof configSchema>;
export type CameraConfig = Config['cameras'][string];
export type DeepStreamConfig = Config['deepstream'];
export type DetectConfig = CameraConfig['detect'][number];
export type ListConfig = Config['lists'][string];
export type RuleConfig = Config['alerts'][number];
export type MqttConfig = Config['mqtt'];
