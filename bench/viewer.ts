import { parseArgs } from 'node:util';
import { missingBrowser, otherHost, startBrowser } from '../test/support/browser.ts';
import { dataPath, missingData } from '../test/support/data.ts';
import { startLiveServer } from '../test/support/live-server.ts';
import { numberedVideo } from '../test/support/numbered-video.ts';
import { type Reading, tally, ViewerPage, viewerPage } from '../test/support/viewer-page.ts';
import { cpuSeconds, familyCpuSeconds } from './support/processes.ts';
import { quantile } from './support/quantile.ts';
import { progress, publish } from './support/table.ts';

const usage = `usage: node bench/viewer.ts [--seconds 60] [--hours N] [--parts one,nine]

From the capture of a picture to its pixels on the canvas of the viewer, in headless Chromium on this machine. A film with its picture's number burnt in
and recorded metadata, no detector beside it. Prints a table, writes bench/results/viewer.json (with --hours viewer-hours.json).

  --seconds  of each measurement, after ten to settle (default: 60)
  --hours    instead: one camera of 360p by WebCodecs and one by MSE, in one page, for so long; the delay of the first and the last tenth
  --parts    one: one camera of 720p, by WebCodecs and by MSE; nine: nine cameras of 360p in one page`;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    hours: { type: 'string' },
    parts: { type: 'string', default: 'one,nine' },
    help: { type: 'boolean' },
  },
});

const film = 'clips/real_visits_a.mp4';
const targets = { p50Ms: 120, p99Ms: 250, driftMs: 50, fps: 24.5 };
const settleMs = 10_000;
const pollMs = 2000;
/** Read back to prove that the picture is the one of its time stamp. */
const readEvery = 50;

interface Measured {
  readonly what: string;
  readonly decoder: string;
  readonly delays: readonly number[];
  /** Of the first and the last tenth. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Of the slowest camera. */
  readonly fps: number;
  readonly dropped: number;
  readonly bare: number;
  readonly cores: number;
  readonly wrong: number;
}

type Decoder = 'webcodecs' | 'mse';

interface Wish {
  readonly what: string;
  readonly width: number;
  readonly height: number;
  /** One of each camera of the page. */
  readonly decoders: readonly Decoder[];
  readonly seconds: number;
}

/** What each kind of decoder in the page did. */
async function measure({ what, width, height, decoders, seconds }: Wish): Promise<readonly Measured[]> {
  const video = await numberedVideo({ width, height, film: dataPath(film), gop: 50 });
  const names = decoders.map((_, index) => `c${index}`);
  await using server = await startLiveServer({
    cameras: Object.fromEntries(names.map((name) => [name, { video, metadataDelayMs: () => 1 }])),
    page: viewerPage({
      players: names.map((camera, index) => ({ camera, decoder: decoders[index] ?? 'webcodecs' })),
      width: 640,
      height: 360,
      readEvery,
    }),
  });
  await using chromium = await startBrowser();
  // WebCodecs is there in secure contexts only.
  const host = decoders.includes('webcodecs') ? 'localhost' : otherHost;
  const view = await ViewerPage.open(chromium.browser, `http://${host}:${server.port}/`, { width: 1920, height: 1080 });
  await view.page.waitForTimeout(settleMs);
  await view.delays();
  await view.readings();
  const before = await view.players();
  const cpu = () => familyCpuSeconds(process.pid) - cpuSeconds(process.pid);
  const [cpuBefore, began] = [cpu(), performance.now()];
  const delays: [number, number][] = [];
  const readings: Reading[] = [];
  while (performance.now() - began < seconds * 1000) {
    await view.page.waitForTimeout(pollMs);
    delays.push(...(await view.delays()));
    readings.push(...(await view.readings()));
  }
  const took = (performance.now() - began) / 1000;
  const cores = (cpu() - cpuBefore) / took;
  const after = await view.players();
  progress(`${what}, ${decoders.join(' ')}: ${delays.length} pictures, ${after.map(({ state }) => state.text).join(', ')}`);
  const startPts = Number(await (await fetch(`http://127.0.0.1:${server.port}/start`)).text());
  return [...new Set(decoders)].map((decoder) => {
    const players = decoders.flatMap((one, index) => (one === decoder ? [index] : []));
    const own = readings.filter(({ player }) => player === players[0]);
    const { off, wrongPictures } = tally(own, startPts, video.fps, video.units.length);
    const values = delays.flatMap(([player, delayMs]) => (players.includes(player) ? [delayMs] : []));
    const tenth = Math.ceil(values.length / 10);
    const grown = (of: 'dropped' | 'behind') =>
      players.reduce((sum, index) => sum + (after[index]?.figures[of] ?? 0) - (before[index]?.figures[of] ?? 0), 0);
    return {
      what,
      decoder,
      delays: values,
      firstMs: quantile(values.slice(0, tenth), 0.5),
      lastMs: quantile(values.slice(-tenth), 0.5),
      fps: Math.min(...players.map((index) => delays.filter(([player]) => player === index).length / took)),
      dropped: grown('dropped'),
      bare: grown('behind'),
      cores,
      wrong: off.length + wrongPictures,
    };
  });
}

