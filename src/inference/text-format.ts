import { SightlineError } from '../core/errors.ts';

/**
 * Protobuf text format (https://protobuf.dev/reference/protobuf/textformat-spec/), as far as Triton's `config.pbtxt` uses it:
 * comments, nested messages in `{}` or `<>`, lists, repeated fields, quoted strings with escapes and adjacent strings joined,
 * numbers, enum names, `,` or `;` between fields. Knows no schema; extension names and `Any` are refused.
 */
export type TextValue =
  | { readonly kind: 'message'; readonly line: number; readonly fields: readonly TextField[] }
  | { readonly kind: 'string'; readonly line: number; readonly text: string }
  /** A number or an enum name, as written. */
  | { readonly kind: 'word'; readonly line: number; readonly text: string };

/** One `name: value`; a list gives one field for each of its elements. */
export interface TextField {
  readonly name: string;
  readonly line: number;
  readonly value: TextValue;
}

interface Token {
  readonly kind: 'word' | 'string' | 'mark' | 'end';
  readonly text: string;
  readonly line: number;
}

const depthLimit = 32;
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b', f: '\f', v: '\v' };

/** Parses a whole file; `file` is for messages only. Throws `model.invalid` with `file:line`. */
export function parseTextFormat(source: string, file: string): readonly TextField[] {
  const tokens = tokenize(source, file);
  let at = 0;

  function peek(): Token {
    return tokens[at] ?? { kind: 'end', text: '', line: tokens.at(-1)?.line ?? 1 };
  }

  function next(): Token {
    const token = peek();
    at += 1;
    return token;
  }

  function isMark(text: string): boolean {
    const token = peek();
    return token.kind === 'mark' && token.text === text;
  }

  function take(text: string): boolean {
    if (!isMark(text)) return false;
    at += 1;
    return true;
  }

  function fields(close: string | undefined, depth: number): TextField[] {
    const found: TextField[] = [];
    while (true) {
      const token = next();
      if (token.kind === 'end') {
        if (close === undefined) return found;
        throw unexpected(token, `"${close}"`, file);
      }
      if (close !== undefined && token.kind === 'mark' && token.text === close) return found;
      if (token.kind !== 'word') throw unexpected(token, 'a field name', file);
      const colon = take(':');
      if (take('[')) {
        while (!take(']')) {
          found.push({ name: token.text, line: token.line, value: value(depth) });
          if (!take(',') && !isMark(']')) throw unexpected(peek(), '"," or "]"', file);
        }
      } else {
        if (!colon && !isMark('{') && !isMark('<')) throw unexpected(peek(), `":" after ${token.text}`, file);
        found.push({ name: token.text, line: token.line, value: value(depth) });
      }
      if (!take(',')) take(';');
    }
  }

  function value(depth: number): TextValue {
    const token = next();
    if (token.kind === 'word') return { kind: 'word', line: token.line, text: token.text };
    if (token.kind === 'string') {
      let text = token.text;
      while (peek().kind === 'string') text += next().text;
      return { kind: 'string', line: token.line, text };
    }
    if (token.kind === 'mark' && (token.text === '{' || token.text === '<')) {
      if (depth >= depthLimit) throw unexpected(token, `at most ${depthLimit} levels`, file);
      return { kind: 'message', line: token.line, fields: fields(token.text === '{' ? '}' : '>', depth + 1) };
    }
    throw unexpected(token, 'a value', file);
  }

  return fields(undefined, 0);
}

function unexpected(token: Token, wanted: string, file: string): SightlineError {
  const seen = token.kind === 'end' ? 'the end of the file' : JSON.stringify(token.text);
  return new SightlineError('model.invalid', `${file}:${token.line}: ${wanted} expected, found ${seen}`, {
    details: { file, line: token.line },
  });
}

function tokenize(source: string, file: string): readonly Token[] {
  const tokens: Token[] = [];
  const pattern = /(\s+|#[^\n]*)|([-+.\w]+)|(["'])|([{}<>[\]:,;])|([\s\S])/y;
  let line = 1;
  while (pattern.lastIndex < source.length) {
    const start = pattern.lastIndex;
    const [text = '', blank, word, quote, mark] = pattern.exec(source) ?? [];
    if (blank !== undefined) {
      for (const character of blank) if (character === '\n') line += 1;
    } else if (word !== undefined) tokens.push({ kind: 'word', text: word, line });
    else if (mark !== undefined) tokens.push({ kind: 'mark', text: mark, line });
    else if (quote !== undefined) {
      const end = closingQuote(source, start + 1, quote);
      if (end === undefined) throw unexpected({ kind: 'string', text: quote, line }, 'a closing quote on the same line', file);
      tokens.push({ kind: 'string', text: unescapeText(source.slice(start + 1, end)), line });
      pattern.lastIndex = end + 1;
    } else throw unexpected({ kind: 'mark', text, line }, 'a name, a value or a bracket', file);
  }
  return tokens;
}

function closingQuote(source: string, from: number, quote: string): number | undefined {
  for (let at = from; at < source.length; at += 1) {
    const character = source[at];
    if (character === '\\') at += 1;
    else if (character === quote) return at;
    else if (character === '\n') return undefined;
  }
  return undefined;
}

function unescapeText(text: string): string {
  return text.replace(/\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|([\s\S]))/g, (_all, hex, octal, other) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
    return escapes[other] ?? other;
  });
}
