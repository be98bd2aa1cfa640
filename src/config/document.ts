import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  Scalar,
  visit,
  type YAMLParseError,
} from 'yaml';
import { nearest } from '../core/nearest.ts';
import { childOf, expectedText, type SettingNode, type SettingPath } from './settings.ts';

/**
 * From YAML text to plain data along the schema: keys are checked, `${ENV}` is replaced, anchors and `<<` are resolved, and the
 * place of every value is remembered, so that whatever is found wrong later can be pointed at.
 */

export interface Finding {
  readonly offset: number;
  readonly path: SettingPath;
  readonly message: string;
}

export interface SourceDocument {
  readonly value: unknown;
  readonly findings: readonly Finding[];
  readonly warnings: readonly Finding[];
  /** Where the value of a path begins; where it is missing, where its parent does. */
  offsetOf(path: SettingPath): number;
  /** Where the key of a path begins. */
  keyOffsetOf(path: SettingPath): number;
  /** The value as written, `${ENV}` unreplaced; undefined for what is not a scalar. */
  writtenAt(path: SettingPath): string | undefined;
  /** Whether the line is not valid YAML: what else seems wrong with it follows from that. */
  isBroken(offset: number): boolean;
  position(offset: number): { readonly line: number; readonly column: number };
}

/** More values than any configuration has; anchors that multiply end here. */
const valueLimit = 100_000;
const textLimit = 4 * 1024 * 1024;
const depthLimit = 64;

interface Place {
  readonly key: number;
  readonly value: number;
  readonly written?: string;
}

type Node = Document['contents'];
type Environment = Readonly<Record<string, string | undefined>>;

const pathKey = (path: SettingPath) => JSON.stringify(path);

export function readDocument(text: string, root: SettingNode, env: Environment): SourceDocument {
  const lines = new LineCounter();
  const position = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const reader = new Reader(text, env);
  const syntax = new Map<number, Finding>();
  let value: unknown;
  let whole: string | undefined;
  let warnings: readonly Finding[] = [];
  if (text.length > textLimit) whole = `the file is longer than ${textLimit} characters`;
  else {
    try {
      const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, logLevel: 'error' });
      for (const error of document.errors) {
        const { line } = position(error.pos[0]);
        if (/call stack/i.test(error.message)) throw new RangeError(error.message);
        if (!syntax.has(line)) syntax.set(line, { offset: error.pos[0], path: [], message: syntaxMessage(error, text) });
      }
      warnings = document.warnings.map((warning) => ({ offset: warning.pos[0], path: [], message: sentence(warning.message) }));
      reader.document = document;
      value = document.contents === null ? {} : reader.read(document.contents, root, [], 0);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      whole = 'the file is nested too deeply';
    }
  }
  const isBroken = (offset: number) => syntax.has(position(offset).line);
  const found = [...syntax.values(), ...reader.findings.filter(({ offset }) => !isBroken(offset))];
  return {
    value: whole !== undefined || value === undefined || value === null ? {} : value,
    findings: whole === undefined ? found : [{ offset: 0, path: [], message: whole }],
    warnings,
    offsetOf: (path) => reader.place(path)?.value ?? 0,
    keyOffsetOf: (path) => reader.place(path)?.key ?? 0,
    writtenAt: (path) => reader.places.get(pathKey(path))?.written,
    isBroken,
    position,
  };
}

function syntaxMessage({ code, message, pos }: YAMLParseError, text: string): string {
  if (code === 'MULTIPLE_DOCS') return 'a second document begins here; expected one';
  if (text.slice(pos[0] - 1, pos[0] + 1) === '${') return 'inside { } and [ ] a text with ${...} needs quotes';
  return sentence(message);
}

