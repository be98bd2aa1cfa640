import type { LedgerRow } from '../core/alerts.ts';
import type { Clock } from '../core/clock.ts';
import { SightlineError } from '../core/errors.ts';
import type { CooldownRecord, EpisodeRecord } from '../core/store.ts';
import type { CameraId, Sighting, TrackKey } from '../core/types.ts';
import { createCameraClocks } from './clocks.ts';
import type { CommitBuilder } from './commit.ts';
import {
  beginEpisode,
  type CloseReason,
  closeAlerts,
  type Episode,
  extend,
  type Moment,
  offer,
  openAlert,
  restoreEpisodes,
  support,
  toRecord,
  updateAlert,
} from './episodes.ts';
import { cosine } from './evidence.ts';
import { farther, type Listed, type Refusal, type Rule } from './rules.ts';
import type { AlertRules } from './settings.ts';
import { type Numbered, takeStep } from './steps.ts';
import { joinStays, type Stays, stayedMs } from './zones.ts';

/** What the store had open when the daemon started. */
export interface Restored {
  readonly episodes: readonly EpisodeRecord[];
  readonly alerts: readonly Numbered[];
  readonly cooldowns: readonly CooldownRecord[];
}

export interface VisitsOptions {
  readonly settings: () => { readonly config: AlertRules; readonly rules: readonly Rule[] };
  readonly newId: () => string;
  readonly clock: Pick<Clock, 'now' | 'mono'>;
  readonly commit: CommitBuilder;
  readonly restored: Restored | undefined;
}

/** A sighting of somebody whose episode is open, or is about to be. */
export interface Seen {
  readonly sighting: Sighting;
  readonly track: TrackKey;
  /** Speaks for the entry; otherwise it only keeps the episode. */
  readonly speaks: boolean;
  /** Where the person has been standing on this camera, by zone. */
  readonly stays: Stays;
  /** Nobody was told, and why. */
  readonly untold: (reason: Refusal, details: LedgerRow['details']) => void;
}

/** Open episodes with their alerts: begins and ends them, asks the rules, keeps cooldowns. */
export interface Visits {
  /** A camera's event time has moved on. */
  hear(camera: CameraId, epoch: number, eventMs: number): void;
  /** Closes and updates what is due on this camera. */
  frame(camera: CameraId, nowMs: number): void;
  tick(): void;
  endSource(camera: CameraId): void;
  /** Milliseconds of real time since a camera was heard, and whether its source has ended. */
  silence(camera: CameraId): { readonly silentMs: number; readonly ended: boolean };
  /** The open episode of an entry, or of an unknown face by its own id; one whose time has run out is closed first. */
  open(key: string): Episode | undefined;
  /** A new episode, unless the sighting belongs to a visit whose end was already told. */
  begin(seen: Seen, what: { entry?: Listed; startedMs: number; looks: number }): Episode | undefined;
  carryOn(episode: Episode, seen: Seen): void;
  /** Asks again the rules that look at zones; between sightings. */
  follow(episode: Episode, camera: CameraId, stays: Stays, nowMs: number): void;
  /** What a track said was wrong; an episode that nobody else stands behind is taken back. */
  withdraw(key: string, track: TrackKey): void;
  /** The open episode of a face like this one that matched nobody; after a restart any such episode of this camera. */
  unknownLike(vector: Float32Array, camera: CameraId): Episode | undefined;
  /** Errors: `alert.unknown`, `alert.transition`. */
  act(alertId: string, step: Parameters<typeof takeStep>[1], stored: Numbered | undefined): void;
  removeEntry(entryId: string): void;
  readonly size: number;
}

/** Presence is written at least this often while an alert is open; a crash forgets no more. */
const storeEveryMs = 2000;
/** After a restart an episode waits this long for its cameras; whoever is seen by then has not left. */
const resumeWithinMs = 60_000;
/**
 * A visit that is over is remembered this long, and from each late sighting on, so that none of them begins another one. No sighting is
 * late that was taken this long after the end: whoever stays must not be kept from being told of.
 */
const visitKnownMs = 60_000;

interface EndedVisit {
  readonly reason: CloseReason;
  /** Last sighting per camera, with the epoch it belonged to, and how far the camera's event time was when the visit ended. */
  readonly cameras: Map<CameraId, { readonly lastMs: number; readonly epoch: number; readonly endedMs: number }>;
  /** When it ended, or its latest late sighting came. */
  monoMs: number;
}

