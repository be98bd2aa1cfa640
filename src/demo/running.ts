import { join } from 'node:path';
import type { Context } from '../core/context.ts';
import type { Control } from '../core/control.ts';
import type { RunningDemo } from '../core/demo.ts';
import { isSightlineError } from '../core/errors.ts';
import { watchMember } from './listing.ts';
import { findDemos, type Owner, type PlaceWorld } from './place.ts';
import { memberNamed, readScene } from './scene.ts';

/** A demo that runs, seen from another terminal. */

const pollMs = 100;
/** From its folder to the first answer of its daemon. */
const beginWithinMs = 10_000;

/** The newest demo of this user that answers, if any; one that has only just begun is waited for. */
export async function findRunningDemo(
  { world, connect }: { readonly world: PlaceWorld; connect(dataDir: string): Control },
  ctx: Context,
): Promise<RunningDemo | undefined> {
  const end = ctx.clock.mono() + beginWithinMs;
  do {
    const demos = await findDemos(world);
    const answering: { readonly owner: Owner; readonly control: Control }[] = [];
    for (const { owner } of demos) {
      const control = connect(join(owner.directory, 'data'));
      if ((await daemonOf(control, ctx.signal)) === owner.pid) answering.push({ owner, control });
    }
    const [newest] = answering;
    if (newest !== undefined) return { ...runningDemo(newest.owner, newest.control, ctx.signal), of: answering.length };
    if (demos.length === 0) return undefined;
    await ctx.clock.sleep(pollMs, ctx.signal);
  } while (ctx.clock.mono() < end);
  return undefined;
}

/** Process of the daemon that answers there, if one does. */
export async function daemonOf(control: Control, signal: AbortSignal): Promise<number | undefined> {
  try {
    return (await control.call('status', {}, signal)).pid;
  } catch (error) {
    if (isSightlineError(error, 'control.unavailable')) return undefined;
    throw error;
  }
}

function runningDemo(owner: Owner, control: Control, signal: AbortSignal): Omit<RunningDemo, 'of'> {
  return {
    pid: owner.pid,
    directory: owner.directory,
    watch: async (names, actor) => {
      const scene = await readScene(owner.scene);
      for (const name of names) memberNamed(scene.cast, name);
      const said: string[] = [];
      for (const name of names) said.push(await watchMember(control, scene, name, actor, signal));
      return said;
    },
  };
}
