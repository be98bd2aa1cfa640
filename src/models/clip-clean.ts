/**
 * How CLIP cleans a text before it is split (https://github.com/openai/CLIP, `simple_tokenizer.py`): repaired, HTML undone, white
 * space collapsed, lower case. Its repair is the Python package ftfy; here are those of its steps that a description typed by a
 * person can need. What is not: text decoded by the wrong character set, terminal escapes, and named references of HTML beyond
 * the five of XML and `&nbsp;`; these stay as they are.
 */
export function cleanText(text: string): string {
  const repaired = repair(text);
  return unescapeHtml(unescapeHtml(repaired, false), false).replace(whiteSpace, ' ').replace(/^ | $/g, '').toLowerCase();
}

/** The byte order mark is white space to JavaScript alone; control characters that are it to Python have gone before. */
const whiteSpace = /(?:(?!\ufeff)\s)+/gu;

/** Until nothing changes: a reference may hide another. */
function repair(text: string): string {
  // Where there are tags, references may be meant.
  const markup = text.includes('<');
  let before: string;
  let after = text;
  do {
    before = after;
    after = (markup ? before : unescapeHtml(before, true))
      .replace(/[\u0080-\u009f]/gu, (found) => windows1252(found.charCodeAt(0)))
      .replace(ligature, (found) => ligatures[found] ?? found)
      .replace(/[\uff01-\uffef]/gu, (found) => found.normalize('NFKC'))
      .replace(/\u3000/gu, ' ')
      .replace(/[\u201c-\u201f]/gu, '"')
      .replace(/[\u02bc\u2018-\u201b]/gu, "'")
      .replace(/\r\n?|[\u0085\u2028\u2029]/gu, '\n')
      .replace(control, '')
      .normalize('NFC');
  } while (after !== before);
  return after;
}

/** C0 but white space, deprecated Arabic forms, byte order mark, annotation and object replacement; not C1. */
const control = /(?![\t\n\f\r\u0080-\u009f])\p{Cc}|[\u206a-\u206f\ufeff\ufff9-\ufffc]/gu;

const ligatures: Readonly<Record<string, string>> = {
  Ĳ: 'IJ',
  ĳ: 'ij',
  ŉ: 'ʼn',
  Ǳ: 'DZ',
  ǲ: 'Dz',
  ǳ: 'dz',
  Ǆ: 'DŽ',
  ǅ: 'Dž',
  ǆ: 'dž',
  Ǉ: 'LJ',
  ǈ: 'Lj',
  ǉ: 'lj',
  Ǌ: 'NJ',
  ǋ: 'Nj',
  ǌ: 'nj',
  ﬀ: 'ff',
  ﬁ: 'fi',
  ﬂ: 'fl',
  ﬃ: 'ffi',
  ﬄ: 'ffl',
  ﬅ: 'ſt',
  ﬆ: 'st',
};
const ligature = new RegExp(`[${Object.keys(ligatures).join('')}]`, 'gu');

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };

/**
 * Character references to characters. Not `strict`: as browsers and Python's `html.unescape`, the semicolon may be missing (but
 * after `&apos`).
 */
function unescapeHtml(text: string, strict: boolean): string {
  return text.replace(
    /&(?:#(?<decimal>\d+)|#[xX](?<hex>[\da-fA-F]+)|(?<name>amp|lt|gt|quot|apos|nbsp)(?![\da-zA-Z]))(?<end>;?)/gu,
    (found, decimal: string | undefined, hex: string | undefined, name: string | undefined, end: string) => {
      if (end === '' && (strict || name === 'apos')) return found;
      if (name !== undefined) return named[name] ?? found;
      return referenced(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
    },
  );
}

/** The character of a number by the rules of HTML (https://html.spec.whatwg.org/#numeric-character-reference-end-state). */
function referenced(point: number): string {
  if (point >= 0x80 && point <= 0x9f) return windows1252(point);
  if (point === 0 || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return '\ufffd';
  const dropped =
    (point < 0x20 && ![0x09, 0x0a, 0x0c, 0x0d].includes(point)) ||
    point === 0x7f ||
    (point >= 0xfdd0 && point <= 0xfdef) ||
    (point & 0xfffe) === 0xfffe;
  return dropped ? '' : String.fromCodePoint(point);
}

/** 0x80 to 0x9f as Windows has them; what it leaves free stays. */
function windows1252(point: number): string {
  const letters = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ';
  return letters[point - 0x80] ?? '';
}
