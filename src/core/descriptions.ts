import { SightlineError } from './errors.ts';

/** Entries that are known by words alone. */

/** Stands wherever the score of such an entry does. */
export const descriptionMeaning = 'experimental, matches a description, not a person';

/** Characters: more than the text side of CLIP reads. */
export const longestDescription = 500;

/**
 * A description as it is kept: attributes separated by commas, each once and without blanks around it. Throws `text.refused` where
 * none is left or there is too much.
 */
export function tidyDescription(text: string): string {
  const attributes = text
    .normalize('NFC')
    .replace(/[\p{Cc}\p{Zs}\p{Zl}\p{Zp}]+/gu, ' ')
    .split(',')
    .map((attribute) => attribute.trim())
    .filter((attribute) => attribute !== '');
  const tidy = [...new Set(attributes)].join(', ');
  if (tidy === '')
    throw new SightlineError('text.refused', 'the description is empty; say what to look for: "red jacket, black cap"');
  if (tidy.length <= longestDescription) return tidy;
  throw new SightlineError(
    'text.refused',
    `the description has ${tidy.length} characters; allowed are ${longestDescription}: name what is seen from afar`,
  );
}
