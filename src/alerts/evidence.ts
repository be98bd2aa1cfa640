import { lookMs } from '../core/looks.ts';
import type { Thresholds } from '../core/models.ts';
import type { CropKind, Match, MatchResult } from '../core/types.ts';

/**
 * Weighs the sightings of one track, in event time, and says when they decide for an entry.
 *
 * A look is one embedded crop. It speaks for the best entry when the score reaches the entry's threshold with enough margin to the
 * next one, against everybody when it does not, and for nobody when two entries are too close to tell apart. What it weighs grows with
 * its quality and with the time since the look before it, up to one `lookMs`: fifteen looks a second weigh no more than the five
 * that fit into it, so that the frame rate does not decide. Weights fade with `memoryMs`.
 *
 * A track is not always one person: trackers swap. Looks are therefore grouped into subjects by the cosine between embeddings; each
 * subject has evidence of its own, and a jump to another face starts from nothing.
 *
 * Opening asks for `need` weight for the entry, spread over at least `lookMs` (so never a single look, however strong), and
 * `openShare` of all weight. Why never one look, and where every constant comes from: docs/decisions/evidence.md.
 */
export interface EvidencePolicy {
  /** Looks nearer in time than this count as one. */
  readonly lookMs: number;
  /** Weight fades to 37 % in this time. */
  readonly memoryMs: number;
  /** Overall quality below which a look counts for nothing. */
  readonly qualityFloor: number;
  /** Overall quality from which a look counts in full. */
  readonly qualityFull: number;
  readonly need: number;
  readonly openShare: number;
  /** A decision is taken back when looks against it weigh this much ... */
  readonly retractNeed: number;
  /** ... and those for it make up less than this share of both. */
  readonly retractShare: number;
  /** An unmatched subject of this much weight is settled as nobody's: it is looked at less often. */
  readonly settledNeed: number;
  /** Subjects remembered per track. */
  readonly subjects: number;
  /** Entries remembered per subject. */
  readonly entries: number;
}

export const defaultPolicy: EvidencePolicy = {
  lookMs,
  memoryMs: 2000,
  qualityFloor: 0.03,
  qualityFull: 0.15,
  need: 1.2,
  openShare: 0.6,
  retractNeed: 4,
  retractShare: 0.25,
  settledNeed: 8,
  subjects: 3,
  entries: 8,
};

/** Per kind of match: when an embedding has jumped. */
export interface EvidenceThresholds extends Pick<Thresholds, 'keep' | 'margin'> {
  /** Cosine between two looks of a track below which they show different people. */
  readonly same: number;
  /** A decision that nothing has spoken for this long has to be made anew: whoever comes back then is on another visit. */
  readonly lapseMs: number;
}

export interface Look {
  readonly atMs: number;
  readonly result: MatchResult;
  /** Overall quality, 0 to 1. */
  readonly quality: number;
  /** Unit length. */
  readonly vector: Float32Array;
}

/** What speaks for one entry. */
export interface Tally {
  readonly match: Match;
  /** Faded weight; what decides. */
  readonly support: number;
  /** Unfaded weight since the first look. */
  readonly total: number;
  readonly looks: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly bestScore: number;
  readonly decided: boolean;
  /** Unfaded weight against it since the decision. */
  readonly contradiction: number;
}

/** One person or thing, as far as the embeddings of a track tell. */
export interface Subject {
  readonly id: number;
  readonly mean: Float32Array;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly looks: number;
  /** Faded weight of looks that matched nobody. */
  readonly unmatched: number;
  /** Unfaded weight of looks below `keep` since the last look that was not. */
  readonly unknown: number;
  readonly tallies: ReadonlyMap<string, Tally>;
}

export interface TrackEvidence {
  /** Newest first. */
  readonly subjects: readonly Subject[];
  readonly nextId: number;
}

export const noEvidence: TrackEvidence = { subjects: [], nextId: 1 };

