import { SightlineError } from '../core/errors.ts';
import { cleanText } from './clip-clean.ts';

/**
 * CLIP's tokenizer (https://github.com/openai/CLIP, `simple_tokenizer.py`): byte pair encoding (arXiv 1508.07909) over the bytes of
 * lower-case words. Ids: 256 bytes, the same at a word's end, one per merge, start and end of text.
 */

/** The part of the merges that the published models were trained with; their file has more. */
const mergeCount = 48_894;

export const startOfText = 512 + mergeCount;
export const endOfText = startOfText + 1;

const wordEnd = '</w>';

/**
 * What is one piece, most special first: start and end, contractions, words, single digits, anything else but spaces. Upstream's
 * expression ignores case, by which the long s is an s and one mark (U+0345) is of no class and lost.
 */
const pieces = /<\|startoftext\|>|<\|endoftext\|>|'(?:[stmdſ]|re|ve|ll)|\p{L}+|\p{N}|(?:(?!\u0345)[^ \p{L}\p{N}])+/gu;

export interface ClipTokenizer {
  /** Ids of a text, without start and end. */
  encode(text: string): readonly number[];
}

/**
 * A tokenizer from the text of `bpe_simple_vocab_16e6.txt`: a line that names it, then a merge per line in order of rank; what
 * comes after those that the models know is not read. Throws `model.invalid` naming `file` and line.
 */
export function parseClipVocabulary(text: string, file: string): ClipTokenizer {
  const invalid = (line: number, problem: string) =>
    new SightlineError('model.invalid', `${file}:${line}: ${problem}; expected is bpe_simple_vocab_16e6.txt of CLIP`, {
      details: { file, line },
    });
  const [title = '', ...lines] = text.split('\n', mergeCount + 1);
  if (!title.includes('#version')) throw invalid(1, 'the first line names no version');
  const ids = new Map<string, number>();
  const learn = (symbol: string, id: number) => ids.set(symbol, id);
  for (const [id, symbol] of byteSymbols.order.entries()) {
    learn(symbol, id);
    learn(symbol + wordEnd, 256 + id);
  }
  const ranks = new Map<string, number>();
  for (const [rank, line] of lines.entries()) {
    const gap = line.indexOf(' ');
    const [first, second] = [line.slice(0, gap), line.slice(gap + 1)];
    if (!ids.has(first) || !ids.has(second)) throw invalid(rank + 2, 'this is no merge of two known symbols');
    ranks.set(line, rank);
    // Two merges may make one symbol; the later id is then its id.
    learn(first + second, 512 + rank);
  }
  if (lines.length < mergeCount) throw invalid(lines.length + 1, `it ends after ${lines.length} merges of ${mergeCount}`);
  learn('<|startoftext|>', startOfText);
  learn('<|endoftext|>', endOfText);

  return {
    encode: (given) =>
      (cleanText(given).match(pieces) ?? []).flatMap((piece) => {
        const whole = ids.get(piece);
        if (whole === startOfText || whole === endOfText) return [whole];
        return merged(symbolsOf(piece), ranks).flatMap((symbol) => ids.get(symbol) ?? []);
      }),
  };
}

/**
 * The row of ids that a text encoder is given: start, the text's ids, end, then zeros. A text that is too long is refused
 * (`text.refused`) or cut, in which case the end takes the last place.
 */
export function tokenRow(ids: readonly number[], length: number, tooLong: 'refuse' | 'truncate'): Int32Array<ArrayBuffer> {
  const room = length - 2;
  if (ids.length > room && tooLong === 'refuse')
    throw new SightlineError(
      'text.refused',
      `the text has ${ids.length} tokens (a word is one or a few); allowed are ${room}`,
      {
        details: { tokens: ids.length, allowed: room },
      },
    );
  const row = new Int32Array(length);
  row.set([startOfText, ...ids.slice(0, room), endOfText]);
  return row;
}

/**
 * A visible character for each byte, and the order of the ids: those that are visible in Latin 1 stand for themselves and come
 * first, the rest follow from U+0100 on.
 */
const byteSymbols = (() => {
  const visible = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const hidden = bytes.filter((byte) => !visible(byte));
  const of = bytes.map((byte) => String.fromCodePoint(visible(byte) ? byte : 256 + hidden.indexOf(byte)));
  return { of, order: [...bytes.filter(visible), ...hidden].map((byte) => of[byte] ?? '') };
})();

function symbolsOf(piece: string): string[] {
  const symbols = Array.from(new TextEncoder().encode(piece), (byte) => byteSymbols.of[byte] ?? '');
  const last = symbols.length - 1;
  return symbols.with(last, (symbols[last] ?? '') + wordEnd);
}

/** Merges the pair of lowest rank, wherever it stands, until no pair is known. */
function merged(symbols: string[], ranks: ReadonlyMap<string, number>): readonly string[] {
  let word = symbols;
  for (;;) {
    let lowest = Number.POSITIVE_INFINITY;
    let best = 0;
    for (let at = 0; at + 1 < word.length; at += 1) {
      const rank = ranks.get(`${word[at]} ${word[at + 1]}`) ?? Number.POSITIVE_INFINITY;
      if (rank < lowest) [lowest, best] = [rank, at];
    }
    if (lowest === Number.POSITIVE_INFINITY) return word;
    const [first, second] = [word[best], word[best + 1]];
    const next: string[] = [];
    for (let at = 0; at < word.length; at += 1) {
      const here = word[at] ?? '';
      if (here === first && word[at + 1] === second) {
        next.push(here + (second ?? ''));
        at += 1;
      } else next.push(here);
    }
    word = next;
  }
}
