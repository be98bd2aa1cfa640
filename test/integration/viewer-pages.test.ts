import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { missingBrowser } from '../support/browser.ts';
import { until } from '../support/until.ts';
import { cannedAlert } from '../support/viewer-canned.ts';
import { desk, logIn, open, phone, type Stage, shown, stage } from '../support/viewer-desk.ts';
import { startViewerStub } from '../support/viewer-stub.ts';

/**
 * The pages of the viewer in Chromium against a stub of the server (test/support/viewer-stub.ts): what they ask for, show, say to
 * readers and do by keyboard. Video is tested elsewhere.
 */

const skip = missingBrowser();

/** One browser for all: starting it is what takes the time. */
let at: Stage;
before(async () => {
  if (skip === false) at = await stage();
});
after(async () => {
  await at?.[Symbol.asyncDispose]();
});

/** Controls that a reader could not name, and on phones those too small for a thumb. */
const faultyControls = (least: number) => `(() => {
  const faults = [];
  for (const control of document.querySelectorAll('button, a[href], input, select, textarea, video[controls]')) {
    const box = control.getBoundingClientRect();
    if (box.width === 0 || control.matches('.unseen, .skip')) continue;
    const label = control.getAttribute('aria-label') ?? document.getElementById(control.getAttribute('aria-labelledby') ?? '')?.textContent
      ?? [...(control.labels ?? [])].map((one) => one.textContent).join(' ');
    const name = (label || control.textContent).trim();
    const what = control.outerHTML.slice(0, 90);
    if (name === '') faults.push('no name: ' + what);
    const inText = control.matches('p a, li a, .page-head > a');
    const within = control.matches('.check input') ? control.closest('.check').getBoundingClientRect() : box;
    if (!inText && (within.height < ${least} || within.width < ${least})) faults.push(Math.round(within.width) + ' x ' + Math.round(within.height) + ': ' + what);
  }
  for (const image of document.querySelectorAll('img:not([alt])')) faults.push('no alt: ' + image.outerHTML.slice(0, 90));
  if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1');
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push('twice: #' + id);
  return faults;
})()`;

