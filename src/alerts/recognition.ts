import type { Match, MatchKind, Sighting, TrackChange, TrackRef } from '../core/types.ts';
import type { CommitBuilder } from './commit.ts';
import { comparedAlone } from './descriptions.ts';
import { decidedEntry, type EvidencePolicy, forgetEntry, isUsable, type Judgement, samePerson, weigh } from './evidence.ts';
import { isIgnored, type Rule } from './rules.ts';
import type { AlertRules } from './settings.ts';
import {
  beginTrack,
  type Comparison,
  comparisonsOf,
  lastRows,
  moveTrack,
  note,
  noteUnknown,
  rounded,
  type TrackState,
} from './track-state.ts';
import { createTrackTable } from './track-table.ts';
import type { Seen, Visits } from './visits.ts';
import type { Stays } from './zones.ts';

/** What is known of a track by now, for labels on video and for the crop policy of workers. */
export interface TrackLabel {
  /** The track need not be looked at with every frame: its name stands, or it has long matched nobody. */
  readonly decided: boolean;
  /** Name of the entry; empty for nobody. */
  readonly text: string;
  readonly score: number;
  readonly list?: string;
  readonly entryId?: string;
  readonly kind?: MatchKind;
}

export interface RecognitionOptions {
  readonly settings: () => { readonly config: AlertRules; readonly rules: readonly Rule[] };
  readonly policy: EvidencePolicy;
  readonly isListed: (entryId: string) => boolean;
  readonly commit: CommitBuilder;
  readonly visits: Visits;
}

/** The tracks: weighs their sightings, hands what is decided to the visits, and keeps the ledger of the rest. */
export interface Recognition {
  change(change: TrackChange): void;
  see(sighting: Sighting): void;
  /** Lets go of tracks that are over and writes what long ones have gathered. */
  sweep(camera: string, nowMs: number): void;
  /** The same for cameras that say nothing. */
  tick(): void;
  /** Lets go of all tracks. */
  finish(): void;
  removeEntry(entryId: string): void;
  label(track: TrackRef): TrackLabel;
  readonly size: number;
}

/** Late sightings of an ended track are still its own. */
const trackGraceMs = 3000;
/** A track that nothing was heard of for this long is over, whatever its worker forgot to say. */
const trackIdleMs = 30_000;
const rowsEveryMs = 30_000;
const sweepEveryMs = 500;
/** One blink is not a stranger: an unknown face has matched nobody at least this often. */
const unknownLooks = 3;

