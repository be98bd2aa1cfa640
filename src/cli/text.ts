import { parseDuration } from '../core/duration.ts';
import { isSightlineError } from '../core/errors.ts';
import { usage } from './command.ts';
import { oneLine } from './printable.ts';

/** Times and tables as people read and write them at a terminal. */

function parts(ms: number, timeZone: string): Readonly<Record<string, string>> {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
  return Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
}

const dayMs = 86_400_000;

/** `2026-11-21 14:03:05` */
export function dateTime(ms: number, timeZone: string): string {
  const { year, month, day, hour, minute, second } = parts(ms, timeZone);
  return `${year}-${month}-${day} ${hour}:${minute}:${second}`;
}

/** `14:03:05` */
export function timeOfDay(ms: number, timeZone: string): string {
  return dateTime(ms, timeZone).slice(11);
}

/**
 * `14:03`, `14:03:05` (the latest such time that is not in the future), `2026-11-21 14:03`, or a full ISO time with its zone.
 * Throws `cli.usage`.
 */
export function parseTime(text: string, nowMs: number, timeZone: string): number {
  if (/^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:?\d\d)$/.test(text)) {
    const ms = Date.parse(text);
    if (!Number.isNaN(ms)) return ms;
  }
  const [, date, hour, minute, second = '00'] = /^(?:(\d{4}-\d\d-\d\d)[ T])?(\d\d?):(\d\d)(?::(\d\d))?$/.exec(text) ?? [];
  if (hour !== undefined && minute !== undefined && Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60) {
    const clock = `${hour.padStart(2, '0')}:${minute}:${second}`;
    if (date !== undefined) {
      const ms = localTime(date, clock, timeZone);
      if (ms !== undefined) return ms;
    } else {
      for (const daysAgo of [0, 1, 2]) {
        const ms = localTime(dateTime(nowMs - daysAgo * dayMs, timeZone).slice(0, 10), clock, timeZone);
        if (ms !== undefined && ms <= nowMs) return ms;
      }
    }
  }
  throw usage(`${text} is not a time; write 14:03, 14:03:05, "2026-11-21 14:03" or 2026-11-21T14:03:05Z`);
}

/** The wall time of a zone as milliseconds; undefined for a date that is none or a time that a clock change skips. */
function localTime(date: string, clock: string, timeZone: string): number | undefined {
  const asUtc = Date.parse(`${date}T${clock}Z`);
  if (Number.isNaN(asUtc)) return undefined;
  // The zone's offset before and after a clock change of that day: the hours right behind one are of the other side of `asUtc`.
  for (const guess of [asUtc, asUtc - dayMs, asUtc + dayMs]) {
    const ms = asUtc - (Date.parse(`${dateTime(guess, timeZone).replace(' ', 'T')}Z`) - guess);
    if (dateTime(ms, timeZone) === `${date} ${clock}`) return ms;
  }
  return undefined;
}

/** `30s`, `5m`, `2h`, `30d`. Throws `cli.usage`. */
export function parseSpan(text: string, option: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw usage(`--${option} ${text} is not a duration; write 30s, 5m, 2h or 30d`);
  return ms;
}

/** When something ends: after a duration from now, or at a time. Throws `cli.usage`. */
export function parseExpiry(text: string, nowMs: number, timeZone: string): number {
  if (/^\d+(\.\d+)?(ms|s|m|h|d)$/.test(text)) return nowMs + parseSpan(text, 'expires');
  try {
    return parseTime(text, nowMs, timeZone);
  } catch (error) {
    if (!isSightlineError(error, 'cli.usage')) throw error;
    throw usage(`--expires ${text} is neither a duration nor a time; write 30d or "2026-12-31 00:00"`);
  }
}

/** `1 entry`, `2 entries`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** Columns as wide as their widest cell; the last one is not padded. */
export function table(given: readonly (readonly string[])[]): string[] {
  const rows = given.map((row) => row.map(oneLine));
  const widths = rows.reduce<number[]>((known, row) => {
    for (const [index, cell] of row.entries()) known[index] = Math.max(known[index] ?? 0, cell.length);
    return known;
  }, []);
  return rows.map((row) =>
    row
      .map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
