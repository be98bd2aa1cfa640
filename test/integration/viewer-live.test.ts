import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { missingBrowser, otherHost, startBrowser } from '../support/browser.ts';
import { missingTool } from '../support/data.ts';
import { clockStep, startLiveServer } from '../support/live-server.ts';
import { type NumberedVideo, numberedVideo } from '../support/numbered-video.ts';
import { installedProgram } from '../support/programs.ts';
import { until } from '../support/until.ts';
import { type Reading, tally, ViewerPage, viewerPage } from '../support/viewer-page.ts';

/** The live player in a real browser: what its canvases show is read back after every drawing. The long run is test/long/viewer-frames.test.ts. */

const skip = missingBrowser() || missingTool(installedProgram('ffmpeg'), 'ffmpeg');
/** Waits for what a browser on a loaded machine may take long to do. */
const patience = 90_000;
/** What metadata are late by, in any order. */
const jitter = () => Math.random() * 200;

let chromium: Awaited<ReturnType<typeof startBrowser>> | undefined;
before(async () => {
  if (skip === false) chromium = await startBrowser();
});
after(() => chromium?.[Symbol.asyncDispose]());

function browser(): Browser {
  assert.ok(chromium !== undefined);
  return chromium.browser;
}

async function startOf(port: number): Promise<number> {
  return Number(await (await fetch(`http://127.0.0.1:${port}/start`)).text());
}

/** Everything drawn is the picture of its time stamp, and every box on it belongs to it. */
function assertRight(readings: readonly Reading[], startPts: number, video: NumberedVideo): void {
  const { off, wrongPictures, disagreed } = tally(readings, startPts, video.fps, video.units.length);
  assert.deepEqual({ off, wrongPictures, disagreed }, { off: [], wrongPictures: 0, disagreed: 0 });
}

/**
 * Waits until each of the players has drawn so many pictures with boxes since the last look, and gives all readings since then: those by the
 * clock that begins at `fromPts`, for what was on its way before is still drawn.
 */
async function drawn(view: ViewerPage, players: number, each: number, fromPts = 0): Promise<Reading[]> {
  const readings: Reading[] = [];
  const areDrawn = async () => {
    readings.push(
      ...(await view.readings()).filter(({ pts }) => pts >= fromPts && (fromPts === 0 || pts < fromPts + clockStep)),
    );
    return Array.from({ length: players }, (_, player) => player).every(
      (player) => readings.filter((reading) => reading.player === player && reading.boxed).length >= each,
    );
  };
  await until(`${players} players draw ${each} pictures with boxes`, areDrawn, patience);
  return readings;
}

/** Where the machine is too slow for what it shows the player says that it is late. */
const plays = (word: string) => word === 'live' || word === 'delayed';

test('boxes are on exactly their pictures by WebCodecs and by MSE, also after the server was away and the tab was hidden', {
  skip,
}, async () => {
  const video = await numberedVideo({ fps: 50, bFrames: 2 });
  await using server = await startLiveServer({
    cameras: { c0: { video, metadataDelayMs: jitter } },
    page: viewerPage({
      players: [
        { camera: 'c0', decoder: 'webcodecs' },
        { camera: 'c0', decoder: 'mse' },
      ],
    }),
  });
  await using view = await ViewerPage.open(browser(), `http://localhost:${server.port}/`);

  const first = await drawn(view, 2, 100);
  assertRight(first, await startOf(server.port), video);
  const players = await view.players();
  assert.deepEqual(
    players.map(({ figures }) => figures.decoder),
    ['webcodecs', 'mse'],
  );
  for (const player of [0, 1]) {
    const own = first.filter((reading) => reading.player === player);
    const { boxed } = tally(own, await startOf(server.port), video.fps, video.units.length);
    assert.ok(boxed >= own.length * 0.8, `player ${player}: ${boxed} of ${own.length} pictures have boxes`);
  }

  server.down();
  await until('the loss is told', async () => (await view.players()).every(({ state }) => state.word === 'connecting'));
  await view.readings();
  server.up();
  const startPts = await startOf(server.port);
  assertRight(await drawn(view, 2, 25, startPts), startPts, video);

  // Another size, profile and order of pictures within the stream, as when a camera is set up anew.
  const other = await numberedVideo({ fps: 50, width: 480, height: 270 });
  await view.readings();
  server.change('c0', other);
  const changedPts = await startOf(server.port);
  assertRight(await drawn(view, 2, 25, changedPts), changedPts, other);

  // No way was found to hide a tab of a headless browser: the page is told so instead.
  const hide = (hidden: boolean) =>
    view.page.evaluate(`Object.defineProperty(document, 'visibilityState', { configurable: true, value: '${hidden ? 'hidden' : 'visible'}' });
      document.dispatchEvent(new Event('visibilitychange'));`);
  await hide(true);
  await until(
    'the video is given up',
    () => server.requests.filter((request) => request.startsWith('unsubscribe')).length >= 2,
  );
  await view.readings();
  await hide(false);
  assertRight(await drawn(view, 2, 20), changedPts, other);

  server.say('c0', { state: 'away', since: Date.now(), reason: 'connection refused' });
  await until('the camera is away', async () =>
    (await view.players()).every(({ state }) => state.text === 'away: connection refused'),
  );
  server.revoke('c0', 'eve may not watch it');
  await until('the streams are over', async () =>
    (await view.players()).every(({ state }) => state.text === 'eve may not watch it'),
  );
  assert.deepEqual(
    view.errors.filter((error) => !error.includes('WebSocket')),
    [],
  );
});

