import type { CameraConfig, ListConfig, RuleConfig } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { SightlineError } from '../core/errors.ts';
import type { Thresholds } from '../core/models.ts';
import type { AlertCommit, CooldownRecord, EpisodeRecord } from '../core/store.ts';
import type { CameraId, Match, MatchKind, Sighting, TrackChange, TrackKey, TrackRef } from '../core/types.ts';
import { trackKey } from '../core/types.ts';
import { createCameraClocks } from './clocks.ts';
import { createCommitBuilder } from './commit.ts';
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
import {
  cosine,
  decidedEntry,
  defaultPolicy,
  type EvidencePolicy,
  forgetEntry,
  type Judgement,
  qualityWeight,
  weigh,
} from './evidence.ts';
import { compileRules, farther, isIgnored, type Refusal, type Rule } from './rules.ts';
import { type Act, isLive, type Numbered, takeStep } from './steps.ts';
import { beginTrack, lastRows, moveTrack, note, rounded, type TrackState } from './track-state.ts';
import { joinStays, stayedMs } from './zones.ts';

/** What a live reload may change. */
export interface AlertRules {
  readonly rules: readonly RuleConfig[];
  readonly lists: Readonly<Record<string, ListConfig>>;
  readonly cameras: Readonly<Record<CameraId, Pick<CameraConfig, 'zones' | 'recognise' | 'crops'>>>;
  /** An episode ends this long after its last sighting, in event time. */
  readonly leaveAfterMs: number;
  readonly updateEveryMs: number;
  readonly thresholds: Readonly<Record<MatchKind, Thresholds>>;
  /** Outputs every event is queued for. */
  readonly outputs: readonly string[];
}

export interface AlertsOptions extends AlertRules {
  /** Unique for ever: ids of alerts and episodes. */
  readonly newId: () => string;
  readonly clock: Pick<Clock, 'now' | 'mono'>;
  /** Whether an entry is still on its list; matches of one that has just expired are in flight. */
  readonly isListed: (entryId: string) => boolean;
  readonly policy?: EvidencePolicy;
  /** What the store had open when the daemon started. */
  readonly restored?: {
    readonly episodes: readonly EpisodeRecord[];
    readonly alerts: readonly Numbered[];
    readonly cooldowns: readonly CooldownRecord[];
  };
}

export type AlertInput =
  /** A frame of a camera with what it changed: the camera's event time moves on. */
  | {
      readonly kind: 'frame';
      readonly camera: CameraId;
      readonly epoch: number;
      readonly eventTimeMs: number;
      readonly changes: readonly TrackChange[];
    }
  | { readonly kind: 'sighting'; readonly sighting: Sighting }
  /** About once a second of real time, also when no camera says anything. */
  | { readonly kind: 'tick' }
  /** The source has ended by itself and will not go on (a file that does not loop), or the camera was removed. */
  | { readonly kind: 'source-ended'; readonly camera: CameraId; readonly changes: readonly TrackChange[] }
  | { readonly kind: 'entry-removed'; readonly entryId: string }
  | {
      readonly kind: 'act';
      readonly alertId: string;
      readonly state: Act;
      readonly actor: string;
      readonly reason?: string;
      /** Wall clock, milliseconds since 1970. */
      readonly at: number;
      /** The alert as stored, for one that is not open here. */
      readonly stored?: Numbered;
    };

/** What is known of a track by now, for labels on video and for the crop policy of workers. */
export interface TrackLabel {
  /** The track need not be looked at with every frame: its name stands, or it has long matched nobody. */
  readonly decided: boolean;
  /** Name of the entry; empty for nobody. */
  readonly text: string;
  readonly score: number;
  readonly list?: string;
}

/**
 * From sightings and tracks to alerts. Deterministic: the same inputs, ids and clock give the same commits. Runs on event time, each
 * camera on its own; the wall clock stamps steps and drives schedules, the monotonic clock only tells a silent camera.
 */
