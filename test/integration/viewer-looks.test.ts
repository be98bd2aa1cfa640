import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { missingBrowser } from '../support/browser.ts';
import { until } from '../support/until.ts';
import { cannedAlert } from '../support/viewer-canned.ts';
import { desk, logIn, open, type Stage, stage } from '../support/viewer-desk.ts';
import { startViewerStub } from '../support/viewer-stub.ts';

/** What the pages of the viewer look like in Chromium, against a stub of the server: what can be read, what scrolls, what is cut off. */

const skip = missingBrowser();

/** One browser for all: starting it is what takes the time. */
let at: Stage;
before(async () => {
  if (skip === false) at = await stage();
});
after(async () => {
  await at?.[Symbol.asyncDispose]();
});

/** Contrast of the text of an element against what is behind it (WCAG 2.2), its colours as the browser paints them. */
const contrast = `(control) => {
  const paper = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const luminance = (colours) => {
    for (const colour of colours) {
      paper.fillStyle = colour;
      paper.fillRect(0, 0, 1, 1);
    }
    const [red, green, blue] = [...paper.getImageData(0, 0, 1, 1).data].map((part) =>
      part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const grounds = [];
  for (let around = control; around !== null; around = around.parentElement) grounds.unshift(getComputedStyle(around).backgroundColor);
  const ground = luminance(grounds);
  const text = luminance([...grounds, getComputedStyle(control).color]);
  return (Math.max(ground, text) + 0.05) / (Math.min(ground, text) + 0.05);
}`;

/** Numbers one enabled button of each kind that can be reached now. */
const buttonKinds = `(() => {
  const seen = new Set();
  const dialog = document.querySelector('dialog[open]');
  return [...document.querySelectorAll('button, a.button')].flatMap((button, index) => {
    button.setAttribute('data-test', index);
    if (button.matches(':disabled') || button.textContent.trim() === '' || !button.checkVisibility()) return [];
    if (dialog !== null && !dialog.contains(button)) return [];
    const kind = [button.className, button.getAttribute('aria-pressed'), button.parentElement.className].join(' ');
    if (seen.has(kind)) return [];
    seen.add(kind);
    return [index];
  });
})()`;

/** One button of each kind under the pointer; gives the words of those that cannot be read then. */
async function faintUnderPointer(page: Page): Promise<string[]> {
  const faint: string[] = [];
  for (const index of (await page.evaluate(buttonKinds)) as readonly number[]) {
    const button = page.locator(`[data-test="${index}"]`);
    await button.hover();
    const found: number = await page.evaluate(`(${contrast})(document.querySelector('[data-test="${index}"]'))`);
    if (found < 4.5) faint.push(`${page.url()}: ${await button.textContent()}: ${found.toFixed(2)}`);
  }
  return faint;
}

/** Words below these elements that have more than one line. */
const brokenWords = (query: string) => `(() => {
  const broken = [];
  const range = document.createRange();
  for (const element of document.querySelectorAll('${query}'))
    for (const node of element.childNodes) {
      if (!(node instanceof Text) || !element.checkVisibility()) continue;
      for (const word of node.data.matchAll(/[^ ]+/g)) {
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        if (new Set([...range.getClientRects()].map(({ top }) => top)).size > 1) broken.push(word[0]);
      }
    }
  return broken;
})()`;

test('every kind of button can be read under the pointer, light and dark; the picture of a camera stays under it', {
  skip,
}, async () => {
  await using stub = await startViewerStub(at.material);
  for (let count = 0; count < 3; count += 1) stub.alert(cannedAlert(`a${count}`, 'ada', Date.now() - 60_000 * count));
  const { page } = await open(at.browser, desk);
  await page.goto(`${stub.url}/login`);
  const faint: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    faint.push(...(await faintUnderPointer(page)));
  }
  await logIn(page, stub, 'nadia', '');
  await page.locator('[data-alert=a0]').waitFor();
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.locator('[data-camera=lobby] .open').hover();
    const ground = await page.evaluate(`getComputedStyle(document.querySelector('[data-camera=lobby] .open')).backgroundColor`);
    assert.equal(ground, 'rgba(0, 0, 0, 0)', 'over the picture');
    await page.keyboard.press('m');
    faint.push(...(await faintUnderPointer(page)));
    await page.locator('[data-alert=a0]').getByRole('button', { name: 'Not this person' }).click();
    faint.push(...(await faintUnderPointer(page)));
    await page.keyboard.press('Escape');
  }
  for (const [path, button] of [
    ['watchlist#ada', 'Remove'],
    ['watchlist', 'Enrol'],
    ['users', 'Add a user'],
    ['users', 'Remove vera'],
  ] as const) {
    await page.goto('about:blank');
    await page.goto(`${stub.url}/${path}`);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const opener = page.getByRole('button', { name: button, exact: true });
      await opener.waitFor();
      faint.push(...(await faintUnderPointer(page)));
      await opener.click();
      const typed = page.getByLabel('Type “Ada Lindqvist” to confirm');
      if (await typed.isVisible()) await typed.fill('Ada Lindqvist');
      faint.push(...(await faintUnderPointer(page)));
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    }
  }
  // On a phone the two halves of the live page are pressed buttons.
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(`${stub.url}/`);
  await page.locator('.switch').waitFor();
  faint.push(...(await faintUnderPointer(page)));
  assert.deepEqual(faint, []);
});

