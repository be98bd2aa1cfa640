import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { RgbImage } from '../../src/core/models.ts';
import { startEmbedded } from '../../src/inference/embedded.ts';
import { startTritonEngine } from '../../src/inference/triton.ts';
import { detectInPhoto } from '../../src/models/detect-photo.ts';
import { createDetector, createEmbedder } from '../../src/models/kinds.ts';
import { testContext } from '../support/context.ts';
import { missingConvert, runConversions } from '../support/convert.ts';
import { dataPath } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { missingTriton, startTriton } from '../support/triton.ts';

/** Heads of tools/fixtures/synthetic_heads.py with every form of outputs and of batching. */
const heads = ['scored', 'distributions', 'anchors', 'ranked', 'listed', 'fixed_batch'];

/** Blocks of 40 pixels in four colours. */
function colouredBlocks(width: number, height: number): RgbImage {
  const colours = [240, 20, 20, 20, 240, 20, 240, 240, 240, 20, 20, 20];
  const data = Uint8Array.from({ length: 3 * width * height }, (_, at) => {
    const pixel = Math.floor(at / 3);
    const block = Math.floor((pixel % width) / 40) + Math.floor(pixel / width / 40);
    return colours[3 * (block % 4) + (at % 3)] ?? 0;
  });
  return { width, height, data };
}

describe('a repository of tools/convert', { skip: (await missingConvert()) || (await missingTriton()) }, () => {
  it('is taken by Triton as it is, and answers as in the embedded engine', async () => {
    await using directory = await temporaryDirectory();
    const repository = join(directory.path, 'repository');
    const labels = join(directory.path, 'labels.txt');
    await writeFile(labels, 'bright\nred\ngreen\n');
    const to = (model: string) => ['--as', model, '--repository', repository];
    const pictures = ['--pictures', dataPath('photos/cal_m1')];
    const answers = await runConversions(directory.path, {
      heads,
      random: [[...to('visual'), '--architecture', 'tiny']],
      conversions: [
        ...heads.map((head) => [join(directory.path, `${head}.onnx`), ...to(head), '--labels', labels, ...pictures]),
        [dataPath('models/centerface_int8w.onnx'), ...to('centerface'), ...pictures],
      ],
    });
    assert.deepEqual(
      answers.flatMap(({ refused }) => refused ?? []),
      [],
    );

    using ctx = testContext();
    await using server = await startTriton({ repository });
    await using triton = await startTritonEngine({ urls: [server.url], repository }, ctx);
    await using embedded = await startEmbedded({ repository, threads: 1 }, ctx);
    const options = { signal: ctx.signal, deadlineMs: ctx.clock.mono() + 60_000, stream: 'test' };
    const image = colouredBlocks(160, 120);
    for (const name of [...heads, 'centerface']) {
      const [here, there] = await Promise.all(
        [embedded, triton].map(async (engine) =>
          detectInPhoto(createDetector(await engine.describe(name), engine.infer), image, { ...options, minScore: 0.05 }),
        ),
      );
      assert.equal(there?.length, here?.length, name);
      assert.ok(name === 'centerface' || (here?.length ?? 0) > 0, `${name} found nothing`);
      for (const [at, { box, score }] of (here ?? []).entries()) {
        assert.ok(Math.abs(score - (there?.[at]?.score ?? Number.NaN)) < 1e-4, name);
        assert.ok(Math.abs(box.left - (there?.[at]?.box.left ?? Number.NaN)) < 0.01, name);
      }
    }
    const input = { image, box: { left: 0, top: 0, width: 160, height: 120 } };
    const [here, there] = await Promise.all(
      [embedded, triton].map(async (engine) =>
        createEmbedder(await engine.describe('visual'), engine.infer).embed([input, input, input], options),
      ),
    );
    assert.equal(there?.length, 3);
    const cosine = [...(here?.[0] ?? [])].reduce((sum, value, at) => sum + value * (there?.[0]?.[at] ?? Number.NaN), 0);
    assert.ok(cosine > 0.99999);
  });
});