/**
 * `supports`: speaks for the best entry. `ambiguous`: reaches its threshold, but the next entry is too near. `weak`: at or above keep,
 * below the threshold. `unknown`: below keep, or nobody enrolled. `poor`: quality below the floor; changes nothing.
 */
export type Verdict = 'supports' | 'ambiguous' | 'weak' | 'unknown' | 'poor';

export interface Judgement {
  readonly evidence: TrackEvidence;
  readonly verdict: Verdict;
  readonly best?: Match;
  /** 0 to 1: quality and time since the look before. */
  readonly weight: number;
  /** The subject seen; absent for a poor look. */
  readonly subject?: Subject;
  /** Of the best entry: what it has and its share of all weight. */
  readonly support: number;
  readonly share: number;
  /** The best entry has just been decided. */
  readonly opened: boolean;
  /** Entry ids whose decision this look took back. */
  readonly retracted: readonly string[];
}

export function weigh(
  evidence: TrackEvidence,
  look: Look,
  thresholds: EvidenceThresholds,
  policy: EvidencePolicy = defaultPolicy,
): Judgement {
  const best = look.result.top[0];
  const verdict = judge(look, thresholds, policy);
  const named = best === undefined ? {} : { best };
  if (verdict === 'poor') return { evidence, verdict, ...named, weight: 0, support: 0, share: 0, opened: false, retracted: [] };

  const found = nearest(evidence.subjects, look.vector, thresholds.same);
  const before = found ?? begin(evidence.nextId, look);
  const sinceMs = found === undefined ? policy.lookMs : Math.abs(look.atMs - found.lastMs);
  const worth = qualityWeight(look.quality, policy);
  const weight = worth * Math.min(1, sinceMs / policy.lookMs);
  const faded = fade(before, sinceMs, policy);
  const added = add(faded, look, verdict, weight, thresholds);
  const { subject, opened, retracted } = decide(added, verdict, best, policy);
  const tally = best === undefined ? undefined : subject.tallies.get(best.entryId);
  const seen = blend(subject, before, look, worth);
  const others = evidence.subjects.filter(({ id }) => id !== before.id);
  const subjects = [seen, ...bounded(others, policy.subjects - 1)];
  return {
    evidence: { subjects, nextId: found === undefined ? evidence.nextId + 1 : evidence.nextId },
    verdict,
    ...named,
    weight,
    subject: seen,
    support: tally?.support ?? 0,
    share: best === undefined ? 0 : share(subject, best.entryId),
    opened,
    retracted,
  };
}

/** Removes an entry as if it had never been compared with. */
export function forgetEntry(evidence: TrackEvidence, entryId: string): TrackEvidence {
  const subjects = evidence.subjects.map((subject) => ({
    ...subject,
    tallies: new Map([...subject.tallies].filter(([id]) => id !== entryId)),
  }));
  return { ...evidence, subjects };
}

/** The entry that this subject is decided to be, the strongest first. */
export function decidedEntry(subject: Subject): Tally | undefined {
  let found: Tally | undefined;
  for (const tally of subject.tallies.values()) {
    if (tally.decided && (found === undefined || tally.support > found.support)) found = tally;
  }
  return found;
}

/** Share of the open threshold below which two looks of a track show different people; measured, see docs/decisions/evidence.md. */
const sameShare: Readonly<Record<CropKind, number>> = { face: 0.6, appearance: 0.8 };

export function samePerson(kind: CropKind, { open }: Pick<Thresholds, 'open'>): number {
  return sameShare[kind] * open;
}

export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

/** From 0.25 at the floor to 1 at full quality; 0 below the floor. */
export function qualityWeight(quality: number, policy: EvidencePolicy = defaultPolicy): number {
  if (quality < policy.qualityFloor) return 0;
  const above = Math.min(1, (quality - policy.qualityFloor) / (policy.qualityFull - policy.qualityFloor));
  return 0.25 + 0.75 * above;
}

/** Weight of quality from which a look says something about the person and not about the picture. */
const usableWeight = 0.5;

