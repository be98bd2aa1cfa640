import { stringify } from 'yaml';
import type { ReloadClass } from './declare.ts';
import { allowedText, pathText, type SettingNode, type SettingPath, settingTree } from './settings.ts';

/**
 * What people and editors read about the settings, written from the schema: `docs/configuration.md`, `config/schema.json` and
 * `config/sightline.example.yaml`. `npm run gen` writes them; a test proves that they are current.
 */

/** Path from the root of the repository, and text. */
export interface ReferenceFile {
  readonly path: string;
  readonly text: string;
}

export function referenceFiles(): readonly ReferenceFile[] {
  const root = settingTree();
  return [
    { path: 'docs/configuration.md', text: documentation(root) },
    { path: 'config/schema.json', text: `${JSON.stringify(jsonSchema(root), undefined, 2)}\n` },
    { path: 'config/sightline.example.yaml', text: exampleFile(root) },
  ];
}

const reloadTexts: Readonly<Record<ReloadClass, string>> = {
  live: 'at once, nothing is interrupted',
  camera: 'that camera is opened again',
  worker: 'the worker process of its group is started again',
  daemon: 'waits for a restart of the daemon; the log says so',
};

/** Names that stand for a person's own in paths of maps. */
const placeholders: Readonly<Record<string, string>> = { lists: 'banned', cameras: 'lobby', zones: 'door' };

function flow(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: false }).trimEnd();
}

function holdsSections(node: SettingNode): boolean {
  return node.kind === 'section' || ((node.kind === 'map' || node.kind === 'list') && node.item.kind === 'section');
}

function sectionOf(node: SettingNode): Extract<SettingNode, { kind: 'section' }> | undefined {
  if (node.kind === 'section') return node;
  return (node.kind === 'map' || node.kind === 'list') && node.item.kind === 'section' ? node.item : undefined;
}

// Documentation

const intro = `# Configuration

Generated from \`src/config/schema.ts\` by \`npm run gen\`. \`config/sightline.example.yaml\` has every setting with its default;
\`config/schema.json\` gives editors completion (\`# yaml-language-server: $schema=schema.json\` in the first line of a file).

\`sightline check FILE\` reports everything that is wrong at once (what only shows between values as soon as every one has the right form: names of models, lists and cameras), as \`file:line:column path: message\`, and exits 0 or 78.

- **Absent is default.** A key without a value counts as absent. Unknown keys are refused.
- **Environment.** \`\${NAME}\` in a value is that environment variable; a variable that is not set is an issue. \`$\${NAME}\` is the text
  \`\${NAME}\`. Unquoted it may stand where a number or true and false belong.
- **Secrets.** Take them from the environment or name a file (\`mqtt.passwordFile\`). No message shows what a variable held.
- **Paths.** Relative ones begin at the folder of the configuration file.
- **Durations.** \`500ms\`, \`10s\`, \`5m\`, \`2h\`, \`30d\`.
- **Anchors.** \`&name\`, \`*name\` and \`<<: *name\` share settings between cameras.

SIGHUP, \`sightline reload\` or a change of the file reloads it. A file with issues changes nothing and is reported. What a change costs:

| class | what happens |
|---|---|
${Object.entries(reloadTexts)
  .map(([name, text]) => `| ${name} | ${text} |`)
  .join('\n')}
`;

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function defaultText(node: SettingNode): string {
  if (node.required) return '**required**';
  return node.defaultValue === undefined ? '' : `\`${flow(node.defaultValue)}\``;
}

function row(name: string, node: SettingNode): string {
  const allowed = holdsSections(node)
    ? `a list${node.kind === 'list' && Number.isFinite(node.max) ? ` of ${node.min} to ${node.max}` : ''}, see below`
    : allowedText(node);
  return `| \`${name}\` | ${cell(defaultText(node))} | ${cell(allowed)} | ${node.reload ?? ''} | ${cell(node.description ?? '')} |`;
}

function* headings(node: SettingNode, path: SettingPath): Generator<string> {
  const section = sectionOf(node);
  if (section === undefined) return;
  const here = node.kind === 'map' ? [...path, 'NAME'] : node.kind === 'list' ? [...path, 0] : path;
  const rows = [...section.fields].filter(([, field]) => field.isSetting).map(([name, field]) => row(name, field));
  const title = here.length === 0 ? 'Top level' : `\`${pathText(here).replaceAll('[0]', '[]')}\``;
  const text = [`${'#'.repeat(Math.min(4, 2 + Math.max(0, path.length - 1)))} ${title}`];
  if (node.description !== undefined) text.push(node.description);
  if (rows.length > 0) text.push(['| setting | default | allowed | reload | |', '|---|---|---|---|---|', ...rows].join('\n'));
  yield text.join('\n\n');
  for (const [name, field] of section.fields) yield* headings(field, [...here, name]);
}

function documentation(root: SettingNode): string {
  return `${[intro.trimEnd(), ...headings(root, [])].join('\n\n')}\n`;
}

// JSON Schema

function describe(node: SettingNode): Readonly<Record<string, unknown>> {
  const reload = node.isSetting && node.reload !== undefined ? ` Reload: ${node.reload}.` : '';
  return {
    ...(node.description === undefined ? {} : { description: `${node.description}${reload}` }),
    ...(node.defaultValue === undefined || holdsSections(node) ? {} : { default: node.defaultValue }),
  };
}

const durationPattern = '^\\d+(\\.\\d+)?(ms|s|m|h|d)$';

