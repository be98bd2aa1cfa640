import type { PartState } from '../core/control.ts';
import type { InferenceServer, ModelState } from '../core/inference.ts';

/**
 * Inference servers as parts of the daemon. One that is not ready is not needed while others run every model that was asked for: whatever
 * they cannot run is a part of its own, of the embedder or the detector. Where all are away it is said that the embedded engine stands in. Pure.
 */
export function serverParts(
  engine: string,
  servers: readonly InferenceServer[],
  models: readonly ModelState[],
): readonly PartState[] {
  // A model that runs with a reason runs elsewhere than on a server.
  const allRun = models.every((model) => model.state === 'ready' && model.reason === undefined);
  // A busy server says nothing of the models that it has: those that were asked for do.
  const served = servers.some(({ state }) => state === 'ready' || (state === 'busy' && models.length > 0));
  const standsIn =
    !served && models.length > 0 && models.every((model) => model.state === 'ready' && model.reason !== undefined);
  const meanwhile = standsIn ? '; the embedded engine runs the models meanwhile' : '';
  return servers.map(({ name: server, state, reason }) => {
    const name = `${engine} ${server}`;
    if (state === 'ready') return { name, ready: true };
    const why = `it is ${state}: ${reason}`;
    if (!served || !allRun) return { name, ready: false, reason: `${why}${meanwhile}` };
    const others = state === 'busy' ? 'the models in use are served' : 'other servers do its work';
    return { name, ready: false, needed: false, reason: `${why}; ${others}` };
  });
}
