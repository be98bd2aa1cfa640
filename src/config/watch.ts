import { existsSync, type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Context } from '../core/context.ts';
import { errorText } from '../core/errors.ts';
import { readConfigText } from './file.ts';
import { ConfigError, issueText } from './issues.ts';
import { type ConfigChange, type ConfigDiff, diffConfig, effectiveConfig } from './reload.ts';
import type { Config } from './schema.ts';

/**
 * Reloads the configuration when asked and when the text of its file changes. A file that is refused changes nothing: the old
 * configuration stays and the refusal is logged and kept in `last`.
 */

/** Why a reload was tried: SIGHUP, the control socket, or a changed file. */
export type ReloadTrigger = 'signal' | 'control' | 'file';

export type ReloadResult =
  | {
      readonly state: 'applied';
      readonly at: number;
      readonly trigger: ReloadTrigger;
      readonly diff: ConfigDiff;
      readonly taken?: TakenChanges;
    }
  | { readonly state: 'unchanged'; readonly at: number; readonly trigger: ReloadTrigger; readonly taken?: TakenChanges }
  /** `issues` as lines `file:line:column path: message`, or what went wrong while applying. */
  | { readonly state: 'refused'; readonly at: number; readonly trigger: ReloadTrigger; readonly issues: readonly string[] };

/**
 * What was changed from the file, by itself or at a signal, since somebody last asked by the control socket or the API: a signal has no
 * answer in which it could be told.
 */
export interface TakenChanges {
  /** Of the latest of them. */
  readonly at: number;
  readonly changes: readonly ConfigChange[];
}

export interface ConfigWatchOptions {
  readonly file: string;
  /** What holds now. */
  readonly config: Config;
  /** Loads and checks the file; throws `ConfigError`. */
  readonly load: () => Config | Promise<Config>;
  /** Makes `next` hold: live, camera and worker settings are new, daemon settings are still the old ones. */
  readonly apply: (next: Config, diff: ConfigDiff) => void | Promise<void>;
}

export interface ConfigWatch extends AsyncDisposable {
  /** What holds now. */
  readonly config: Config;
  readonly last: ReloadResult | undefined;
  /** One reload at a time; never rejects. */
  reload(trigger: ReloadTrigger): Promise<ReloadResult>;
}

/** Editors write in several steps; a reload waits until they are done. */
const settleMs = 200;

export function startConfigWatch(options: ConfigWatchOptions, ctx: Context): ConfigWatch {
  const counter = ctx.metrics.counter('sightline_config_reloads_total', 'Reloads of the configuration file.', ['result']);
  const stopped = new AbortController();
  const signal = AbortSignal.any([ctx.signal, stopped.signal]);
  let config = options.config;
  /** What held when somebody last was told; a signal has no answer. */
  let told = config;
  let appliedAt = ctx.clock.now();
  let last: ReloadResult | undefined;
  let line: Promise<unknown> = Promise.resolve();
  let text = readText(options.file);
  let settling = false;

  async function reloadOnce(trigger: ReloadTrigger): Promise<ReloadResult> {
    const base = { at: ctx.clock.now(), trigger };
    try {
      text = readText(options.file);
      const next = await options.load();
      const taken = trigger === 'control' ? alreadyTaken() : {};
      const diff = diffConfig(config, next);
      if (diff.changes.length === 0) return { ...base, state: 'unchanged', ...taken };
      const effective = effectiveConfig(config, next);
      await options.apply(effective, diff);
      config = effective;
      appliedAt = base.at;
      ctx.log.info({ trigger, changes: diff.changes }, 'configuration reloaded');
      if (diff.needsDaemonRestart.length > 0)
        ctx.log.warn({ settings: diff.needsDaemonRestart }, 'changed settings wait for a restart of the daemon');
      return { ...base, state: 'applied', diff, ...taken };
    } catch (error) {
      const issues = error instanceof ConfigError ? error.issues.map(issueText) : [errorText(error)];
      ctx.log.error({ trigger, file: options.file, issues }, 'configuration refused, the old one stays');
      return { ...base, state: 'refused', issues };
    }
  }

  function alreadyTaken(): { readonly taken?: TakenChanges } {
    const { changes } = diffConfig(told, config);
    return changes.length === 0 ? {} : { taken: { at: appliedAt, changes } };
  }

  function reload(trigger: ReloadTrigger): Promise<ReloadResult> {
    const result = line.then(async () => {
      last = await reloadOnce(trigger);
      counter.inc({ result: last.state });
      if (trigger === 'control' && last.state !== 'refused') told = config;
      return last;
    });
    line = result;
    return result;
  }

  async function settle(): Promise<void> {
    if (settling) return;
    settling = true;
    try {
      await ctx.clock.sleep(settleMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    } finally {
      settling = false;
    }
    const now = readText(options.file);
    if (now !== undefined && now !== text) await reload('file');
  }

  // The folder is watched, not the file: editors and Kubernetes replace files (and the links above them) instead of writing them.
  const watcher = watchFolder(options.file, () => void settle(), ctx);
  return {
    get config() {
      return config;
    },
    get last() {
      return last;
    },
    reload,
    [Symbol.asyncDispose]: async () => {
      watcher?.close();
      stopped.abort();
      await line;
    },
  };
}

/**
 * What a change is told by: the text, or why there is none. Undefined while the file is away: between the two steps of a
 * replacement that is no change.
 */
function readText(file: string): string | undefined {
  try {
    return readConfigText(file);
  } catch (error) {
    return existsSync(file) ? errorText(error) : undefined;
  }
}

function watchFolder(file: string, changed: () => void, ctx: Context): FSWatcher | undefined {
  const warn = (error: unknown) =>
    ctx.log.warn({ err: error, file: basename(file) }, 'configuration file is not watched; SIGHUP still reloads it');
  try {
    const watcher = watch(dirname(file), changed);
    watcher.on('error', (error) => {
      warn(error);
      watcher.close();
    });
    return watcher;
  } catch (error) {
    warn(error);
    return undefined;
  }
}