export function createVisits({ settings, newId, clock, commit, restored }: VisitsOptions): Visits {
  const startedMonoMs = clock.mono();
  const startedWallMs = clock.now();
  const clocks = createCameraClocks();
  /** By entry id, or episode id for unknown faces. */
  const episodes = new Map<string, Episode>();
  const byAlert = new Map<string, Episode>();
  const cooldowns = new Map<string, number>();
  const endedVisits = new Map<string, EndedVisit>();
  const resuming = new Set<Episode>();

  for (const episode of restoreEpisodes(restored?.episodes ?? [], restored?.alerts ?? [])) {
    if (episodes.has(keyOf(episode))) continue;
    episodes.set(keyOf(episode), episode);
    resuming.add(episode);
    for (const { numbered } of episode.alerts.values()) byAlert.set(numbered.alert.id, episode);
  }
  for (const { key, at } of restored?.cooldowns ?? []) cooldowns.set(key, at);

  function moment(): Moment {
    return { wallMs: clock.now(), monoMs: clock.mono() };
  }

  // ---- begin and end ----

  function hear(camera: CameraId, epoch: number, eventMs: number): void {
    if (clocks.hear(camera, epoch, eventMs, clock.mono())) beginEpoch(camera, epoch, eventMs);
    for (const episode of resuming) {
      const lastMs = episode.resuming.get(camera);
      if (lastMs === undefined) continue;
      episode.resuming.delete(camera);
      if (episode.resuming.size === 0) resuming.delete(episode);
      // While the daemon was down nobody was seen, nor seen to leave: the count begins with the first frame.
      if (eventMs - lastMs < resumeWithinMs) episode.cameras.set(camera, { epoch, lastMs: eventMs });
    }
  }

  /**
   * Every epoch is anchored anew to the wall clock, so that event time may begin earlier than it ended: the wall clock was set back, or
   * the camera's clock had run ahead. Nobody was last seen later than now.
   */
  function beginEpoch(camera: CameraId, epoch: number, eventMs: number): void {
    for (const episode of episodes.values()) {
      if ((episode.cameras.get(camera)?.lastMs ?? eventMs) <= eventMs) continue;
      episode.cameras.set(camera, { epoch, lastMs: eventMs });
      episode.stays.delete(camera);
    }
  }

  /** A camera not heard since the restart; one that is gone, or has seen nobody since long before it, holds nothing open. */
  function isWaitedFor(camera: CameraId, lastMs: number, monoMs: number): boolean {
    const { leaveAfterMs, cameras } = settings().config;
    const withinMs = Math.max(resumeWithinMs, leaveAfterMs);
    return cameras[camera]?.enabled === true && startedWallMs - lastMs < withinMs && monoMs - startedMonoMs < withinMs;
  }

  function hasLeft(episode: Episode): boolean {
    const { leaveAfterMs } = settings().config;
    const monoMs = clock.mono();
    for (const [camera, { lastMs }] of episode.cameras) {
      const state = clocks.state(camera, monoMs, leaveAfterMs);
      if (state === 'never' && isWaitedFor(camera, lastMs, monoMs)) return false;
      if (state === 'heard' && (clocks.now(camera) ?? lastMs) - lastMs < leaveAfterMs) return false;
    }
    return true;
  }

  function closeIfLeft(episode: Episode): boolean {
    if (!hasLeft(episode)) return false;
    const monoMs = clock.mono();
    const { leaveAfterMs } = settings().config;
    const ended = [...episode.cameras.keys()].some((camera) => clocks.state(camera, monoMs, leaveAfterMs) === 'ended');
    close(episode, ended ? 'source_ended' : 'left');
    return true;
  }

  function close(episode: Episode, reason: CloseReason): void {
    for (const event of closeAlerts(episode, reason, moment())) commit.event(event);
    if (episode.alerts.size > 0) commit.episode(toRecord(episode, false));
    episodes.delete(keyOf(episode));
    resuming.delete(episode);
    for (const { numbered } of episode.alerts.values()) byAlert.delete(numbered.alert.id);
    if (reason !== 'left' && reason !== 'source_ended') return;
    const cameras = new Map<CameraId, { lastMs: number; epoch: number; endedMs: number }>();
    for (const [camera, last] of episode.cameras) cameras.set(camera, { ...last, endedMs: clocks.now(camera) ?? last.lastMs });
    endedVisits.set(keyOf(episode), { reason, cameras, monoMs: clock.mono() });
  }

  /** Whether this sighting belongs to a visit whose end was already told: frames are faster than embeddings. */
  function isLate(key: string, { track, frame }: Sighting): boolean {
    const visit = endedVisits.get(key);
    const last = visit?.cameras.get(track.camera);
    if (visit === undefined || last === undefined) return false;
    if (frame.time.eventTimeMs - last.lastMs >= settings().config.leaveAfterMs) return false;
    if (frame.time.eventTimeMs - last.endedMs >= visitKnownMs) return false;
    if (track.epoch > last.epoch && frame.time.eventTimeMs < last.lastMs) return false; // another clock, see `beginEpoch`
    if (visit.reason === 'source_ended' && track.epoch !== last.epoch) return false;
    visit.cameras.set(track.camera, { ...last, epoch: track.epoch, lastMs: Math.max(last.lastMs, frame.time.eventTimeMs) });
    visit.monoMs = clock.mono();
    return true;
  }

  function begin(seen: Seen, what: { entry?: Listed; startedMs: number; looks: number }): Episode | undefined {
    const { sighting } = seen;
    if (what.entry !== undefined && isLate(what.entry.id, sighting)) return undefined;
    const kind = what.entry === undefined ? 'unknown' : sighting.kind;
    const startedMs = Math.min(what.startedMs, sighting.frame.time.eventTimeMs);
    const episode = beginEpisode({ id: newId(), kind, startedMs, ...(what.entry === undefined ? {} : { entry: what.entry }) });
    // The looks that decided were sightings too; the last of them is counted by `carryOn`.
    episode.sightings = Math.max(0, what.looks - 1);
    episodes.set(keyOf(episode), episode);
    carryOn(episode, seen);
    return episode;
  }

  function carryOn(episode: Episode, seen: Seen): void {
    const { sighting, speaks } = seen;
    const { camera } = sighting.track;
    const nowMs = sighting.frame.time.eventTimeMs;
    extend(episode, sighting, speaks);
    if (speaks) {
      support(episode, seen.track);
      offer(episode, sighting);
    }
    episode.stays.set(camera, joinStays(episode.stays.get(camera) ?? new Map(), seen.stays));
    const described = speaks ? sighting : episode.latest.get(camera);
    const refusal = described === undefined ? undefined : askRules(episode, described, nowMs);
    if (episode.alerts.size === 0) seen.untold(refusal?.reason ?? 'no_rule', refusal?.details ?? {});
    publishUpdates(episode, nowMs);
    if (episode.alerts.size > 0 && episode.lastSeenMs - episode.storedMs >= storeEveryMs) store(episode);
  }

  function store(episode: Episode): void {
    episode.storedMs = episode.lastSeenMs;
    commit.episode(toRecord(episode, true));
  }

  function withdraw(key: string, track: TrackKey): void {
    const episode = episodes.get(key);
    if (episode === undefined || !episode.supporters.delete(track)) return;
    if (episode.supporters.size + episode.formerSupporters === 0) close(episode, 'retracted');
  }

  // ---- rules and alerts ----

  /** Opens what the rules ask for; otherwise how far the presence got with them. */
  function askRules(
    episode: Episode,
    described: Sighting,
    nowMs: number,
  ): { readonly reason: Refusal; readonly details: LedgerRow['details'] } | undefined {
    let farthest: { readonly reason: Refusal; readonly details: LedgerRow['details'] } | undefined;
    const at = moment();
    for (const rule of settings().rules) {
      if (episode.alerts.has(rule.name) || (rule.unknownMs !== undefined) !== (episode.kind === 'unknown')) continue;
      const answer = ask(rule, episode, described, nowMs, at);
      if (answer.fires) {
        const id = newId();
        commit.event(openAlert(episode, { id, rule: rule.name, severity: answer.severity, sighting: described, at }));
        byAlert.set(id, episode);
        const key = cooldownKey(rule, episode, described.track.camera);
        cooldowns.set(key, nowMs);
        commit.cooldown({ key, at: nowMs });
        store(episode);
      } else if (farthest === undefined || farther(answer.reason, farthest.reason)) farthest = answer;
    }
    return farthest;
  }

  function ask(rule: Rule, episode: Episode, described: Sighting, nowMs: number, at: Moment): ReturnType<Rule['ask']> {
    const { camera } = described.track;
    const stays = episode.stays.get(camera) ?? new Map();
    const answer = rule.ask({
      kind: episode.kind,
      ...(episode.entry === undefined ? {} : { entry: episode.entry }),
      camera,
      score: described.result.top[0]?.score ?? 0,
      unknownForMs: nowMs - episode.startedMs,
      dwellMs: (zone) => stayedMs(stays, zone, nowMs),
      wallMs: at.wallMs,
    });
    if (!answer.fires) return answer;
    const sentMs = cooldowns.get(cooldownKey(rule, episode, camera));
    // Event times of different cameras, or of a file played twice, may lie before the sent alert's as well as after.
    if (sentMs === undefined || Math.abs(nowMs - sentMs) >= rule.cooldownMs) return answer;
    return { fires: false, reason: 'cooldown', details: { sentAt: sentMs, cooldownMs: rule.cooldownMs } };
  }

  function publishUpdates(episode: Episode, nowMs: number): void {
    const { updateEveryMs } = settings().config;
    for (const entry of episode.alerts.values()) {
      const event = updateAlert(episode, entry, { nowMs, updateEveryMs, at: moment() });
      if (event === undefined) continue;
      commit.event(event);
      store(episode);
    }
  }

  function act(alertId: string, step: Parameters<typeof takeStep>[1], stored: Numbered | undefined): void {
    const own = [...(byAlert.get(alertId)?.alerts.values() ?? [])].find(({ numbered }) => numbered.alert.id === alertId);
    const numbered = own?.numbered ?? stored;
    if (numbered === undefined || numbered.alert.id !== alertId)
      throw new SightlineError('alert.unknown', `there is no alert ${alertId}`, { details: { alert: alertId } });
    const event = takeStep(numbered, step);
    if (own !== undefined) own.numbered = { alert: event.alert, revision: event.revision };
    commit.event(event);
  }

  function tick(): void {
    const monoMs = clock.mono();
    for (const episode of episodes.values()) closeIfLeft(episode);
    for (const [key, visit] of endedVisits) if (monoMs - visit.monoMs >= visitKnownMs) endedVisits.delete(key);
    const longestMs = Math.max(0, ...settings().rules.map(({ cooldownMs }) => cooldownMs));
    const wallMs = clock.now();
    for (const [key, at] of cooldowns) if (Math.abs(wallMs - at) > longestMs + cooldownSlackMs) cooldowns.delete(key);
  }

  return {
    hear,
    frame: (camera, nowMs) => {
      for (const episode of episodes.values()) {
        if (episode.cameras.has(camera) && !closeIfLeft(episode)) publishUpdates(episode, nowMs);
      }
    },
    tick,
    endSource: (camera) => {
      clocks.end(camera, clock.mono());
      for (const episode of episodes.values()) if (episode.cameras.has(camera)) closeIfLeft(episode);
    },
    silence: (camera) => {
      const monoMs = clock.mono();
      return { silentMs: clocks.silentMs(camera, monoMs), ended: clocks.state(camera, monoMs, 0) === 'ended' };
    },
    open: (key) => {
      const episode = episodes.get(key);
      return episode === undefined || closeIfLeft(episode) ? undefined : episode;
    },
    begin,
    carryOn,
    follow: (episode, camera, stays, nowMs) => {
      const latest = episode.latest.get(camera);
      if (latest === undefined) return;
      episode.stays.set(camera, joinStays(episode.stays.get(camera) ?? new Map(), stays));
      askRules(episode, latest, nowMs);
    },
    withdraw,
    unknownLike: (vector, camera) => {
      let found: Episode | undefined;
      let highest = settings().config.thresholds.face.open;
      for (const episode of episodes.values()) {
        if (episode.kind !== 'unknown' || hasLeft(episode)) continue;
        if (episode.vector === undefined && episode.cameras.has(camera)) found ??= episode;
        const score = episode.vector === undefined ? -1 : cosine(episode.vector, vector);
        if (score < highest) continue;
        found = episode;
        highest = score;
      }
      return found;
    },
    act,
    removeEntry: (entryId) => {
      for (const key of cooldowns.keys()) if (JSON.parse(key)[1] === entryId) cooldowns.delete(key);
      const episode = episodes.get(entryId);
      if (episode !== undefined) close(episode, 'entry_removed');
      endedVisits.delete(entryId);
    },
    get size() {
      return episodes.size;
    },
  };
}

/** Event time may be ahead of the wall clock: a file at full speed. */
const cooldownSlackMs = 24 * 3_600_000;

function keyOf(episode: Episode): string {
  return episode.entry?.id ?? episode.id;
}

/** Rule and entry; unknown faces share one per camera. Erasing an entry finds its id in it. */
function cooldownKey(rule: Rule, episode: Episode, camera: CameraId): string {
  return JSON.stringify([rule.name, episode.entry?.id ?? `unknown at ${camera}`]);
}
