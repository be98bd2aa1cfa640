import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGpuFigures } from '../../src/composition/gpu-figures.ts';
import { GpuStats } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { testContext } from '../support/context.ts';

const card = (uuid: string, more: Partial<GpuStats> = {}) => ({ ...GpuStats.create(), uuid, name: 'NVIDIA L4', ...more });

function world() {
  const ctx = testContext();
  return {
    figures: createGpuFigures(ctx.metrics),
    /** Lines of /metrics, without the common beginning. */
    lines: async () =>
      (await ctx.metrics.registry.metrics())
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => line.replace(/^sightline_/, ''))
        .toSorted(),
    [Symbol.dispose]: () => ctx[Symbol.dispose](),
  };
}

test('a card of two workers is one card, with the figures of whoever spoke last', async () => {
  using it = world();
  it.figures.stats('a', card('GPU-1', { utilizationPercent: 30, memoryUsedBytes: 3n << 30n, celsius: 50 }));
  it.figures.stats('b', card('GPU-1', { utilizationPercent: 45, memoryUsedBytes: 4n << 30n, celsius: 51 }));
  const labels = '{gpu="GPU-1",name="NVIDIA L4"}';
  assert.deepEqual(await it.lines(), [
    `gpu_memory_used_bytes${labels} ${4 * 1024 ** 3}`,
    `gpu_temperature_celsius${labels} 51`,
    `gpu_utilization_ratio${labels} 0.45`,
    'worker_gpu{worker="a",gpu="GPU-1"} 1',
    'worker_gpu{worker="b",gpu="GPU-1"} 1',
  ]);
  assert.deepEqual(it.figures.views(), [
    {
      ...{ uuid: 'GPU-1', name: 'NVIDIA L4', workers: ['a', 'b'] },
      ...{ utilization: 0.45, memoryUsedBytes: 4 * 1024 ** 3, celsius: 51 },
    },
  ]);
});

test('figures go with the last worker of their card, and when its driver says nothing any more', async () => {
  using it = world();
  it.figures.stats('a', card('GPU-1', { decoderPercent: 0 }));
  it.figures.stats('b', card('GPU-1', { decoderPercent: 2 }));
  it.figures.stats('c', card('GPU-2', { decoderPercent: 3 }));
  it.figures.forget('b');
  assert.deepEqual(await it.lines(), [
    'gpu_decoder_utilization_ratio{gpu="GPU-1",name="NVIDIA L4"} 0.02',
    'gpu_decoder_utilization_ratio{gpu="GPU-2",name="NVIDIA L4"} 0.03',
    'worker_gpu{worker="a",gpu="GPU-1"} 1',
    'worker_gpu{worker="c",gpu="GPU-2"} 1',
  ]);
  it.figures.stats('a', undefined);
  it.figures.forget('c');
  it.figures.forget('c');
  assert.deepEqual(await it.lines(), []);
  assert.deepEqual(it.figures.views(), []);
});

test('a figure that is not told any more goes, a zero stays; a worker on another card leaves the first', async () => {
  using it = world();
  it.figures.stats('a', card('GPU-1', { encoderPercent: 0, decoderPercent: 7 }));
  it.figures.stats('a', card('GPU-1', { encoderPercent: 0 }));
  assert.deepEqual(await it.lines(), [
    'gpu_encoder_utilization_ratio{gpu="GPU-1",name="NVIDIA L4"} 0',
    'worker_gpu{worker="a",gpu="GPU-1"} 1',
  ]);
  it.figures.stats('a', card('GPU-2', { encoderPercent: 1 }));
  assert.deepEqual(await it.lines(), [
    'gpu_encoder_utilization_ratio{gpu="GPU-2",name="NVIDIA L4"} 0.01',
    'worker_gpu{worker="a",gpu="GPU-2"} 1',
  ]);
});

test('a card that gets another name leaves nothing under the one before, and a name may hold anything', async () => {
  using it = world();
  for (const name of ['A', 'B', 'x"} 1\n# HELP evil \\']) it.figures.stats('a', card('GPU-1', { name, celsius: 50 }));
  assert.deepEqual(await it.lines(), [
    'gpu_temperature_celsius{gpu="GPU-1",name="x\\"} 1\\n# HELP evil \\\\"} 50',
    'worker_gpu{worker="a",gpu="GPU-1"} 1',
  ]);
});
