import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Context } from '../../core/context.ts';
import { SightlineError } from '../../core/errors.ts';

/**
 * Passwords that people choose, as Argon2id in the PHC string format: 19 MiB, two passes, one lane, which the OWASP Password Storage
 * Cheat Sheet names first. Off the event loop, one at a time: a flood of logins must not take the processor from the cameras.
 */

const memoryKib = 19_456;
const passes = 2;
const tagBytes = 32;
const saltBytes = 16;
const prefix = `$argon2id$v=19$m=${memoryKib},t=${passes},p=1$`;

export const passwordLength = { min: 10, max: 200 } as const;
/** Those that wait for their turn: a few seconds of them. */
const maxWaiting = 32;
/** With more than these waiting there is a rest after each: half of one processor's time is the most that they all get. */
const busyFrom = 4;
const restMs = 50;

export interface Passwords {
  /** Rejects with `http.limited` when too many are waiting. */
  hash(password: string): Promise<string>;
  /** Takes as long where there is no hash: who asks does not learn whether there is a user. Rejects with `http.limited`. */
  verify(password: string, hash: string | undefined): Promise<boolean>;
}

/** Throws `user.refused`. */
export function requireGoodPassword(password: string, user: string): void {
  const { min, max } = passwordLength;
  const length = [...password].length;
  const refuse = (words: string) => {
    throw new SightlineError('user.refused', words, { details: { min, max } });
  };
  if (length < min)
    refuse(`the password has ${length} characters; at least ${min} are needed, and a few words make a good one`);
  if (length > max) refuse(`the password has ${length} characters; at most ${max} are taken`);
  if (password.toLowerCase() === user.toLowerCase()) refuse('the password is the name of the user; choose another');
  if (new Set(password).size < 4) refuse('the password is made of fewer than 4 different characters; choose another');
}

/** The same characters however a keyboard composed them (NIST SP 800-63B, section 5.1.1.2). */
function bytesOf(password: string): Buffer {
  return Buffer.from(password.normalize('NFKC'));
}

function derive(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parameters = {
      message: bytesOf(password),
      nonce: salt,
      parallelism: 1,
      tagLength: tagBytes,
      memory: memoryKib,
      passes,
    };
    argon2('argon2id', parameters, (error, tag) => (error === null ? resolve(tag) : reject(error)));
  });
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}

/** Undefined for what is no hash of ours. */
function parse(hash: string): { readonly salt: Buffer; readonly tag: Buffer } | undefined {
  if (!hash.startsWith(prefix)) return undefined;
  const [salt = '', tag = ''] = hash.slice(prefix.length).split('$');
  const parsed = { salt: Buffer.from(salt, 'base64'), tag: Buffer.from(tag, 'base64') };
  return parsed.salt.length === saltBytes && parsed.tag.length === tagBytes ? parsed : undefined;
}

export function createPasswords({ clock, signal }: Pick<Context, 'clock' | 'signal'>): Passwords {
  const nobody = { salt: randomBytes(saltBytes), tag: randomBytes(tagBytes) };
  let waiting = 0;
  let line: Promise<unknown> = Promise.resolve();

  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    if (waiting >= maxWaiting)
      throw new SightlineError('http.limited', 'too many logins at once; try again in a moment', {
        details: { retryAfterS: 2, busy: true },
      });
    waiting += 1;
    const turn = line.then(run).finally(() => {
      waiting -= 1;
    });
    line = turn.catch(() => {}).then(() => (waiting > busyFrom ? clock.sleep(restMs, signal).catch(() => {}) : undefined));
    return turn;
  }

  return {
    hash: async (password) => {
      const salt = randomBytes(saltBytes);
      const tag = await inTurn(() => derive(password, salt));
      return `${prefix}${unpadded(salt)}$${unpadded(tag)}`;
    },
    verify: async (password, hash) => {
      const right = hash === undefined ? undefined : parse(hash);
      const { salt, tag } = right ?? nobody;
      const given = await inTurn(() => derive(password, salt));
      return timingSafeEqual(given, tag) && right !== undefined;
    },
  };
}
