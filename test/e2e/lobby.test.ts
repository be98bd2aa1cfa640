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
