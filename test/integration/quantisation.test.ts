import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { quantisesActivations } from '../../src/inference/quantisation.ts';
import { dataPath, missingData } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';

/** `NodeProto.op_type` as it stands in a file. */
const node = (operator: string) => Buffer.from([0x22, operator.length, ...Buffer.from(operator)]);

describe('quantised activations', () => {
  it('are found wherever in the file their node stands, and weights alone are not taken for them', async () => {
    await using folder = await temporaryDirectory();
    const file = join(folder.path, 'network.onnx');
    for (const offset of [0, 1000, (1 << 20) - 8, 1 << 20, (1 << 20) + 1, 3 << 20]) {
      const before = Buffer.concat([node('DequantizeLinear'), Buffer.alloc(offset)]);
      await writeFile(file, Buffer.concat([before, node('QuantizeLinear'), Buffer.alloc(offset % 7)]));
      assert.equal(await quantisesActivations(file), true, `at ${offset}`);
      await writeFile(file, Buffer.concat([before, node('DequantizeLinear')]));
      assert.equal(await quantisesActivations(file), false, `at ${offset}`);
    }
    await writeFile(file, '');
    assert.equal(await quantisesActivations(file), false);
  });

  const weights = 'models/centerface_int8w.onnx';
  it('a real network with 8-bit weights has none', { skip: missingData(weights) }, async () => {
    assert.equal(await quantisesActivations(dataPath(weights)), false);
  });
});