test('login, alerts by keyboard, catch-up without gap or repetition, filter, rejection', { skip }, async () => {
  await using stub = await startViewerStub(at.material);
  const { page, complaints } = await open(at.browser, desk);
  const now = Date.now();
  stub.alert(cannedAlert('a1', 'ada', now - 60_000));

  // Nobody is logged in: to the login, and from there back to the page that was asked for.
  await page.goto(`${stub.url}/watchlist`);
  await page.waitForURL('**/login#watchlist');
  await page.getByLabel('User').fill('omar');
  await page.getByLabel('Password').fill('wrong');
  await page.keyboard.press('Enter');
  await page.getByText('User or password is wrong.').waitFor();
  await page.getByLabel('Password').fill('a long shift');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/watchlist');
  await page.getByRole('heading', { name: 'Watchlist' }).waitFor();
  complaints.length = 0;

  await page.getByRole('link', { name: 'Live' }).click();
  await page.locator('[data-alert=a1]').waitFor();
  await page.getByRole('img', { name: /yard: away since/ }).waitFor();
  assert.match(
    (await page.locator('.cover:visible').textContent()) ?? '',
    /Away since .*: connection refused by 10\.0\.0\.24:554; next attempt/,
  );
  const card = page.locator('[data-alert=a1]');
  await card.getByText('Reference pictures are not granted to you').waitFor();
  await card.getByText('Similarity, not identity').waitFor();
  assert.match(
    (await card.getByRole('img', { name: /Score/ }).getAttribute('aria-label')) ?? '',
    /Score 0\.68, threshold 0\.45/,
  );
  assert.deepEqual(
    stub.asked.filter((asked) => asked.includes('reference')),
    [],
    'no picture is asked for that is not granted',
  );

  // A new one comes while nobody is in the list: above, and said aloud.
  await until('the page listens', () => stub.listeners === 1);
  stub.alert(cannedAlert('a2', 'bruno', now - 1000, { severity: 'critical', camera: 'lift' }));
  await page.locator('[data-alert=a2]').waitFor();
  assert.deepEqual(await shown(page), ['a2', 'a1']);
  await page.getByRole('status').filter({ hasText: 'New critical alert: face similar to Bruno Okafor on lift' }).waitFor();

  // By keyboard: choose, acknowledge. What is under the eyes does not move when another one comes.
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  assert.equal(await page.locator('article[aria-current=true]').getAttribute('data-alert'), 'a1');
  await page.keyboard.press('a');
  await card.getByText('In view, acknowledged by omar').waitFor();
  assert.ok(await card.getByRole('button', { name: 'Acknowledge' }).isDisabled());
  const before = await card.boundingBox();
  stub.alert(cannedAlert('a3', 'ada', now, { camera: 'cashdesk' }));
  const bar = page.getByRole('button', { name: '1 new: show' });
  await bar.waitFor();
  assert.deepEqual(await card.boundingBox(), before);
  await bar.click();
  await page.locator('[data-alert=a3]').waitFor();
  assert.deepEqual(await shown(page), ['a3', 'a2'], 'the acknowledged one waits for nobody any more');

  // The connection is lost; meanwhile one is new, one is resolved by somebody else. Afterwards each is there once.
  stub.cutEvents();
  await page.getByText('Connection lost: trying again').waitFor();
  const resolved = cannedAlert('a2', 'bruno', now - 1000, { severity: 'critical', camera: 'lift', state: 'resolved' });
  stub.alert(resolved);
  stub.alert(cannedAlert('a4', undefined, now + 1000, { severity: 'low' }));
  stub.openEvents();
  await page.mouse.move(5, 400);
  await page.getByRole('combobox', { name: 'Which alerts' }).selectOption('');
  const more = page.getByRole('button', { name: /new: show/ });
  await page.locator('[data-alert=a4]').or(more).first().waitFor();
  if (await more.isVisible()) await more.click();
  await page.locator('[data-alert=a4]').waitFor();
  stub.alert(cannedAlert('a3', 'ada', now, { camera: 'cashdesk' }));
  assert.deepEqual(await shown(page), ['a4', 'a3', 'a2', 'a1']);
  await page.locator('[data-alert=a2]').getByText('Resolved by omar').waitFor();
  assert.ok(await page.locator('[data-alert=a2]').getByRole('button', { name: 'Resolve' }).isDisabled());

  await page.getByRole('combobox', { name: 'Severity' }).selectOption('low');
  assert.deepEqual(await shown(page), ['a4']);
  await page.getByRole('combobox', { name: 'Severity' }).selectOption('');
  await page.getByRole('combobox', { name: 'Camera' }).selectOption('cashdesk');
  assert.deepEqual(await shown(page), ['a3']);

  // "Not this person" asks, says what it does, and sends what was chosen.
  await page.locator('[data-alert=a3]').click({ position: { x: 150, y: 40 } });
  await page.keyboard.press('n');
  const dialog = page.getByRole('dialog', { name: 'This is not Ada Lindqvist?' });
  await dialog.getByText('That is final').waitFor();
  assert.ok(!(await dialog.getByRole('checkbox').isChecked()), 'nothing is kept unless somebody says so');
  await dialog.getByLabel('Keep this picture as a negative example').check();
  await dialog.getByLabel('Reason').fill('taller');
  await dialog.getByRole('button', { name: 'Not Ada Lindqvist' }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.deepEqual(stub.sent.get('POST alerts/a3/reject'), { reason: 'taller', negative: true });
  await page.locator('[data-alert=a3]').getByText('Not this person, says omar').waitFor();

  // The clip, when it is there.
  stub.clipAfterMs = 600_000;
  await page.locator('[data-alert=a3]').getByRole('button', { name: 'Evidence clip' }).click();
  const wait = page.getByText(/The clip is being written: \d+ s to go/);
  await wait.waitFor();
  await page.keyboard.press('Escape');

  // Keys of the grid.
  await page.keyboard.press('3');
  await page.getByRole('button', { name: 'All cameras' }).waitFor();
  assert.equal(await page.locator('.tile').count(), 1);
  await page.keyboard.press('ArrowRight');
  await page.locator('[data-camera=yard]').waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('.tile').count(), 4);
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keys' }).getByText('Not this person').waitFor();

  assert.deepEqual(await page.evaluate(faultyControls(20)), []);
  // The lost connection was ours; a clip that is being written is not there yet.
  assert.deepEqual(
    complaints.filter((complaint) => !/(events|clip\/index)$/.test(complaint)),
    [],
  );
});

