import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { errorText, isSightlineError, SightlineError } from '../core/errors.ts';

/** Answers that are no success, as RFC 9457 has them: what a person reads, and the code that a program branches on. */

export const problemMedia = 'application/problem+json';

export const problemSchema = z.strictObject({
  type: z.literal('about:blank'),
  title: z.string().describe('The status in words.'),
  status: z.number().int(),
  detail: z.string().describe('What happened, to what, and what would be allowed.'),
  code: z.string().describe('Error code; docs/operations.md has every one with cause and remedy.'),
  details: z.record(z.string(), z.unknown()).describe('Names, values, limits.'),
});
export type Problem = z.output<typeof problemSchema>;

export interface ProblemAnswer {
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;
}

/** Codes whose status does not follow from their last word. */
const statuses: Readonly<Record<string, number>> = {
  'http.request': 400,
  'control.request': 400,
  'http.auth': 401,
  'http.forbidden': 403,
  'http.limited': 429,
  'alert.transition': 409,
  'user.exists': 409,
  'user.refused': 422,
  'photo.refused': 422,
  'photo.undecodable': 422,
  'text.refused': 422,
  'store.full': 503,
  'store.failed': 503,
  'thread.exited': 503,
  'inference.overload': 503,
  'inference.deadline': 503,
  'inference.failed': 503,
  'inference.closed': 503,
  'inference.unavailable': 503,
  'model.missing': 503,
  'model.invalid': 503,
  'media.unavailable': 503,
  'control.unavailable': 503,
  'watchlist.busy': 503,
};

function statusOf({ code, details }: SightlineError): number {
  if (code === 'user.refused' && details['conflict'] === true) return 409;
  return statuses[code] ?? (code.endsWith('.unknown') ? 404 : 500);
}

export function problem(
  status: number,
  code: string,
  detail: string,
  details: Readonly<Record<string, unknown>> = {},
): Problem {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail, code, details };
}

/** Whatever was thrown. What went wrong inside is in the log, not on the wire. */
export function problemOf(error: unknown): ProblemAnswer {
  if (isSightlineError(error)) {
    const status = statusOf(error);
    if (status === 500) return failed();
    const { retryAfterS } = error.details;
    return {
      problem: problem(status, error.code === 'control.request' ? 'http.request' : error.code, error.message, error.details),
      headers: {
        // RFC 9110 wants one; no browser asks for a password because of it.
        ...(status === 401 ? { 'www-authenticate': 'Bearer realm="sightline"' } : {}),
        ...(typeof retryAfterS === 'number' ? { 'retry-after': String(Math.max(1, Math.ceil(retryAfterS))) } : {}),
      },
    };
  }
  const status =
    error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500;
  if (status < 400 || status >= 500) return failed();
  return { problem: problem(status, 'http.request', `the request cannot be taken: ${errorText(error)}`), headers: {} };
}

function failed(): ProblemAnswer {
  return { problem: problem(500, 'http.failed', 'the server failed to answer; its log says why'), headers: {} };
}

/** What the schema of a request says against it, naming the fields: `http.request`. */
export function wrongRequest(where: 'path' | 'query' | 'body', error: z.ZodError): SightlineError {
  const fields = error.issues.map((issue) => ({
    field: issue.path.join('.') || (issue.code === 'unrecognized_keys' ? issue.keys.join(', ') : ''),
    message: issue.message,
  }));
  const shown = fields.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`)).join('; ');
  return new SightlineError('http.request', `the ${where} of the request is not as it should be: ${shown}`, {
    details: { where, fields },
  });
}
