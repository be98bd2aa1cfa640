import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { InferenceEngine } from '../../src/core/inference.ts';
import type { Embedder, EmbedInput } from '../../src/core/models.ts';
import { startEmbedded } from '../../src/inference/embedded.ts';
import { decodeImage } from '../../src/models/image.ts';
import { createEmbedder } from '../../src/models/kinds.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { readGolden } from '../support/golden.ts';
import { shippedRepository } from '../support/repository.ts';

interface Golden {
  readonly sha256: string;
  readonly cases: readonly {
    readonly picture: string;
    readonly landmarks: readonly (readonly [number, number])[];
    readonly vector: readonly number[];
  }[];
}

const golden = readGolden<Golden>('demo-embed');
const goldenFolder = join(import.meta.dirname, '../fixtures/golden');
const weights = join(shippedRepository, 'demo_embed/1/model.onnx');

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
}

async function inputs(): Promise<readonly EmbedInput[]> {
  return Promise.all(
    golden.cases.map(async ({ picture, landmarks }) => {
      const image = await decodeImage(await readFile(join(goldenFolder, picture)));
      const [a, b, c, d, e] = landmarks.map(([x, y]) => ({ x, y }));
      assert.ok(a && b && c && d && e);
      return { image, box: { left: 0, top: 0, width: image.width, height: image.height }, landmarks: [a, b, c, d, e] };
    }),
  );
}

/** The network as committed, against onnxruntime and an alignment of its own in Python. */
describe('embedder of the demo', () => {
  let ctx: TestContext;
  let engine: InferenceEngine;
  let embedder: Embedder;
  const options = () => ({ signal: ctx.signal, deadlineMs: ctx.clock.mono() + 60_000, stream: 'test' });

  before(async () => {
    ctx = testContext();
    engine = await startEmbedded({ repository: shippedRepository, threads: 1 }, ctx);
    embedder = createEmbedder(await engine.describe('demo_embed'), engine.infer);
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    ctx[Symbol.dispose]();
  });

  it('is committed: at most 1.5 MB, and the very file whose figures the model card states', async () => {
    const bytes = await readFile(weights);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    assert.ok(bytes.length <= 1_500_000, `${bytes.length} bytes`);
    assert.equal(sha256, golden.sha256, 'write the golden file anew: tools/demo-models/golden_embedder.py');
    assert.match(await readFile(join(shippedRepository, 'demo_embed/README.md'), 'utf8'), new RegExp(sha256));
  });

  it('has the tensors of a CLIP image encoder, any number of crops at once, and a space of its own', async () => {
    const { inputs: given, outputs } = await engine.describe('demo_embed');
    assert.deepEqual([given, outputs].flat(), [
      { name: 'input', datatype: 'FP32', dims: [3, 224, 224] },
      { name: 'output', datatype: 'FP32', dims: [512] },
    ]);
    assert.deepEqual([embedder.kind, embedder.space, embedder.dimensions], ['face', 'demo_characters@1', 512]);
    for (const rows of [1, 5]) {
      const tensor = {
        name: 'input',
        datatype: 'FP32',
        shape: [rows, 3, 224, 224],
        data: new Float32Array(rows * 150_528),
      } as const;
      const { outputs: answer } = await engine.infer('demo_embed', [tensor], options());
      assert.deepEqual(answer.get('output')?.shape, [rows, 512]);
    }
  });

  it("gives the reference's vectors: same character alike, another one not", async () => {
    const vectors = await embedder.embed(await inputs(), options());
    for (const [index, vector] of vectors.entries()) {
      const expected = golden.cases[index]?.vector ?? [];
      assert.ok(cosine(vector, expected) > 0.9995, `case ${index}: ${cosine(vector, expected)}`);
    }
    const [one = [], again = [], other = []] = vectors;
    assert.ok(cosine(one, again) > embedder.thresholds.open, `same ${cosine(one, again)}`);
    assert.ok(cosine(one, other) < embedder.thresholds.keep, `other ${cosine(one, other)}`);
  });

  it('sees at once that red and blue have changed places', async () => {
    const [first] = await inputs();
    assert.ok(first);
    const { image } = first;
    const data = Uint8Array.from(image.data, (_, at) => image.data[at + 2 - 2 * (at % 3)] ?? 0);
    const [vector = []] = await embedder.embed([{ ...first, image: { ...image, data } }], options());
    assert.ok(cosine(vector, golden.cases[0]?.vector ?? []) < embedder.thresholds.open);
  });
});
