import type { RuleConfig } from '../config/schema.ts';

export type ScheduleWindow = RuleConfig['when']['schedule'][number];

/** Whether a schedule holds at a wall-clock time, in milliseconds since 1970. */
export type Schedule = (wallMs: number) => boolean;

const weekdays: readonly string[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const dayMinutes = 24 * 60;

/**
 * A window holds while the clock on the wall of its time zone shows a time from `from` up to, not including, `to`; one whose `to` is
 * earlier runs past midnight and belongs to the day on which it began. At the change to summer time a window inside the hour that
 * is left out does not happen, and one that begins in it begins with the first minute after; at the change back the repeated hour
 * counts both times. Without windows a schedule always holds.
 */
export function compileSchedule(windows: readonly ScheduleWindow[]): Schedule {
  if (windows.length === 0) return () => true;
  const compiled = windows.map(compileWindow);
  return (wallMs) => compiled.some((holds) => holds(wallMs));
}

function compileWindow(window: ScheduleWindow): Schedule {
  const localTime = createLocalTime(window.timeZone);
  const from = minutesOf(window.from);
  const to = minutesOf(window.to);
  const begins = (day: number) => window.days.some((name) => weekdays.indexOf(name) === day);
  return (wallMs) => {
    const { day, minutes } = localTime(wallMs);
    if (from < to) return begins(day) && minutes >= from && minutes < to;
    return (begins(day) && minutes >= from) || (begins((day + 6) % 7) && minutes < to);
  };
}

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return hours * 60 + minutes;
}

/** Day of the week (0 is Monday) and minutes since local midnight. */
function createLocalTime(timeZone: string): (wallMs: number) => { readonly day: number; readonly minutes: number } {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  return (wallMs) => {
    const parts = new Map(format.formatToParts(wallMs).map(({ type, value }) => [type, value]));
    const name = (parts.get('weekday') ?? '').toLowerCase();
    const day = weekdays.indexOf(name);
    const minutes = Number(parts.get('hour')) * 60 + Number(parts.get('minute'));
    return { day, minutes: minutes % dayMinutes };
  };
}