test('a photo is refused on the photo; removal is typed; roles see what is theirs; phones', { skip }, async () => {
  await using stub = await startViewerStub(at.material);
  stub.alert(cannedAlert('a1', 'ada', Date.now() - 60_000));
  const { page, complaints } = await open(at.browser, desk);
  await logIn(page, stub, 'nadia', 'watchlist');
  await page.getByRole('button', { name: 'Enrol' }).click();
  const dialog = page.getByRole('dialog', { name: 'Enrol' });
  await dialog
    .locator('input[type=file]')
    .setInputFiles({ name: 'two.jpg', mimeType: 'image/jpeg', buffer: Buffer.from(at.material.photo) });
  const enrol = dialog.getByRole('button', { name: 'Enrol' });
  await dialog.getByRole('radio', { name: /Face 1 from the left: will do/ }).waitFor();
  assert.ok(await enrol.isDisabled(), 'several faces: one must be chosen');
  await dialog
    .getByRole('radio', { name: /Face 2 from the left: the face is 77 px high; photos of at least 80 px work/ })
    .check();
  await dialog.locator('.tag.refused', { hasText: '2: the face is 77 px high' }).waitFor();
  const [tag, photo] = [await dialog.locator('.tag.refused').boundingBox(), await dialog.locator('.photo').boundingBox()];
  assert.ok(
    tag !== null && photo !== null && tag.y >= photo.y && tag.y + tag.height <= photo.y + photo.height + 1,
    'on the picture',
  );
  assert.ok(await enrol.isDisabled());
  await dialog.getByLabel('Take it all the same').check();
  await dialog.getByLabel('Name').fill('Somebody');
  complaints.length = 0;
  await enrol.click();
  await dialog.getByText('The face is blurred').waitFor();
  const sent = stub.sent.get('POST watchlist') as Record<string, unknown>;
  assert.equal(sent['pick'], 2);
  assert.equal(sent['acceptQuality'], true);
  assert.equal(sent['source'], 'two.jpg');
  assert.deepEqual(
    complaints.filter((complaint) => !/watchlist$/.test(complaint)),
    [],
  );
  complaints.length = 0;
  assert.deepEqual(await page.evaluate(faultyControls(20)), []);
  await page.keyboard.press('Escape');

  await page.getByRole('button', { name: /Ada Lindqvist/ }).click();
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  const erase = page.getByRole('button', { name: 'Erase' });
  assert.ok(await erase.isDisabled());
  await page.getByLabel('Type “Ada Lindqvist” to confirm').fill('Ada Lindqvist');
  await erase.click();
  await until('the entry is removed', () => stub.asked.includes('DELETE watchlist/ada'));

  // Sizes, names and widths on a phone, every page.
  const small = await open(at.browser, phone);
  await logIn(small.page, stub, 'nadia', '');
  for (const [path, ready] of [
    ['', '.tile'],
    ['#alerts', '[data-alert=a1]'],
    ['watchlist', '.entries li'],
    ['health', 'tbody tr'],
    ['users', 'tbody tr'],
    ['alerts/a1', 'video'],
    ['login', 'form'],
  ] as const) {
    await small.page.goto('about:blank');
    await small.page.goto(`${stub.url}/${path}`);
    await small.page.locator(ready).first().waitFor();
    const wide = await small.page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    assert.equal(wide, 0, `/${path} scrolls sideways`);
    assert.deepEqual(await small.page.evaluate(faultyControls(36)), [], `/${path}`);
  }
  // A page that is left ends its own event stream.
  assert.deepEqual(
    small.complaints.filter((complaint) => !/(events|clip\/index)$/.test(complaint)),
    [],
  );

  // A viewer has no buttons to act with, and no watchlist.
  const viewer = await open(at.browser, desk);
  await logIn(viewer.page, stub, 'vera');
  await viewer.page.locator('[data-alert=a1]').waitFor();
  assert.equal(await viewer.page.getByRole('button', { name: 'Acknowledge' }).count(), 0);
  assert.equal(await viewer.page.getByRole('link', { name: 'Watchlist' }).count(), 0);
  assert.equal(
    await viewer.page.locator('[data-camera=lift] canvas').getAttribute('data-variant'),
    'annotated',
    'of a masked camera',
  );
  assert.equal(await viewer.page.locator('[data-camera=lobby] canvas').getAttribute('data-variant'), 'clean');
  assert.deepEqual(viewer.complaints, []);

  // The set-up link: its token leaves the address at once.
  stub.setupNeeded = true;
  const first = await open(at.browser, desk);
  await first.page.goto(`${stub.url}/setup#one-time`);
  await first.page.getByLabel('User').fill('greta');
  assert.equal(first.page.url(), `${stub.url}/setup`);
  await first.page.getByLabel('Password', { exact: true }).fill('a long way home');
  await first.page.getByLabel('Password again').fill('a long way home');
  await first.page.getByRole('button', { name: 'Make the first user' }).click();
  await first.page.waitForURL(`${stub.url}/`);
  await first.page.getByText('greta').waitFor();
  assert.deepEqual(first.complaints, []);
});

