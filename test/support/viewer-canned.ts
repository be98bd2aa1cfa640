import type { Alert, AlertStep, Severity } from '../../src/core/alerts.ts';
import type { CameraState } from '../../src/core/types.ts';

/** What the stub of the server says: a small shop at night. Pure. */

export const lists = [
  { list: 'banned', kind: 'watch', severity: 'high', purpose: 'site safety', owner: 'security', colour: '#e0662b' },
  { list: 'wanted', kind: 'watch', severity: 'critical', purpose: 'police request', owner: 'security', colour: '#d32f45' },
  { list: 'staff', kind: 'ignore', severity: 'low', purpose: 'who belongs here', owner: 'manager', colour: '#4b86b4' },
];

function live(since: number, reason?: string, code?: string): CameraState {
  return {
    state: 'live',
    since,
    codec: 'h264',
    width: 1280,
    height: 720,
    decode: 'software',
    ...(reason === undefined ? {} : { reason }),
    ...(code === undefined ? {} : { code }),
  };
}

export function cameraViews(now: number) {
  const since = now - 5_400_000;
  const away: CameraState = {
    state: 'away',
    since: now - 260_000,
    reason: 'connection refused by 10.0.0.24:554',
    code: 'source.unreachable',
    retryAt: now + 12_000,
  };
  const states: readonly (readonly [string, CameraState])[] = [
    ['cashdesk', live(since)],
    ['lift', live(since, '3.1 of 5.0 frames a second are looked at: this machine has no time for more', 'camera.late')],
    ['lobby', live(since)],
    ['yard', away],
  ];
  return states.map(([camera, state], index) => ({
    camera,
    state,
    masked: camera === 'lift',
    rtsp: { clean: `rtsp://192.0.2.7:8554/${camera}`, annotated: `rtsp://192.0.2.7:8554/${camera}/annotated` },
    figures:
      state.state === 'live'
        ? {
            fps: 24.9 + index / 30,
            delayMs: 61 + 9 * index,
            drops: 12 * index,
            lastFrameAt: now - 40,
            usableFaces: 0.82 - index / 5,
          }
        : { fps: 0, drops: 131, lastFrameAt: now - 261_000 },
  }));
}

const people: Readonly<Record<string, readonly [string, string]>> = {
  ada: ['Ada Lindqvist', 'banned'],
  bruno: ['Bruno Okafor', 'wanted'],
  otto: ['Otto Brandt', 'staff'],
};

export function entryViews(now: number) {
  return Object.entries(people).map(([id, [name, list]], index) => ({
    entry: {
      id,
      name,
      list,
      kind: 'face',
      notes: index === 0 ? 'Comes by bicycle, mostly late in the evening.' : '',
      reason: index === 2 ? 'night manager' : 'theft on 3 October, case 4711',
      addedBy: 'nadia',
      addedAt: now - 86_400_000 * (20 + index),
      ...(index < 2 ? { expiresAt: now + 86_400_000 * 345 } : {}),
    },
    references: [id, `${id}-left`, `${id}-right`].slice(0, 3 - (index % 2)).map((reference, place) => ({
      id: reference,
      entryId: id,
      negative: index === 0 && place === 2,
      space: 'demo_embed/1',
      box: { left: 10, top: 10, width: 90, height: 90 },
      quality: 0.93 - place / 8,
      accepted: index === 1 && place === 1,
      source: `${reference}.jpg`,
      addedAt: now - 86_400_000 * 20,
    })),
    ...(index === 0 ? { lastSighting: { alertId: 'a-ada', camera: 'lobby', at: now - 90_000 } } : {}),
  }));
}

/** An entry that is known by words alone. */
export function describedEntry(id: string, text: string, now: number) {
  const reference = { id: `${id}-1`, entryId: id, negative: false, space: 'demo_text/1', text, quality: 1, accepted: false };
  return {
    entry: { id, name: text, list: 'banned', kind: 'description', notes: '', reason: '', addedBy: 'nadia', addedAt: now },
    references: [{ ...reference, box: { left: 0, top: 0, width: 0, height: 0 }, source: 'description', addedAt: now }],
  };
}

