import assert from 'node:assert/strict';
import { cp, mkdir, rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { renderRepository } from '../../src/inference/render.ts';
import { listModels } from '../../src/inference/repository.ts';
import { checkTriton } from '../../src/inference/triton-check.ts';
import { missingConvert, runConversions } from '../support/convert.ts';
import { dataPath } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fixtureModelRepository } from '../support/fixtures.ts';
import { missingModels, shippedRepository, testWeights } from '../support/repository.ts';
import { missingTriton, startTriton } from '../support/triton.ts';

const skip = (await missingTriton()) || (await missingConvert()) || missingModels(...Object.keys(testWeights));
const asked = { timeoutMs: 20_000 };

describe('the repository as it ships', { skip }, () => {
  it('is served whole by a real server, as it stands and as it is rendered, and fits what we need', async () => {
    await using directory = await temporaryDirectory();
    const repository = join(directory.path, 'repository');
    await cp(shippedRepository, repository, { recursive: true });
    // Networks that stand in for weights which are nobody's to pass on: the same tensors, other numbers.
    await runConversions(directory.path, { heads: ['listed'], side: 640, random: [], conversions: [] });
    const weights: Readonly<Record<string, string>> = {
      ...Object.fromEntries(Object.entries(testWeights).map(([model, file]) => [model, dataPath(file)])),
      clip_visual: dataPath('models/face_embed_224_512_mobilefacenet_fp16w.onnx'),
      clip_text: join(fixtureModelRepository, 'fixture_text/1/model.onnx'),
      yolov7: join(directory.path, 'listed.onnx'),
    };
    for (const [model, file] of Object.entries(weights)) {
      await mkdir(join(repository, model, '1'), { recursive: true });
      await symlink(file, join(repository, model, '1/model.onnx'));
    }
    const all = await listModels(repository);
    for (const model of ['centerface', 'yolov7', 'clip_visual', 'clip_text', 'face_embed', 'person_embed'])
      assert.ok(all.includes(model), model);

    const rendered = join(directory.path, 'rendered');
    const signal = new AbortController().signal;
    const request = {
      directory: rendered,
      repository,
      hardware: 'cpu',
      instances: 1,
      engineCache: '/tmp',
      decoder: 'python',
    } as const;
    assert.deepEqual((await renderRepository(request, signal)).models, all);
    for (const served of [repository, rendered]) {
      await using server = await startTriton({ repository: served });
      const [checked] = await checkTriton({ url: server.url, repository, ...asked }, signal);
      assert.deepEqual(
        checked?.models.map(({ model, versions, state, differences, warnings }) => [
          model,
          versions,
          state,
          differences,
          warnings,
        ]),
        all.map((model) => [model, ['1'], 'fits', [], []]),
      );
    }

    // Another version that somebody puts beside it is not what Sightline asks for, and takes nothing away.
    await mkdir(join(rendered, 'face_embed/2'));
    await symlink(dataPath(testWeights['face_embed_224'] ?? ''), join(rendered, 'face_embed/2/model.onnx'));
    for (const model of all)
      if (model !== 'face_embed') await rename(join(rendered, model), join(directory.path, `away-${model}`));
    await using server = await startTriton({ repository: rendered });
    const [checked] = await checkTriton({ url: server.url, repository, models: ['face_embed'], ...asked }, signal);
    assert.deepEqual(
      checked?.models.map(({ versions, state }) => [versions, state]),
      [[['1'], 'fits']],
    );
  });
});
