import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import type { Alert } from '../../src/core/alerts.ts';
import { missingBrowser } from '../support/browser.ts';
import { until } from '../support/until.ts';
import { cannedAlert, describedEntry } from '../support/viewer-canned.ts';
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

test('a camera that is away says when it is tried next, each time anew; health says where inference is behind and which servers are away', {
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
  stub.camera('yard', away(now + 20_000));
  await cover.getByText('no answer; next attempt at').waitFor();
  await page.clock.runFor(21_000);
  await cover.getByText('no answer; trying again').waitFor();
  stub.camera('yard', away(now + 900_000));
  await cover.getByText('no answer; next attempt at').waitFor();

  await page.goto(`${stub.url}/health`);
  await page.getByText(/inference behind at 1 camera/).waitFor();
  // What nobody needs is a warning, what is needed an error.
  await page.locator('.word.warn', { hasText: /^triton 10\.0\.0\.8:8001$/ }).waitFor();
  await page.getByText(/it is away: .*; other servers do its work/).waitFor();
  await page.locator('.word.bad', { hasText: /^mqtt$/ }).waitFor();
  await page.getByRole('row', { name: /lift/ }).getByText('Live, inference behind').waitFor();
  await page.getByRole('row', { name: /^10\.0\.0\.7:8001 Ready/ }).waitFor();
  await page.getByRole('row', { name: /^10\.0\.0\.8:8001 Away .*ECONNREFUSED/ }).waitFor();
  await page.getByRole('row', { name: 'centerface 10.0.0.7:8001 40.2 14.3 ms 1.5 ms 9.0 ms 3.8 ms' }).waitFor();
  await page.getByRole('row', { name: 'face_embed 10.0.0.7:8001 2.5 8.0 ms – – –' }).waitFor();
});

