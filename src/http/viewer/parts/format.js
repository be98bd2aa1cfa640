/** Times, spans and numbers as people read them. Pure. Times are milliseconds since 1970. */

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat(undefined, { year: 'numeric', month: 'short', day: 'numeric' });

/** @param {number} ms */
export function clockTime(ms) {
  return clock.format(ms);
}

/** @param {number} ms */
export function date(ms) {
  return day.format(ms);
}

/**
 * @param {number} ms
 * @param {number} [now]
 */
export function isToday(ms, now = Date.now()) {
  return day.format(ms) === day.format(now);
}

/**
 * With the day where it is not today.
 * @param {number} ms
 * @param {number} [now]
 */
export function moment(ms, now = Date.now()) {
  return isToday(ms, now) ? clock.format(ms) : `${day.format(ms)}, ${clock.format(ms)}`;
}

/**
 * @param {number} ms
 * @param {number} [now]
 */
export function ago(ms, now = Date.now()) {
  const past = now - ms;
  return past < 2000 ? 'just now' : `${span(past)} ago`;
}

/** @param {number} ms */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}

/** @param {number} bytes */
export function bytes(bytes) {
  const mebi = bytes / 1024 / 1024;
  return mebi < 1000 ? `${mebi.toFixed(mebi < 10 ? 1 : 0)} MiB` : `${(mebi / 1024).toFixed(1)} GiB`;
}

/** @param {number} share 0 to 1 */
export function percent(share) {
  return `${Math.round(share * 100)} %`;
}

/** @param {string} text */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
