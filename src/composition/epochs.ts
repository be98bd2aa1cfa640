import { errorText } from '../core/errors.ts';
import type { FloodGate } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { Store } from '../core/store.ts';
import type { CameraId } from '../core/types.ts';

export interface Epochs {
  /** Rises with every call for a camera. Never rejects. */
  next(camera: CameraId): Promise<number>;
}

/**
 * Epochs as the store counts them, and from memory while it cannot: a full or broken disk must not keep a camera from coming back.
 * Numbers given meanwhile are made up for in the store as soon as it counts again; a daemon that ends before may give them twice.
 */
export function createEpochs(store: Pick<Store, 'nextEpoch'>, flood: FloodGate, metrics: Metrics): Epochs {
  const given = new Map<CameraId, number>();
  const unstored = metrics.counter('sightline_epochs_unstored_total', 'Epochs given while the store could not count them');

  async function counted(camera: CameraId): Promise<number> {
    while (true) {
      const epoch = await store.nextEpoch(camera);
      if (epoch > (given.get(camera) ?? 0)) return epoch;
    }
  }

  return {
    next: async (camera) => {
      let epoch: number;
      try {
        epoch = await counted(camera);
      } catch (error) {
        unstored.inc();
        flood.warn('epoch of a camera is counted in memory', { camera, reason: errorText(error) });
        epoch = (given.get(camera) ?? 0) + 1;
      }
      given.set(camera, epoch);
      return epoch;
    },
  };
}
