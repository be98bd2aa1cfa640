import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

/**
 * The compile cache: what Node.js made of each module at an earlier start. It is code, so it may only lie where nobody writes who could
 * not change the program itself. Loaded before everything else: imports of its own would be compiled anew at every start.
 */

/** The folder of the cache below the program's own folder `root`, made if need be; undefined where it cannot be used. */
export function compileCacheFolder(root: string, uid: number | undefined): string | undefined {
  const folder = join(root, '.cache/compile');
  try {
    // In somebody else's folder only what is there is used: they could not remove what we make.
    if (statSync(root).uid === uid) mkdirSync(folder, { recursive: true, mode: 0o700 });
    const found = statSync(folder);
    if (!found.isDirectory() || (found.uid !== uid && found.uid !== 0) || (found.mode & 0o022) !== 0) return undefined;
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return folder;
  } catch {
    // A start without it is slower and nothing else.
    return undefined;
  }
}

/**
 * Has modules that are loaded from now on taken from the cache. Gives what threads and child processes need in their environment to do
 * the same; nothing where the user has decided (NODE_COMPILE_CACHE, NODE_DISABLE_COMPILE_CACHE) or no folder can be used.
 */
export function useCompileCache(
  root: string,
  env: Readonly<Record<string, string | undefined>>,
  uid: number | undefined,
): Readonly<Record<string, string>> {
  if (env['NODE_COMPILE_CACHE'] !== undefined || env['NODE_DISABLE_COMPILE_CACHE'] !== undefined) return {};
  const folder = compileCacheFolder(root, uid);
  if (folder === undefined) return {};
  enableCompileCache(folder);
  return { NODE_COMPILE_CACHE: folder };
}
