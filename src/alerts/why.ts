import type { Alert, LedgerReason, LedgerRow } from '../core/alerts.ts';
import { descriptionMeaning } from '../core/descriptions.ts';
import type { CameraId } from '../core/types.ts';

/** A time in which a camera gave no pictures. Milliseconds since 1970; without `to` it goes on. */
export interface Outage {
  readonly from: number;
  readonly to?: number;
  readonly reason: string;
}

/** Whether a camera gave pictures is known from `from` on. */
export interface WatchedTime {
  readonly from: number;
  readonly outages: readonly Outage[];
}

export interface WhyQuestion {
  readonly camera: CameraId;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** How far before and after `at` the rows and alerts reach. */
  readonly windowMs: number;
  readonly rows: readonly LedgerRow[];
  readonly alerts: readonly Alert[];
  /** Undefined where no daemon runs that could know. */
  readonly watched?: WatchedTime | undefined;
  /** Time of day as the reader wants it. */
  readonly formatTime: (ms: number) => string;
}

/**
 * What happened on a camera around a time, and why nobody was told of the rest: lines of text, one per outage, per alert and per
 * reason.
 */
export function explain(question: WhyQuestion): readonly string[] {
  const { camera, at, windowMs, formatTime } = question;
  const near = (from: number, to: number) => from <= at + windowMs && to >= at - windowMs;
  const alerts = question.alerts.filter((alert) => alert.cameras.includes(camera) && near(alert.firstSeenAt, alert.lastSeenAt));
  const rows = question.rows.filter((row) => row.track.camera === camera && near(row.at, row.lastAt));
  const tracks = new Set(rows.map(({ track }) => `${track.epoch}/${track.trackId}`));
  const head = `${camera} around ${formatTime(at)}: ${count(alerts.length, 'alert')}, ${count(tracks.size, 'track')} that told nobody`;
  const outages = (question.watched?.outages ?? []).filter((outage) =>
    near(outage.from, outage.to ?? Number.POSITIVE_INFINITY),
  );
  const nothing = alerts.length + rows.length === 0 ? `; ${nothingSeen(question, outages)}` : '';
  return [
    `${head}${nothing}`,
    ...outages.map((outage) => outageLine(outage, formatTime)),
    ...alerts.toSorted((a, b) => a.firstSeenAt - b.firstSeenAt).map((alert) => alertLine(alert, formatTime)),
    ...rows.toSorted((a, b) => a.at - b.at || a.track.trackId - b.track.trackId).map((row) => rowLine(row, formatTime)),
  ];
}

function nothingSeen({ watched, at, windowMs, formatTime }: WhyQuestion, outages: readonly Outage[]): string {
  const seen = `no track was seen within ${Math.round(windowMs / 1000)} s`;
  if (watched === undefined) return `${seen}; whether the camera gave pictures is not known: no daemon runs`;
  if (at - windowMs < watched.from)
    return `${seen}; whether the camera gave pictures before ${formatTime(watched.from)} is not known`;
  return outages.length > 0 ? seen : `${seen} although the camera gave pictures; look at its motion gate and its masks`;
}

function outageLine({ from, to, reason }: Outage, formatTime: WhyQuestion['formatTime']): string {
  return `no pictures ${to === undefined ? `since ${formatTime(from)}` : `${formatTime(from)} to ${formatTime(to)}`}: ${reason}`;
}

function alertLine(alert: Alert, formatTime: WhyQuestion['formatTime']): string {
  const who = alert.entry === undefined ? 'an unknown face' : alert.entry.name;
  const similarity = alert.entry === undefined ? '' : `, ${alert.kind} similarity ${score(alert.score)}${meaningOf(alert)}`;
  const last = alert.steps.at(-1);
  const state = last?.reason === undefined ? alert.state : `${alert.state} (${last.reason})`;
  const trace = alert.trace === undefined ? '' : `, trace ${alert.trace}`;
  return `alert ${alert.id}: ${who}${similarity}, rule ${alert.rule}, in view ${formatTime(alert.firstSeenAt)} to ${formatTime(alert.lastSeenAt)}, ${state}${trace}`;
}

