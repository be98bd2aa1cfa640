import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasMosquitto } from '../support/broker.ts';
import { assertVisits, cutBody, drawnData as data, enrollable, listedVisits, playScene, readClip } from '../support/clips.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { installedProgram } from '../support/programs.ts';

/** The whole path on small fixtures of our own: drawn people, hand-made networks, a real broker. */
const skip = missingTool(hasMosquitto, 'mosquitto');
const clip = readClip('lobby', data);

test('lobby: the listed alert once each, the look-alike and the stranger do not', { skip }, async () => {
  const scene = await playScene({ data, gallery: { watch: clip.watchlist }, cameras: { clip: clip.path } });
  assertVisits(clip, listedVisits(clip), scene.opened);
});

test('lobby: with everybody enrolled and the others ignored the alerts are the same', { skip }, async () => {
  const ignore = enrollable(data).filter((id) => !clip.watchlist.includes(id));
  const scene = await playScene({ data, gallery: { watch: clip.watchlist, ignore }, cameras: { clip: clip.path } });
  assertVisits(clip, listedVisits(clip), scene.opened);
});

test('lobby: somebody seen from behind is found by appearance, and told as such', {
  skip: skip || missingTool(installedProgram('ffmpeg'), 'ffmpeg'),
}, async () => {
  const visit = clip.persons.find(({ id }) => id === 'eve');
  assert.ok(visit);
  await using folder = await temporaryDirectory();
  const pictures = [168, 174].map((frame) => cutBody(clip, visit.id, frame, folder.path, 2));
  const scene = await playScene({
    data,
    gallery: { watch: [], bodies: { eve: pictures } },
    cameras: { clip: clip.path },
    kind: 'appearance',
  });
  assertVisits(clip, [visit], scene.opened, 'appearance');
});

test('lobby: whoever looks as described alerts once, as a description, also beside pictures of the same person', {
  skip: skip || missingTool(installedProgram('ffmpeg'), 'ffmpeg'),
}, async () => {
  // `fixture_text` knows colours of drawn clothes by CLIP's tokens and tensors; of real CLIP this says nothing.
  const descriptions: Readonly<Record<string, string>> = {
    ada: 'blue jacket, black trousers',
    cyd: 'purple jacket, turquoise trousers',
    eve: 'turquoise jacket, purple trousers',
    nobody: 'red jacket',
  };
  const visits = clip.persons.flatMap((visit) => {
    const description = descriptions[visit.id];
    return description === undefined ? [] : [{ ...visit, id: description }];
  });
  assert.equal(visits.length, 3);
  await using folder = await temporaryDirectory();
  const pictures = [168, 174].map((frame) => cutBody(clip, 'eve', frame, folder.path, 2));
  const { opened } = await playScene({
    data,
    gallery: { watch: [], bodies: { 'eve in pictures': pictures }, descriptions: Object.values(descriptions) },
    cameras: { clip: clip.path },
    kind: 'appearance',
  });
  const described = opened.filter(({ kind }) => kind === 'description');
  assertVisits(clip, visits, described, 'description');
  for (const { meaning, score, threshold } of described) {
    assert.match(meaning, /experimental, matches a description, not a person/);
    assert.ok(threshold === 0.28 && score > 0.28 && score < 0.5, `${score}: far below what two pictures reach`);
  }
  assert.deepEqual(
    opened.filter(({ kind }) => kind !== 'description').map(({ kind, entry }) => [kind, entry?.name]),
    [['appearance', 'eve in pictures']],
  );
});
