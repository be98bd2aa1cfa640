import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { isSightlineError } from '../../src/core/errors.ts';
import { findEntry, modelsOfSet, requireSource } from '../../src/models/catalogue.ts';
import { catalogueEntries } from '../../src/models/catalogue-data.ts';
import { dataPath, missingData } from '../support/data.ts';
import { testWeights } from '../support/repository.ts';

const repository = resolve(import.meta.dirname, '../../model_repository');
const lengths = { sha256: 64, md5: 32, 'git-blob': 40 } as const;

describe('the model catalogue', () => {
  it('knows every model of the shipped repository and no other', () => {
    const shipped = readdirSync(repository).filter((name) => existsSync(join(repository, name, 'config.pbtxt')));
    assert.deepEqual(catalogueEntries.map(({ model }) => model).toSorted(), shipped.toSorted());
  });

  it('has for each model an address, or what to do without one', () => {
    for (const { model, source, sourceNote } of catalogueEntries) {
      assert.ok((source === undefined) === (sourceNote !== undefined), model);
      if (source === undefined) continue;
      assert.equal(new URL(source.url).protocol, 'https:', model);
      if (source.hash !== undefined)
        assert.match(source.hash.value, new RegExp(`^[0-9a-f]{${lengths[source.hash.algorithm]}}$`));
    }
  });

  it('pins addresses to a commit or to a hash, so that what they give cannot change unnoticed', () => {
    for (const { model, source } of catalogueEntries)
      assert.ok(source === undefined || source.hash !== undefined || /\/[0-9a-f]{40}\//.test(source.url), model);
  });

  it('states the restriction of every CLIP', () => {
    for (const { model, restrictions } of catalogueEntries.filter((entry) => entry.model.startsWith('clip_')))
      assert.match(restrictions ?? '', /surveillance and facial recognition/, model);
  });

  it('gives sets in which each kind of recognition has all it needs', () => {
    assert.deepEqual(modelsOfSet('face'), ['centerface', 'face_embed']);
    assert.deepEqual(modelsOfSet('appearance'), ['yolox_nano', 'person_embed']);
    assert.ok(modelsOfSet('all').every((model) => findEntry(model)?.source !== undefined));
  });

  it('answers for a model without an address with what to do instead', () => {
    for (const [model, message] of [
      ['yolov7', /no public address: .*export\.py --grid --end2end.*models add FILE --as yolov7/],
      ['centreface', /has no centreface, did you mean centerface; it has centerface, /],
      ['my_own', /weights of your own: sightline models add FILE --as my_own$/],
    ] as const) {
      assert.throws(
        () => requireSource(model),
        (error) => isSightlineError(error, 'model.catalogue') && message.test(error.message),
      );
    }
  });

  it('knows the committed weights by their hashes', () => {
    for (const model of ['demo_face', 'demo_embed']) {
      const bytes = readFileSync(join(repository, model, '1/model.onnx'));
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      assert.deepEqual(
        findEntry(model)?.knownFiles.map((known) => [known.sha256, known.bytes]),
        [[sha256, bytes.length]],
      );
    }
  });

  it('knows the files of the test data by their hashes', { skip: missingData(...Object.values(testWeights)) }, () => {
    for (const [model, file] of Object.entries(testWeights)) {
      const bytes = readFileSync(dataPath(file));
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const { source, knownFiles = [] } = findEntry(model) ?? {};
      const known = [...knownFiles, { sha256: source?.hash?.value, bytes: source?.bytes }];
      assert.ok(
        known.some((each) => each.sha256 === sha256 && each.bytes === bytes.length),
        `${file} is ${sha256}, ${bytes.length} bytes`,
      );
    }
  });
});
