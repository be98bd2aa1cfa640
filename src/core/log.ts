import { type Logger as PinoLogger, pino } from 'pino';
import type { Clock } from './clock.ts';
import { redact } from './redact.ts';

/** Messages are constant phrases, values are fields. Levels: error a person must act, warn healing itself, info a change of state, debug per frame. */
export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error' | 'level'> & {
  child(labels: Readonly<Record<string, string | number>>): Logger;
};

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Narrower than `secretName`: this program names the fields, and by `key` mostly what finds a thing. */
const secretKey = /^(?:.*password|passphrase|passwd|pass|pwd|.*token|.*secret|api_?key|authorization|.*privatekey)$/i;
/** Deeper fields are not logged: nothing would have looked at them. */
const depthLimit = 5;
/** Longer texts are cut: a line of the log is read by people and shipped by machines with limits of their own. */
const textLimit = 16_384;

/** Redacted, and cut where it is too long; a password that reaches over the cut is still seen as one. */
function shown(text: string): string {
  if (text.length <= textLimit) return redact(text);
  return `${redact(text.slice(0, 2 * textLimit)).slice(0, textLimit)}… (${text.length} characters)`;
}

function redactValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return shown(value);
  if (typeof value === 'bigint') return value.toString();
  if (value === null || typeof value !== 'object') return value;
  if (depth > depthLimit) return '[deeper]';
  if (value instanceof Error) {
    return {
      type: value.name,
      message: shown(value.message),
      ...('code' in value ? { code: value.code } : {}),
      ...(value.stack === undefined ? {} : { stack: shown(value.stack) }),
      ...(value.cause === undefined ? {} : { cause: redactValue(value.cause, depth + 1) }),
      ...(value instanceof AggregateError ? { errors: redactValue(value.errors, depth + 1) } : {}),
    };
  }
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redactField(key, item, depth + 1)]));
}

function redactField(key: string, value: unknown, depth: number): unknown {
  return secretKey.test(key) && value !== undefined && value !== null && value !== '' ? '***' : redactValue(value, depth);
}

/** Pino's numbers. */
const levels: Readonly<Record<LogLevel, number>> = {
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  silent: Number.POSITIVE_INFINITY,
};

/** JSON lines on `destination` (for standard error a `LogStream`), every field redacted. Setting `level` holds for all children too. */
export function createLogger(options: { level: LogLevel; destination: { write(line: string): void } }): Logger {
  let level = options.level;
  const settings = {
    level: 'debug',
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: object) => redactValue(fields) as Record<string, unknown>,
    },
    hooks: {
      logMethod(this: PinoLogger, args: unknown[], method: (...args: unknown[]) => void, at: number): void {
        if (at < levels[level]) return;
        const [first, ...rest] = args;
        // An error in the place of the fields would become the message by itself, unredacted.
        const fields = first instanceof Error ? [{ err: first }, ...(rest.length === 0 ? [first.message] : rest)] : args;
        method.apply(
          this,
          fields.map((item) => (typeof item === 'string' ? shown(item) : item)),
        );
      },
    },
    // What pino would serialise itself has already been through `redactValue`.
    serializers: { err: (value: unknown) => value },
  };
  const root = pino(settings, options.destination);
  const makeChild = root.child;
  // Labels of a child are written without passing `formatters`, and its level would be its own.
  const shared = (logger: object): Logger =>
    Object.defineProperties(logger, {
      child: {
        value: (labels: object) =>
          shared(makeChild.call(logger as PinoLogger, redactValue(labels) as Record<string, unknown>, { level: 'debug' })),
      },
      level: {
        get: () => level,
        set: (next: LogLevel) => {
          level = next;
        },
      },
    }) as Logger;
  return shared(root);
}

/** Written by the log itself, or by whoever passes on what another process says: which process that is. */
const keptKeys: ReadonlySet<string> = new Set(['level', 'time', 'msg', 'worker', 'container']);

/** Fields that another process names, without those that would take the place of ours. */
export function foreignFields(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !keptKeys.has(key)));
}

const floodTickMs = 1000;
/** So long nothing may come before a flood is over; never longer than the distance of its lines can be. */
const floodPauseMs = 10_000;
/** For `FloodGate`, of what may go on for hours: a server that is away, a machine that is too slow. */
export const longFloodMs = 60_000;

