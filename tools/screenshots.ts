import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';
import sharp from 'sharp';
import { cannedAlert } from '../test/support/viewer-canned.ts';
import { viewerMaterial } from '../test/support/viewer-material.ts';
import { startViewerStub, type ViewerStub } from '../test/support/viewer-stub.ts';

/**
 * Pictures of every page of the viewer: node tools/screenshots.ts [--url http://127.0.0.1:8080 --user NAME --password-file FILE]
 * [--out docs]. Without --url against the stub of the tests, whose pictures are drawn.
 */

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    user: { type: 'string', default: 'nadia' },
    'password-file': { type: 'string' },
    out: { type: 'string', default: resolve(import.meta.dirname, '../docs') },
    only: { type: 'string' },
  },
});

interface Look {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly scheme: 'light' | 'dark';
}

const wide: readonly Look[] = [
  { name: '', width: 1440, height: 900, scheme: 'light' },
  { name: '-dark', width: 1440, height: 900, scheme: 'dark' },
];
const phone: Look = { name: '-phone', width: 360, height: 760, scheme: 'light' };

async function settled(page: Page): Promise<void> {
  await page.waitForLoadState('load');
  // Pictures come after the page; there is nothing that says the last of them is drawn.
  await page.waitForTimeout(700);
}

interface Shot {
  readonly name: string;
  readonly path: string;
  readonly looks: readonly Look[];
  readonly open: boolean;
  act?(page: Page, stub: ViewerStub | undefined): Promise<void>;
}

const shots: readonly Shot[] = [
  { name: 'login', path: 'login', looks: [...wide, phone], open: true },
  { name: 'live', path: '', looks: [...wide, phone], open: false },
  {
    name: 'alerts',
    path: '#alerts',
    looks: [phone, { ...phone, name: '-phone-dark', scheme: 'dark' }],
    open: false,
  },
  { name: 'single', path: '#camera=lobby', looks: wide.slice(1), open: false },
  {
    name: 'clip',
    path: '',
    looks: wide.slice(0, 1),
    open: false,
    act: async (page) => {
      await page.getByRole('button', { name: 'Evidence clip' }).first().click();
      await page.waitForSelector('dialog video');
      await page.waitForTimeout(700);
    },
  },
  {
    name: 'reject',
    path: '',
    looks: wide.slice(0, 1),
    open: false,
    act: async (page) => await page.getByRole('button', { name: 'Not this person' }).first().click(),
  },
  {
    name: 'watchlist',
    path: 'watchlist',
    looks: [...wide, phone],
    open: false,
    act: async (page) => {
      if ((page.viewportSize()?.width ?? 0) > 700) await page.locator('.entries button').first().click();
    },
  },
  {
    name: 'enrol',
    path: 'watchlist',
    looks: [...wide.slice(0, 1), phone],
    open: false,
    act: async (page, stub) => {
      await page.getByRole('button', { name: 'Enrol' }).click();
      if (stub === undefined) return;
      await page
        .locator('input[type=file]')
        .setInputFiles({ name: 'two.jpg', mimeType: 'image/jpeg', buffer: Buffer.from(photo) });
      await page.getByRole('radio').last().check();
    },
  },
  { name: 'health', path: 'health', looks: [...wide, phone], open: false },
  { name: 'users', path: 'users', looks: [...wide, phone], open: false },
  { name: 'alert', path: 'alerts/a-ada', looks: [...wide.slice(0, 1), phone], open: false },
];
let photo: Uint8Array = new Uint8Array();

async function take(browser: Browser, url: string, password: string, stub: ViewerStub | undefined): Promise<void> {
  for (const { name, path, looks, open, act } of shots) {
    if (values.only !== undefined && !values.only.split(',').includes(name)) continue;
    if (stub === undefined && name === 'alert') continue;
    for (const look of looks) {
      const context = await browser.newContext({ viewport: look, colorScheme: look.scheme });
      const page = await context.newPage();
      page.on('console', (message) => {
        if (message.type() === 'error') console.log(`${name}${look.name}: ${message.text()}`);
      });
      page.on('pageerror', (error) => console.log(`${name}${look.name}: ${error.message}`));
      if (!open) await context.request.post(`${url}/api/v1/session`, { data: { user: values.user, password } });
      await page.goto(`${url}/${path}`);
      await settled(page);
      await act?.(page, stub);
      await settled(page);
      const picture = await page.screenshot();
      await sharp(picture)
        .png({ palette: true, quality: 92, effort: 8 })
        .toFile(join(values.out, `viewer-${name}${look.name}.png`));
      await context.close();
    }
  }
}

const directory = await mkdtemp(join(tmpdir(), 'screenshots-'));
const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: [...root, '--force-color-profile=srgb'] });
try {
  if (values.url !== undefined) {
    const password = values['password-file'] === undefined ? '' : (await readFile(values['password-file'], 'utf8')).trim();
    await take(browser, values.url.replace(/\/$/, ''), password, undefined);
  } else {
    const material = await viewerMaterial(directory);
    photo = material.photo;
    await using stub = await startViewerStub(material);
    const now = Date.now();
    stub.alert(
      cannedAlert('a-old', 'bruno', now - 3_900_000, { severity: 'critical', camera: 'lift', score: 0.58, state: 'closed' }),
    );
    stub.alert(cannedAlert('a-unknown', undefined, now - 1_500_000, { severity: 'low', camera: 'cashdesk', score: 0 }));
    stub.alert(
      cannedAlert('a-low', 'ada', now - 300_000, { severity: 'medium', camera: 'cashdesk', score: 0.51, kind: 'appearance' }),
    );
    stub.alert(cannedAlert('a-bruno', 'bruno', now - 140_000, { severity: 'critical', camera: 'lift', score: 0.74 }));
    stub.alert(cannedAlert('a-ada', 'ada', now - 90_000));
    await take(browser, stub.url, 'a quiet night', stub);
  }
} finally {
  await browser.close();
  await rm(directory, { recursive: true, force: true });
}
