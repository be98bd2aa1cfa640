import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { severityColours } from '../src/core/severity-colours.ts';
import { startBrowser } from '../test/support/browser.ts';
import { until } from '../test/support/until.ts';
import { liveCameras, type PicturedDemo, startPicturedDemo } from './pictured-demo.ts';

/**
 * Pictures of every page of the viewer for docs/, of a demo of its own: node tools/screenshots.ts [--out FOLDER] [--only NAME,NAME].
 * What it needs besides the program: Chromium and ffmpeg. It takes some minutes, because it waits until the right people are in view.
 */

const { values } = parseArgs({
  options: { out: { type: 'string', default: resolve(import.meta.dirname, '../docs') }, only: { type: 'string' } },
});

interface Look {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly scheme: 'light' | 'dark';
}

interface Shot {
  readonly name: string;
  path?(demo: PicturedDemo): string;
  readonly looks: readonly Look[];
  /** Without a login. */
  readonly open?: boolean;
  /** Until what is to be seen is there. */
  ready(page: Page, demo: PicturedDemo): Promise<unknown>;
  /** Whether the picture shows what passes by. */
  holds?(page: Page, picture: Buffer): Promise<boolean>;
}

/** A laptop, less what the browser itself takes. */
const light: Look = { name: '', width: 1440, height: 780, scheme: 'light' };
const darkness = { name: '-dark', scheme: 'dark' } as const;
const dark: Look = { ...light, ...darkness };
const tall: Look = { ...light, height: 1000 };
const phone: Look = { name: '-phone', width: 360, height: 760, scheme: 'light' };
const patienceMs = 60_000;
/** What passes by comes round three times a minute. */
const passingMs = 240_000;

/** More than lines have: so much of the colour of a list is a name. */
const leastOfName = 400;
const listColours = Object.values(severityColours).map((colour) => Number.parseInt(colour.slice(1), 16));

/** Whether each of these cameras plays and shows a name in the colour of its list. */
async function named(page: Page, picture: Buffer, cameras: readonly string[]): Promise<boolean> {
  for (const camera of cameras) {
    const tile = page.locator(`[data-camera="${camera}"][data-state=live]`);
    const box = (await tile.count()) === 0 ? null : await tile.boundingBox();
    if (box === null) return false;
    const area = {
      left: Math.ceil(box.x),
      top: Math.ceil(box.y),
      width: Math.floor(box.width),
      height: Math.floor(box.height),
    };
    const pixels = await sharp(picture).extract(area).removeAlpha().raw().toBuffer();
    let found = 0;
    for (let at = 0; at < pixels.length; at += 3) if (listColours.includes(pixels.readUIntBE(at, 3))) found += 1;
    if (found < leastOfName) return false;
  }
  return true;
}

/** All of them play, and people are in view now. */
async function playing(page: Page, demo: PicturedDemo, cameras: readonly string[]): Promise<void> {
  for (const camera of cameras)
    await page.locator(`[data-camera="${camera}"][data-state=live]`).filter({ hasText: / fps/ }).waitFor();
  await demo.inView(cameras);
}

/** The clip is at the frame of its sighting, and nothing moves on it any more: browsers show for a while that they load. */
async function atSighting(page: Page): Promise<void> {
  const clip = page.locator('.clip-stage');
  await clip.waitFor();
  let before: Buffer | undefined;
  await until(
    'the frame of the sighting',
    async () => {
      const isThere = await page.evaluate(
        "(([video]) => video.readyState === 4 && video.currentTime > 0 && !video.seeking)(document.querySelectorAll('video'))",
      );
      const now = await clip.screenshot();
      const isStill = isThere === true && before?.equals(now) === true;
      before = now;
      return isStill;
    },
    patienceMs,
  );
}

const seen = (page: Page, selector: string) => page.locator(selector).first().waitFor();

