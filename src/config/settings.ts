import { z } from 'zod';
import { parseDuration } from '../core/duration.ts';
import { listForms, type ReloadClass, settingMeta, valueForms } from './declare.ts';
import { configSchema } from './schema.ts';

/**
 * The schema as a tree that can be walked: the loader reads a file along it, messages and documentation are written from it,
 * and a reload is judged by it. The only file that looks inside zod's types.
 */

interface NodeBase {
  readonly description: string | undefined;
  /** What would be allowed, in words of its own. */
  readonly expected: string | undefined;
  /** A child without a class of its own has its parent's. */
  readonly reload: ReloadClass | undefined;
  /** True where the schema itself names the class: a row of the documentation. */
  readonly isSetting: boolean;
  readonly secret: boolean;
  readonly path: 'config' | 'program' | undefined;
  readonly example: unknown;
  /** As written in a file; undefined where there is none. */
  readonly defaultValue: unknown;
  /** Without this value the file is refused. */
  readonly required: boolean;
}

export type SettingNode = NodeBase &
  (
    | { readonly kind: 'section'; readonly fields: ReadonlyMap<string, SettingNode> }
    | { readonly kind: 'map'; readonly key: SettingNode; readonly item: SettingNode }
    | {
        readonly kind: 'list';
        readonly item: SettingNode;
        readonly min: number;
        readonly max: number;
        /** One item may stand there without a list around it. */
        readonly single: boolean;
      }
    | { readonly kind: 'tuple'; readonly items: readonly SettingNode[] }
    | {
        readonly kind: 'text';
        readonly pattern: string | undefined;
        readonly min: number;
        readonly max: number;
      }
    | { readonly kind: 'duration'; readonly min: string | undefined; readonly max: string | undefined }
    | {
        readonly kind: 'number';
        readonly whole: boolean;
        readonly min: number;
        readonly max: number;
        readonly above: number;
        readonly step: number;
      }
    | { readonly kind: 'choice'; readonly choices: readonly string[] }
    | { readonly kind: 'boolean' }
  );

export type SettingPath = readonly (string | number)[];

type Shape = DistributiveOmit<SettingNode, keyof NodeBase>;
type ListShape = Extract<Shape, { kind: 'list' }>;
type DistributiveOmit<T, K extends keyof T> = T extends unknown ? Omit<T, K> : never;

function limits(schema: z.ZodType): { min: number; max: number; above: number; step: number; whole: boolean } {
  const found = {
    min: Number.NEGATIVE_INFINITY,
    max: Number.POSITIVE_INFINITY,
    above: Number.NEGATIVE_INFINITY,
    step: 0,
    whole: false,
  };
  const def = schema._zod.def as z.core.$ZodTypeDef & { checks?: readonly z.core.$ZodCheck[] };
  for (const check of def.checks ?? []) {
    const rule = check._zod.def as z.core.$ZodChecks['_zod']['def'];
    switch (rule.check) {
      case 'greater_than':
        if (rule.inclusive) found.min = Math.max(found.min, Number(rule.value));
        else found.above = Number(rule.value);
        break;
      case 'less_than':
        found.max = Math.min(found.max, Number(rule.value));
        break;
      case 'multiple_of':
        found.step = Number(rule.value);
        break;
      case 'number_format':
        found.whole = true;
        break;
      case 'min_length':
        found.min = rule.minimum;
        break;
      case 'max_length':
        found.max = rule.maximum;
        break;
    }
  }
  return found;
}

function shapeOf(schema: z.ZodType, inherited: Inherited): Shape {
  const form = valueForms.get(schema);
  if (form?.kind === 'duration') return { kind: 'duration', min: form.min, max: form.max };
  const list = listForms.get(schema);
  if (list !== undefined) return { ...(shapeOf(list, inherited) as ListShape), single: true };
  const { min, max, above, step, whole } = limits(schema);
  if (schema instanceof z.ZodObject) {
    const fields = Object.entries(schema.shape as Record<string, z.ZodType>);
    return { kind: 'section', fields: new Map(fields.map(([key, field]) => [key, nodeOf(field, inherited)])) };
  }
  if (schema instanceof z.ZodRecord) {
    return {
      kind: 'map',
      key: nodeOf(schema.keyType as unknown as z.ZodType, inherited),
      item: nodeOf(schema.valueType as z.ZodType, inherited),
    };
  }
  if (schema instanceof z.ZodArray)
    return { kind: 'list', item: nodeOf(schema.element as z.ZodType, inherited), min: Math.max(0, min), max, single: false };
  if (schema instanceof z.ZodTuple)
    return { kind: 'tuple', items: schema._zod.def.items.map((item) => nodeOf(item as z.ZodType, inherited)) };
  if (schema instanceof z.ZodEnum) return { kind: 'choice', choices: schema.options.map(String) };
  if (schema instanceof z.ZodBoolean) return { kind: 'boolean' };
  if (schema instanceof z.ZodNumber) return { kind: 'number', min, max, above, step, whole };
  if (schema instanceof z.ZodString) {
    const pattern = [...(schema._zod.bag.patterns ?? [])][0]?.source;
    return { kind: 'text', pattern, min: Math.max(0, min), max };
  }
  throw new Error(`the configuration schema uses ${schema._zod.def.type}, which settings.ts does not know`);
}

