import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertVisits, type ClipTruth } from '../support/clips.ts';
import { missingTool } from '../support/data.ts';
import { createDemoStage, demoTemplate, playDemoFilm } from '../support/demo.ts';
import { film, members, truth, visits } from '../support/demo-film.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { installedProgram } from '../support/programs.ts';
import { shippedRepository } from '../support/repository.ts';

/**
 * The demo as it is shipped: its film, its networks, its configuration. Every visit of a listed character alerts once; the look-alike,
 * the ignored one, the hidden one and the strangers never.
 */

test('two loops at speed: every listed visit alerts once, nobody else', {
  skip: missingTool(installedProgram('ffmpeg'), 'ffmpeg'),
}, async () => {
  await using directory = await temporaryDirectory();
  const twice = join(directory.path, 'twice.mp4');
  execFileSync('ffmpeg', ['-v', 'error', '-stream_loop', '1', '-i', film, '-c', 'copy', twice]);
  const people = { watched: members('listed'), staff: members('ignored') };
  const opened = await playDemoFilm({ template: demoTemplate, film: twice, repository: shippedRepository, people });
  const later = visits.map(({ id, from, to }) => ({ id, from: from + truth.frame_count, to: to + truth.frame_count }));
  const clip: ClipTruth = {
    name: 'lobby, twice',
    path: twice,
    fps: truth.fps,
    frames: 2 * truth.frame_count,
    watchlist: truth.watchlist,
    faces: [],
    persons: [],
    boxes: () => ({ faces: [], persons: [] }),
  };
  assertVisits(clip, [...visits, ...later], opened);
});

test('one loop over RTSP: every listed visit alerts once, the look-alike and the ignored are explained', async () => {
  await using stage = await createDemoStage();
  const demo = stage.start('--loops', '1');
  const { code, stderr } = await demo.finished;
  assert.equal(code, 0, stderr);
  const told = demo.alerts();
  assert.deepEqual(
    told.map(({ name }) => name),
    visits.toSorted((a, b) => a.from - b.from).map(({ id }) => id),
    stderr,
  );
  for (const { similarity, needs, told_after_s: toldAfter } of told) {
    assert.ok(Number(similarity) >= Number(needs), `${similarity} is enough`);
    assert.ok(Number(toldAfter) < 3, `told after ${toldAfter} s, while in view`);
  }
  const [ignored = ''] = Object.keys(members('ignored'));
  assert.match(stderr, new RegExp(`^not told: ${ignored} on lobby is on the ignore list staff$`, 'm'));
  assert.equal(stderr.match(/^not told: somebody who looks like /gm)?.length, 1, stderr);
  const alike = /^not told: somebody who looks like ada on lobby, best similarity (0\.\d\d), needs (0\.\d\d)$/m.exec(stderr);
  assert.ok(alike, stderr);
  assert.ok(Number(alike[1]) < Number(alike[2]) - 0.02, 'with a margin');
  assert.doesNotMatch(stderr, /^warning: .* (is away|is failed|cannot be reached|does not answer)/m);
  assert.deepEqual(stage.leftovers(), []);
  assert.deepEqual(stage.processes(), []);
});
