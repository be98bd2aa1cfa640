import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertVisits, type ClipTruth } from '../support/clips.ts';
import { missingTool } from '../support/data.ts';
import { demoTemplate, playDemoFilm } from '../support/demo.ts';
import { film, members, truth, visits } from '../support/demo-film.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { installedProgram } from '../support/programs.ts';
import { shippedRepository } from '../support/repository.ts';

/** What test/e2e/demo-film.test.ts leaves out for the time it takes: those who come back. */

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
