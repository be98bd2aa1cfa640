/**
 * One error class with a closed list of codes. Callers branch on `code`, never on text. `docs/operations.md` has every code with
 * cause and remedy; a test proves the table complete.
 */
export const errorCodes = [
  'alert.transition',
  'alert.unknown',
  'bridge.protocol',
  'camera.clock',
  'camera.crops',
  'camera.late',
  'cli.usage',
  'clip.unknown',
  'config.invalid',
  'container.engine',
  'container.gpu',
  'container.image',
  'container.memory',
  'container.refused',
  'control.failed',
  'control.request',
  'control.unavailable',
  'daemon.running',
  'demo.failed',
  'demo.scene',
  'http.auth',
  'http.failed',
  'http.forbidden',
  'http.limited',
  'http.request',
  'http.unavailable',
  'http.unknown',
  'inference.closed',
  'inference.deadline',
  'inference.failed',
  'inference.overload',
  'inference.unavailable',
  'media.protocol',
  'media.unavailable',
  'model.catalogue',
  'model.download',
  'model.foreign',
  'model.invalid',
  'model.missing',
  'model.unknown',
  'output.refused',
  'output.unavailable',
  'photo.refused',
  'photo.undecodable',
  'source.auth',
  'source.ended',
  'source.failed',
  'source.format',
  'source.timeout',
  'source.unreachable',
  'source.unsupported',
  'store.failed',
  'store.full',
  'store.schema',
  'text.refused',
  'thread.exited',
  'user.exists',
  'user.refused',
  'user.unknown',
  'watchlist.busy',
  'watchlist.dimension',
  'watchlist.unknown',
  'worker.crashed',
  'worker.protocol',
  'worker.settings',
  'worker.start_timeout',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** Plain data a reader of the error needs: names, values, limits. Never a secret. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** The message says what happened, to what, and what would be allowed: lower case, no full stop. */
export class SightlineError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: { details?: ErrorDetails; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SightlineError';
    this.code = code;
    this.details = options.details ?? {};
  }
}

export function isSightlineError(error: unknown, code?: ErrorCode): error is SightlineError {
  return error instanceof SightlineError && (code === undefined || error.code === code);
}

/** Whatever was thrown, as text for a log line or a state; the chain of causes is kept. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${errorText(error.cause)}`;
}

/** An operating system error by its code (`ENOENT`, `ECONNREFUSED`). */
export function isSystemError(error: unknown, code: string): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && error.code === code;
}

export const noDescriptors = 'no file descriptors are left; raise the limit (LimitNOFILE, ulimit -n)';

/** The words for an error of the process or the machine having no file descriptors left; undefined for any other. */
export function descriptorsText(error: unknown): string | undefined {
  return isSystemError(error, 'EMFILE') || isSystemError(error, 'ENFILE') ? noDescriptors : undefined;
}

/** The rejection an aborted wait gives; expected at shutdown and never logged. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