export interface Alerts {
  /** Errors, for acts only: `alert.unknown`, `alert.transition`. */
  observe(input: AlertInput): AlertCommit | undefined;
  configure(rules: AlertRules): void;
  label(track: TrackRef): TrackLabel;
  readonly sizes: { readonly tracks: number; readonly episodes: number };
}

/** Late sightings of an ended track are still its own. */
const trackGraceMs = 3000;
/** A track that nothing was heard of for this long is over, whatever its worker forgot to say. */
const trackIdleMs = 30_000;
const tracksKnown = 4096;
const rowsEveryMs = 30_000;
const sweepEveryMs = 500;
/** Presence is written at least this often while an alert is open; a crash forgets no more. */
const storeEveryMs = 2000;
/** After a restart an episode waits this long for its cameras; whoever is seen by then has not left. */
const resumeWithinMs = 60_000;
/** A visit that is over is remembered this long, so that a late sighting does not begin another one. */
const visitKnownMs = 60_000;
/** Weight of quality from which "matched nobody" says something about the person and not about the picture. */
const usableWeight = 0.5;
const unknownLooks = 3;

interface EndedVisit {
  readonly reason: CloseReason;
  readonly cameras: Map<CameraId, number>;
  readonly epochs: ReadonlyMap<CameraId, number>;
  readonly endedMonoMs: number;
}

