import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestApi, writePages } from '../support/api.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';

test('a browser at an address of no page gets a page with a way back; programs get a problem', async () => {
  using ctx = testContext();
  await using folder = await temporaryDirectory();
  await using api = await startTestApi(ctx, { needs: { pages: { directory: writePages(folder.path) } } });
  const ask = (path: string, accept: string) => fetch(`http://127.0.0.1:${api.port}${path}`, { headers: { accept } });
  const browser = 'text/html,application/xhtml+xml,*/*;q=0.8';
  for (const [path, first] of [
    ['/audit', './'],
    ['/audit?x=1', './'],
    ['/not/there', '../'],
    ['/a/b/"><script>', '../../'],
  ] as const) {
    const page = await ask(path, browser);
    assert.deepEqual([page.status, page.headers.get('content-type')], [404, 'text/html; charset=utf-8'], path);
    assert.match(page.headers.get('content-security-policy') ?? '', /^default-src 'none'/);
    const text = await page.text();
    assert.ok(text.includes(`<a href="${first}">To the live page</a>`), text);
    assert.ok(!text.includes('script'), 'nothing of the address is in it');
  }
  for (const [path, accept] of [
    ['/audit', '*/*'],
    ['/audit', 'application/json'],
    ['/api/v1/nothing', browser],
  ] as const)
    assert.match((await ask(path, accept)).headers.get('content-type') ?? '', /^application\/problem\+json/, path);
});
