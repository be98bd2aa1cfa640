import type { GpuView } from '../core/gpus.ts';
import type { Metrics } from '../core/metrics.ts';
import type { GpuStats } from '../gen/sightline/bridge/v1/bridge.ts';

/**
 * What workers say of the cards they run on. A card is one, however many workers are on it: its gauges have no label of a worker, so that sums
 * are right; `sightline_worker_gpu` says who is on which.
 */
export interface GpuFigures {
  /** Undefined: the worker says nothing of a card, or not any more. */
  stats(worker: string, stats: GpuStats | undefined): void;
  forget(worker: string): void;
  /** By UUID. */
  views(): readonly GpuView[];
}

type Figure = Exclude<keyof GpuView, 'uuid' | 'name' | 'workers'>;

const gaugesOf: Readonly<Record<Figure, readonly [name: string, help: string]>> = {
  utilization: ['utilization_ratio', 'Share of the last second in which the GPU ran a kernel, of whoever uses it'],
  decoder: ['decoder_utilization_ratio', 'Share of the last second in which the GPU decoded video'],
  encoder: ['encoder_utilization_ratio', 'Share of the last second in which the GPU encoded video'],
  memoryUsedBytes: ['memory_used_bytes', 'Memory of the GPU that is in use, by whomever'],
  memoryBytes: ['memory_bytes', 'Memory of the GPU'],
  celsius: ['temperature_celsius', 'Temperature of the GPU'],
};
const figures = Object.keys(gaugesOf) as readonly Figure[];

export function createGpuFigures(metrics: Metrics): GpuFigures {
  const gauges = figures.map((figure) => {
    const [name, help] = gaugesOf[figure];
    return { figure, gauge: metrics.gauge(`sightline_gpu_${name}`, help, ['gpu', 'name']) };
  });
  const on = metrics.gauge('sightline_worker_gpu', '1 for the GPU that a worker runs on', ['worker', 'gpu']);
  /** By worker, as each said last; the newest at the end. */
  const said = new Map<string, Omit<GpuView, 'workers'>>();

  function forget(worker: string): void {
    const before = said.get(worker);
    if (before === undefined) return;
    said.delete(worker);
    on.remove({ worker, gpu: before.uuid });
    if ([...said.values()].some((card) => isSame(card, before))) return;
    for (const { gauge } of gauges) gauge.remove({ gpu: before.uuid, name: before.name });
  }

  return {
    stats: (worker, stats) => {
      const before = said.get(worker);
      if (before !== undefined && (stats === undefined || !isSame(before, stats))) forget(worker);
      if (stats === undefined) return;
      const card = cardOf(stats);
      said.delete(worker);
      said.set(worker, card);
      on.set({ worker, gpu: card.uuid }, 1);
      const labels = { gpu: card.uuid, name: card.name };
      for (const { figure, gauge } of gauges) {
        const value = card[figure];
        if (value === undefined) gauge.remove(labels);
        else gauge.set(labels, value);
      }
    },
    forget,
    views: () => {
      const newest = new Map([...said.values()].map((card) => [card.uuid, card]));
      return [...newest.values()]
        .map((card) => ({
          ...card,
          workers: [...said].flatMap(([worker, { uuid }]) => (uuid === card.uuid ? [worker] : [])).toSorted(),
        }))
        .toSorted((a, b) => (a.uuid < b.uuid ? -1 : 1));
    },
  };
}

/** By the labels of its gauges: a driver that calls a card otherwise leaves none behind. */
function isSame(one: Pick<GpuView, 'uuid' | 'name'>, other: Pick<GpuView, 'uuid' | 'name'>): boolean {
  return one.uuid === other.uuid && one.name === other.name;
}

function cardOf(stats: GpuStats): Omit<GpuView, 'workers'> {
  const { uuid, name, utilizationPercent, decoderPercent, encoderPercent, memoryUsedBytes, memoryBytes, celsius } = stats;
  return {
    uuid,
    name,
    ...(utilizationPercent === undefined ? {} : { utilization: utilizationPercent / 100 }),
    ...(decoderPercent === undefined ? {} : { decoder: decoderPercent / 100 }),
    ...(encoderPercent === undefined ? {} : { encoder: encoderPercent / 100 }),
    ...(memoryUsedBytes === undefined ? {} : { memoryUsedBytes: Number(memoryUsedBytes) }),
    ...(memoryBytes === undefined ? {} : { memoryBytes: Number(memoryBytes) }),
    ...(celsius === undefined ? {} : { celsius }),
  };
}