interface Flood {
  readonly message: string;
  readonly level: 'info' | 'warn' | 'error';
  fields: object;
  /** Since the line before, and of these since the last tick. */
  count: number;
  fresh: number;
  quietMs: number;
  spanMs: number;
  sinceLineMs: number;
}

/**
 * Turns a flood into one line a second with a count, of each model and server; the last fields win. With `longestMs` the lines of one that does not end come at
 * twice the distance each time, up to that; once it is over, what was not yet said is said.
 */
export class FloodGate implements Disposable {
  readonly #floods = new Map<string, Flood>();
  readonly #timer: Disposable;
  readonly #log: Logger;
  readonly #longestMs: number;

  constructor(log: Logger, clock: Clock, longestMs = floodTickMs) {
    this.#log = log;
    this.#longestMs = longestMs;
    this.#timer = clock.every(floodTickMs, () => this.#tick());
  }

  info(message: string, fields: object = {}): void {
    this.#say('info', message, fields);
  }

  warn(message: string, fields: object = {}): void {
    this.#say('warn', message, fields);
  }

  error(message: string, fields: object = {}): void {
    this.#say('error', message, fields);
  }

  #say(level: 'info' | 'warn' | 'error', message: string, fields: object): void {
    const { model, server }: { model?: unknown; server?: unknown } = fields;
    const of = [message, model, server].join();
    const flood = this.#floods.get(of);
    if (flood === undefined) {
      const none = { count: 0, fresh: 0, quietMs: 0, sinceLineMs: 0 };
      this.#floods.set(of, { message, level, fields, ...none, spanMs: floodTickMs });
      this.#log[level](fields, message);
    } else {
      flood.count += 1;
      flood.fresh += 1;
      flood.fields = fields;
    }
  }

  #tick(): void {
    for (const [of, flood] of this.#floods) {
      flood.sinceLineMs += floodTickMs;
      flood.quietMs = flood.fresh === 0 ? flood.quietMs + floodTickMs : 0;
      flood.fresh = 0;
      const isOver = flood.quietMs >= Math.min(floodPauseMs, this.#longestMs);
      if (isOver) this.#floods.delete(of);
      if (!isOver && (flood.count === 0 || flood.sinceLineMs < flood.spanMs)) continue;
      this.#sum(flood);
      flood.sinceLineMs = 0;
      flood.spanMs = Math.min(flood.spanMs * 2, this.#longestMs);
    }
  }

  #sum(flood: Flood): void {
    if (flood.count > 0) this.#log[flood.level]({ ...flood.fields, count: flood.count }, flood.message);
    flood.count = 0;
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
    for (const flood of this.#floods.values()) this.#sum(flood);
  }
}

const secondSayingMs = 60_000;
const laterSayingsMs = 3_600_000;

/** For trouble that may last for days: said when it begins, a minute later, then every hour, and only when there is something to count. */
export class SeldomGate {
  readonly #log: Logger;
  readonly #clock: Pick<Clock, 'mono'>;
  #said = 0;
  #dueMono = 0;
  #unsaid = 0;
  #total = 0;

  constructor(log: Logger, clock: Pick<Clock, 'mono'>) {
    this.#log = log;
    this.#clock = clock;
  }

  /** `what` names the count: those since the line before. */
  warn(message: string, what: string, count: number, fields: object = {}): void {
    this.#unsaid += count;
    this.#total += count;
    const mono = this.#clock.mono();
    if (this.#unsaid === 0 || (this.#said > 0 && mono < this.#dueMono)) return;
    this.#log.warn({ ...fields, [what]: this.#unsaid }, message);
    this.#dueMono = mono + (this.#said === 0 ? secondSayingMs : laterSayingsMs);
    this.#said += 1;
    this.#unsaid = 0;
  }

  /** The end is said when the trouble was, with all that was counted; what comes then is said at once again. */
  over(message: string): void {
    if (this.#said > 0) this.#log.info({ count: this.#total }, message);
    this.#said = 0;
    this.#unsaid = 0;
    this.#total = 0;
  }
}
