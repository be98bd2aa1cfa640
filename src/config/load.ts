import { existsSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import { redact } from '../core/redact.ts';
import { doorRefusals } from './check.ts';
import { type Finding, readDocument, refusal, type SourceDocument } from './document.ts';
import { readConfigText, readFailure } from './file.ts';
import { ConfigError, type ConfigIssue, inFileOrder } from './issues.ts';
import { type Config, configSchema } from './schema.ts';
import { nodeAt, pathText, type SettingNode, type SettingPath, settingTree } from './settings.ts';

/** What loading needs of the world. */
export interface LoadOptions {
  /** Name of the file in messages; relative paths in it begin at its folder. */
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads a secret file; throws what the file system throws. */
  readonly readFile: (path: string) => string;
  /** Whether a path exists; decides between the two places of `inference.repository`. */
  readonly exists?: (path: string) => boolean;
}

export interface LoadedConfig {
  /** Frozen to the last leaf: durations are milliseconds, paths absolute, secrets filled in. */
  readonly config: Config;
  readonly warnings: readonly ConfigIssue[];
  /** An issue at the place of a path, or of what should hold it. `config/check.ts` reports through it. */
  issueAt(path: SettingPath, message: string): ConfigIssue;
}

const programFolder = fileURLToPath(new URL('../..', import.meta.url));

/** Throws `ConfigError` with everything that is wrong. */
export function loadConfig(text: string, options: LoadOptions): LoadedConfig {
  const root = settingTree();
  const source = readDocument(text, root, options.env);
  const parsed = configSchema.safeParse(source.value);
  const findings = [...source.findings, ...(parsed.success ? [] : schemaFindings(parsed.error.issues, source, root))];
  const issueFrom = ({ offset, path, message }: Finding): ConfigIssue => ({
    file: options.file,
    ...source.position(offset),
    path: pathText(path),
    message,
  });
  const config = parsed.success ? complete(parsed.data, root, source, options, findings) : undefined;
  if (config === undefined || findings.length > 0) {
    findings.push(...doorFindings(source));
    throw new ConfigError(options.file, inFileOrder(onceEach(findings).map(issueFrom)));
  }
  return {
    config: deepFreeze(config),
    warnings: source.warnings.map(issueFrom),
    issueAt: (path, message) => issueFrom({ offset: source.offsetOf(path), path, message }),
  };
}

/** The same from a file; a file that cannot be read is an issue too. */
export function loadConfigFile(path: string, env: Readonly<Record<string, string | undefined>>): LoadedConfig {
  return loadConfig(readConfigText(path), { file: path, env, readFile: (file) => readFileSync(file, 'utf8') });
}

/**
 * Only `dataDir` of a file, for callers that talk to a running daemon: the variables that its cameras need may be set for the
 * daemon alone. Throws `ConfigError` when that much cannot be read.
 */
export function loadDataDir(path: string, env: Readonly<Record<string, string | undefined>>): string {
  return loadAlone(path, env, ['dataDir']).dataDir;
}

/** Only `inference.repository` of a file, for callers that handle weights; otherwise as `loadDataDir`. */
export function loadRepository(path: string, env: Readonly<Record<string, string | undefined>>): string {
  return loadAlone(path, env, ['inference', 'repository']).inference.repository;
}

/** Only `inference` of a file, for callers that run networks; otherwise as `loadDataDir`. */
export function loadInference(path: string, env: Readonly<Record<string, string | undefined>>): Config['inference'] {
  return loadAlone(path, env, ['inference']).inference;
}

/** Only `models` of a file, for callers that need to know which are meant; otherwise as `loadDataDir`. */
export function loadModels(path: string, env: Readonly<Record<string, string | undefined>>): Config['models'] {
  return loadAlone(path, env, ['models']).models;
}

const loadableAlone = {
  dataDir: configSchema.pick({ dataDir: true }),
  inference: configSchema.pick({ inference: true }),
  models: configSchema.pick({ models: true }),
} as const;

/** The section of a setting, with nothing of the file in it but that setting. */
function loadAlone<K extends keyof typeof loadableAlone>(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
  setting: readonly [K, ...string[]],
): Pick<Config, K> {
  const [key] = setting;
  const root = settingTree();
  const source = readDocument(readConfigText(path), root, env);
  const isMeant = (where: SettingPath) => where.every((step, at) => at >= setting.length || step === setting[at]);
  const findings = source.findings.filter((finding) => isMeant(finding.path));
  const parsed = loadableAlone[key].safeParse(alone(source.value, setting));
  if (!parsed.success) findings.push(...schemaFindings(parsed.error.issues, source, root));
  if (parsed.success && findings.length === 0) return placePaths(parsed.data, root, { file: path }) as Pick<Config, K>;
  const issues = findings.map(({ offset, path: where, message }) => ({
    file: path,
    ...source.position(offset),
    path: pathText(where),
    message,
  }));
  throw new ConfigError(path, inFileOrder(issues));
}

/** What the file has without anything beside the way to a setting. */
function alone(value: unknown, [step, ...rest]: readonly string[]): unknown {
  if (step === undefined || value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  const inner = valueAt(value, [step]);
  return inner === undefined ? {} : { [step]: alone(inner, rest) };
}

const doors = configSchema.pick({ http: true, media: true });

/** Of the doors also what only shows between their settings, as far as these themselves are sound. */
function doorFindings(source: SourceDocument): Finding[] {
  const { value } = source;
  const { data } = doors.safeParse({ http: valueAt(value, ['http']), media: valueAt(value, ['media']) });
  if (data === undefined) return [];
  return doorRefusals(data).map(({ path, message }) => ({ offset: source.offsetOf(path), path, message }));
}

/** What zod found, in our words. A value that already has a finding of its own is not judged twice. */
function schemaFindings(issues: readonly z.core.$ZodIssue[], source: SourceDocument, root: SettingNode): Finding[] {
  const known = new Set(source.findings.map(({ path }) => JSON.stringify(path)));
  const found: Finding[] = [];
  for (const issue of issues.flatMap((each) => unfolded(each, source.value))) {
    const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
    const setting = nodeAt(root, path);
    if (setting === undefined || issue.code === 'unrecognized_keys' || known.has(JSON.stringify(path))) continue;
    if (issue.code === 'invalid_key') {
      const parent = nodeAt(root, path.slice(0, -1));
      if (parent?.kind === 'map')
        found.push({ offset: source.keyOffsetOf(path), path, message: refusal(JSON.stringify(path.at(-1)), parent.key) });
    } else {
      const shown = shownValue(valueAt(source.value, path), source.writtenAt(path), setting);
      found.push({ offset: source.offsetOf(path), path, message: refusal(shown, setting) });
    }
  }
  return found.filter(({ offset }) => !source.isBroken(offset));
}

/** Of one value or a list of them: what is wrong with whichever was written. */
function unfolded(issue: z.core.$ZodIssue, value: unknown): readonly z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const [, ofList = []] = issue.errors;
  if (!Array.isArray(valueAt(value, issue.path as SettingPath))) return [issue];
  return ofList.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}

/** A mistake under an anchor is one mistake, however often the anchor is used. */
function onceEach(findings: readonly Finding[]): Finding[] {
  const seen = new Map(findings.toReversed().map((finding) => [`${finding.offset} ${finding.message}`, finding]));
  return findings.filter((finding) => seen.get(`${finding.offset} ${finding.message}`) === finding);
}

function valueAt(value: unknown, path: SettingPath): unknown {
  let current = value;
  for (const step of path) {
    if (current === null || typeof current !== 'object') return undefined;
    current = (current as Readonly<Record<string | number, unknown>>)[step];
  }
  return current;
}

/** As written, so that what a variable held is never shown; secrets not at all; undefined for nothing. */
function shownValue(value: unknown, written: string | undefined, setting: SettingNode): string | undefined {
  if (value === undefined) return undefined;
  if (setting.secret) return 'this value';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (value !== null && typeof value === 'object') return 'a section';
  // More than is shown, so that a password that reaches over the cut is still seen as one.
  const text = redact((written ?? String(value)).slice(0, 8192));
  const short = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return typeof value === 'string' ? JSON.stringify(short) : short;
}

/** Secrets from files and absolute paths; what fails is added to `findings`. */
function complete(
  config: Config,
  root: SettingNode,
  source: SourceDocument,
  options: LoadOptions,
  findings: Finding[],
): Config {
  const placed = placePaths(config, root, options) as Config;
  const { password, passwordFile } = placed.mqtt;
  if (passwordFile === undefined) return placed;
  const path = ['mqtt', 'passwordFile'];
  const fail = (message: string) => findings.push({ offset: source.offsetOf(path), path, message });
  if (password !== undefined) fail('is not allowed together with mqtt.password; keep one of them');
  let secret = '';
  try {
    secret = options.readFile(passwordFile).split(/\r?\n/, 1)[0] ?? '';
    if (secret === '') fail(`the first line of ${passwordFile} is empty; expected the password`);
  } catch (error) {
    fail(`${passwordFile} cannot be read: ${readFailure(error)}`);
  }
  return { ...placed, mqtt: { ...placed.mqtt, password: secret } };
}

type Place = Pick<LoadOptions, 'file' | 'exists'>;

function placePaths(value: unknown, setting: SettingNode, options: Place): unknown {
  if (setting.path !== undefined && typeof value === 'string') return placePath(value, setting.path, options);
  if (Array.isArray(value)) {
    return setting.kind === 'list' ? value.map((item) => placePaths(item, setting.item, options)) : value;
  }
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const child = setting.kind === 'section' ? setting.fields.get(key) : setting.kind === 'map' ? setting.item : undefined;
      return [key, child === undefined ? item : placePaths(item, child, options)];
    }),
  );
}

/** URLs and `gst:` names stay; `file:` URLs become paths. */
function placePath(path: string, base: 'config' | 'program', options: Place): string {
  if (/^file:\/\/\//i.test(path)) {
    try {
      return fileURLToPath(path);
    } catch {
      return path;
    }
  }
  if (isAbsolute(path) || /^([a-z][a-z0-9+.-]*:\/\/|gst:)/i.test(path)) return path;
  const beside = resolve(dirname(options.file), path);
  if (base === 'config') return beside;
  const exists = options.exists ?? existsSync;
  const program = resolve(programFolder, path);
  return !exists(beside) && exists(program) ? program : beside;
}

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object' && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return value;
}
