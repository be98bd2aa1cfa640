import { SightlineError } from './errors.ts';

/** Entries that are known by words alone. */

/** Stands wherever the score of such an entry does. */
export const descriptionMeaning = 'experimental, matches a description, not a person';

/** Characters: more than the text side of CLIP reads. */
export const longestDescription = 500;

/** Blanks and repetitions may go; what is this long is no description, and tidying it could take seconds. */
const longestText = 20 * longestDescription;
/** Not seen, or turning the direction of what stands beside it. Those that join letters and signs stay. */
const unseen = /(?![\u200c\u200d])\p{Cf}/gu;

/**
 * A description as it is kept: attributes separated by commas, each once, with something to see in it and without blanks around it. Throws
 * `text.refused` where none is left or there is too much.
 */
export function tidyDescription(text: string): string {
  if (text.length > longestText) throw tooLong(text.length);
  const attributes = text
    .toWellFormed()
    .normalize('NFC')
    .replace(unseen, '')
    .replace(/[\p{Cc}\p{Zs}\p{Zl}\p{Zp}]+/gu, ' ')
    .split(',')
    .map((attribute) => attribute.trim())
    .filter((attribute) => /[\p{L}\p{N}\p{S}]/u.test(attribute));
  const tidy = [...new Set(attributes)].join(', ');
  if (tidy === '')
    throw new SightlineError('text.refused', 'the description is empty; say what to look for: "red jacket, black cap"');
  if (tidy.length <= longestDescription) return tidy;
  throw tooLong(tidy.length);
}

function tooLong(length: number): SightlineError {
  return new SightlineError(
    'text.refused',
    `the description has ${length} characters; allowed are ${longestDescription}: name what is seen from afar`,
  );
}
