import { isDeepStrictEqual } from 'node:util';
import type { ReloadClass } from './declare.ts';
import type { Config } from './schema.ts';
import { childOf, pathText, type SettingNode, type SettingPath, settingTree } from './settings.ts';

/** What a reload would do, setting by setting; paths without values, so that it can be logged. */

export interface ConfigChange {
  readonly path: string;
  readonly reload: ReloadClass;
}

export interface CameraChange {
  readonly camera: string;
  /** The most expensive class among its changes. */
  readonly reload: ReloadClass;
}

export interface ConfigDiff {
  readonly changes: readonly ConfigChange[];
  readonly cameras: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly changed: readonly CameraChange[];
  };
  /** Paths whose change waits for a restart of the daemon; until then the old value holds. */
  readonly needsDaemonRestart: readonly string[];
}

const order: readonly ReloadClass[] = ['live', 'camera', 'worker', 'daemon'];

interface Difference {
  readonly path: SettingPath;
  readonly reload: ReloadClass;
}

export function diffConfig(old: Config, next: Config): ConfigDiff {
  const differences = [...compare(old, next, settingTree(), [])];
  const added = Object.keys(next.cameras).filter((name) => old.cameras[name] === undefined);
  const removed = Object.keys(old.cameras).filter((name) => next.cameras[name] === undefined);
  const changed = new Map<string, ReloadClass>();
  for (const { path, reload } of differences) {
    const [section, camera] = path;
    if (section !== 'cameras' || typeof camera !== 'string' || added.includes(camera) || removed.includes(camera)) continue;
    const known = changed.get(camera);
    if (known === undefined || order.indexOf(reload) > order.indexOf(known)) changed.set(camera, reload);
  }
  const changes = differences.map(({ path, reload }) => ({ path: pathText(path), reload }));
  return {
    changes,
    cameras: { added, removed, changed: [...changed].map(([camera, reload]) => ({ camera, reload })) },
    needsDaemonRestart: changes.filter(({ reload }) => reload === 'daemon').map(({ path }) => path),
  };
}

/** `next` with the old values of settings that need a restart of the daemon: what holds after a reload. */
export function effectiveConfig(old: Config, next: Config): Config {
  return keepDaemonSettings(old, next, settingTree()) as Config;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function* compare(old: unknown, next: unknown, setting: SettingNode, path: SettingPath): Generator<Difference> {
  if (isDeepStrictEqual(old, next)) return;
  if (isObject(old) && isObject(next) && (setting.kind === 'section' || setting.kind === 'map')) {
    for (const key of new Set([...Object.keys(old), ...Object.keys(next)])) {
      const child = childOf(setting, key);
      if (child !== undefined) yield* compare(old[key], next[key], child, [...path, key]);
    }
  } else if (Array.isArray(old) && Array.isArray(next) && old.length === next.length && setting.kind === 'list') {
    for (const [index, item] of next.entries()) yield* compare(old[index], item, setting.item, [...path, index]);
  } else yield { path, reload: setting.reload ?? classOfWhole(setting) };
}

/** A whole list or camera that comes or goes: what its dearest setting would cost, short of a restart of anything else. */
function classOfWhole(setting: SettingNode): ReloadClass {
  if (setting.kind !== 'section') return 'live';
  const classes = [...setting.fields.values()].map((field) => field.reload ?? classOfWhole(field));
  return classes.includes('camera') ? 'camera' : 'live';
}

function keepDaemonSettings(old: unknown, next: unknown, setting: SettingNode): unknown {
  if (setting.reload === 'daemon') return old;
  if (setting.kind !== 'section' || !isObject(old) || !isObject(next)) return next;
  const kept: Record<string, unknown> = { ...next };
  for (const [key, child] of setting.fields) {
    const value = keepDaemonSettings(old[key], next[key], child);
    if (value === undefined) delete kept[key];
    else kept[key] = value;
  }
  return Object.freeze(kept);
}