test('the watchlist says who is ignored, what a picture is of, and the same of matches beside and below', {
  skip,
}, async () => {
  await using stub = await startViewerStub(at.material);
  stub.users.set('olga', { password: 'one camera only', role: 'operator', pictures: false, cameras: ['lobby'] });
  for (const [user, none] of [
    ['nadia', 'no match yet'],
    ['olga', 'no match yet on your cameras'],
  ] as const) {
    const { page } = await open(at.browser, desk);
    await logIn(page, stub, user, 'watchlist');
    const facts = (name: string) => page.getByRole('button', { name }).locator('.facts').textContent();
    const detail = page.getByRole('region', { name: 'Entry' });
    await page.getByRole('button', { name: 'Ada Lindqvist' }).waitFor();
    assert.match((await facts('Ada Lindqvist')) ?? '', /^2 pictures, 1 negative example · last match /);
    assert.equal(await facts('Bruno Okafor'), `2 pictures · ${none}`);
    assert.equal(await facts('Otto Brandt'), '3 pictures · ignored: raises no alerts');
    await page.getByRole('button', { name: 'Bruno Okafor' }).click();
    await detail.getByText(`${none.replace('no', 'No')}.`, { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Otto Brandt' }).click();
    await detail.getByText('Ignored: raises no alerts.').waitFor();
    await page.context().close();
  }
});

test('admins are told what masks do not hide from them; who is disabled, how long a password is', { skip }, async () => {
  await using stub = await startViewerStub(at.material);
  const { page } = await open(at.browser, desk);
  await logIn(page, stub, 'nadia');
  await page.locator('[data-camera=lift]').getByText('Shows what the masks of this camera hide').waitFor();
  assert.ok(await page.locator('[data-camera=lobby] .tile-notice').isHidden());
  await logIn(page, stub, 'vera');
  await page.locator('[data-camera=lift]').getByText(/ fps/).waitFor();
  assert.ok(await page.locator('[data-camera=lift] .tile-notice').isHidden());

  await logIn(page, stub, 'nadia', 'users');
  await page
    .getByRole('cell', { name: 'wim disabled', exact: true })
    .or(page.getByText('wim disabled', { exact: true }))
    .first()
    .waitFor();
  await page.getByRole('button', { name: 'Add a user' }).click();
  await page
    .getByRole('dialog')
    .getByText(/^At least 10 characters/)
    .waitFor();
  stub.setupNeeded = true;
  await page.goto(`${stub.url}/setup#one-time`);
  await page.getByText(/^At least 10 characters/).waitFor();
});

test('a photo that is empty or small is refused in words that can be read; the trail names people; who left, left the view', {
  skip,
}, async () => {
  await using stub = await startViewerStub(at.material);
  stub.alert(cannedAlert('a1', 'ada', Date.now() - 60_000, { state: 'closed' }));
  const { page } = await open(at.browser, desk);
  await logIn(page, stub, 'nadia');
  await page.locator('[data-alert=a1]').getByText('Left the view').waitFor();

  await page.goto(`${stub.url}/watchlist`);
  await page.getByRole('button', { name: 'Enrol' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText(/WebP, GIF, TIFF/).waitFor();
  const choose = (buffer: Buffer) =>
    dialog.locator('input[type=file]').setInputFiles({ name: 'photo.png', mimeType: 'image/png', buffer });
  await choose(Buffer.alloc(0));
  await dialog.getByText('The file is empty').waitFor();
  stub.check = {
    width: 60,
    height: 60,
    faces: [
      {
        box: { left: 20, top: 15, width: 15, height: 19 },
        refusals: ['the face is 19 px high; photos of at least 80 px work'],
      },
    ],
  };
  const small = { width: 60, height: 60, channels: 3, background: '#888888' } as const;
  await choose(await sharp({ create: small }).png().toBuffer());
  const tag = dialog.locator('.tag');
  await tag.waitFor();
  const [box, photo] = [await tag.boundingBox(), await dialog.locator('.photo').boundingBox()];
  assert.ok(box !== null && photo !== null);
  assert.ok(box.x >= photo.x && box.x + box.width <= photo.x + photo.width + 0.5, 'as wide as the photo at most');
  assert.ok(box.y >= photo.y && box.y + box.height <= photo.y + photo.height + 0.5, 'not cut off');
  assert.ok(box.width > 120 && box.height < 60, `${box.width} x ${box.height}`);

  await page.goto(`${stub.url}/users`);
  const trail = page.getByRole('table', { name: /Audit trail/ });
  await trail.getByText('Ada Lindqvist (ada-left)').waitFor();
  await trail.getByText('Ada Lindqvist (ada)', { exact: true }).waitFor();
  assert.match((await trail.getByRole('link', { name: 'alert a1' }).getAttribute('href')) ?? '', /alerts\/a1$/);
});

test('what resembles a description is said to be that, on the alert and on the watchlist, and never to be a person', {
  skip,
}, async () => {
  await using stub = await startViewerStub(at.material);
  const text = 'red jacket, black cap';
  stub.described.push(describedEntry('cap', text, Date.now()));
  const entry = { id: 'cap', name: text, list: 'banned' };
  stub.alert({
    ...cannedAlert('a1', 'ada', Date.now() - 60_000, { score: 0.31, kind: 'description' }),
    entry,
    threshold: 0.28,
  });
  const { page } = await open(at.browser, desk);
  await logIn(page, stub, 'nadia');
  const card = page.locator('[data-alert=a1]');
  await card.getByRole('heading', { name: `Resembles the description ${text}` }).waitFor();
  await card.getByText('Description in words (experimental)').waitFor();
  await card.getByText('Experimental, matches a description, not a person', { exact: true }).waitFor();
  await card.getByText('Described in words, without a picture').waitFor();
  assert.equal(await card.getByText('Similarity, not identity').count(), 0);
  assert.ok(!stub.asked.some((line) => line.includes('alerts/a1/reference')), 'no picture is asked for');
  await card.getByRole('button', { name: 'Not this person' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Reason (optional)').waitFor();
  assert.equal(await dialog.getByText('Keep this picture as a negative example').count(), 0);

  await page.goto(`${stub.url}/watchlist`);
  await page.getByRole('button', { name: text }).click();
  const detail = page.getByRole('region', { name: 'Entry' });
  await detail.getByText('words: experimental, matches a description, not a person').waitFor();
  await detail.getByRole('heading', { name: 'Descriptions' }).waitFor();
  assert.equal(await detail.getByRole('listitem').filter({ hasText: text }).count(), 1);
  assert.equal(await detail.getByRole('button', { name: 'Add a picture' }).count(), 0);
  assert.match((await page.getByRole('button', { name: text }).locator('.facts').textContent()) ?? '', /^1 description · /);
});
