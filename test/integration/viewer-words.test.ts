import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Alert } from '../../src/core/alerts.ts';
import { missingBrowser } from '../support/browser.ts';
import { until } from '../support/until.ts';
import { cannedAlert } from '../support/viewer-canned.ts';
import { desk, logIn, open, type Stage, stage } from '../support/viewer-desk.ts';
import { startViewerStub } from '../support/viewer-stub.ts';

/** What the pages of the viewer say is so and is said in the same words everywhere: in Chromium, against a stub of the server. */

const skip = missingBrowser();

/** One browser for all: starting it is what takes the time. */
let at: Stage;
before(async () => {
  if (skip === false) at = await stage();
});
after(async () => {
  await at?.[Symbol.asyncDispose]();
});

test('an alert is named by when it was first seen, its picture by when that was taken, its clip by its own camera', {
  skip,
}, async () => {
  await using stub = await startViewerStub(at.material);
  const seenAt = Date.now() - 60_000;
  // It went on from the lobby, where the clip is from, to the cash desk, where the best picture was taken.
  const alert: Alert = {
    ...cannedAlert('a1', 'ada', seenAt),
    camera: 'cashdesk',
    cameras: ['lobby', 'cashdesk'],
    eventTime: seenAt + 17_000,
    lastSeenAt: seenAt + 20_000,
  };
  stub.alert(alert);
  const { page } = await open(at.browser, desk);
  await logIn(page, stub, 'nadia');
  const card = page.locator('[data-alert=a1]');
  const timeOf = (selector: string) => card.locator(selector).getAttribute('datetime');
  assert.equal(await timeOf('.when time'), new Date(seenAt).toISOString());
  assert.equal(await timeOf('figcaption time'), new Date(seenAt + 17_000).toISOString());
  await card.getByRole('button', { name: 'Evidence clip' }).click();
  await page.getByRole('dialog', { name: /^Similar to Ada Lindqvist on lobby, / }).waitFor();
  await page.getByText('From lobby, opened at the frame of the sighting.').waitFor();
  // One whose clip is not there yet is not said to be of any camera.
  await page.keyboard.press('Escape');
  stub.clipAfterMs = 600_000;
  await card.getByRole('button', { name: 'Evidence clip' }).click();
  await page.getByText('The clip is being written').waitFor();
  assert.doesNotMatch((await page.getByRole('dialog').getByRole('heading').textContent()) ?? '', / on /);
});

test('a camera that is away says when it is tried next, each time anew; health says where inference is behind', {
  skip,
}, async () => {
  await using stub = await startViewerStub(at.material);
  const { page } = await open(at.browser, desk);
  await page.clock.install();
  await logIn(page, stub, 'nadia');
  const cover = page.locator('[data-camera=yard] .cover');
  await until('the page listens', () => stub.listeners === 1);
  const [since, now] = [Date.now() - 60_000, (await page.evaluate('Date.now()')) as number];
  const away = (retryAt: number) => ({ state: 'away' as const, since, reason: 'no answer', retryAt });
  stub.camera('yard', away(now + 5000));
  await cover.getByText('no answer; next attempt at').waitFor();
  await page.clock.runFor(6000);
  await cover.getByText('no answer; trying again').waitFor();
  stub.camera('yard', away(now + 90_000));
  await cover.getByText('no answer; next attempt at').waitFor();

  await page.goto(`${stub.url}/health`);
  await page.getByText(/inference behind at 1 camera/).waitFor();
  await page.getByRole('row', { name: /lift/ }).getByText('Live, inference behind').waitFor();
});