test('eight cameras play in one page, and one that is out of view costs nothing', { skip }, async () => {
  const video = await numberedVideo();
  const names = Array.from({ length: 9 }, (_, index) => `c${index}`);
  await using server = await startLiveServer({
    cameras: Object.fromEntries(names.map((name) => [name, { video, metadataDelayMs: jitter }])),
    // Three in a row of 1000 pixels: the last of nine lies far below the others.
    page: viewerPage({ players: names.map((camera) => ({ camera })) })
      .replace('#p8', '#p8')
      .replace('</style>', '#p8 { display: block; margin-top: 900px }</style>'),
  });
  await using view = await ViewerPage.open(browser(), `http://localhost:${server.port}/`);
  const readings = await drawn(view, 8, 25);
  assert.deepEqual(
    readings.filter(({ player }) => player === 8),
    [],
  );
  assert.equal(server.requests.filter((request) => request.startsWith('subscribe')).length, 8);
  // Each camera has its own clock: the picture tells which one a box belongs to.
  for (const { box, picture } of readings) if (box !== undefined) assert.equal(box, picture);
  const players = await view.players();
  assert.ok(
    players.slice(0, 8).every(({ state }) => plays(state.word)),
    JSON.stringify(players),
  );
  assert.equal(players[8]?.state.word, 'paused');
});

test('plain http under another name plays by MSE; H.265 that the browser cannot play comes as the annotated video', {
  skip,
}, async () => {
  const video = await numberedVideo();
  await using server = await startLiveServer({
    cameras: { c0: { video, metadataDelayMs: jitter }, h265: { video, codec: 'hvc1.1.6.L93.B0', metadataDelayMs: jitter } },
    page: viewerPage({ players: [{ camera: 'c0' }, { camera: 'h265' }] }),
  });
  await using view = await ViewerPage.open(browser(), `http://${otherHost}:${server.port}/`);
  assert.equal(await view.page.evaluate('isSecureContext'), false);
  const readings = await drawn(view, 1, 30);
  assertRight(
    readings.filter(({ player }) => player === 0),
    await startOf(server.port),
    video,
  );
  const [plain, other] = await until('both play', async () => {
    const players = await view.players();
    return players.every(({ figures }) => figures.drawn > 10) && players;
  });
  assert.equal(plain?.figures.decoder, 'mse');
  assert.equal(other?.figures.variant, 'annotated');
  assert.ok(plays(other?.state.word ?? ''), other?.state.word);
  assert.match(other?.state.notice ?? '', /H\.265/);
  assert.ok((await view.readings()).every(({ player, boxed }) => player === 0 || !boxed));

  // A mask was set meanwhile.
  server.revoke('c0', 'camera c0: its picture is masked: the clean stream is for admins, the annotated one for everybody');
  await until('it goes on annotated, and says why', async () => {
    const [first] = await view.players();
    const { word, notice } = first?.state ?? { word: '', notice: '' };
    return first?.figures.variant === 'annotated' && plays(word) && /masked/.test(notice);
  });

  // A player whose drawing fails says so by its delay, and the others go on.
  await view.page.evaluate(`document.querySelector('#p0').getContext('2d').drawImage = () => { throw new Error('no paint'); }`);
  await until('it is not live any more', async () => (await view.players())[0]?.state.word === 'delayed');
  // Also when what it remembers of its rate is gone.
  const said = new Set<string>();
  const end = Date.now() + 1500;
  await until('some seconds have passed', async () => {
    said.add((await view.players())[0]?.state.word ?? '');
    return Date.now() > end;
  });
  assert.deepEqual([...said], ['delayed']);
  await view.readings();
  await until('the other goes on', async () => (await view.readings()).some(({ player }) => player === 1));
});

test('a wrong ticket is said, a right one lets in; a slow network delays the video and it catches up', { skip }, async () => {
  const video = await numberedVideo();
  let right = false;
  await using server = await startLiveServer({
    cameras: { c0: { video, metadataDelayMs: jitter } },
    page: viewerPage({ players: [{ camera: 'c0' }] }),
    ticketIsRight: () => right,
    ticketLifeMs: 4000,
  });
  await using view = await ViewerPage.open(browser(), `http://localhost:${server.port}/`);
  await until('the refusal is said', async () =>
    (await view.feedStates()).at(-1)?.startsWith('refused: not allowed: the ticket is not one'),
  );
  right = true;
  await view.page.evaluate('window.feed.retry()');
  await drawn(view, 1, 5);

  const network = await view.page.context().newCDPSession(view.page);
  const limit = (bytesASecond: number) =>
    network.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: bytesASecond,
      uploadThroughput: -1,
    });
  await network.send('Network.enable');
  await limit(4000);
  await until('the delay is said', async () => (await view.texts()).some((text) => text.startsWith('delayed by')));
  await limit(-1);
  await until('the video is live again', async () => (await view.players())[0]?.state.word === 'live');
  assertRight(await drawn(view, 1, 20), await startOf(server.port), video);
  await until('the ticket is renewed', () => server.requests.includes('renew'));
});
