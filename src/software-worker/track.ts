import type { DetectedObject } from '../core/models.ts';
import type { Box } from '../core/types.ts';
import { assign } from './assignment.ts';
import { clipBox, iou } from './geometry.ts';
import { joinFace } from './join.ts';
import { type BoxState, beginBox, boxOf, correctBox, type MotionProfile, predictBox } from './kalman.ts';

/**
 * Tracks the objects of one camera through one epoch, in the manner of ByteTrack (Zhang et al., 2022): boxes are predicted by a
 * Kalman filter, strong detections are matched to them first, weak ones to what is left. All gates are in media time and in units of
 * the object's height, so that 2, 5 and 15 frames a second give the same tracks as far as the motion allows.
 */

export interface TrackedObject extends DetectedObject {
  readonly trackId: number;
  /** Detector model that finds this object. */
  readonly model: string;
  /** The person's track this face belongs to. */
  readonly personTrackId?: number;
  /** True when the box is the tracker's own and no detector's. */
  readonly predicted: boolean;
}

export interface TrackerOptions {
  /** Detections from this score on are matched first. */
  readonly strongScore?: number;
  /** Detections of a model below this score continue tracks and never begin one; 0, the default, lets every detection begin one. */
  readonly beginScore?: (model: string) => number;
  /** A track is kept this long, media time, after its last sighting. It outlives at least one miss, however seldom its detector looks. */
  readonly keepMs?: number;
}

export interface TrackerInput {
  /** Media time of the frame; grows. */
  readonly mediaMs: number;
  /** The detector that looked; it answers for its own tracks only. */
  readonly model: string;
  readonly objects: readonly DetectedObject[];
  readonly width: number;
  readonly height: number;
}

export interface Tracker {
  /** The objects that have a track, at their detected boxes, in the order given. The first sighting counts. */
  update(input: TrackerInput): readonly TrackedObject[];
  /** Where the tracks that were seen last time should be at `mediaMs`; for frames on which no detector ran. */
  predict(mediaMs: number): readonly TrackedObject[];
  /** Ids of tracks that ended since the last call; they never come back. */
  takeEnded(): readonly number[];
}

interface Profile extends MotionProfile {
  /** Fastest plausible motion in heights a second, beyond what the filter foresaw. */
  readonly fastest: number;
  /** The same as a distance in heights, however long the pause: a face that jumps farther is somebody else's. */
  readonly farthest: number;
}

// A walker makes 1.5 m/s: about one body height or seven face heights a second.
const profiles = {
  face: { speed: 4, agility: 2, fastest: 8, farthest: 2 },
  person: { speed: 0.8, agility: 0.6, fastest: 1.5, farthest: 0.75 },
  other: { speed: 2, agility: 2, fastest: 4, farthest: 1 },
} as const satisfies Record<string, Profile>;

const strongGate = 0.2;
const weakGate = 0.5;
/** After a pause longer than `keepMs` motion is unknown, and only what stayed where it was goes on. */
const standingGate = 0.5;
/** In the last stage heights may differ by this factor; by the second where the frame's edge cut the box. */
const sizeGate = 1.6;
const cutSizeGate = 3;
/** An edge nearer than this share of the frame cuts. */
const edgeShare = 0.01;

interface Track {
  readonly id: number;
  readonly model: string;
  readonly label: string;
  readonly profile: Profile;
  state: BoxState;
  /** Media time of `state`. */
  seenMs: number;
  seen: DetectedObject;
  hits: number;
  /** Looks of its detector since that did not find it. */
  misses: number;
  personTrackId: number | undefined;
}

function profileOf(label: string): Profile {
  return label === 'face' || label === 'person' ? profiles[label] : profiles.other;
}

function centreDistance(a: Box, b: Box): number {
  return Math.hypot(a.left + a.width / 2 - b.left - b.width / 2, a.top + a.height / 2 - b.top - b.height / 2);
}

interface FrameSize {
  readonly width: number;
  readonly height: number;
}

function isCut(box: Box, frame: FrameSize): boolean {
  const x = edgeShare * frame.width;
  const y = edgeShare * frame.height;
  return box.left < x || box.top < y || box.left + box.width > frame.width - x || box.top + box.height > frame.height - y;
}

function similarSize(a: Box, b: Box, frame: FrameSize): boolean {
  const ratio = a.height / Math.max(1e-6, b.height);
  const gate = isCut(a, frame) || isCut(b, frame) ? cutSizeGate : sizeGate;
  return ratio < gate && ratio > 1 / gate;
}

