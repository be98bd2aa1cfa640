import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { freeAxes } from '../../src/models/onnx-axes.ts';
import { fixtureModelRepository } from '../support/fixtures.ts';

const fixed = () => readFile(join(import.meta.dirname, '../fixtures/networks/fixed.onnx'));
const shapes = (metadata: readonly InferenceSession.ValueMetadata[]) =>
  metadata.map((value) => (value.isTensor ? value.shape : []));

async function run(session: InferenceSession, ...dims: readonly number[]): Promise<readonly number[]> {
  const size = dims.reduce((product, axis) => product * axis, 1);
  const results = await session.run({ 'input.1': new Tensor('float32', new Float32Array(size), [...dims]) });
  return results['537']?.dims ?? [];
}

describe('a network that states a size it does not need', () => {
  it('takes any size once its axes are free, and only then', async () => {
    const stated = await InferenceSession.create(await fixed(), { logSeverityLevel: 4 });
    await assert.rejects(run(stated, 1, 3, 64, 96));
    const freed = await InferenceSession.create(freeAxes(await fixed(), [0, 2, 3]));
    assert.deepEqual(await run(freed, 1, 3, 64, 96), [1, 3, 32, 48]);
    assert.deepEqual(await run(freed, 2, 3, 32, 32), [2, 3, 16, 16]);
    assert.deepEqual(shapes(freed.inputMetadata), [['N', 3, 'input.1_2', 'input.1_3']]);
    assert.deepEqual(shapes(freed.outputMetadata), [['N', 3, '537_2', '537_3']]);
  });

  it('keeps everything else of the file', async () => {
    const file = await readFile(join(fixtureModelRepository, 'fixture_face/1/model.onnx'));
    const same = freeAxes(file, []);
    assert.deepEqual(Buffer.from(same), file);
  });

  it('is refused when it is none', async () => {
    for (const bytes of [Buffer.from('<html>not found</html>'), Buffer.alloc(0), (await fixed()).subarray(0, 100)])
      assert.throws(() => freeAxes(bytes, [0]), { code: 'model.invalid', message: 'the file is not an ONNX model' });
  });
});