test('a night at the desk: a first look that fails, what waits from long ago, an outage, nobody at the mouse', {
  skip,
}, async () => {
  await using stub = await startViewerStub(at.material);
  const { page } = await open(at.browser, desk);
  await page.clock.install();
  const now = Date.now();
  stub.alert(cannedAlert('long-ago', 'bruno', now - 7_300_000, { severity: 'critical' }));
  for (let count = 0; count < 1100; count += 1)
    stub.alert(cannedAlert(`r${count}`, 'ada', now - 7_200_000 + count * 1000, { state: 'resolved' }));
  stub.failAlerts(Number.POSITIVE_INFINITY);
  await logIn(page, stub, 'omar');
  await page.getByText('Alerts may be missing: trying again').waitFor();
  assert.deepEqual(await shown(page), []);
  stub.failAlerts(0);
  await page.locator('[data-alert=long-ago]').waitFor();
  await page.getByText('1 or more waiting').waitFor();
  await page.getByText(/Looked back to .*: there are older alerts/).waitFor();
  await page.getByRole('combobox', { name: 'Which alerts' }).selectOption('');
  assert.equal((await shown(page)).length, 200);
  await page.getByRole('button', { name: 'Older alerts' }).click();
  await until('older ones are there', async () => (await shown(page)).length === 400);
  await page.getByRole('combobox', { name: 'Which alerts' }).selectOption('waiting');

  // Nobody is in the list.
  await page.mouse.move(200, 400);
  await page.getByRole('button', { name: 'Full screen' }).focus();

  // An outage: what came meanwhile is asked for until it is answered.
  stub.cutEvents();
  await page.getByText('Connection lost: trying again').waitFor();
  stub.alert(cannedAlert('n1', 'ada', now - 1000));
  stub.failAlerts(1);
  stub.openEvents();
  await page.locator('[data-alert=n1]').waitFor();
  await until('nothing may be missing', async () => (await page.locator('.link').textContent()) === '');

  // One click: who stays there is not disturbed, and whoever has gone finds the list at its top.
  await page.locator('[data-alert=n1]').click({ position: { x: 150, y: 40 } });
  stub.alert(cannedAlert('n2', 'bruno', now));
  await page.getByRole('button', { name: '1 new: show' }).waitFor();
  await page.clock.fastForward(11_000);
  assert.equal(await page.locator('[data-alert=n2]').count(), 0);
  await page.mouse.move(200, 400);
  await page.getByRole('button', { name: 'Full screen' }).focus();
  await page.clock.fastForward(2000);
  await page.locator('[data-alert=n2]').waitFor();
  await page.clock.fastForward(61_000);
  assert.deepEqual((await shown(page)).slice(0, 2), ['n2', 'n1']);
  await page.getByRole('button', { name: /new: show/ }).waitFor({ state: 'hidden' });

  // That somebody else closes an old one is nothing new.
  stub.alert(cannedAlert('before-all', 'ada', now - 90_000_000, { state: 'resolved' }));
  stub.alert(cannedAlert('n3', 'ada', now + 1000));
  await page.locator('[data-alert=n3]').waitFor();
  assert.doesNotMatch((await page.locator('.unseen[role=status]').textContent()) ?? '', /2 new|before/);

  // Another login in this browser: the same user goes on, another one gets a page of their own and nothing is done in their name.
  const logInElsewhere = async (user: string) => {
    const password = stub.users.get(user)?.password ?? '';
    await page.context().request.post(`${stub.url}/api/v1/session`, { data: { user, password } });
  };
  stub.sessionLeftMs = 3_600_000;
  await logInElsewhere('omar');
  const n3 = page.locator('[data-alert=n3]');
  await n3.getByRole('heading', { name: 'Similar to Ada Lindqvist' }).waitFor();
  // By key: a click so soon after the cards have moved under the pointer counts as a stray one.
  await n3.getByRole('button', { name: 'Acknowledge' }).press('Enter');
  await n3.getByText('In view, acknowledged by omar').waitFor();
  await logInElsewhere('nadia');
  await page.locator('[data-alert=n2]').getByRole('button', { name: 'Acknowledge' }).press('Enter');
  await page.getByRole('button', { name: 'nadia' }).waitFor();
  assert.equal(stub.alerts.get('n2')?.alert.state, 'opened');
  await page.getByText(/You are logged in until .*: log in again before then/).waitFor();

  // A proxy before the server ends its login: the page is loaded anew, as only pages can go to its login; once.
  const loaded = page.waitForEvent('load');
  stub.proxyEnded = true;
  stub.cutEvents();
  await loaded;
  await page.getByText('log in there, then load this page again').waitFor();
});
