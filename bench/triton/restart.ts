import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createWorkplace, cutClip } from '../../test/support/daemon.ts';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { fixtureModelRepository, fixtureModels } from '../../test/support/fixtures.ts';
import { freePort } from '../../test/support/port.ts';
import { loadOnly, startTriton, type TritonServer, withoutWeights } from '../../test/support/triton.ts';
import { until } from '../../test/support/until.ts';
import { quantile } from '../support/quantile.ts';
import { progress } from '../support/table.ts';
import { type EndAnswer, type Side, sharedNow, type Target } from './side.ts';

/** Servers that are killed, hang and drain under load: how long until the client notices, goes on, and what that costs. */

export interface RestartOptions {
  readonly repository: string;
  readonly target: Target;
  readonly cameras: number;
  readonly rounds: number;
  readonly startOurs: (urls: readonly string[]) => Side;
}

export interface Findings {
  readonly rows: readonly (readonly string[])[];
  readonly figures: readonly unknown[];
}

/** Looks of each camera a second, and the time that recognition gives each. */
const mostLooks = 2;
const deadlineMs = 2000;
/** At most this part of what the server can do at this hour is asked for: what is lost otherwise is lost to overload. */
const shareOfCapacity = 0.25;
/** What the client may take to notice, and to go on. */
const allowedMs = 2000;

function verdict(reached: boolean): string {
  return reached ? 'reached' : 'missed';
}

function spread(values: readonly number[]): string {
  return `${quantile(values, 0.5).toFixed(0)} ms, longest ${Math.max(...values).toFixed(0)} ms`;
}

/** Waits until the server itself says that it is ready, over HTTP: no connection of a client comes into it. */
async function readyAt({ httpPort }: TritonServer): Promise<number> {
  const ask = async () => (await fetch(`http://127.0.0.1:${httpPort}/v2/health/ready`).catch(() => undefined))?.ok;
  await until('the server to be ready', ask, 120_000);
  return sharedNow();
}

/** Requests a second that the load has. */
async function rateFor(ours: Side, { target, cameras }: RestartOptions): Promise<number> {
  const full = { ...target, waiting: cameras, cameras };
  await ours.flight({ ...full, seconds: 1 });
  const { rows, seconds } = await ours.flight({ ...full, seconds: 2 });
  return Math.min(mostLooks * cameras, (shareOfCapacity * rows) / seconds);
}

const lostOf = (requests: EndAnswer['requests']) => requests.filter(({ outcome }) => outcome !== 'answered');

/** The only server is killed and started again. */
async function measureKills(options: RestartOptions): Promise<Findings> {
  const { repository, target, cameras, rounds, startOurs } = options;
  const port = await freePort();
  const begin = () => startTriton({ repository, port, early: true });
  let server = await begin();
  await readyAt(server);
  const found: { readonly resumedMs: number; readonly away: number; readonly lost: number; readonly asked: number }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await using ours = startOurs([server.url]);
    const rate = await rateFor(ours, options);
    await ours.begin({ ...target, rate, cameras, deadlineMs });
    await pause(2000);
    server.signal('SIGKILL');
    const killedMs = sharedNow();
    await server[Symbol.asyncDispose]();
    server = await begin();
    const readyMs = await readyAt(server);
    await pause(4000);
    const { requests } = await ours.end();
    const first = Math.min(
      ...requests.filter(({ outcome, endMs }) => outcome === 'answered' && endMs > killedMs + 1000).map(({ endMs }) => endMs),
    );
    const lost = lostOf(requests);
    // Those that had no server until their deadline could not be answered by anybody.
    const possible = lost.filter((request) => request.deadlineMs > readyMs + allowedMs);
    found.push({ resumedMs: first - readyMs, away: readyMs - killedMs, lost: possible.length, asked: requests.length });
    progress(
      `restart, round ${round + 1}: ${rate.toFixed(1)} a second, away ${((readyMs - killedMs) / 1000).toFixed(1)} s, first answer ${(first - readyMs).toFixed(0)} ms after ready, ${lost.length} of ${requests.length} ended without an answer, ${possible.length} of them could have had one`,
    );
  }
  await server[Symbol.asyncDispose]();
  const resumed = found.map(({ resumedMs }) => resumedMs);
  const lost = found.reduce((sum, round) => sum + round.lost, 0);
  const asked = found.reduce((sum, round) => sum + round.asked, 0);
  return {
    rows: [
      [
        `kill -9 and start under load of ${cameras} cameras: from ready to the first answer`,
        spread(resumed),
        '',
        '',
        `<= 2 s: ${verdict(Math.max(...resumed) <= allowedMs)}`,
      ],
      [
        'the same: lost with a deadline 2 s after ready or later',
        `${lost} of ${asked}`,
        '',
        '',
        `none: ${verdict(lost === 0)}`,
      ],
    ],
    figures: [{ what: 'restart', found }],
  };
}

