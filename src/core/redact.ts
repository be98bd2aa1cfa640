import { secretName } from './secret-name.ts';

/** Texts without their secrets. Stands on no package: an error is told without any too. */

/**
 * `scheme://user:` and everything up to the last `@` of the word: a password may hold `@`, `:`, `/`, `?` and `#` itself, and where
 * a path holds an `@` behind one, too much is hidden rather than too little. A port after the colon is no password. Every
 * repetition has a bound: a text of megabytes must not take longer than its length is worth.
 */
const urlPassword = /([a-z][a-z0-9+.-]{0,31}:\/\/[^\s/:]{0,255}):(?!\d{1,5}(?:[/?#\s]|$))\S{0,4095}@/gi;
const namedSecret = new RegExp(`(${secretName})=[^\\s&"']+`, 'gi');

/** `scheme://user:password@host` anywhere in a text loses its password; so do `password=` and `token=` parts. */
export function redact(text: string): string {
  return text.replace(urlPassword, '$1:***@').replace(namedSecret, '$1=***');
}
