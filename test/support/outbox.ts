import type { Alert, AlertEvent, AlertState } from '../../src/core/alerts.ts';
import { SightlineError } from '../../src/core/errors.ts';
import type { OutboxRow, OutboxStore } from '../../src/core/store.ts';

/** An event of an alert whose frame arrived and was decided at `at`. */
export function alertEvent(options: {
  id?: string;
  revision?: number;
  camera?: string;
  state?: AlertState;
  at?: number;
  receivedMs?: number;
  snapshot?: Uint8Array;
  alert?: Partial<Alert>;
}): AlertEvent {
  const at = options.at ?? Date.now();
  const receivedMs = options.receivedMs ?? 1000;
  const camera = options.camera ?? 'lobby';
  const step = { state: options.state ?? 'opened', at, actor: 'sightline' } as const;
  const alert: Alert = {
    id: options.id ?? 'alert-1',
    episodeId: 'episode-1',
    rule: 'banned person at a door',
    severity: 'high',
    kind: 'face',
    entry: { id: 'entry-1', name: 'Ada Example', list: 'banned' },
    state: step.state,
    steps: [step],
    camera,
    cameras: [camera],
    track: { camera, epoch: 3, trackId: 17 },
    label: 'face',
    box: { left: 192, top: 108, width: 96, height: 108 },
    frame: { sequence: 412, width: 1920, height: 1080 },
    score: 0.61234567,
    threshold: 0.42,
    margin: 0.3,
    top: [
      { entryId: 'entry-1', entryName: 'Ada Example', list: 'banned', score: 0.61234567 },
      { entryId: 'entry-2', entryName: 'Bob Example', list: 'banned', score: 0.31 },
    ],
    quality: { heightPx: 108, sharpness: 214, rollDegrees: 3.5, yaw: 0.1, visible: 1, score: 0.91, overall: 0.8 },
    space: 'face_embed/1',
    sightings: 3,
    firstSeenAt: at - 800,
    lastSeenAt: at,
    eventTime: at,
    cameraTime: at - 120,
    cameraTimeSource: 'rtcp',
    decidedAt: at,
    stages: {
      receivedMs,
      decodedMs: receivedMs + 6,
      detectedMs: receivedMs + 80,
      embeddedMs: receivedMs + 110,
      decidedMs: receivedMs + 112,
    },
    durable: true,
    ...options.alert,
  };
  return {
    alert,
    step,
    revision: options.revision ?? 1,
    ...(options.snapshot === undefined ? {} : { snapshot: options.snapshot }),
  };
}

export interface MemoryOutbox extends OutboxStore {
  /** Writes rows as a commit of the alert room does, and returns them. */
  add(events: readonly AlertEvent[], options?: { output?: string; createdAt?: number }): readonly OutboxRow[];
  /** Ids of the rows that are left. */
  readonly rows: readonly OutboxRow[];
  readonly dead: readonly { readonly row: OutboxRow; readonly reason: string }[];
  /** Largest answer of `pending` so far, and how often it was asked. */
  readonly reads: readonly number[];
  /** While true every call fails as a broken disk would. */
  broken: boolean;
}

/** The outbox of the store, without a disk. */
export function createMemoryOutbox(): MemoryOutbox {
  let rows: OutboxRow[] = [];
  let nextId = 1;
  const dead: { row: OutboxRow; reason: string }[] = [];
  const reads: number[] = [];
  function check(store: MemoryOutbox): void {
    if (store.broken) throw new SightlineError('store.failed', 'the disk is broken');
  }
  const store: MemoryOutbox = {
    broken: false,
    get rows() {
      return rows;
    },
    dead,
    reads,
    add(events, { output = 'mqtt', createdAt = Date.now() } = {}) {
      const added = events.map((event) => ({
        id: nextId++,
        output,
        alertId: event.alert.id,
        revision: event.revision,
        camera: event.alert.camera,
        createdAt,
        event,
      }));
      rows.push(...added);
      return added;
    },
    async pending(output, limit, afterId = 0) {
      check(store);
      const page = rows.filter((row) => row.output === output && row.id > afterId).slice(0, limit);
      reads.push(page.length);
      return page;
    },
    async acknowledge(ids) {
      check(store);
      rows = rows.filter((row) => !ids.includes(row.id));
    },
    async deadLetter(id, reason) {
      check(store);
      const row = rows.find((candidate) => candidate.id === id);
      rows = rows.filter((candidate) => candidate.id !== id);
      if (row !== undefined) dead.push({ row, reason });
    },
    async counts() {
      check(store);
      return { waiting: rows.length, dead: dead.length };
    },
  };
  return store;
}
