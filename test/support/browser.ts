import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { missingTool } from './data.ts';

const executable = '/usr/bin/chromium';

/** `false` when there is a browser, otherwise the reason to skip; a failure under SIGHTLINE_REQUIRE_DATA=1. */
export function missingBrowser(): string | false {
  return missingTool(existsSync(executable), `a browser: ${executable}`);
}

/** A name that leads to this machine and is no secure context over plain http, unlike `localhost`. */
export const otherHost = 'sightline.test';

/** Headless Chromium of the system; pages may play without a click as a wall screen's does. Closes with the scope. */
export async function startBrowser(): Promise<{ readonly browser: Browser } & AsyncDisposable> {
  const browser = await chromium.launch({
    executablePath: executable,
    args: ['--no-sandbox', `--host-resolver-rules=MAP ${otherHost} 127.0.0.1`],
  });
  return { browser, [Symbol.asyncDispose]: () => browser.close() };
}