function rowLine(row: LedgerRow, formatTime: WhyQuestion['formatTime']): string {
  const text = reasons[row.reason](row, formatTime);
  return `track ${row.track.trackId}, ${row.label}, ${formatTime(row.at)} to ${formatTime(row.lastAt)}: ${text}`;
}

const reasons: Readonly<Record<LedgerReason, (row: LedgerRow, formatTime: WhyQuestion['formatTime']) => string>> = {
  too_small: (row) =>
    `${detail(row, 'bestHeightPx')} px high at best: too small to compare, ${detail(row, 'minHeightPx')} px are needed`,
  quality: (row) =>
    row.entryId === undefined
      ? `no crop good enough to compare, best quality ${detail(row, 'bestQuality')}`
      : `like ${who(row)}, but the crop's quality of ${detail(row, 'quality')} says nothing`,
  never_embedded: (row) =>
    row.details['stage'] === 'no_face'
      ? 'no face was found on this person'
      : `not compared: ${detail(row, 'crops')} crops in ${detail(row, 'frames')} frames, none was embedded`,
  nobody_enrolled: (row) => `compared ${times(row)}, but nobody is enrolled`,
  below_threshold: (row) =>
    row.entryId === undefined
      ? `compared ${times(row)}, like nobody`
      : `compared ${times(row)}, nearest ${who(row)}, which needs ${score(row.threshold)}`,
  margin: (row) =>
    `like ${who(row)}, but too near to the next entry (is somebody listed twice?): margin ${detail(row, 'margin')}, ${detail(row, 'needed')} is needed`,
  evidence: (row) =>
    `like ${who(row)} ${times(row)}, but not enough to decide: weight ${detail(row, 'support')} where ${detail(row, 'needed')} is needed, and ${detail(row, 'share')} of all that was seen of this track where ${detail(row, 'neededShare')} is`,
  ignored: (row) => `${who(row)} is on the ignore list ${detail(row, 'list')}`,
  cooldown: (row, formatTime) => {
    const sentAt = row.details['sentAt'];
    const since = typeof sentAt === 'number' ? ` at ${formatTime(sentAt)}` : '';
    return `${who(row)}: an alert was sent${since} and the rule's cooldown had not passed`;
  },
  rule_camera: (row) => `${who(row)}: no rule for this camera`,
  rule_zone: (row) =>
    row.details['dwellMs'] === undefined
      ? `${who(row)}: outside the rule's zones`
      : `${who(row)}: ${seconds(row, 'dwellMs')} inside the zone, the rule asks for ${seconds(row, 'neededMs')}`,
  rule_schedule: (row) => `${who(row)}: outside the rule's schedule`,
  rule_score: (row) => `${who(row)}: the rule asks for ${detail(row, 'minScore')}`,
  no_rule: (row) => `${who(row)}: no rule asks for this entry`,
  expired: (row) => `${who(row)}: the entry had expired or was removed`,
};

function who(row: LedgerRow): string {
  return row.entryName === undefined ? 'an unknown face' : `${row.entryName} (${score(row.score)}${meaningOf(row)})`;
}

/** What must be said beside the score of a description. */
function meaningOf({ kind }: { readonly kind: Alert['kind'] }): string {
  return kind === 'description' ? `, ${descriptionMeaning}` : '';
}

function score(value: number | undefined): string {
  return value === undefined ? 'no score' : value.toFixed(2);
}

function times(row: LedgerRow): string {
  return count(row.count, 'time');
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function detail(row: LedgerRow, key: string): string {
  return String(row.details[key] ?? 'unknown');
}

function seconds(row: LedgerRow, key: string): string {
  return `${(Number(row.details[key]) / 1000).toFixed(1)} s`;
}