export function createTracker(options: TrackerOptions = {}): Tracker {
  const strongScore = options.strongScore ?? 0.5;
  const beginScore = options.beginScore ?? (() => 0);
  const keepMs = options.keepMs ?? 1000;
  const tracks = new Map<number, Track>();
  const frame = { width: 0, height: 0 };
  let nextId = 1;
  let ended: number[] = [];

  function predictedState(track: Track, mediaMs: number): BoxState {
    const seconds = Math.max(0, mediaMs - track.seenMs) / 1000;
    return seconds * 1000 > keepMs ? track.state : predictBox(track.state, seconds, track.profile);
  }

  function predictedBox(track: Track, mediaMs: number): Box {
    return boxOf(predictedState(track, mediaMs));
  }

  /**
   * Price of a match in the last stage, for fast objects whose speed is not known yet: distance from where it was or should be, as a
   * share of what it can have made.
   */
  function reachCost(track: Track, box: Box, predicted: Box, mediaMs: number): number {
    const last = track.seen.box;
    const elapsedMs = mediaMs - track.seenMs;
    if (elapsedMs > keepMs || !similarSize(last, box, frame)) return 1;
    const doubt = track.hits > 2 ? 0.5 : 1;
    const reach = Math.min(track.profile.farthest, (track.profile.fastest * elapsedMs) / 1000) * doubt;
    const distance = Math.min(centreDistance(last, box), centreDistance(predicted, box)) / Math.max(last.height, box.height, 1);
    return reach === 0 ? 1 : distance / reach;
  }

  function endWhenOver(track: Track, mediaMs: number): boolean {
    const over = track.misses > 1 && mediaMs - track.seenMs > keepMs;
    if (over) {
      tracks.delete(track.id);
      ended.push(track.id);
    }
    return over;
  }

  function see(track: Track, object: DetectedObject, mediaMs: number): void {
    track.state = correctBox(predictedState(track, mediaMs), object.box);
    track.seenMs = mediaMs;
    track.seen = object;
    track.hits += 1;
    track.misses = 0;
  }

  function begin(model: string, object: DetectedObject, mediaMs: number): Track {
    const profile = profileOf(object.label);
    const track: Track = {
      id: nextId++,
      model,
      label: object.label,
      profile,
      state: beginBox(object.box, profile),
      seenMs: mediaMs,
      seen: object,
      hits: 1,
      misses: 0,
      personTrackId: undefined,
    };
    tracks.set(track.id, track);
    return track;
  }

  /** Matches one label's detections; fills `owners` by index into `objects`. */
  function match(
    own: readonly Track[],
    objects: readonly DetectedObject[],
    mediaMs: number,
    owners: Map<DetectedObject, Track>,
  ): void {
    const predicted = new Map(own.map((track) => [track, predictedBox(track, mediaMs)] as const));
    let freeTracks = [...own];
    let freeObjects = [...objects];

    function stage(
      pool: readonly Track[],
      found: readonly DetectedObject[],
      cost: (track: Track, object: DetectedObject) => number,
      limit: number,
    ) {
      for (const [row, column] of assign(
        pool.length,
        found.length,
        (r, c) => {
          const track = pool[r];
          const object = found[c];
          return track === undefined || object === undefined ? limit : cost(track, object);
        },
        limit,
      )) {
        const track = pool[row];
        const object = found[column];
        if (track !== undefined && object !== undefined) owners.set(object, track);
      }
      const taken = new Set(owners.values());
      freeTracks = freeTracks.filter((track) => !taken.has(track));
      freeObjects = freeObjects.filter((object) => !owners.has(object));
    }

    const boxOfTrack = (track: Track) => predicted.get(track) ?? track.seen.box;
    const overlap = (track: Track, object: DetectedObject) => {
      const shared = iou(boxOfTrack(track), object.box);
      return mediaMs - track.seenMs > keepMs && shared < standingGate ? 1 : 1 - shared;
    };
    const isStrong = (object: DetectedObject) => object.score >= strongScore;
    stage(freeTracks, freeObjects.filter(isStrong), overlap, 1 - strongGate);
    const seenLast = freeTracks.filter((track) => track.misses === 0);
    stage(
      seenLast,
      freeObjects.filter((object) => !isStrong(object)),
      overlap,
      1 - weakGate,
    );
    stage(freeTracks, freeObjects, (track, object) => reachCost(track, object.box, boxOfTrack(track), mediaMs), 1);
  }

  function tracked(track: Track): TrackedObject {
    return {
      ...track.seen,
      trackId: track.id,
      model: track.model,
      predicted: false,
      ...(track.personTrackId === undefined ? {} : { personTrackId: track.personTrackId }),
    };
  }

  return {
    update({ mediaMs, model, objects, width, height }) {
      frame.width = width;
      frame.height = height;
      const own = [...tracks.values()].filter((track) => track.model === model && !endWhenOver(track, mediaMs));
      const owners = new Map<DetectedObject, Track>();
      for (const label of new Set(objects.map((object) => object.label))) {
        match(
          own.filter((track) => track.label === label),
          objects.filter((object) => object.label === label),
          mediaMs,
          owners,
        );
      }
      for (const [object, track] of owners) see(track, object, mediaMs);
      const met = new Set(owners.values());
      for (const track of own) {
        if (met.has(track)) continue;
        track.misses += 1;
        endWhenOver(track, mediaMs);
      }
      for (const object of objects) {
        if (!owners.has(object) && object.score >= beginScore(model)) owners.set(object, begin(model, object, mediaMs));
      }
      const persons = [...tracks.values()]
        .filter((track) => track.label === 'person' && track.misses === 0)
        .map((track) => ({ trackId: track.id, box: predictedBox(track, mediaMs) }));
      const seen: TrackedObject[] = [];
      for (const object of objects) {
        const track = owners.get(object);
        if (track === undefined) continue;
        if (track.label === 'face') track.personTrackId = joinFace(object.box, persons, track.personTrackId);
        seen.push(tracked(track));
      }
      return seen;
    },
    predict(mediaMs) {
      const objects: TrackedObject[] = [];
      for (const track of tracks.values()) {
        if (track.misses > 0) continue;
        const box = clipBox(predictedBox(track, mediaMs), frame);
        if (box.width === 0 || box.height === 0) continue;
        const { landmarks: _, ...seen } = tracked(track);
        objects.push({ ...seen, box, predicted: true });
      }
      return objects;
    },
    takeEnded() {
      const ids = ended;
      ended = [];
      return ids;
    },
  };
}
