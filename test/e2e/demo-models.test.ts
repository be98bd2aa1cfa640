import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeModel } from '../../src/inference/repository.ts';
import { assertVisits, listedVisits, readClip, readManifest } from '../support/clips.ts';
import { dataPath, missingData } from '../support/data.ts';
import { demoTemplate, playDemoFilm } from '../support/demo.ts';
import { missingModels, realRepository, shippedRepository } from '../support/repository.ts';

/** The demo's networks stand where real ones stand: same tensors, and a real one takes the place by one line of configuration. */

const skip = missingData('clips/real_tilt_m.mp4') || missingModels('centerface', 'face_embed', 'face_embed_224');

test('the demo detector has the tensors of CenterFace, the demo embedder those of a CLIP image encoder', async () => {
  for (const [own, real] of [
    ['demo_face', 'centerface'],
    ['demo_embed', 'clip_visual'],
  ] as const) {
    const [a, b] = await Promise.all([describeModel(shippedRepository, own), describeModel(shippedRepository, real)]);
    assert.deepEqual([a.inputs, a.outputs], [b.inputs, b.outputs], `${own} like ${real}`);
  }
});

for (const [what, embedder] of [
  ['CenterFace and MobileFaceNet', 'face_embed'],
  ['CenterFace and an embedder with the tensors of CLIP', 'face_embed_224'],
] as const) {
  test(`${what} in the demo's configuration find a real person, and nothing else is changed`, { skip }, async () => {
    await using repository = await realRepository();
    const clip = readClip('real_tilt_m');
    const template = demoTemplate.replace('&detector demo_face', '&detector centerface').replace('demo_embed', embedder);
    const lines = (text: string) => text.split('\n');
    const changed = lines(template).filter((line, index) => line !== lines(demoTemplate)[index]);
    assert.equal(changed.length, 2, 'one line for each network');
    const { people } = readManifest();
    const watched = Object.fromEntries(clip.watchlist.map((id) => [id, (people[id]?.enrol ?? []).map(dataPath)]));
    const opened = await playDemoFilm({
      template,
      film: clip.path,
      repository: repository.directory,
      people: { watched },
    });
    assertVisits(clip, listedVisits(clip), opened);
  });
}
