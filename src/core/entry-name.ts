import { SightlineError } from './errors.ts';

/** The name of a watchlist entry: two that look the same are the same. */

const longest = 200;
/**
 * What nobody sees or what makes text stand elsewhere than it is written: control characters, ends of lines, code points that are shown as
 * nothing (Default_Ignorable_Code_Point and Bidi_Control of Unicode's DerivedCoreProperties and PropList), halves of surrogate pairs.
 */
const unseen = /[\p{Cc}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Cs}]/u;

/** Scripts that are written with joiners (Unicode Standard Annex 31, section 2.3: ZWNJ and ZWJ between letters). */
const joining = ['Arab', 'Deva', 'Beng', 'Guru', 'Gujr', 'Orya', 'Taml', 'Telu', 'Knda', 'Mlym', 'Sinh', 'Khmr', 'Mong']
  .map((script) => `\\p{Script_Extensions=${script}}`)
  .join('');
const joiner = new RegExp(`(?<=[${joining}])[\u{200c}\u{200d}](?=[${joining}])`, 'gu');

/** As it is compared: composed (NFC, Unicode Standard Annex 15), without blanks around it, each blank in it one space. */
export function comparableName(text: string): string {
  return text
    .normalize('NFC')
    .replace(/\p{Zs}+/gu, ' ')
    .trim();
}

/** The name as it is kept. Throws `control.request` for what is none, naming the character that has no place in it. */
export function entryName(text: string): string {
  const name = comparableName(text);
  const [found] = unseen.exec(name.replaceAll(joiner, '')) ?? [];
  if (found !== undefined) {
    const code = `U+${(found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
    const words = `a name has no control characters, line breaks or characters that are not seen; ${name.replaceAll(new RegExp(unseen, 'gu'), '\u{fffd}')} has ${code}: write it without`;
    throw new SightlineError('control.request', words, { details: { character: code } });
  }
  if (name === '' || name.length > longest)
    throw new SightlineError('control.request', `a name has 1 to ${longest} characters`);
  return name;
}
