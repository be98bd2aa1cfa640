import type { Config } from '../config/schema.ts';
import { type ReloadResult, type ReloadTrigger, startConfigWatch } from '../config/watch.ts';
import type { Context } from '../core/context.ts';
import type { ReloadView } from '../core/control.ts';

export interface ConfigWatching extends AsyncDisposable {
  reload(trigger?: ReloadTrigger): Promise<ReloadView>;
  readonly last: ReloadView | undefined;
}

/** The configuration watch with its results as people are shown them. */
export function startConfigWatching(
  options: {
    readonly file: string;
    readonly config: Config;
    readonly load: () => Promise<Config>;
    readonly apply: (next: Config) => Promise<void>;
  },
  ctx: Context,
): ConfigWatching {
  const watch = startConfigWatch(options, ctx);
  return {
    reload: async (trigger = 'control') => view(await watch.reload(trigger)),
    get last() {
      return watch.last === undefined ? undefined : view(watch.last);
    },
    [Symbol.asyncDispose]: () => watch[Symbol.asyncDispose](),
  };
}

function view(result: ReloadResult): ReloadView {
  return {
    state: result.state,
    at: result.at,
    changes: result.state === 'applied' ? result.diff.changes : [],
    ...(result.state === 'refused' || result.taken === undefined ? {} : { taken: result.taken }),
    needsDaemonRestart: result.state === 'applied' ? result.diff.needsDaemonRestart : [],
    issues: result.state === 'refused' ? result.issues : [],
  };
}