export function isUsable(quality: number, policy: EvidencePolicy = defaultPolicy): boolean {
  return qualityWeight(quality, policy) >= usableWeight;
}

function judge(look: Look, { keep, margin }: EvidenceThresholds, policy: EvidencePolicy): Verdict {
  const best = look.result.top[0];
  if (look.quality < policy.qualityFloor) return 'poor';
  if (best === undefined) return 'unknown';
  if (best.score >= best.threshold) return look.result.margin >= margin ? 'supports' : 'ambiguous';
  return best.score >= Math.min(keep, best.threshold) ? 'weak' : 'unknown';
}

/** 0.7 at the threshold, rising to 1.5 half of the way from there to 1: a score far above it leaves less doubt. */
function strengthFor({ score, threshold }: Match): number {
  return 0.7 + 0.8 * Math.min(1, Math.max(0, score - threshold) / Math.max(1e-6, (1 - threshold) * 0.5));
}

/** 0.35 just below the threshold, 1 from 40 % of the way from it to 1 below it: 0.30 for a threshold of 0.50. */
function strengthAgainst(best: Match | undefined): number {
  if (best === undefined) return 1;
  return 0.35 + 0.65 * Math.min(1, (best.threshold - best.score) / Math.max(1e-6, (1 - best.threshold) * 0.4));
}

function nearest(subjects: readonly Subject[], vector: Float32Array, same: number): Subject | undefined {
  let found: Subject | undefined;
  let highest = same;
  for (const subject of subjects) {
    const score = cosine(subject.mean, vector);
    if (score < highest) continue;
    found = subject;
    highest = score;
  }
  return found;
}

function begin(id: number, look: Look): Subject {
  return {
    id,
    mean: look.vector,
    firstMs: look.atMs,
    lastMs: look.atMs,
    looks: 0,
    unmatched: 0,
    unknown: 0,
    tallies: new Map(),
  };
}

/** A pause between looks fades like 200 ms at most: it says nothing, and two frames a second decide as five do. */
const longestFadeMs = 200;

function fade(subject: Subject, sinceMs: number, policy: EvidencePolicy): Subject {
  const factor = Math.exp(-Math.min(sinceMs, longestFadeMs) / policy.memoryMs);
  const tallies = new Map<string, Tally>();
  for (const [id, tally] of subject.tallies) tallies.set(id, { ...tally, support: tally.support * factor });
  return { ...subject, unmatched: subject.unmatched * factor, tallies };
}

function add(
  subject: Subject,
  look: Look,
  verdict: Exclude<Verdict, 'poor'>,
  weight: number,
  thresholds: EvidenceThresholds,
): Subject {
  const best = look.result.top[0];
  const tallies = new Map(subject.tallies);
  for (const [id, tally] of tallies) {
    if (!tally.decided || contradicts(look, id, verdict, thresholds) === false) continue;
    tallies.set(id, { ...tally, contradiction: tally.contradiction + weight });
  }
  if (verdict === 'supports' && best !== undefined) {
    const before = tallies.get(best.entryId);
    tallies.set(best.entryId, supported(before, best, look.atMs, weight * strengthFor(best), thresholds.lapseMs));
  }
  const against = verdict === 'weak' || verdict === 'unknown' ? weight * strengthAgainst(best) : 0;
  return {
    ...subject,
    lastMs: Math.max(subject.lastMs, look.atMs),
    looks: subject.looks + 1,
    unmatched: subject.unmatched + against,
    unknown: verdict === 'unknown' ? subject.unknown + weight : 0,
    tallies,
  };
}

/** Below this a tally is old news: its first look no longer counts for the spread. */
const forgotten = 0.2;