export function createAlerts(options: AlertsOptions): Alerts {
  const { newId, clock, isListed } = options;
  const policy = options.policy ?? defaultPolicy;
  let config: AlertRules = options;
  let rules = compileRules(config.rules, config.lists);
  const startedMonoMs = clock.mono();
  const clocks = createCameraClocks();
  const tracks = new Map<TrackKey, TrackState>();
  /** By entry id, or episode id for unknown faces. */
  const episodes = new Map<string, Episode>();
  const byAlert = new Map<string, Episode>();
  const cooldowns = new Map<string, number>();
  const endedVisits = new Map<string, EndedVisit>();
  const sweptMs = new Map<CameraId, number>();
  const commit = createCommitBuilder();

  for (const episode of restoreEpisodes(options.restored?.episodes ?? [], options.restored?.alerts ?? [])) {
    const key = keyOf(episode);
    if (episodes.has(key)) continue;
    episodes.set(key, episode);
    for (const { numbered } of episode.alerts.values()) byAlert.set(numbered.alert.id, episode);
  }
  for (const { key, at } of options.restored?.cooldowns ?? []) cooldowns.set(key, at);

  function keyOf(episode: Episode): string {
    return episode.entry?.id ?? episode.id;
  }

  function moment(): Moment {
    return { wallMs: clock.now(), monoMs: clock.mono() };
  }

  // ---- cameras and their clocks ----

  function hear(camera: CameraId, epoch: number, eventMs: number): void {
    clocks.hear(camera, epoch, eventMs, clock.mono());
    for (const episode of episodes.values()) {
      if (!episode.resuming.delete(camera)) continue;
      const lastMs = episode.cameras.get(camera);
      // While the daemon was down nobody was seen, nor seen to leave: the count begins with the first frame.
      if (lastMs !== undefined && eventMs - lastMs < resumeWithinMs) episode.cameras.set(camera, Math.max(lastMs, eventMs));
    }
  }

  function hasLeft(episode: Episode, monoMs: number): boolean {
    for (const [camera, lastMs] of episode.cameras) {
      const state = clocks.state(camera, monoMs, config.leaveAfterMs);
      if (state === 'never' && monoMs - startedMonoMs < Math.max(resumeWithinMs, config.leaveAfterMs)) return false;
      if (state === 'heard' && (clocks.now(camera) ?? lastMs) - lastMs < config.leaveAfterMs) return false;
    }
    return true;
  }

  function closeIfLeft(episode: Episode): boolean {
    const monoMs = clock.mono();
    if (!hasLeft(episode, monoMs)) return false;
    const ended = [...episode.cameras.keys()].some((camera) => clocks.state(camera, monoMs, config.leaveAfterMs) === 'ended');
    close(episode, ended ? 'source_ended' : 'left');
    return true;
  }

  function close(episode: Episode, reason: CloseReason): void {
    for (const event of closeAlerts(episode, reason, moment())) commit.event(event);
    if (episode.alerts.size > 0) commit.episode(toRecord(episode, false));
    episodes.delete(keyOf(episode));
    for (const { numbered } of episode.alerts.values()) byAlert.delete(numbered.alert.id);
    for (const state of tracks.values()) if (state.unknownEpisode === episode.id) state.unknownEpisode = undefined;
    if (reason !== 'left' && reason !== 'source_ended') return;
    const epochs = new Map<CameraId, number>();
    for (const state of tracks.values()) epochs.set(state.track.camera, state.track.epoch);
    endedVisits.set(keyOf(episode), {
      reason,
      cameras: new Map(episode.cameras),
      epochs,
      endedMonoMs: clock.mono(),
    });
  }

  /** Whether this sighting belongs to a visit whose end was already told: frames are faster than embeddings. */
  function isLate(entryId: string, sighting: Sighting): boolean {
    const visit = endedVisits.get(entryId);
    const lastMs = visit?.cameras.get(sighting.track.camera);
    if (visit === undefined || lastMs === undefined) return false;
    const { eventTimeMs } = sighting.frame.time;
    const sameSource = (visit.epochs.get(sighting.track.camera) ?? sighting.track.epoch) === sighting.track.epoch;
    if (eventTimeMs - lastMs >= config.leaveAfterMs || (visit.reason === 'source_ended' && !sameSource)) return false;
    visit.cameras.set(sighting.track.camera, Math.max(lastMs, eventTimeMs));
    return true;
  }

  // ---- tracks ----

  function trackOf(track: TrackRef, label: string, nowMs: number): TrackState {
    const key = trackKey(track);
    const known = tracks.get(key);
    if (known !== undefined) return known;
    if (tracks.size >= tracksKnown) {
      const [oldest] = tracks.values();
      if (oldest !== undefined) finish(oldest);
    }
    const state = beginTrack(track, label, nowMs);
    tracks.set(key, state);
    return state;
  }

  function finish(state: TrackState): void {
    tracks.delete(state.key);
    const alerted = [...state.bound.keys()].some((id) => (episodes.get(id)?.alerts.size ?? 0) > 0);
    commit.ledger(
      lastRows(state, {
        camera: config.cameras[state.track.camera],
        qualityFloor: policy.qualityFloor,
        alerted: alerted || state.unknownEpisode !== undefined || state.bound.size > 0,
      }),
    );
  }

  function seeChange(change: TrackChange): void {
    if (change.kind === 'ended') {
      const state = trackOf(change.track, change.label, change.eventTimeMs);
      state.ended = { atMs: change.eventTimeMs, summary: change.summary };
      return;
    }
    const state = trackOf(change.track, change.label, change.eventTimeMs);
    if (change.kind === 'began') return;
    moveTrack(state, change, config.cameras[change.track.camera]?.zones ?? {});
    if (change.personTrackId !== undefined) {
      const person = tracks.get(trackKey({ ...change.track, trackId: change.personTrackId }));
      if (person !== undefined) person.faced = true;
    }
    if (rules.some(({ zones }) => zones.length > 0)) followZones(state, change.eventTimeMs);
  }

  /** A rule with zones may begin to hold between two sightings. */
  function followZones(state: TrackState, nowMs: number): void {
    const ids = [...state.bound.keys(), ...(state.unknownEpisode === undefined ? [] : [state.unknownEpisode])];
    for (const id of ids) {
      const episode = episodes.get(id);
      const best = episode?.best.get(state.track.camera);
      if (episode === undefined || best === undefined || !state.steady) continue;
      stayIn(episode, state);
      askRules(episode, best, nowMs);
    }
  }

  function stayIn(episode: Episode, state: TrackState): void {
    const { camera } = state.track;
    const person =
      state.personTrackId === undefined ? undefined : tracks.get(trackKey({ ...state.track, trackId: state.personTrackId }));
    const stays = (person ?? state).stays;
    episode.stays.set(camera, joinStays(episode.stays.get(camera) ?? new Map(), stays));
  }

  function sweep(camera: CameraId, nowMs: number): void {
    if (nowMs - (sweptMs.get(camera) ?? Number.NEGATIVE_INFINITY) < sweepEveryMs) return;
    sweptMs.set(camera, nowMs);
    for (const state of tracks.values()) if (state.track.camera === camera) sweepTrack(state, nowMs);
  }

  function sweepTrack(state: TrackState, nowMs: number): void {
    const over = state.ended === undefined ? undefined : nowMs - state.ended.atMs >= trackGraceMs;
    if (over ?? nowMs - state.touchedMs >= trackIdleMs) finish(state);
    else if (nowMs - state.flushedMs >= rowsEveryMs) {
      state.flushedMs = nowMs;
      commit.ledger(state.ledger.take());
    }
  }

  // ---- sightings ----

  function see(sighting: Sighting): void {
    const { time } = sighting.frame;
    const { camera, epoch } = sighting.track;
    hear(camera, epoch, time.eventTimeMs);
    const state = trackOf(sighting.track, sighting.label, time.eventTimeMs);
    state.touchedMs = Math.max(state.touchedMs, time.eventTimeMs);
    state.sightings += 1;
    const best = sighting.result.top[0];
    if (best !== undefined && best.score > (state.nearest?.score ?? -2)) state.nearest = best;
    const thresholds = config.thresholds[sighting.kind];
    const judgement = weigh(
      state.evidence,
      {
        atMs: time.eventTimeMs,
        result: sighting.result,
        quality: sighting.crop.quality.overall,
        vector: sighting.embedding.vector,
      },
      { ...thresholds, same: samePerson(thresholds) },
      policy,
    );
    state.evidence = judgement.evidence;
    for (const entryId of judgement.retracted) retract(state, entryId);
    if (best !== undefined) judgeNamed(state, sighting, judgement, best);
    judgeUnknown(state, sighting, judgement);
  }

  function judgeNamed(state: TrackState, sighting: Sighting, judgement: Judgement, best: Match): void {
    const nowMs = sighting.frame.time.eventTimeMs;
    const { verdict } = judgement;
    const keep = Math.min(config.thresholds[sighting.kind].keep, best.threshold);
    const bound = state.bound.has(best.entryId);
    const decided = judgement.subject?.tallies.get(best.entryId)?.decided === true;
    const speaks = verdict === 'supports';
    const open = episodes.get(best.entryId);
    // Whoever was here a moment ago is known again by one good look; it can only carry an episode on, never open one.
    const resumes = speaks && open !== undefined && !hasLeft(open, clock.mono()) && judgement.share >= policy.openShare;
    if ((speaks && (decided || resumes)) || (bound && best.score >= keep)) {
      state.bound.set(best.entryId, { match: best, lastMs: nowMs });
      state.steady = decided || bound;
      state.ledger.drop(best.entryId, 'evidence');
      present(state, sighting, best, speaks);
      return;
    }
    if (verdict !== 'poor') state.steady = state.bound.size === 0;
    if (speaks) {
      note(state, 'evidence', sighting, {
        support: rounded(judgement.support),
        needed: policy.need,
        share: rounded(judgement.share),
        neededShare: policy.openShare,
      });
    } else if (verdict === 'ambiguous') note(state, 'margin', sighting, { needed: config.thresholds[sighting.kind].margin });
    else if (verdict === 'weak') note(state, 'below_threshold', sighting);
    else if (verdict === 'poor' && best.score >= best.threshold)
      note(state, 'quality', sighting, { needed: policy.qualityFloor });
  }

  function present(state: TrackState, sighting: Sighting, best: Match, speaks: boolean): void {
    if (!isListed(best.entryId)) {
      note(state, 'expired', sighting);
      return;
    }
    if (isIgnored(config.lists, best.list)) {
      note(state, 'ignored', sighting, { list: best.list });
      return;
    }
    const known = episodes.get(best.entryId);
    if (known !== undefined) closeIfLeft(known);
    let episode = episodes.get(best.entryId);
    if (episode === undefined) {
      if (!speaks || isLate(best.entryId, sighting)) return;
      const tally = state.evidence.subjects[0]?.tallies.get(best.entryId);
      const startedMs = Math.min(tally?.firstMs ?? sighting.frame.time.eventTimeMs, sighting.frame.time.eventTimeMs);
      const entry = { id: best.entryId, name: best.entryName, list: best.list };
      episode = beginEpisode({ id: newId(), kind: sighting.kind, entry, startedMs });
      // The looks that decided were sightings too.
      episode.sightings = Math.max(0, (tally?.looks ?? 1) - 1);
      episodes.set(best.entryId, episode);
    }
    carryOn(episode, state, sighting, speaks);
  }

  function carryOn(episode: Episode, state: TrackState, sighting: Sighting, speaks: boolean): void {
    extend(episode, sighting, speaks);
    if (speaks) support(episode, state.key);
    stayIn(episode, state);
    if (speaks) offer(episode, sighting);
    const nowMs = sighting.frame.time.eventTimeMs;
    const described = speaks ? sighting : episode.best.get(sighting.track.camera);
    if (described !== undefined) askRules(episode, described, nowMs, { state, sighting });
    publishUpdates(episode, nowMs);
    if (episode.alerts.size > 0 && episode.lastSeenMs - episode.storedMs >= storeEveryMs) store(episode);
  }

  function store(episode: Episode): void {
    episode.storedMs = episode.lastSeenMs;
    commit.episode(toRecord(episode, true));
  }

  /** Opens what the rules ask for; when nobody was told so far, says why. */
  function askRules(
    episode: Episode,
    described: Sighting,
    nowMs: number,
    told?: { readonly state: TrackState; readonly sighting: Sighting },
  ): void {
    let farthest: { reason: Refusal; details: Readonly<Record<string, number | string>> } | undefined;
    const at = moment();
    for (const rule of rules) {
      if (episode.alerts.has(rule.name) || (rule.unknownMs !== undefined) !== (episode.kind === 'unknown')) continue;
      const answer = ask(rule, episode, described, nowMs, at);
      if (answer.fires) {
        const id = newId();
        const event = openAlert(episode, { id, rule: rule.name, severity: answer.severity, sighting: described, at });
        byAlert.set(id, episode);
        commit.event(event);
        const key = cooldownKey(rule, episode, described.track.camera);
        cooldowns.set(key, nowMs);
        commit.cooldown({ key, at: nowMs });
        store(episode);
        if (episode.entry !== undefined) told?.state.ledger.drop(episode.entry.id);
      } else if (farthest === undefined || farther(answer.reason, farthest.reason)) farthest = answer;
    }
    if (episode.alerts.size > 0 || told === undefined) return;
    note(told.state, farthest?.reason ?? 'no_rule', told.sighting, farthest?.details ?? {});
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

  function cooldownKey(rule: Rule, episode: Episode, camera: CameraId): string {
    return JSON.stringify([rule.name, episode.entry?.id ?? `unknown at ${camera}`]);
  }

  function publishUpdates(episode: Episode, nowMs: number): void {
    for (const entry of episode.alerts.values()) {
      const event = updateAlert(episode, entry, { nowMs, updateEveryMs: config.updateEveryMs, at: moment() });
      if (event === undefined) continue;
      commit.event(event);
      store(episode);
    }
  }

  /** What a track said of an entry was wrong; an episode that nobody else stands behind is taken back. */
  function retract(state: TrackState, entryId: string): void {
    state.bound.delete(entryId);
    const episode = episodes.get(entryId);
    if (episode === undefined || !episode.supporters.delete(state.key)) return;
    if (episode.supporters.size + episode.formerSupporters === 0) close(episode, 'retracted');
  }

  // ---- faces that match nobody ----

  function judgeUnknown(state: TrackState, sighting: Sighting, judgement: Judgement): void {
    const needed = rules.flatMap(({ unknownMs }) => unknownMs ?? []);
    if (sighting.kind !== 'face') return;
    if (judgement.verdict === 'supports' || state.bound.size > 0) {
      state.unknown = undefined;
      if (state.bound.size > 0) retractUnknown(state);
      return;
    }
    const usable = qualityWeight(sighting.crop.quality.overall, policy) >= usableWeight;
    if (needed.length === 0 || judgement.verdict !== 'unknown' || !usable || judgement.subject === undefined) return;
    const nowMs = sighting.frame.time.eventTimeMs;
    const before = state.unknown;
    const goesOn = before !== undefined && nowMs - before.lastMs < config.leaveAfterMs;
    state.unknown = goesOn
      ? { sinceMs: before.sinceMs, lastMs: Math.max(before.lastMs, nowMs), looks: before.looks + 1 }
      : { sinceMs: nowMs, lastMs: nowMs, looks: 1 };
    const { mean } = judgement.subject;
    const open = openUnknown(state, mean);
    if (open !== undefined && !closeIfLeft(open)) {
      state.unknownEpisode = open.id;
      open.vector = mean;
      carryOn(open, state, sighting, true);
      return;
    }
    if (state.unknown.looks < unknownLooks || nowMs - state.unknown.sinceMs < Math.min(...needed)) return;
    const episode = beginEpisode({ id: newId(), kind: 'unknown', startedMs: state.unknown.sinceMs });
    episode.vector = mean;
    episode.sightings = state.unknown.looks - 1;
    episodes.set(episode.id, episode);
    state.unknownEpisode = episode.id;
    carryOn(episode, state, sighting, true);
  }

  /** The open episode of this unknown face: the track's own, one that looks the same, or one from before a restart at this camera. */
  function openUnknown(state: TrackState, vector: Float32Array): Episode | undefined {
    const own = state.unknownEpisode === undefined ? undefined : episodes.get(state.unknownEpisode);
    if (own !== undefined) return own;
    let found: Episode | undefined;
    let highest = config.thresholds.face.open;
    for (const episode of episodes.values()) {
      if (episode.kind !== 'unknown') continue;
      if (episode.vector === undefined) {
        if (episode.cameras.has(state.track.camera)) found ??= episode;
        continue;
      }
      const score = cosine(episode.vector, vector);
      if (score < highest) continue;
      found = episode;
      highest = score;
    }
    return found;
  }

  function retractUnknown(state: TrackState): void {
    const episode = state.unknownEpisode === undefined ? undefined : episodes.get(state.unknownEpisode);
    state.unknownEpisode = undefined;
    if (episode === undefined) return;
    episode.supporters.delete(state.key);
    if (episode.supporters.size + episode.formerSupporters === 0) close(episode, 'retracted');
  }

  // ---- people, lists, time ----

  function act(input: Extract<AlertInput, { kind: 'act' }>): void {
    const step = {
      state: input.state,
      at: input.at,
      actor: input.actor,
      ...(input.reason === undefined ? {} : { reason: input.reason }),
    };
    const episode = byAlert.get(input.alertId);
    const entry = [...(episode?.alerts.values() ?? [])].find(({ numbered }) => numbered.alert.id === input.alertId);
    const numbered = entry?.numbered ?? input.stored;
    if (numbered === undefined || numbered.alert.id !== input.alertId) {
      throw new SightlineError('alert.unknown', `there is no alert ${input.alertId}`, { details: { alert: input.alertId } });
    }
    const event = takeStep(numbered, step);
    if (entry !== undefined) {
      entry.numbered = { alert: event.alert, revision: event.revision };
      if (!isLive(event.alert.state)) entry.pending = undefined;
    }
    commit.event(event);
  }

  function removeEntry(entryId: string): void {
    for (const state of tracks.values()) {
      state.evidence = forgetEntry(state.evidence, entryId);
      state.bound.delete(entryId);
      state.ledger.drop(entryId);
      if (state.nearest?.entryId === entryId) state.nearest = undefined;
    }
    for (const key of cooldowns.keys()) if (JSON.parse(key)[1] === entryId) cooldowns.delete(key);
    const episode = episodes.get(entryId);
    if (episode !== undefined) close(episode, 'entry_removed');
    endedVisits.delete(entryId);
  }

  function tick(): void {
    const monoMs = clock.mono();
    for (const episode of [...episodes.values()]) closeIfLeft(episode);
    for (const [id, visit] of endedVisits) if (monoMs - visit.endedMonoMs >= visitKnownMs) endedVisits.delete(id);
    const longest = Math.max(0, ...rules.map(({ cooldownMs }) => cooldownMs));
    const wallMs = clock.now();
    for (const [key, at] of cooldowns) if (Math.abs(wallMs - at) > longest + visitKnownMs) cooldowns.delete(key);
    for (const state of [...tracks.values()]) {
      const { camera } = state.track;
      const graceMs = clocks.state(camera, monoMs, trackIdleMs) === 'ended' ? trackGraceMs : trackIdleMs;
      if (clocks.silentMs(camera, monoMs) >= graceMs) finish(state);
    }
  }

  function frame(input: Extract<AlertInput, { kind: 'frame' }>): void {
    hear(input.camera, input.epoch, input.eventTimeMs);
    for (const change of input.changes) seeChange(change);
    for (const episode of [...episodes.values()]) {
      if (!episode.cameras.has(input.camera) || closeIfLeft(episode)) continue;
      publishUpdates(episode, input.eventTimeMs);
    }
    sweep(input.camera, input.eventTimeMs);
  }

  function endSource(camera: CameraId, changes: readonly TrackChange[]): void {
    clocks.end(camera, clock.mono());
    for (const change of changes) seeChange(change);
    for (const episode of [...episodes.values()]) if (episode.cameras.has(camera)) closeIfLeft(episode);
    sweptMs.delete(camera);
  }

  function reduce(input: AlertInput): void {
    switch (input.kind) {
      case 'frame':
        frame(input);
        break;
      case 'sighting':
        see(input.sighting);
        break;
      case 'tick':
        tick();
        break;
      case 'source-ended':
        endSource(input.camera, input.changes);
        break;
      case 'entry-removed':
        removeEntry(input.entryId);
        break;
      case 'act':
        act(input);
        break;
    }
  }

  return {
    observe: (input) => {
      reduce(input);
      return commit.take(config.outputs);
    },
    configure: (next) => {
      config = next;
      rules = compileRules(next.rules, next.lists);
    },
    label: (track) => {
      const state = tracks.get(trackKey(track));
      const subject = state?.evidence.subjects[0];
      if (state === undefined || subject === undefined) return { decided: false, text: '', score: 0 };
      const tally = decidedEntry(subject);
      if (tally !== undefined)
        return { decided: state.steady, text: tally.match.entryName, score: tally.match.score, list: tally.match.list };
      const latest = [...state.bound.values()].sort((a, b) => b.lastMs - a.lastMs)[0];
      if (latest !== undefined && state.steady)
        return { decided: false, text: latest.match.entryName, score: latest.match.score, list: latest.match.list };
      return { decided: subject.unknown >= policy.settledNeed, text: '', score: 0 };
    },
    get sizes() {
      return { tracks: tracks.size, episodes: episodes.size };
    },
  };
}

/**
 * Cosine between two looks below which a track has changed hands: 60 % of the open threshold. For faces 0.30, the 99th percentile of
 * pairs of different people (`docs/models.md`), while the same person's neighbouring looks stay above 0.6.
 */
function samePerson({ open }: Thresholds): number {
  return 0.6 * open;
}
