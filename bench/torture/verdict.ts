import type { PlantedVisit } from './visits.ts';

/** What became of every planted visit: messages, history and the times in which a camera was blind, held against the truth. Pure. */

export interface Blindness {
  readonly camera: string;
  /** From the kill to the first picture after it, wall clock. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** One alert message as a consumer got it. The rule of an alert has the name of its camera. */
export interface ToldMessage {
  readonly topic: 'live' | 'late';
  readonly id: string;
  readonly revision: number;
  readonly rule: string;
  readonly person: string;
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
}

export interface HistoryAlert {
  readonly id: string;
  readonly rule: string;
  readonly person: string;
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
  readonly open: boolean;
}

export interface Judged {
  readonly visits: readonly PlantedVisit[];
  readonly blind: readonly Blindness[];
  readonly messages: readonly ToldMessage[];
  readonly history: readonly HistoryAlert[];
  readonly leaveAfterMs: number;
}

export type Outcome = 'live' | 'late' | 'history' | 'missed' | 'unseen';

export interface JudgedVisit extends PlantedVisit {
  /** Clear looks in the longest stretch of the visit that no kill interrupts. */
  readonly looks: number;
  readonly tellable: boolean;
  readonly ids: readonly string[];
  /** `missed`: tellable and not told; `unseen`: neither. */
  readonly outcome: Outcome;
  readonly double: boolean;
}

export interface Verdict {
  readonly visits: readonly JudgedVisit[];
  readonly planted: number;
  readonly tellable: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** Told although the stretch was shorter than what counts as tellable. */
  readonly toldUntellable: number;
  /** Alert ids that belong to no planted visit. */
  readonly invented: readonly string[];
  /** Visits with more than one id, and those of them whose camera was blind for longer than `leaveAfter` in between. */
  readonly doubles: number;
  readonly split: number;
  /**
   * Ids that stand for two visits, and those of them that should have been two: `leaveAfter` fitted into what the camera saw between
   * the visits.
   */
  readonly joined: number;
  readonly undulyJoined: number;
  readonly alerts: number;
  /** Messages got, those got again, and revisions below an alert's newest that never came. */
  readonly messages: number;
  readonly repeats: number;
  readonly absentRevisions: number;
  /** Told, and not in history. */
  readonly unrecorded: number;
  readonly unclosed: number;
}

/** Clear looks, 200 ms apart, in one stretch that make a visit tellable: a second of a face. */
export const tellableLooks = 5;
/** How far clocks and the edges of visits may be apart. */
const slackMs = 2000;

function within(at: number, { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): boolean {
  return at >= fromMs && at < toMs;
}

/** Most clear looks between two kills. */
function longestStretch(visit: PlantedVisit, blind: readonly Blindness[]): number {
  const own = blind.filter(({ camera }) => camera === visit.camera);
  const looks = visit.looksMs.filter((at) => !own.some((period) => within(at, period)));
  const lives = Map.groupBy(looks, (at) => own.filter(({ fromMs }) => fromMs <= at).length);
  return Math.max(0, ...[...lives.values()].map(({ length }) => length));
}

interface Presence {
  readonly rule: string;
  readonly person: string;
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
}

function belongs(visit: PlantedVisit, alert: Presence): boolean {
  return (
    alert.rule === visit.camera &&
    alert.person === visit.person &&
    alert.firstSeenAt <= visit.toMs + slackMs &&
    alert.lastSeenAt >= visit.fromMs - slackMs
  );
}

export function judge({ visits, blind, messages, history, leaveAfterMs }: Judged): Verdict {
  const alerts = new Map<string, Presence>();
  for (const message of messages) alerts.set(message.id, message);
  for (const alert of history) alerts.set(alert.id, alert);
  const byId = Map.groupBy(messages, ({ id }) => id);

  const judged = visits.map((visit): JudgedVisit => {
    const looks = longestStretch(visit, blind);
    const tellable = looks >= tellableLooks;
    const ids = [...alerts].filter(([, alert]) => belongs(visit, alert)).map(([id]) => id);
    const told = ids.flatMap((id) => byId.get(id) ?? []);
    const opened = told.filter(({ revision }) => revision === 1);
    const outcome = (): Outcome => {
      if (opened.some(({ topic }) => topic === 'live')) return 'live';
      if (told.length > 0) return 'late';
      if (ids.length > 0) return 'history';
      return tellable ? 'missed' : 'unseen';
    };
    return { ...visit, looks, tellable, ids, outcome: outcome(), double: ids.length > 1 };
  });

  /** The camera saw nothing for so long between two alerts that the first one's presence was rightly over. */
  function isSplit(visit: JudgedVisit): boolean {
    const presences = visit.ids
      .map((id) => alerts.get(id))
      .filter((alert) => alert !== undefined)
      .toSorted((a, b) => a.firstSeenAt - b.firstSeenAt);
    return presences.every((next, at) => {
      const before = presences[at - 1];
      if (before === undefined) return true;
      const blindMs = blind
        .filter(({ camera }) => camera === visit.camera)
        .map(({ fromMs, toMs }) => Math.min(toMs, next.firstSeenAt) - Math.max(fromMs, before.lastSeenAt))
        .reduce((sum, ms) => sum + Math.max(0, ms), 0);
      return blindMs >= leaveAfterMs;
    });
  }

  const doubles = judged.filter(({ double }) => double);
  const outcomes: Record<Outcome, number> = { live: 0, late: 0, history: 0, missed: 0, unseen: 0 };
  for (const { outcome } of judged) outcomes[outcome] += 1;
  const visitsOf = Map.groupBy(
    judged.flatMap((visit) => visit.ids.map((id) => ({ id, visit }))),
    ({ id }) => id,
  );
  const joined = [...visitsOf.values()].map((own) => own.map(({ visit }) => visit)).filter(({ length }) => length > 1);
  /** From the last kill before the second visit the presence is counted anew: it is not known who left meanwhile. */
  function isUndulyJoined(own: readonly JudgedVisit[]): boolean {
    return own.some((next, at) => {
      const before = own[at - 1];
      if (before === undefined) return false;
      const seenAgain = blind
        .filter(({ camera, fromMs, toMs }) => camera === next.camera && fromMs < next.fromMs && toMs > before.toMs)
        .map(({ toMs }) => toMs);
      return next.fromMs - Math.max(before.toMs, ...seenAgain) > leaveAfterMs + slackMs;
    });
  }
  const distinct = new Set(messages.map(({ id, revision }) => `${id}/${revision}`));
  const newest = [...byId.values()].map((own) => Math.max(...own.map(({ revision }) => revision)));
  const known = new Set(history.map(({ id }) => id));
  return {
    visits: judged,
    planted: judged.length,
    tellable: judged.filter(({ tellable }) => tellable).length,
    outcomes,
    toldUntellable: judged.filter(({ tellable, ids }) => !tellable && ids.length > 0).length,
    invented: [...alerts.keys()].filter((id) => !visitsOf.has(id)),
    doubles: doubles.length,
    split: doubles.filter(isSplit).length,
    joined: joined.length,
    undulyJoined: joined.filter(isUndulyJoined).length,
    alerts: alerts.size,
    messages: messages.length,
    repeats: messages.length - distinct.size,
    absentRevisions: newest.reduce((sum, revision) => sum + revision, 0) - distinct.size,
    unrecorded: [...byId.keys()].filter((id) => !known.has(id)).length,
    unclosed: history.filter(({ open }) => open).length,
  };
}