const shots: readonly Shot[] = [
  // Before the audit trail is full of looks at pictures.
  {
    name: 'users',
    path: () => 'users',
    looks: [tall, { ...tall, ...darkness }, phone],
    ready: (page) => seen(page, 'text=session.login'),
  },
  {
    name: 'login',
    path: () => 'login',
    looks: [light, dark, phone],
    open: true,
    ready: (page) => seen(page, 'input[type=password]'),
  },
  {
    name: 'live',
    looks: [light, dark],
    ready: async (page, demo) => {
      await seen(page, '[data-camera=yard][data-state=away]');
      await playing(page, demo, liveCameras);
    },
    holds: (page, picture) => named(page, picture, liveCameras),
  },
  {
    name: 'live',
    looks: [phone],
    ready: (page, demo) => playing(page, demo, liveCameras.slice(0, 2)),
    holds: (page, picture) => named(page, picture, liveCameras.slice(0, 2)),
  },
  {
    name: 'alerts',
    path: () => '#alerts',
    looks: [phone, { ...phone, name: '-phone-dark', scheme: 'dark' }],
    ready: (page) => seen(page, '.cards article img'),
  },
  {
    name: 'single',
    path: () => '#camera=lobby',
    looks: [dark],
    ready: (page, demo) => playing(page, demo, liveCameras.slice(0, 1)),
    holds: (page, picture) => named(page, picture, liveCameras.slice(0, 1)),
  },
  {
    name: 'clip',
    looks: [light],
    ready: async (page, { alert }) => {
      await page.locator(`[data-alert="${alert}"] [data-action=clip]`).click();
      await atSighting(page);
    },
  },
  {
    name: 'reject',
    looks: [light],
    ready: async (page, { alert }) => {
      await page.locator(`[data-alert="${alert}"] [data-action=reject]`).click();
      await seen(page, 'dialog[open]');
    },
  },
  {
    name: 'watchlist',
    path: ({ entry }) => `watchlist#${entry}`,
    looks: [light, dark],
    ready: (page) => seen(page, '.detail img'),
  },
  { name: 'watchlist', path: () => 'watchlist', looks: [phone], ready: (page) => seen(page, '.entries button') },
  {
    name: 'enrol',
    path: () => 'watchlist',
    looks: [light, phone],
    ready: async (page, { photo }) => {
      await page.getByRole('button', { name: 'Enrol' }).click();
      await page.locator('input[type=file]').setInputFiles({ name: 'two.jpg', mimeType: 'image/jpeg', buffer: photo });
      await page.getByRole('radio').last().check();
    },
  },
  {
    name: 'health',
    path: () => 'health',
    looks: [tall, { ...tall, ...darkness }, phone],
    ready: (page) => seen(page, 'text=yard'),
  },
  {
    name: 'alert',
    path: ({ alert }) => `alerts/${alert}`,
    looks: [light, phone],
    ready: async (page) => {
      await seen(page, '.alert-card img');
      await atSighting(page);
    },
  },
];

/** What the page asked for has come and is drawn: nothing has been on its way for as long as two looks. */
async function settled(page: Page, underWay: ReadonlySet<unknown>): Promise<void> {
  let quiet = 0;
  await until(
    `${page.url()} has everything`,
    async () => {
      quiet = underWay.size === 0 ? quiet + 1 : 0;
      await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
      return quiet > 2;
    },
    patienceMs,
  );
}

async function take(browser: Browser, demo: PicturedDemo, shot: Shot, look: Look): Promise<void> {
  const file = `viewer-${shot.name}${look.name}.png`;
  await using context = await browser.newContext({
    viewport: look,
    colorScheme: look.scheme,
    locale: 'en-GB',
    timezoneId: 'UTC',
  });
  const page = await context.newPage();
  page.setDefaultTimeout(patienceMs);
  page.on('console', (message) => {
    if (message.type() === 'error') console.log(`${file}: ${message.text()}`);
  });
  page.on('pageerror', (error) => console.log(`${file}: ${error.message}`));
  const underWay = new Set<unknown>();
  page.on('request', (request) => {
    if (['fetch', 'image', 'script', 'stylesheet'].includes(request.resourceType()) && !request.url().endsWith('/events'))
      underWay.add(request);
  });
  for (const over of ['requestfinished', 'requestfailed'] as const)
    page.on(over as 'request', (request) => underWay.delete(request));
  const [name = '', value = ''] = demo.cookie.split('=');
  if (shot.open !== true) await context.addCookies([{ name, value, url: demo.url }]);
  await page.goto(`${demo.url}/${shot.path?.(demo) ?? ''}`);
  await settled(page, underWay);
  const picture = await until(
    `${file} shows what it should`,
    async () => {
      await shot.ready(page, demo);
      await settled(page, underWay);
      const taken = await page.screenshot();
      return (await shot.holds?.(page, taken)) !== false && taken;
    },
    passingMs,
  );
  await sharp(picture).png({ palette: true, quality: 92, effort: 8 }).toFile(join(values.out, file));
  console.log(file);
}

await using chromium = await startBrowser();
await using demo = await startPicturedDemo();
const only = values.only?.split(',');
for (const shot of shots)
  if (only?.includes(shot.name) ?? true) for (const look of shot.looks) await take(chromium.browser, demo, shot, look);