export function createRecognition({ settings, policy, isListed, commit, visits }: RecognitionOptions): Recognition {
  const tracks = createTrackTable();
  const sweptMs = new Map<string, number>();

  function trackOf(track: TrackRef, label: string, nowMs: number): TrackState {
    const known = tracks.get(track);
    if (known !== undefined) return known;
    const state = beginTrack(track, label, nowMs);
    const displaced = tracks.add(state);
    if (displaced !== undefined) finish(displaced);
    return state;
  }

  function finish(state: TrackState): void {
    tracks.delete(state);
    const camera = settings().config.cameras[state.track.camera];
    commit.ledger(lastRows(state, { camera, qualityFloor: policy.qualityFloor }));
  }

  function change(changed: TrackChange): void {
    if (changed.kind === 'ended') {
      // Of a track that was let go nothing is known any more: what it was compared with is written, or told.
      const known = tracks.get(changed.track);
      if (known !== undefined) known.ended = { atMs: changed.eventTimeMs, summary: changed.summary };
      return;
    }
    const state = trackOf(changed.track, changed.label, changed.eventTimeMs);
    state.ended = undefined;
    if (changed.kind !== 'moved') return;
    moveTrack(state, changed, settings().config.cameras[changed.track.camera]?.zones ?? {});
    const person = personOf(state);
    if (person !== undefined) person.faced = true;
    if (settings().rules.some(({ zones }) => zones.length > 0)) followZones(state, changed.eventTimeMs);
  }

  function personOf(state: TrackState): TrackState | undefined {
    if (state.personTrackId === undefined) return undefined;
    return tracks.get({ ...state.track, trackId: state.personTrackId });
  }

  /** A face stands where its person does. */
  function staysOf(state: TrackState): Stays {
    return (personOf(state) ?? state).stays;
  }

  /** A rule with zones may begin to hold between two sightings. */
  function followZones(state: TrackState, nowMs: number): void {
    const keys = comparisonsOf(state).flatMap(({ steady, bound }) => (steady ? [...bound.keys()] : []));
    if (state.pictured.steady && state.unknownEpisode !== undefined) keys.push(state.unknownEpisode);
    for (const key of keys) {
      const episode = visits.open(key);
      if (episode !== undefined) visits.follow(episode, state.track.camera, staysOf(state), nowMs);
    }
  }

  // ---- sightings ----

  function see(sighting: Sighting): void {
    const { eventTimeMs } = sighting.frame.time;
    const state = trackOf(sighting.track, sighting.label, eventTimeMs);
    state.touchedMs = Math.max(state.touchedMs, eventTimeMs);
    const best = sighting.result.top[0];
    if (sighting.kind === 'description') {
      if (best !== undefined && best.score > (state.nearestDescription?.score ?? -2)) state.nearestDescription = best;
      for (const [comparison, alone] of comparedAlone(state.described, sighting, settings().config.thresholds.description.keep))
        compare(state, comparison, alone);
      return;
    }
    state.sightings += 1;
    if (best !== undefined && best.score > (state.nearest?.score ?? -2)) state.nearest = best;
    const judgement = compare(state, state.pictured, sighting);
    if (sighting.kind === 'face') judgeUnknown(state, sighting, judgement);
  }

  function compare(state: TrackState, comparison: Comparison, sighting: Sighting): Judgement {
    const { eventTimeMs } = sighting.frame.time;
    const { thresholds, leaveAfterMs } = settings().config;
    const look = {
      atMs: eventTimeMs,
      result: sighting.result,
      quality: sighting.crop.quality.overall,
      vector: sighting.embedding.vector,
    };
    // Whether two looks show the same person is a matter of pictures, whatever they are compared with.
    const kind = sighting.kind === 'description' ? 'appearance' : sighting.kind;
    const same = samePerson(kind, thresholds[kind]);
    const { keep, margin } = thresholds[sighting.kind];
    const judgement = weigh(comparison.evidence, look, { keep, margin, same, lapseMs: leaveAfterMs }, policy);
    comparison.evidence = judgement.evidence;
    for (const entryId of judgement.retracted) {
      comparison.bound.delete(entryId);
      visits.withdraw(entryId, state.key);
    }
    const best = sighting.result.top[0];
    if (best !== undefined) judgeNamed(state, comparison, sighting, judgement, best);
    return judgement;
  }

  function judgeNamed(state: TrackState, comparison: Comparison, sighting: Sighting, judgement: Judgement, best: Match): void {
    const { bound } = comparison;
    const { verdict, subject, share } = judgement;
    const speaks = verdict === 'supports';
    const decided = speaks && subject?.tallies.get(best.entryId)?.decided === true;
    const ignored = isIgnored(settings().config.lists, best.list);
    const known = ignored || visits.open(best.entryId) !== undefined;
    const keep = Math.min(settings().config.thresholds[sighting.kind].keep, best.threshold);
    const holds = known && bound.has(best.entryId) && best.score >= keep;
    // Whoever was here a moment ago is known again by one good look; it can only carry an episode on, never open one.
    const resumes = speaks && known && !ignored && share >= policy.openShare;
    if (decided || holds || resumes) {
      bound.set(best.entryId, best);
      comparison.steady = decided || holds;
      state.ledger.drop(best.entryId, 'evidence');
      present(state, comparison, sighting, best, speaks);
      return;
    }
    if (verdict !== 'poor') comparison.steady = bound.size === 0;
    if (!known) bound.delete(best.entryId);
    explain(state, sighting, judgement, best);
  }

  function present(state: TrackState, { evidence }: Comparison, sighting: Sighting, best: Match, speaks: boolean): void {
    if (!isListed(best.entryId)) {
      note(state, 'expired', sighting);
      return;
    }
    if (isIgnored(settings().config.lists, best.list)) {
      note(state, 'ignored', sighting, { list: best.list });
      return;
    }
    const seen = seenBy(state, sighting, speaks);
    const open = visits.open(best.entryId);
    if (open !== undefined) visits.carryOn(open, seen);
    else {
      const tally = evidence.subjects[0]?.tallies.get(best.entryId);
      const entry = { id: best.entryId, name: best.entryName, list: best.list };
      visits.begin(seen, { entry, startedMs: tally?.firstMs ?? sighting.frame.time.eventTimeMs, looks: tally?.looks ?? 1 });
    }
  }

  function seenBy(state: TrackState, sighting: Sighting, speaks: boolean): Seen {
    return {
      sighting,
      track: state.key,
      speaks,
      stays: staysOf(state),
      untold: (reason, details) => note(state, reason, sighting, details),
    };
  }

  /** Why a look that came near an entry decided nothing. */
  function explain(state: TrackState, sighting: Sighting, { verdict, support, share }: Judgement, best: Match): void {
    switch (verdict) {
      case 'supports':
        note(state, 'evidence', sighting, {
          support: rounded(support),
          needed: policy.need,
          share: rounded(share),
          neededShare: policy.openShare,
        });
        break;
      case 'ambiguous':
        note(state, 'margin', sighting, { needed: settings().config.thresholds[sighting.kind].margin });
        break;
      case 'weak':
        note(state, 'below_threshold', sighting);
        break;
      case 'poor':
        if (best.score >= best.threshold) note(state, 'quality', sighting, { needed: policy.qualityFloor });
        break;
      case 'unknown': // summed up when the track ends
        break;
    }
  }

  // ---- faces that match nobody ----

  function judgeUnknown(state: TrackState, sighting: Sighting, judgement: Judgement): void {
    const bound = state.pictured.bound.size > 0;
    if (judgement.verdict === 'supports' || bound) {
      state.unknown = undefined;
      if (bound && state.unknownEpisode !== undefined) visits.withdraw(state.unknownEpisode, state.key);
      return;
    }
    const needed = settings().rules.flatMap(({ unknownMs }) => unknownMs ?? []);
    const usable = isUsable(sighting.crop.quality.overall, policy);
    if (needed.length === 0 || judgement.verdict !== 'unknown' || !usable || judgement.subject === undefined) return;
    const nowMs = sighting.frame.time.eventTimeMs;
    const run = runOf(state, nowMs);
    state.unknown = run;
    const { mean } = judgement.subject;
    const seen: Seen = {
      ...seenBy(state, sighting, true),
      untold: (reason, details) => {
        // `no_rule` of an unknown face: its time has not come yet.
        if (reason !== 'no_rule') noteUnknown(state, reason, sighting, details);
      },
    };
    const own = state.unknownEpisode === undefined ? undefined : visits.open(state.unknownEpisode);
    const open = own ?? visits.unknownLike(mean, state.track.camera);
    if (open !== undefined) {
      state.unknownEpisode = open.id;
      open.vector = mean;
      visits.carryOn(open, seen);
    } else if (run.looks >= unknownLooks && nowMs - run.sinceMs >= Math.min(...needed)) {
      const episode = visits.begin(seen, { startedMs: run.sinceMs, looks: run.looks });
      if (episode !== undefined) episode.vector = mean;
      state.unknownEpisode = episode?.id;
    }
  }

  function runOf({ unknown }: TrackState, nowMs: number): NonNullable<TrackState['unknown']> {
    if (unknown === undefined || nowMs - unknown.lastMs >= settings().config.leaveAfterMs)
      return { sinceMs: nowMs, lastMs: nowMs, looks: 1 };
    return { sinceMs: unknown.sinceMs, lastMs: Math.max(unknown.lastMs, nowMs), looks: unknown.looks + 1 };
  }

  // ---- the end of tracks ----

  function sweepTrack(state: TrackState, nowMs: number): void {
    const over = state.ended === undefined ? nowMs - state.touchedMs >= trackIdleMs : nowMs - state.ended.atMs >= trackGraceMs;
    if (over) finish(state);
    else if (nowMs - state.flushedMs >= rowsEveryMs) {
      state.flushedMs = nowMs;
      commit.ledger(state.ledger.take());
    }
  }

  return {
    change,
    see,
    sweep: (camera, nowMs) => {
      const before = sweptMs.get(camera);
      if (before !== undefined && Math.abs(nowMs - before) < sweepEveryMs) return;
      sweptMs.set(camera, nowMs);
      for (const state of tracks.of(camera)) sweepTrack(state, nowMs);
    },
    tick: () => {
      for (const state of tracks.all()) {
        const { silentMs, ended } = visits.silence(state.track.camera);
        if (silentMs >= (ended || state.ended !== undefined ? trackGraceMs : trackIdleMs)) finish(state);
      }
    },
    finish: () => {
      for (const state of tracks.all()) finish(state);
    },
    removeEntry: (entryId) => {
      for (const state of tracks.all()) {
        state.pictured.evidence = forgetEntry(state.pictured.evidence, entryId);
        state.pictured.bound.delete(entryId);
        state.described.delete(entryId);
        state.ledger.drop(entryId);
        if (state.nearest?.entryId === entryId) state.nearest = undefined;
        if (state.nearestDescription?.entryId === entryId) state.nearestDescription = undefined;
      }
    },
    label: (track) => {
      const state = tracks.get(track);
      if (state === undefined) return nobody;
      const labels = comparisonsOf(state).map((comparison) => labelOf(comparison, policy));
      const named = labels.find(({ text }) => text !== '') ?? nobody;
      return { ...named, decided: labels.every(({ decided }) => decided) };
    },
    get size() {
      return tracks.size;
    },
  };
}

const nobody: TrackLabel = { decided: false, text: '', score: 0 };

/** What is known by one comparison. */
function labelOf({ kind, evidence, bound, steady }: Comparison, policy: EvidencePolicy): TrackLabel {
  const subject = evidence.subjects[0];
  if (subject === undefined) return nobody;
  const tally = decidedEntry(subject);
  const stands = tally !== undefined && bound.has(tally.match.entryId);
  const named = stands ? tally.match : steady ? [...bound.values()].at(-1) : undefined;
  if (named === undefined) return { decided: subject.unknown >= policy.settledNeed, text: '', score: 0 };
  const { entryId, entryName, list, score } = named;
  return { decided: stands && steady, text: entryName, score, list, entryId, kind };
}