/** The YAML library's messages as ours: first line, lower case, no full stop, nothing quoted from the file: it may be a password. */
function sentence(message: string): string {
  const [first = ''] = message.split('\n');
  const words = first.replace(/: ["|>].*$/, '').replace(/\.$/, '');
  return `not valid YAML: ${words.charAt(0).toLowerCase()}${words.slice(1)}`;
}

class Reader {
  readonly findings: Finding[] = [];
  readonly places = new Map<string, Place>();
  document: Document | undefined;
  readonly #text: string;
  readonly #env: Environment;
  readonly #open = new Set<unknown>();
  #targets: ReadonlyMap<Alias, unknown> | undefined;
  #count = 0;

  constructor(text: string, env: Environment) {
    this.#text = text;
    this.#env = env;
  }

  find(offset: number, path: SettingPath, message: string): void {
    this.findings.push({ offset, path, message });
  }

  /** The place of a path or of the nearest ancestor that has one. */
  place(path: SettingPath): Place | undefined {
    for (let length = path.length; length >= 0; length--) {
      const found = this.places.get(pathKey(path.slice(0, length)));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  read(node: Node | unknown, setting: SettingNode | undefined, path: SettingPath, keyOffset: number): unknown {
    if (!this.#mayRead(keyOffset)) return undefined;
    if (path.length > depthLimit) throw new RangeError('nested too deeply');
    if (isAlias(node)) return this.#readAlias(node, setting, path, keyOffset);
    const offset = (isMap(node) || isSeq(node) || isScalar(node) ? node.range?.[0] : undefined) ?? keyOffset;
    if (isScalar(node)) return this.#readScalar(node, oneOf(setting), path, keyOffset, offset);
    this.places.set(pathKey(path), { key: keyOffset, value: offset });
    if (isMap(node)) return this.#guarded(node, () => this.#readMap(node.items, setting, path));
    if (isSeq(node)) {
      return this.#guarded(node, () =>
        node.items.map((item, index) => this.read(item, setting && childOf(setting, index), [...path, index], offset)),
      );
    }
    return undefined;
  }

  /** Counts values and merges; false once there are too many. */
  #mayRead(offset: number): boolean {
    this.#count += 1;
    if (this.#count === valueLimit) this.find(offset, [], `anchors make more than ${valueLimit} values of this file`);
    return this.#count < valueLimit;
  }

  #guarded(node: unknown, read: () => unknown): unknown {
    this.#open.add(node);
    try {
      return read();
    } finally {
      this.#open.delete(node);
    }
  }

  #resolve(alias: Alias): unknown {
    if (this.document === undefined) return undefined;
    this.#targets ??= aliasTargets(this.document);
    return this.#targets.get(alias);
  }

  #readAlias(alias: Alias, setting: SettingNode | undefined, path: SettingPath, keyOffset: number): unknown {
    const offset = alias.range?.[0] ?? keyOffset;
    const target = this.#resolve(alias);
    if (target === undefined || this.#open.has(target)) {
      this.places.set(pathKey(path), { key: keyOffset, value: offset });
      const missing = setting?.secret
        ? 'there is no anchor of this name above; a text that begins with * needs quotes'
        : `there is no anchor &${alias.source} above`;
      const reason = target === undefined ? missing : `*${alias.source} contains itself`;
      this.find(offset, path, reason);
      return undefined;
    }
    return this.read(target, setting, path, keyOffset);
  }

  #readMap(items: readonly Pair[], setting: SettingNode | undefined, path: SettingPath): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    const seen = new Map<string, number>();
    for (const { key, value } of items) {
      const keyOffset =
        (isScalar(key) || isMap(key) || isSeq(key) ? key.range?.[0] : undefined) ?? this.place(path)?.value ?? 0;
      if (!isScalar(key)) {
        this.find(keyOffset, path, 'a key must be a text');
        continue;
      }
      const name = key.value === null ? '' : (key.source ?? String(key.value));
      const child = [...path, name];
      const first = seen.get(name);
      if (first !== undefined) {
        this.find(keyOffset, child, 'is written twice; keep one of them');
        continue;
      }
      seen.set(name, keyOffset);
      if (name === '<<') continue;
      if (setting?.kind === 'section' && !setting.fields.has(name))
        this.find(keyOffset, child, unknownKey(name, setting.fields.keys()));
      else if (name === '__proto__') this.find(keyOffset, child, 'is not allowed as a name');
      else this.#put(result, name, value, setting && childOf(setting, name), child, keyOffset);
    }
    for (const { key, value } of items) if (isScalar(key) && key.value === '<<') this.#merge(result, value, setting, path);
    return result;
  }

  /** A key without a value is the same as no key, but a name without settings is still a name. */
  #put(
    result: Record<string, unknown>,
    name: string,
    value: unknown,
    setting: SettingNode | undefined,
    path: SettingPath,
    keyOffset: number,
  ): void {
    const empty = value === null || (isScalar(value) && value.value === null);
    if (!empty) result[name] = this.read(value, setting, path, keyOffset);
    else if (setting?.kind === 'section' || setting?.kind === 'map') {
      this.places.set(pathKey(path), { key: keyOffset, value: keyOffset });
      result[name] = {};
    }
  }

  /** `<<: *other` or `<<: [*a, *b]`: the keys of those maps, unless written here (https://yaml.org/type/merge.html). */
  #merge(result: Record<string, unknown>, value: unknown, setting: SettingNode | undefined, path: SettingPath): void {
    for (const source of isSeq(value) ? value.items : [value]) {
      const target = isAlias(source) ? this.#resolve(source) : source;
      const offset = isAlias(source) || isMap(source) ? (source.range?.[0] ?? 0) : (this.place(path)?.value ?? 0);
      if (!isMap(target) || this.#open.has(target)) {
        this.find(offset, [...path, '<<'], 'merges sections only, written *name or [*name, *name]');
        continue;
      }
      if (!this.#mayRead(offset)) return;
      const others = target.items.filter(({ key }) => !(isScalar(key) && String(key.source ?? key.value) in result));
      const merged = this.#guarded(target, () => this.#readMap(others, setting, path)) as Record<string, unknown>;
      for (const [name, item] of Object.entries(merged)) result[name] ??= item;
    }
  }

  #readScalar(scalar: Scalar, setting: SettingNode | undefined, path: SettingPath, keyOffset: number, offset: number): unknown {
    const written = scalar.source ?? String(scalar.value);
    this.places.set(pathKey(path), { key: keyOffset, value: offset, written });
    const plain = scalar.type === Scalar.PLAIN;
    if (scalar.value !== null && typeof scalar.value === 'object') {
      this.find(offset, path, 'a value of this type is not allowed; expected text, numbers, true and false');
      return undefined;
    }
    if (typeof scalar.value !== 'string') {
      const wantsText = setting?.kind === 'text' || setting?.kind === 'choice' || setting?.kind === 'duration';
      return plain && wantsText && scalar.value !== null ? written : scalar.value;
    }
    const replaced = this.#substitute(scalar.value, path, offset);
    return plain && replaced !== scalar.value && setting !== undefined ? fromVariable(replaced, setting) : replaced;
  }

  /** `${NAME}` is that environment variable, `$${NAME}` the text `${NAME}`. */
  #substitute(value: string, path: SettingPath, offset: number): string {
    // Behind the last brace nothing can end: looking there for an end from every `${` takes the square of its length.
    const end = value.lastIndexOf('}') + 1;
    const replaced = value.slice(0, end).replace(/(\$?)\$\{([^}]*)\}/g, (whole, dollar: string, name: string) => {
      if (dollar !== '') return whole.slice(1);
      const at = offset + Math.max(0, this.#text.slice(offset, offset + 4096).indexOf(whole));
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
        this.find(at, path, `\${${name}} does not name an environment variable; for the text itself write $\${${name}}`);
        return '';
      }
      const found = this.#env[name];
      if (found === undefined)
        this.find(
          at,
          path,
          // Without `NAME=`: where issues are said, what follows that after a secret's name is taken for the secret.
          `the environment variable ${name} is not set; set and export it, or for the text itself write $\${${name}}`,
        );
      return found ?? '';
    });
    return replaced + value.slice(end);
  }
}

