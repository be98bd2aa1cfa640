import { z } from 'zod';
import { parseDuration } from '../core/duration.ts';

/** The words in which `schema.ts` declares settings: what people are told of each stands beside its type. */

/** What changing a setting costs at reload: nothing, one camera, one worker process, or a restart of the daemon by hand. */
export type ReloadClass = 'live' | 'camera' | 'worker' | 'daemon';

export interface SettingMeta {
  readonly description: string;
  readonly reload?: ReloadClass;
  /** The value is shown nowhere: no message, no log line. */
  readonly secret?: boolean;
  /** A path: relative ones lie beside the configuration file (`config`), or there or beside the program (`program`). */
  readonly path?: 'config' | 'program';
  /** Shown in the example file where there is no default. */
  readonly example?: unknown;
}

export const settingMeta = z.registry<SettingMeta>();

/** What a value must look like where its type does not say it, for messages and documentation. */
export type ValueForm =
  | { readonly kind: 'words'; readonly expected: string }
  | { readonly kind: 'duration'; readonly min: string | undefined; readonly max: string | undefined };

export const valueForms = z.registry<ValueForm>();

/** Of what may be one value or a list of them: the list. */
export const listForms = new WeakMap<z.ZodType, z.ZodType>();

export function setting<T extends z.ZodType>(
  schema: T,
  reload: ReloadClass,
  description: string,
  more: Pick<SettingMeta, 'secret' | 'path' | 'example'> = {},
): T {
  settingMeta.add(schema, { description, reload, ...more });
  return schema;
}

export function worded<T extends z.ZodType>(schema: T, expected: string): T {
  valueForms.add(schema, { kind: 'words', expected });
  return schema;
}

export function section<T extends z.ZodType>(schema: T, description: string): T {
  settingMeta.add(schema, { description });
  return schema;
}

export const fraction = z.number().min(0).max(1);

/** A duration in the file, milliseconds in the program. */
export function duration(options: { min?: string; max?: string } = {}) {
  const min = parseDuration(options.min ?? '0s') ?? 0;
  const max = parseDuration(options.max ?? '36500d') ?? Number.POSITIVE_INFINITY;
  const schema = z.string().transform((text, ctx) => {
    const ms = parseDuration(text);
    if (ms === undefined || ms < min || ms > max) ctx.addIssue({ code: 'custom', message: 'not a duration in range' });
    return ms ?? 0;
  });
  valueForms.add(schema, { kind: 'duration', min: options.min, max: options.max });
  return schema;
}

/** One value or a list of them in the file, a list in the program. */
export function oneOrMore(item: z.ZodString, max: number) {
  const list = z.array(item).min(1).max(max);
  const schema = z.union([item, list]).transform((value) => (typeof value === 'string' ? [value] : value));
  listForms.set(schema, list);
  return schema;
}
