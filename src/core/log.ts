import { type Logger as PinoLogger, pino } from 'pino';
import type { Clock } from './clock.ts';

/** Messages are constant phrases, values are fields. Levels: error a person must act, warn healing itself, info a change of state, debug per frame. */
export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error' | 'level'> & {
  child(labels: Readonly<Record<string, string | number>>): Logger;
};

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** `scheme://user:password@host` anywhere in a text loses its password; so do `password=` and `token=` query parts. */
export function redact(text: string): string {
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/)([^\s/@:]*):([^\s/@]*(?:@[^\s/@]*)*)@/gi, '$1$2:***@')
    .replace(/\b(password|passwd|token|secret|apikey|api_key)=[^\s&"']+/gi, '$1=***');
}

function redactValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redact(value);
  if (value instanceof Error) {
    return {
      type: value.name,
      message: redact(value.message),
      ...('code' in value ? { code: value.code } : {}),
      ...(value.stack === undefined ? {} : { stack: redact(value.stack) }),
      ...(value.cause === undefined || depth > 4 ? {} : { cause: redactValue(value.cause, depth + 1) }),
    };
  }
  if (typeof value === 'bigint') return value.toString();
  if (value === null || typeof value !== 'object' || depth > 4) return value;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redactValue(item, depth + 1)]));
}

/** JSON lines on `destination` (stderr by default), every field redacted. */
export function createLogger(options: { level: LogLevel; destination?: { write(line: string): void } }): Logger {
  const settings = {
    level: options.level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: object) => redactValue(fields) as Record<string, unknown>,
    },
    // What pino would serialise itself has already been through `redactValue`.
    serializers: { err: (value: unknown) => value },
  };
  return pino(settings, options.destination ?? pino.destination({ fd: 2, sync: true }));
}

/** Turns a flood into one line a second with a count; the last fields win. */
export class FloodGate implements Disposable {
  readonly #pending = new Map<string, { count: number; fields: object }>();
  readonly #timer: Disposable;
  readonly #log: Logger;

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#timer = clock.every(1000, () => this.#flush());
  }

  warn(message: string, fields: object = {}): void {
    const key = `${message}`;
    const seen = this.#pending.get(key);
    if (seen === undefined) {
      this.#pending.set(key, { count: 0, fields });
      this.#log.warn(fields, message);
    } else {
      seen.count += 1;
      seen.fields = fields;
    }
  }

  #flush(): void {
    for (const [message, { count, fields }] of this.#pending) {
      if (count === 0) this.#pending.delete(message);
      else {
        this.#log.warn({ ...fields, count }, message);
        this.#pending.set(message, { count: 0, fields });
      }
    }
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
    this.#flush();
  }
}
