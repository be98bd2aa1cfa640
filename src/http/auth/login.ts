import type { FastifyRequest } from 'fastify';
import type { Principal } from '../../core/access.ts';
import type { Context } from '../../core/context.ts';
import { isSightlineError, SightlineError } from '../../core/errors.ts';
import { FloodGate } from '../../core/log.ts';
import type { OpenedSession } from './accounts.ts';
import { addressKind, placeOf } from './addresses.ts';
import type { Auth } from './auth.ts';
import { createLoginThrottle } from './throttle.ts';

/** Passwords at the door: compared under a throttle, counted and written down. */

export interface Login extends Disposable {
  /** Errors: `http.auth`, `http.forbidden` (disabled), `http.limited` with `details.retryAfterS`. */
  logIn(request: FastifyRequest, user: string, password: string): Promise<OpenedSession>;
  /** The password of somebody who is logged in, under the same throttle. Errors: `user.refused`, `http.limited`. */
  confirm(request: FastifyRequest, principal: Principal, password: string): Promise<void>;
  /** Guesses at the set-up link, under the same throttle. */
  setUp(request: FastifyRequest, run: () => Promise<void>): Promise<void>;
}

type Result = 'ok' | 'wrong' | 'disabled' | 'limited';

/** Failed logins that get a row of the audit trail each; of the others a minute gets one with their number. */
const rowsPerMinute = 30;
const minuteMs = 60_000;

export function createLogin(auth: Auth, ctx: Context): Login {
  const { accounts, audit } = auth;
  const { clock, metrics } = ctx;
  const flood = new FloodGate(ctx.log, clock);
  const logins = metrics.counter('sightline_auth_logins_total', 'Passwords that were given, by what came of it.', ['result']);
  const throttle = createLoginThrottle();
  metrics.counted(
    'sightline_auth_throttle_evicted_total',
    'Counts of failed logins that were forgotten early, for want of room.',
    () => throttle.evicted,
  );
  let rowsLeft = rowsPerMinute;
  let unwritten = 0;
  const minute = clock.every(minuteMs, () => {
    rowsLeft = rowsPerMinute;
    if (unwritten > 0) writeRefused('several', { reason: 'wrong', count: unwritten });
    unwritten = 0;
  });

  function writeRefused(subject: string, details: Readonly<Record<string, string | number>>): void {
    audit.note({ user: 'nobody', via: 'open' }, 'session.refused', subject, details);
  }

  /** What was typed as a name is shown only where it is one: people type their password there. */
  function refused(result: Exclude<Result, 'ok'>, request: FastifyRequest, user: string): void {
    logins.inc({ result });
    const { address } = auth.seenAs(request);
    const subject = accounts.user(user) === undefined ? 'unknown user' : user;
    flood.warn('login refused', { user: subject, address, reason: result });
    if (result === 'limited') return;
    if (rowsLeft > 0) {
      rowsLeft -= 1;
      writeRefused(subject, { reason: result, address });
    } else unwritten += 1;
  }

  async function underThrottle<T>(
    request: FastifyRequest,
    user: string,
    run: () => Promise<{ readonly isRight: boolean; readonly value: T }>,
  ): Promise<T> {
    const place = placeOf(auth.seenAs(request).address);
    const attempt = throttle.attempt({ user, isKnown: accounts.user(user) !== undefined, place }, clock.mono());
    if (typeof attempt === 'number') {
      refused('limited', request, user);
      const retryAfterS = Math.ceil(attempt / 1000);
      throw new SightlineError('http.limited', `too many failed logins; try again in ${retryAfterS} s`, {
        details: { retryAfterS },
      });
    }
    try {
      const { isRight, value } = await run();
      if (isRight) attempt.succeed();
      return value;
    } catch (error) {
      const isDecided = isSightlineError(error, 'http.auth') || isSightlineError(error, 'http.forbidden');
      if (!isDecided) attempt.takeBack();
      if (isSightlineError(error, 'http.limited')) refused('limited', request, user);
      throw error;
    }
  }

  return {
    logIn: (request, user, password) =>
      underThrottle(request, user, async () => {
        const { address } = auth.seenAs(request);
        try {
          const opened = await accounts.logIn(user, password, addressKind(address));
          if (opened === undefined) throw new SightlineError('http.auth', 'user or password is wrong');
          logins.inc({ result: 'ok' });
          audit.note({ user, via: 'session' }, 'session.login', user, { address });
          return { isRight: true, value: opened };
        } catch (error) {
          if (isSightlineError(error, 'http.auth')) refused('wrong', request, user);
          if (isSightlineError(error, 'http.forbidden')) refused('disabled', request, user);
          throw error;
        }
      }),
    confirm: async (request, { user }, password) => {
      const isRight = await underThrottle(request, user, async () => {
        const right = await accounts.checkPassword(user, password);
        return { isRight: right, value: right };
      });
      if (isRight) return;
      refused('wrong', request, user);
      throw new SightlineError('user.refused', 'the old password is wrong');
    },
    setUp: (request, run) =>
      underThrottle(request, 'set-up link', async () => {
        try {
          await run();
        } catch (error) {
          if (isSightlineError(error, 'http.auth')) writeRefused('set-up link', { address: auth.seenAs(request).address });
          throw error;
        }
        return { isRight: true, value: undefined };
      }),
    [Symbol.dispose]: () => {
      minute[Symbol.dispose]();
      flood[Symbol.dispose]();
    },
  };
}