function supported(before: Tally | undefined, match: Match, atMs: number, weight: number, lapseMs: number): Tally {
  const lapsed = before !== undefined && atMs - before.lastMs >= lapseMs;
  if (before === undefined || lapsed || (!before.decided && before.support < forgotten)) {
    const fresh = { match, support: weight, total: weight, looks: 1, firstMs: atMs, lastMs: atMs };
    return { ...fresh, bestScore: match.score, decided: false, contradiction: 0 };
  }
  return {
    ...before,
    match,
    support: before.support + weight,
    total: before.total + weight,
    looks: before.looks + 1,
    firstMs: Math.min(before.firstMs, atMs),
    lastMs: Math.max(before.lastMs, atMs),
    bestScore: Math.max(before.bestScore, match.score),
  };
}

/** A decided entry is contradicted by a look that knows nobody or somebody else; not by one that is merely weak or ambiguous. */
function contradicts(look: Look, entryId: string, verdict: Verdict, { keep }: EvidenceThresholds): boolean {
  const best = look.result.top[0];
  if (best?.entryId === entryId) return best.score < Math.min(keep, best.threshold);
  return verdict === 'unknown' || verdict === 'supports';
}

function share(subject: Subject, entryId: string): number {
  let all = subject.unmatched;
  for (const tally of subject.tallies.values()) all += tally.support;
  return all === 0 ? 0 : (subject.tallies.get(entryId)?.support ?? 0) / all;
}

function decide(
  subject: Subject,
  verdict: Verdict,
  best: Match | undefined,
  policy: EvidencePolicy,
): { subject: Subject; opened: boolean; retracted: readonly string[] } {
  const tallies = new Map(subject.tallies);
  const retracted: string[] = [];
  let opened = false;
  const tally = best === undefined ? undefined : tallies.get(best.entryId);
  if (best !== undefined && tally !== undefined && verdict === 'supports' && !tally.decided) {
    opened =
      tally.support >= policy.need &&
      tally.lastMs - tally.firstMs >= policy.lookMs &&
      share(subject, best.entryId) >= policy.openShare;
    if (opened) tallies.set(best.entryId, { ...tally, decided: true, contradiction: 0 });
  }
  for (const [id, { decided, total, contradiction }] of subject.tallies) {
    if (!decided) continue;
    const replaced = opened && id !== best?.entryId;
    const outweighed = contradiction >= policy.retractNeed && total < policy.retractShare * (total + contradiction);
    if (!replaced && !outweighed) continue;
    retracted.push(id);
    tallies.delete(id);
  }
  return { subject: { ...subject, tallies: strongest(tallies, policy.entries) }, opened, retracted };
}

/** The decided and the strongest; the rest were passing resemblances. */
function strongest(tallies: Map<string, Tally>, limit: number): ReadonlyMap<string, Tally> {
  if (tallies.size <= limit) return tallies;
  const rank = (tally: Tally) => (tally.decided ? 1000 : 0) + tally.support;
  return new Map([...tallies].sort(([, a], [, b]) => rank(b) - rank(a)).slice(0, limit));
}

/** Follows slow change (turning, light): a good look moves the mean by a third. */
function blend(subject: Subject, before: Subject, look: Look, worth: number): Subject {
  const rate = before.looks === 0 ? 1 : worth / 3;
  const mean = new Float32Array(look.vector.length);
  let squares = 0;
  for (let i = 0; i < mean.length; i += 1) {
    const value = (1 - rate) * (before.mean[i] ?? 0) + rate * (look.vector[i] ?? 0);
    mean[i] = value;
    squares += value * value;
  }
  const length = Math.sqrt(squares);
  if (length > 0) for (let i = 0; i < mean.length; i += 1) mean[i] = (mean[i] ?? 0) / length;
  return { ...subject, mean };
}

/** The decided, then those seen longest, then the newest. */
function bounded(subjects: readonly Subject[], limit: number): readonly Subject[] {
  if (subjects.length <= limit) return subjects;
  const rank = (subject: Subject) => (decidedEntry(subject) === undefined ? 0 : 1000) + Math.min(subject.looks, 20);
  return [...subjects].sort((a, b) => rank(b) - rank(a) || b.lastMs - a.lastMs).slice(0, limit);
}
