import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingBrowser, otherHost, startBrowser } from '../support/browser.ts';
import { missingTool } from '../support/data.ts';
import { startLiveServer } from '../support/live-server.ts';
import { numberedVideo } from '../support/numbered-video.ts';
import { installedProgram } from '../support/programs.ts';
import { until } from '../support/until.ts';
import { type Reading, tally, ViewerPage, viewerPage } from '../support/viewer-page.ts';

/** Boxes on exactly their pictures over thousands of them, with metadata up to 200 ms late and in any order. */

const skip = missingBrowser() || missingTool(installedProgram('ffmpeg'), 'ffmpeg');
const wanted = 2000;

for (const { decoder, host, bFrames } of [
  { decoder: 'webcodecs', host: 'localhost', bFrames: 0 },
  { decoder: 'webcodecs', host: 'localhost', bFrames: 2 },
  { decoder: 'mse', host: otherHost, bFrames: 0 },
  { decoder: 'mse', host: otherHost, bFrames: 2 },
] as const)
  test(`${wanted} boxes by ${decoder}, ${bFrames} B-frames`, { skip }, async (t) => {
    const video = await numberedVideo({ bFrames });
    await using server = await startLiveServer({
      cameras: { c0: { video, metadataDelayMs: () => Math.random() * 200, videoDelayMs: () => Math.random() * 60 } },
      page: viewerPage({ players: [{ camera: 'c0' }] }),
    });
    await using chromium = await startBrowser();
    const view = await ViewerPage.open(chromium.browser, `http://${host}:${server.port}/`);
    const readings: Reading[] = [];
    await until(
      `${wanted} boxes are drawn`,
      async () => {
        readings.push(...(await view.readings()));
        return readings.filter(({ boxed }) => boxed).length >= wanted;
      },
      240_000,
    );
    const startPts = Number(await (await fetch(`http://127.0.0.1:${server.port}/start`)).text());
    const { drawn, boxed, exact, off, wrongPictures, disagreed } = tally(readings, startPts, video.fps, video.units.length);
    t.diagnostic(`${drawn} drawn, ${boxed} with boxes, ${exact} exact, off by ${off.join(' ') || 'nothing'}`);
    assert.equal((await view.players())[0]?.figures.decoder, decoder);
    assert.ok(exact >= boxed * 0.99, `${exact} of ${boxed}`);
    assert.deepEqual(
      off.filter((apart) => Math.abs(apart) > 1),
      [],
    );
    assert.deepEqual([wrongPictures, disagreed], [0, 0]);
    assert.ok(boxed >= drawn * 0.9, `${boxed} of ${drawn} have boxes`);
  });