test('of the live page only the list scrolls, however many alerts there are', { skip }, async () => {
  await using stub = await startViewerStub(at.material);
  const now = Date.now();
  for (let count = 0; count < 30; count += 1) stub.alert(cannedAlert(`a${count}`, 'ada', now - 60_000 * count));
  const { page } = await open(at.browser, desk);
  await logIn(page, stub, 'nadia');
  await page.locator('[data-alert=a29]').waitFor();
  const height = await page.evaluate('document.documentElement.scrollHeight');
  assert.equal(height, desk.height);
  await page.locator('[data-camera=lobby] .open').hover();
  await page.mouse.wheel(0, 3000);
  await page.keyboard.press('End');
  assert.equal(await page.evaluate('scrollY'), 0);
  await page.locator('[data-alert=a0]').hover();
  await page.mouse.wheel(0, 3000);
  await page.waitForFunction(`document.querySelector('.scroll').scrollTop > 0`);
  assert.equal(await page.evaluate('scrollY'), 0);
});

test('no word of the heads is broken, at any width between a tablet and a desk, also with a date before today', {
  skip,
}, async () => {
  await using stub = await startViewerStub(at.material);
  stub.alert(cannedAlert('old', 'ada', Date.now() - 86_400_000 * 3));
  const { page } = await open(at.browser, { width: 768, height: 800 });
  await logIn(page, stub, 'nadia');
  const heading = page.locator('[data-alert=old] h3');
  await heading.waitFor();
  stub.cutEvents();
  await page.getByText('Connection lost: trying again').waitFor();
  for (const width of [761, 768, 820, 844, 900, 1000, 1060, 1100, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    assert.deepEqual(await page.evaluate(brokenWords('.top, .top *, .alert-card header *')), [], `${width} pixels wide`);
    assert.equal(
      await page.evaluate(`(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('.top'))`),
      0,
      `${width} pixels wide`,
    );
    const { height } = (await heading.boundingBox()) ?? { height: 0 };
    assert.ok(height < 32, `the name has one line, at ${width} pixels`);
  }
});

test('nothing in the list moves under a pointer that rests on it, nor the alert that was chosen by key', { skip }, async () => {
  await using stub = await startViewerStub(at.material);
  const now = Date.now();
  for (let count = 0; count < 5; count += 1) stub.alert(cannedAlert(`a${count}`, 'ada', now - 60_000 * (count + 1)));
  const { page } = await open(at.browser, desk);
  await page.clock.install();
  await logIn(page, stub, 'nadia');
  await page.locator('[data-alert=a4]').waitFor();
  await until('the page listens', () => stub.listeners === 1);
  const placeOf = (id: string) => page.locator(`[data-alert=${id}]`).boundingBox();
  const scroll = page.locator('.scroll');

  // A minute and more without a move of the hand.
  await page.locator('[data-alert=a1] h3').hover();
  const [before, list] = [await placeOf('a1'), await scroll.boundingBox()];
  stub.alert(cannedAlert('n1', 'bruno', now));
  const bar = page.getByRole('button', { name: '1 new: show' });
  await bar.waitFor();
  const barBox = await bar.boundingBox();
  assert.ok(barBox !== null && list !== null && barBox.y + barBox.height <= list.y, 'the bar covers no alert');
  await page.clock.runFor(70_000);
  assert.deepEqual([await placeOf('a1'), await scroll.boundingBox()], [before, list]);
  // What is erased meanwhile is not shown any more; its place is.
  stub.alerts.delete('a0');
  stub.cutEvents();
  stub.openEvents();
  await page.clock.runFor(10_000);
  await page.getByText('Erased with its entry, or past its retention.').waitFor();
  assert.equal(await page.locator('[data-alert=a0]').count(), 0);
  assert.deepEqual(await placeOf('a1'), before);
  await page.mouse.move(200, 400);
  await page.clock.runFor(2000);
  await page.locator('[data-alert=n1]').waitFor();
  assert.ok(await bar.isHidden());

  // By key, and then the focus goes elsewhere: what comes in above does not push it.
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  assert.equal(await page.locator('article[aria-current=true]').getAttribute('data-alert'), 'a1');
  const chosen = await placeOf('a1');
  stub.alert(cannedAlert('n2', 'bruno', now + 1000));
  await bar.waitFor();
  await page.clock.runFor(70_000);
  assert.deepEqual(await placeOf('a1'), chosen);
  assert.equal(await page.locator('[data-alert=n2]').count(), 0);
  await page.getByRole('button', { name: 'Full screen' }).focus();
  await page.clock.runFor(2000);
  await page.locator('[data-alert=n2]').waitFor();
  const after = await placeOf('a1');
  // Browsers scroll by whole pixels.
  assert.ok(after !== null && chosen !== null && Math.abs(after.y - chosen.y) < 1, `${after?.y} is ${chosen?.y}`);
  await bar.click();
  assert.equal(await scroll.evaluate(({ scrollTop }) => scrollTop), 0);

  // Left there: whoever looks at the wall sees the next one all the same.
  await page.locator('[data-alert=n2] h3').hover();
  stub.alert(cannedAlert('n3', 'bruno', now + 2000));
  await bar.waitFor();
  await page.clock.runFor(125_000);
  await page.locator('[data-alert=n3]').waitFor();
  assert.ok(await bar.isHidden());
});