/** What each alias stands for: the last node before it with that anchor. In one walk, where `alias.resolve` walks once for each. */
function aliasTargets(document: Document): ReadonlyMap<Alias, unknown> {
  const anchored = new Map<string, unknown>();
  const targets = new Map<Alias, unknown>();
  visit(document, {
    Node: (_key, node) => {
      if (isAlias(node)) targets.set(node, anchored.get(node.source));
      else if (node.anchor !== undefined) anchored.set(node.anchor, node);
    },
  });
  return targets;
}

/** What a value without a list around it is, where both may stand. */
function oneOf(setting: SettingNode | undefined): SettingNode | undefined {
  return setting?.kind === 'list' && setting.single ? setting.item : setting;
}

/** Unquoted `${PORT}` may stand where a number or true and false belong. */
function fromVariable(value: string, setting: SettingNode): unknown {
  if (setting.kind === 'number' && value.trim() !== '' && Number.isFinite(Number(value))) return Number(value);
  if (setting.kind === 'boolean' && (value === 'true' || value === 'false')) return value === 'true';
  return value;
}

export function unknownKey(name: string, known: Iterable<string>): string {
  const keys = [...known];
  const near = nearest(name, keys);
  return near === undefined ? `unknown key; known here: ${keys.join(', ')}` : `unknown key; did you mean ${near}?`;
}

/** `500 is not allowed; expected a number above 0, at most 60` */
export function refusal(shown: string | undefined, setting: SettingNode): string {
  return shown === undefined
    ? `is missing; expected ${expectedText(setting)}`
    : `${shown} is not allowed; expected ${expectedText(setting)}`;
}