function schemaOf(node: SettingNode): Readonly<Record<string, unknown>> {
  switch (node.kind) {
    case 'section': {
      const required = [...node.fields].filter(([, field]) => field.required).map(([name]) => name);
      return {
        type: ['object', 'null'],
        properties: Object.fromEntries([...node.fields].map(([name, field]) => [name, jsonOf(field)])),
        additionalProperties: false,
        ...(required.length > 0 ? { required } : {}),
      };
    }
    case 'map':
      return {
        type: ['object', 'null'],
        ...(node.key.kind === 'text' && node.key.pattern !== undefined ? { propertyNames: { pattern: node.key.pattern } } : {}),
        additionalProperties: jsonOf(node.item),
      };
    case 'list': {
      const list = {
        type: ['array', 'null'],
        items: jsonOf(node.item),
        ...(node.min > 0 ? { minItems: node.min } : {}),
        ...(Number.isFinite(node.max) ? { maxItems: node.max } : {}),
      };
      return node.single ? { anyOf: [jsonOf(node.item), list] } : list;
    }
    case 'tuple':
      return { type: 'array', items: node.items.map(jsonOf), minItems: node.items.length, maxItems: node.items.length };
    case 'choice':
      return { enum: node.choices };
    case 'boolean':
      return { type: 'boolean' };
    case 'duration':
      return { type: 'string', pattern: durationPattern };
    case 'number':
      return {
        type: node.whole ? 'integer' : 'number',
        ...(Number.isFinite(node.min) ? { minimum: node.min } : {}),
        ...(Number.isFinite(node.above) ? { exclusiveMinimum: node.above } : {}),
        ...(Number.isFinite(node.max) ? { maximum: node.max } : {}),
        ...(node.step > 0 ? { multipleOf: node.step } : {}),
      };
    case 'text':
      return {
        type: 'string',
        ...(node.pattern === undefined ? {} : { pattern: node.pattern }),
        ...(node.min > 0 ? { minLength: node.min } : {}),
        ...(Number.isFinite(node.max) ? { maxLength: node.max } : {}),
      };
  }
}

function jsonOf(node: SettingNode): Readonly<Record<string, unknown>> {
  return { ...describe(node), ...schemaOf(node) };
}

/** Draft 7: what editors' YAML support reads. */
function jsonSchema(root: SettingNode): Readonly<Record<string, unknown>> {
  return { $schema: 'http://json-schema.org/draft-07/schema#', title: 'Sightline configuration', ...jsonOf(root) };
}

// Example file

const exampleIntro = `# yaml-language-server: $schema=schema.json
# Every setting of Sightline with its default: this file says the same as an empty one. Settings behind a # without a space have no
# default or belong to something that you name yourself; take away the # to use them. docs/configuration.md has the same as tables.
`;

interface ExampleLine {
  readonly depth: number;
  readonly text: string;
  /** Behind a `#`. */
  readonly off: boolean;
}

function line(depth: number, text: string, off: boolean): ExampleLine {
  return { depth, text, off };
}

function prose(node: SettingNode, depth: number): ExampleLine[] {
  const parts = [node.description ?? ''];
  if (node.isSetting && !holdsSections(node) && !isPlain(node)) parts.push(capital(`${allowedText(node)}.`));
  if (node.example !== undefined && node.defaultValue !== undefined) parts.push(`Example: ${flow(node.example)}.`);
  if (node.isSetting) parts.push(`Reload: ${node.reload}.`);
  return wrap(parts.join(' '), 124 - depth * 2).map((text) => line(depth, `# ${text}`, false));
}

/** Its default or example says all there is to say of what is allowed. */
function isPlain(node: SettingNode): boolean {
  return node.kind === 'boolean' || (node.kind === 'text' && node.expected === undefined && !Number.isFinite(node.max));
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let current = '';
  for (const word of text.split(' ')) {
    if (current !== '' && current.length + 1 + word.length > width) {
      lines.push(current);
      current = '';
    }
    current = current === '' ? word : `${current} ${word}`;
  }
  return [...lines, current];
}

function* exampleOf(name: string, node: SettingNode, depth: number, off: boolean): Generator<ExampleLine> {
  yield* prose(node, depth);
  if (!holdsSections(node)) {
    const absent = node.defaultValue === undefined;
    yield line(depth, `${name}: ${flow(absent ? node.example : node.defaultValue)}`, off || absent);
    return;
  }
  // A section that may be absent as a whole has no default of its own.
  const absent = off || (node.kind === 'section' && !node.required && node.defaultValue === undefined);
  yield line(depth, `${name}:`, absent);
  if (node.kind === 'section') yield* fieldsOf(node, depth + 1, absent, {});
  else if (node.kind === 'map' && node.item.kind === 'section') {
    yield line(depth + 1, `${placeholders[name] ?? 'name'}:`, true);
    yield* fieldsOf(node.item, depth + 2, true, {});
  } else if (node.kind === 'list' && node.item.kind === 'section') {
    const [first] = Array.isArray(node.defaultValue) ? node.defaultValue : [];
    yield line(depth + 1, '-', true);
    yield* fieldsOf(node.item, depth + 2, true, (first ?? {}) as Readonly<Record<string, unknown>>);
  }
}

/** `known`: what the default of a list says of its first item. */
function* fieldsOf(
  section: Extract<SettingNode, { kind: 'section' }>,
  depth: number,
  off: boolean,
  known: Readonly<Record<string, unknown>>,
): Generator<ExampleLine> {
  for (const [name, field] of section.fields) {
    const value = known[name];
    yield* exampleOf(name, value === undefined ? field : { ...field, defaultValue: value }, depth, off);
  }
}

function exampleFile(root: SettingNode): string {
  const lines = [exampleIntro.trimEnd()];
  if (root.kind !== 'section') return '';
  for (const [name, node] of root.fields) {
    lines.push('');
    for (const { depth, text, off } of exampleOf(name, node, 0, false))
      lines.push(`${'  '.repeat(depth)}${off ? '#' : ''}${text}`);
  }
  return `${lines.join('\n')}\n`;
}
