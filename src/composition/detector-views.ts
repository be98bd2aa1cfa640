import type { DetectorView } from '../core/detectors.ts';
import type { ModelStats } from '../gen/sightline/bridge/v1/bridge.ts';

/** What workers say of their detectors, for people: those of one model that are in the same state are one. By model. Pure. */
export function detectorViews(
  said: Iterable<readonly [worker: string, models: readonly ModelStats[]]>,
): readonly DetectorView[] {
  const each = [...said].flatMap(([worker, models]) => models.map((model) => ({ worker, ...stateOf(model) })));
  return [...Map.groupBy(each, ({ model, state, reason }) => JSON.stringify([model, state, reason])).values()]
    .flatMap((same) => {
      const [first] = same;
      if (first === undefined) return [];
      const { worker: _one, ...view } = first;
      return [{ ...view, workers: same.map(({ worker }) => worker).toSorted() }];
    })
    .toSorted((a, b) => (a.model < b.model ? -1 : a.model > b.model ? 1 : 0));
}

function stateOf({ model, failing, fallback }: ModelStats): Omit<DetectorView, 'workers'> {
  if (failing !== '') return { model, state: 'unavailable', reason: failing };
  return { model, state: 'ready', ...(fallback ? { reason: 'the embedded engine runs it, since no Triton server can' } : {}) };
}