/** @param at when it was first seen, milliseconds since 1970 */
export function cannedAlert(
  id: string,
  who: string | undefined,
  at: number,
  options: { severity?: Severity; camera?: string; score?: number; state?: Alert['state']; kind?: Alert['kind'] } = {},
): Alert {
  const known = people[who ?? ''];
  const camera = options.camera ?? 'lobby';
  const opened: AlertStep = { state: 'opened', at, actor: 'sightline' };
  const state = options.state ?? 'opened';
  const score = options.score ?? 0.68;
  return {
    id,
    episodeId: `e-${id}`,
    rule: 'somebody on a list',
    severity: options.severity ?? 'high',
    kind: known === undefined ? 'unknown' : (options.kind ?? 'face'),
    ...(known === undefined || who === undefined ? {} : { entry: { id: who, name: known[0], list: known[1] } }),
    state,
    steps:
      state === 'opened'
        ? [opened]
        : [
            opened,
            {
              state,
              at: at + 20_000,
              actor: state === 'closed' ? 'sightline' : 'omar',
              ...(state === 'closed' ? { reason: 'left' } : {}),
            },
          ],
    camera,
    cameras: [camera],
    track: { camera, epoch: 1, trackId: 7 },
    label: 'face',
    box: { left: 554, top: 334, width: 91, height: 87 },
    frame: { sequence: 200, width: 1280, height: 720 },
    score,
    threshold: 0.45,
    margin: 0.3,
    top: [],
    quality: { heightPx: 87, sharpness: 60, rollDegrees: 1, yaw: 0.05, visible: 1, score: 0.94, overall: 0.9 },
    space: 'demo_embed/1',
    sightings: 5,
    firstSeenAt: at,
    lastSeenAt: at + 4000,
    eventTime: at,
    cameraTime: at,
    cameraTimeSource: 'arrival',
    decidedAt: at + 180,
    stages: { receivedMs: 1, decidedMs: 181 },
    durable: true,
  };
}

export function statusOf(now: number) {
  return {
    version: '0.1.0',
    startedAt: now - 5_500_000,
    now,
    parts: [
      { name: 'store', ready: true },
      { name: 'mqtt', ready: false, reason: 'connection to localhost:1883 refused' },
      {
        name: 'triton 10.0.0.8:8001',
        ready: false,
        needed: false,
        reason: 'it is away: connect ECONNREFUSED 10.0.0.8:8001; other servers do its work',
      },
      { name: 'camera yard', ready: false, reason: 'connection refused by 10.0.0.24:554' },
    ],
    cameras: cameraViews(now),
    queues: [
      { name: 'embed', waiting: 2, limit: 64, dropped: 0 },
      { name: 'bridge software', waiting: 0, limit: 256, dropped: 14 },
      { name: 'outbox mqtt', waiting: 3, dropped: 0 },
      { name: 'events', waiting: 1000, limit: 1000, dropped: 2 },
    ],
    models: [
      { model: 'face_embed', state: 'ready', workers: [] },
      { model: 'centerface', state: 'ready', workers: [] },
      {
        model: 'person_embed',
        state: 'unavailable',
        reason: 'its weights are not there; sightline models fetch --set person',
        workers: [],
      },
      { model: 'centerface', state: 'ready', workers: ['deepstream-main', 'deepstream-main.2'] },
    ],
    engine: 'triton',
    servers: [
      { name: '10.0.0.7:8001', state: 'ready' },
      { name: '10.0.0.8:8001', state: 'away', reason: 'unavailable: connect ECONNREFUSED 10.0.0.8:8001' },
    ],
    served: [
      {
        model: 'centerface',
        server: '10.0.0.7:8001',
        answersPerSecond: 40.2,
        roundTripMs: 14.25,
        queueMs: 1.5,
        computeMs: 9,
        networkMs: 3.75,
      },
      { model: 'face_embed', server: '10.0.0.7:8001', answersPerSecond: 2.5, roundTripMs: 8 },
    ],
    gpus: [
      {
        uuid: 'GPU-57a4d1a0-0000-4000-8000-000000000000',
        name: 'NVIDIA L4',
        workers: ['deepstream-main', 'deepstream-main.2'],
        utilization: 0.64,
        decoder: 0.31,
        encoder: 0,
        memoryUsedBytes: 9_663_676_416,
        memoryBytes: 24_696_061_952,
        celsius: 58,
      },
      { uuid: 'GPU-57a4d1a0-0000-4000-8000-000000000001', name: 'Orin', workers: ['deepstream-yard'], celsius: 47 },
    ],
    index: { kind: 'flat', reason: '312 vectors; a graph from 100 000 on' },
    watchlist: { entries: 104, references: 312, outdated: 0 },
    alerts: { open: 3 },
    outbox: { waiting: 3, dead: 0 },
    media: { rtspReaders: 2, liveSubscribers: 3, rssBytes: 91_000_000, cpuSeconds: 44, ringBytes: 58_000_000 },
  };
}
