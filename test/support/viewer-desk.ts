import type { Browser, Page } from 'playwright-core';
import { startBrowser } from './browser.ts';
import { temporaryDirectory } from './directory.ts';
import { type ViewerMaterial, viewerMaterial } from './viewer-material.ts';
import type { ViewerStub } from './viewer-stub.ts';

/** A browser before the stub of the server, for the tests of the pages. */

export const desk = { width: 1280, height: 800 };
export const phone = { width: 360, height: 740 };

export interface Stage extends AsyncDisposable {
  readonly browser: Browser;
  readonly material: ViewerMaterial;
}

export async function stage(): Promise<Stage> {
  const directory = await temporaryDirectory();
  const [chromium, material] = await Promise.all([startBrowser(), viewerMaterial(directory.path)]);
  return {
    browser: chromium.browser,
    material,
    [Symbol.asyncDispose]: async () => {
      await chromium[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** A page of a browser of its own, and everything that its console complained of. */
export async function open(
  browser: Browser,
  size: { width: number; height: number },
): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({ viewport: size });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      complaints.push(`${message.text()} ${message.location().url}`);
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  return { page, complaints };
}

export async function logIn(page: Page, stub: ViewerStub, user: string, to = ''): Promise<void> {
  const password = stub.users.get(user)?.password ?? '';
  await page.context().request.post(`${stub.url}/api/v1/session`, { data: { user, password } });
  await page.goto(`${stub.url}/${to}`);
}

/** Ids of the alerts in the column, from above. */
export async function shown(page: Page): Promise<string[]> {
  return await page
    .locator('.cards article')
    .evaluateAll((cards) => cards.map((card) => card.getAttribute('data-alert') ?? ''));
}