const faults = [
  { what: 'is killed (kill -9)', signal: 'SIGKILL' },
  { what: 'hangs (SIGSTOP)', signal: 'SIGSTOP' },
  { what: 'drains (SIGTERM)', signal: 'SIGTERM' },
] as const;

/** One of two servers fails: it is left, and nothing is lost. */
async function measureLeaving(options: RestartOptions): Promise<Findings> {
  const { repository, target, cameras, rounds, startOurs } = options;
  const rows: string[][] = [];
  const figures: unknown[] = [];
  await using well = await startTriton({ repository });
  for (const { what, signal } of faults) {
    const left: number[] = [];
    let [asked, lost, longest] = [0, 0, 0];
    for (let round = 0; round < rounds; round += 1) {
      await using sick = await startTriton({ repository });
      await using ours = startOurs([well.url, sick.url]);
      const rate = await rateFor(ours, options);
      await ours.begin({ ...target, rate, cameras, deadlineMs });
      await pause(2000);
      const failedMs = sharedNow();
      sick.signal(signal);
      await pause(4000);
      const { requests, changes } = await ours.end();
      const away = changes.find(({ server, state, atMs }) => server === sick.url && state === 'away' && atMs >= failedMs);
      left.push((away?.atMs ?? Number.POSITIVE_INFINITY) - failedMs);
      asked += requests.length;
      lost += lostOf(requests).length;
      longest = Math.max(
        longest,
        ...requests.filter(({ endMs }) => endMs > failedMs).map(({ sentMs, endMs }) => endMs - sentMs),
      );
      progress(
        `${what}, round ${round + 1}: ${rate.toFixed(1)} a second, left after ${left.at(-1)?.toFixed(0)} ms, ${lost} of ${asked} lost so far`,
      );
    }
    const reached = Math.max(...left) <= allowedMs && lost === 0;
    rows.push([
      `one of two ${what}: left after`,
      spread(left),
      `${lost} of ${asked} lost, longest answer ${longest.toFixed(0)} ms`,
      '',
      `<= 2 s, none lost: ${verdict(reached)}`,
    ]);
    figures.push({ what, left, lost, asked, longest });
  }
  return { rows, figures };
}

/** The daemon and its worker, with somebody in view all the time. */
async function measureProgram(rounds: number): Promise<Findings> {
  const { face, faceEmbedder } = fixtureModels;
  const port = await freePort();
  const flags = loadOnly(face, faceEmbedder);
  const begin = () => startTriton({ repository: fixtureModelRepository, port, early: true, flags });
  let server = await begin();
  await readyAt(server);
  await using here = await temporaryDirectory();
  const repository = await withoutWeights(fixtureModelRepository, join(here.path, 'models'));
  await using place = await createWorkplace();
  place.configure({
    inference: { engine: 'triton', url: server.url, repository },
    lists: { watch: {} },
    cameras: {
      lobby: {
        ...{ source: cutClip(place.directory, 'ada', 17, 55), loop: true, realtime: true, motion: { enabled: false } },
        detect: [{ model: face, fps: 5 }],
      },
    },
  });
  await place.enrol('watch', 'ada');
  await using daemon = await place.start();
  const compared = () => daemon.metric('sightline_sightings_total{kind="face"}');
  const resumed: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const before = await compared();
    await until('crops to be compared', async () => (await compared()) > before + 3, 60_000);
    server.signal('SIGKILL');
    await server[Symbol.asyncDispose]();
    server = await begin();
    const known = await compared();
    const readyMs = await readyAt(server);
    await until('a crop to be compared', async () => (await compared()) > known, 60_000);
    resumed.push(sharedNow() - readyMs);
    progress(`whole program, round ${round + 1}: first crop compared ${resumed.at(-1)?.toFixed(0)} ms after ready`);
  }
  await daemon.stop();
  await server[Symbol.asyncDispose]();
  return {
    rows: [
      [
        'the whole program, detector and embedder there: from ready to the first crop compared',
        spread(resumed),
        '',
        '',
        `<= 2 s: ${verdict(Math.max(...resumed) <= allowedMs)}`,
      ],
    ],
    figures: [{ what: 'whole program', resumed }],
  };
}

export async function measureRestart(options: RestartOptions): Promise<Findings> {
  const all = [await measureKills(options), await measureLeaving(options), await measureProgram(options.rounds)];
  return { rows: all.flatMap(({ rows }) => rows), figures: all.flatMap(({ figures }) => figures) };
}