type Inherited = Pick<NodeBase, 'reload' | 'secret'>;

function nodeOf(schema: z.ZodType, inherited: Inherited): SettingNode {
  const meta = settingMeta.get(schema);
  let inner = schema;
  let defaultValue: unknown;
  let required = true;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodOptional) {
    required = false;
    if (!(inner instanceof z.ZodOptional)) defaultValue = inner._zod.def.defaultValue;
    inner = inner.unwrap() as z.ZodType;
  }
  const form = valueForms.get(inner);
  const own = { reload: meta?.reload ?? inherited.reload, secret: meta?.secret ?? inherited.secret };
  return {
    description: meta?.description,
    expected: form?.kind === 'words' ? form.expected : undefined,
    isSetting: meta?.reload !== undefined,
    path: meta?.path,
    example: meta?.example,
    defaultValue,
    required,
    ...own,
    ...shapeOf(inner, own),
  };
}

let whole: SettingNode | undefined;

/** The whole configuration. */
export function settingTree(): SettingNode {
  whole ??= nodeOf(configSchema, { reload: undefined, secret: false });
  return whole;
}

/** The node at a path of a file: names of maps and indices of lists lead to their item. */
export function nodeAt(root: SettingNode, path: SettingPath): SettingNode | undefined {
  let node: SettingNode | undefined = root;
  for (const step of path) {
    if (node === undefined) return undefined;
    node = childOf(node, step);
  }
  return node;
}

export function childOf(node: SettingNode, step: string | number): SettingNode | undefined {
  switch (node.kind) {
    case 'section':
      return node.fields.get(String(step));
    case 'map':
    case 'list':
      return node.item;
    case 'tuple':
      return node.items[Number(step)];
    default:
      return undefined;
  }
}

function range(low: number, high: number): string {
  if (Number.isFinite(low) && Number.isFinite(high)) return ` from ${low} to ${high}`;
  if (Number.isFinite(low)) return ` of at least ${low}`;
  return Number.isFinite(high) ? ` of at most ${high}` : '';
}

function count(min: number, max: number): string {
  if (min > 0 && Number.isFinite(max)) return ` of ${min} to ${max}`;
  if (min > 0) return ` of at least ${min}`;
  return Number.isFinite(max) ? ` of at most ${max}` : '';
}

/** What would be allowed here, in words: `a number from 0 to 1`, `one of tcp, udp`. */
export function expectedText(node: SettingNode): string {
  return node.kind === 'duration' ? `${allowedText(node)}, such as 500ms, 10s, 5m, 2h or 30d` : allowedText(node);
}

/** The same for readers who have been told what a duration is. */
export function allowedText(node: SettingNode): string {
  if (node.expected !== undefined) return node.expected;
  switch (node.kind) {
    case 'section':
      return `a section with ${[...node.fields.keys()].join(', ')}`;
    case 'map':
      return `a section of names, each ${allowedText(node.item)}`;
    case 'list':
      return node.single
        ? `${allowedText(node.item)}, or a list${count(node.min, node.max)} of them`
        : `a list${count(node.min, node.max)}, each ${allowedText(node.item)}`;
    case 'tuple':
      return `a list of ${node.items.length}: ${node.items.map(allowedText).join(', ')}`;
    case 'choice':
      return `one of ${node.choices.join(', ')}`;
    case 'boolean':
      return 'true or false';
    case 'duration':
      return `a duration${durationRange(node)}`;
    case 'number': {
      const what = node.whole ? 'a whole number' : 'a number';
      const step = node.step > 0 ? ` in steps of ${node.step}` : '';
      if (Number.isFinite(node.above))
        return `${what} above ${node.above}${Number.isFinite(node.max) ? `, at most ${node.max}` : ''}${step}`;
      return `${what}${range(node.min, node.max)}${step}`;
    }
    case 'text':
      if (Number.isFinite(node.max)) return `a text of ${node.min} to ${node.max} characters`;
      return node.min > 0 ? 'a text that is not empty' : 'a text';
  }
}

function durationRange(node: { readonly min: string | undefined; readonly max: string | undefined }): string {
  const least = node.min === undefined || parseDuration(node.min) === 0 ? undefined : node.min;
  if (least !== undefined && node.max !== undefined) return ` from ${least} to ${node.max}`;
  if (least !== undefined) return ` of at least ${least}`;
  return node.max === undefined ? '' : ` of at most ${node.max}`;
}

/** `cameras.lobby.detect[0].fps` */
export function pathText(path: SettingPath): string {
  let text = '';
  for (const step of path) text += typeof step === 'number' ? `[${step}]` : text === '' ? step : `.${step}`;
  return text;
}
