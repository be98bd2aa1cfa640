import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Alert, AlertEvent, AlertState, LedgerRow } from '../../src/core/alerts.ts';
import type { AlertCommit, EntryRecord, EpisodeRecord, ReferenceRecord } from '../../src/core/store.ts';

export function exampleAlert(changes: Partial<Alert> = {}): Alert {
  return {
    id: 'alert-1',
    episodeId: 'episode-1',
    rule: 'somebody at the door',
    severity: 'high',
    kind: 'face',
    entry: { id: 'entry-1', name: 'Alex Example', list: 'banned' },
    state: 'opened',
    steps: [{ state: 'opened', at: 1000, actor: 'sightline' }],
    camera: 'lobby',
    cameras: ['lobby'],
    track: { camera: 'lobby', epoch: 1, trackId: 7 },
    label: 'face',
    box: { left: 10, top: 20, width: 40, height: 50 },
    frame: { sequence: 12, width: 640, height: 360 },
    score: 0.71,
    threshold: 0.5,
    margin: 0.3,
    top: [{ entryId: 'entry-1', entryName: 'Alex Example', list: 'banned', score: 0.71 }],
    quality: { heightPx: 50, sharpness: 200, rollDegrees: 2, yaw: 0.1, visible: 1, score: 0.9, overall: 0.8 },
    space: 'test@1',
    sightings: 3,
    firstSeenAt: 1000,
    lastSeenAt: 2000,
    eventTime: 2000,
    cameraTime: 2000,
    cameraTimeSource: 'arrival',
    decidedAt: 2001,
    stages: { receivedMs: 1, decodedMs: 2 },
    durable: true,
    ...changes,
  };
}

export function exampleEvent(changes: Partial<Alert> = {}, revision = 1, snapshot?: Uint8Array): AlertEvent {
  const alert = exampleAlert(changes);
  const step = alert.steps.at(-1) ?? { state: 'opened' as AlertState, at: 1000, actor: 'sightline' };
  return { alert, step, revision, ...(snapshot === undefined ? {} : { snapshot }) };
}

export function exampleEpisode(changes: Partial<EpisodeRecord> = {}): EpisodeRecord {
  return {
    id: 'episode-1',
    entryId: 'entry-1',
    kind: 'face',
    open: true,
    startedAt: 1000,
    lastSeenAt: 2000,
    state: '{"sightings":3}',
    ...changes,
  };
}

export function exampleLedgerRow(changes: Partial<LedgerRow> = {}): LedgerRow {
  return {
    at: 1000,
    track: { camera: 'lobby', epoch: 1, trackId: 7 },
    label: 'face',
    kind: 'face',
    reason: 'below_threshold',
    entryId: 'entry-1',
    entryName: 'Alex Example',
    score: 0.4,
    threshold: 0.5,
    count: 1,
    lastAt: 1500,
    details: { heightPx: 40 },
    ...changes,
  };
}

export function exampleCommit(changes: Partial<AlertCommit> = {}): AlertCommit {
  return { events: [], episodes: [], cooldowns: [], ledger: [], outputs: ['mqtt'], ...changes };
}

export function exampleEntry(changes: Partial<EntryRecord> = {}): EntryRecord {
  return {
    id: 'entry-1',
    name: 'Alex Example',
    list: 'banned',
    kind: 'face',
    notes: '',
    reason: '',
    addedBy: 'operator',
    addedAt: 1000,
    ...changes,
  };
}

export function exampleReference(changes: Partial<ReferenceRecord> = {}): ReferenceRecord {
  return {
    id: 'reference-1',
    entryId: 'entry-1',
    negative: false,
    space: 'test@1',
    vector: randomVector(512),
    image: randomBytes(15_000),
    box: { left: 20, top: 20, width: 70, height: 90 },
    quality: 0.8,
    accepted: false,
    source: 'photo.jpg',
    addedAt: 1000,
    ...changes,
  };
}

/** A unit vector in a random direction. */
export function randomVector(dimensions: number, random: () => number = Math.random): Float32Array {
  const raw = Float32Array.from({ length: dimensions }, () => random() + random() + random() - 1.5);
  const length = Math.hypot(...raw);
  return raw.map((value) => value / length);
}

/** Length of the pieces that `findBytes` looks for, and how many different bytes make one telling: runs of zeros are everywhere. */
const pieceBytes = 16;
const tellingBytes = 6;

/** Empty for a file that was there a moment ago: a clip that is written has a name of its own until it is whole. */
function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

/**
 * Which secrets are in the files of a directory, whole or in part: any piece of 16 bytes that begins at a multiple of 4 in the
 * secret (the end of a shorter one is not looked at), wherever it lies in a file. One pass over each file for all secrets.
 */
export function findBytes(directory: string, secrets: readonly Uint8Array[]): readonly string[] {
  const pieces = new Map<string, number>();
  const beginnings = new Set<number>();
  for (const [secret, content] of secrets.entries()) {
    const whole = Buffer.from(content);
    for (let at = 0; at + pieceBytes <= whole.length; at += 4) {
      const bytes = whole.subarray(at, at + pieceBytes);
      if (new Set(bytes).size < tellingBytes) continue;
      pieces.set(bytes.toString('latin1'), secret);
      beginnings.add(bytes.readUInt32LE(0));
    }
  }
  const found = new Set<string>();
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const content = readIfThere(join(entry.parentPath, entry.name));
    if (content.equals(Buffer.alloc(content.length))) continue;
    for (let at = 0; at + pieceBytes <= content.length; at += 1) {
      if (!beginnings.has(content.readUInt32LE(at))) continue;
      const secret = pieces.get(content.toString('latin1', at, at + pieceBytes));
      if (secret !== undefined) found.add(`secret ${secret} in ${entry.name}`);
    }
  }
  return [...found];
}