function verdict({ delays, decoder, what, fps, firstMs, lastMs, wrong }: Measured): string {
  // In hours there are moments when the machine has other things to do.
  const timed = values.hours === undefined && decoder === 'webcodecs' && what.startsWith('one');
  const missed = [
    ...(wrong > 0 ? ['wrong pictures or boxes'] : []),
    ...(timed && quantile(delays, 0.5) > targets.p50Ms ? [`p50 > ${targets.p50Ms} ms`] : []),
    ...(timed && quantile(delays, 0.99) > targets.p99Ms ? [`p99 > ${targets.p99Ms} ms`] : []),
    ...(fps < targets.fps ? [`below ${targets.fps} pictures a second`] : []),
    ...(lastMs > firstMs + targets.driftMs ? [`the delay grew by more than ${targets.driftMs} ms`] : []),
  ];
  return missed.length === 0 ? 'reached' : `missed: ${missed.join(', ')}`;
}

const missing = missingBrowser() || missingData(film);
if (values.help) console.log(usage);
else if (missing !== false) console.log(`the viewer is not measured: ${missing}`);
else {
  const seconds = values.hours === undefined ? Number(values.seconds) : Number(values.hours) * 3600;
  const decoders = ['webcodecs', 'mse'] as const;
  const small = { width: 640, height: 360, seconds };
  const parts = values.parts.split(',');
  const wishes: readonly Wish[] =
    values.hours !== undefined
      ? [{ ...small, what: 'one camera, 360p', decoders }]
      : [
          ...(parts.includes('one') ? decoders : []).map((decoder) => ({
            ...{ what: 'one camera, 720p', width: 1280, height: 720, seconds },
            decoders: [decoder],
          })),
          ...(parts.includes('nine') ? decoders : []).map((decoder) => ({
            ...{ ...small, what: 'nine cameras, 360p' },
            decoders: Array.from({ length: 9 }, () => decoder),
          })),
        ];
  const measured: Measured[] = [];
  for (const wish of wishes) measured.push(...(await measure(wish)));
  publish({
    name: values.hours === undefined ? 'viewer' : 'viewer-hours',
    title: `Capture to pixels, ${seconds} s each`,
    columns: [
      'what',
      'decoder',
      'p50 ms',
      'p90',
      'p99',
      'most',
      'first tenth',
      'last tenth',
      'fps',
      'dropped',
      'bare',
      'cores',
      'target',
    ],
    rows: measured.map((one) => [
      one.what,
      one.decoder,
      ...[0.5, 0.9, 0.99, 1].map((share) => quantile(one.delays, share).toFixed(0)),
      ...[one.firstMs, one.lastMs].map((value) => value.toFixed(0)),
      one.fps.toFixed(1),
      String(one.dropped),
      String(one.bare),
      one.cores.toFixed(2),
      verdict(one),
    ]),
    notes: [
      'fps: of the slowest camera, of 25; bare: drawn without the boxes that were due; cores: all processes of the browser, which paints without a GPU',
      `targets: WebCodecs with one camera p50 <= ${targets.p50Ms} ms and p99 <= ${targets.p99Ms} ms; nobody falls behind`,
    ],
    figures: measured.map(({ delays, ...rest }) => ({
      ...rest,
      pictures: delays.length,
      p50: quantile(delays, 0.5),
      p99: quantile(delays, 0.99),
    })),
  });
}
