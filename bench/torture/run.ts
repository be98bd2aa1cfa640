import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import type { Alert } from '../../src/core/alerts.ts';
import { type Broker, type Listener, listen, startBroker } from '../../test/support/broker.ts';
import { alertsIn, createWorkplace, kill, type RunningDaemon, type Workplace, workerOf } from '../../test/support/daemon.ts';
import { shippedRepository } from '../../test/support/repository.ts';
import { until } from '../../test/support/until.ts';
import { analysedRate, type FrameRates, type FrameSample, frameRates, samplesOf } from './frames.ts';
import { type DoneFault, type Fault, planTorture, type TorturePlan } from './plan.ts';
import { type Blindness, judge, type Verdict } from './verdict.ts';
import { type FilmClock, plantedVisits, readTruth } from './visits.ts';

/**
 * The real daemon with real workers on real RTSP cameras and a real broker, all of them killed on a plan while people of known ground
 * truth come and go; then history and everything that a consumer got is held against the truth.
 */

export interface TortureOptions {
  readonly rounds: number;
  readonly cameras: readonly string[];
  readonly seed: number;
  readonly daemonKills: number;
  readonly workerKills: number;
  readonly brokerAway: TorturePlan['brokerAway'];
  readonly progress: (text: string) => void;
}

export interface TortureResult {
  readonly verdict: Verdict;
  readonly faults: readonly DoneFault[];
  readonly brokerAwayMs: number;
  readonly daemonStarts: number;
  /** Deaths of workers that daemons have noted. */
  readonly workerDeaths: number;
  /** From a kill to the first picture of each camera it concerns. */
  readonly recoveriesMs: { readonly daemon: readonly number[]; readonly worker: readonly number[] };
  /** Analysed frames per second of video: less than the five asked for means that the machine was too busy. */
  readonly analysed: number;
  readonly frames: FrameRates | undefined;
  readonly payloadBytes: readonly number[];
  readonly seconds: number;
  readonly blind: readonly Blindness[];
}

const scene = resolve(import.meta.dirname, '../../demo');
/** Nora, who looks like Ada, and Sid, who hides his face, are strangers: whoever is told of them was invented. */
export const listedPeople = ['ada', 'bruno', 'otto', 'mei', 'kofi', 'lena', 'pip'];
export const filmSeconds = 60;
const leaveAfterMs = 10_000;
const patienceMs = 180_000;

interface Cameras extends AsyncDisposable {
  readonly urls: ReadonlyMap<string, string>;
  readonly clocks: ReadonlyMap<string, readonly FilmClock[]>;
  play(): void;
  readonly ended: Promise<unknown>;
}

async function startCameras(names: readonly string[], rounds: number): Promise<Cameras> {
  const program = resolve(import.meta.dirname, 'camera.ts');
  const child: ChildProcess = spawn(
    process.execPath,
    [program, join(scene, 'lobby.mp4'), '--rounds', String(rounds), ...names.flatMap((name) => ['--name', name])],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const ended = once(child, 'exit');
  const urls = new Map<string, string>();
  const clocks = new Map<string, FilmClock[]>(names.map((name) => [name, []]));
  if (child.stdout === null || child.stdin === null) throw new Error('the cameras have no pipes');
  const { stdin } = child;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [word, name = '', first = '', second = ''] = line.split(' ');
    if (word === 'ready') urls.set(name, first);
    if (word === 'film') clocks.get(name)?.push({ mediaMs: Number(first), zeroMs: Number(second) - Number(first) });
  });
  await until('the cameras are there', () => child.exitCode !== null || urls.size === names.length);
  if (urls.size !== names.length) throw new Error('the cameras do not start');
  return {
    urls,
    clocks,
    play: () => void stdin.write('play\n'),
    ended,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null) child.kill('SIGKILL');
      await ended;
    },
  };
}

function configurationOf(broker: Broker, cameras: Cameras) {
  return {
    mqtt: { url: broker.url },
    inference: { repository: shippedRepository },
    models: { face: 'demo_embed', enrolment: 'demo_face', appearance: 'person_embed', enrolmentBody: 'yolox_nano' },
    lists: { watched: {} },
    // The motion gate would look at more frames where more happens: rates could not be compared.
    cameras: Object.fromEntries(
      [...cameras.urls].map(([name, source]) => [
        name,
        { source, group: name, detect: [{ model: 'demo_face' }], motion: { enabled: false } },
      ]),
    ),
    alerting: { leaveAfter: `${leaveAfterMs}ms` },
    alerts: [...cameras.urls.keys()].map((name) => ({ name, when: { cameras: [name] } })),
  };
}

async function enrolCast(place: Workplace): Promise<void> {
  const folder = join(place.directory, 'cast');
  for (const person of listedPeople) {
    mkdirSync(join(folder, person), { recursive: true });
    const photos = join(scene, 'photos', person);
    for (const photo of readdirSync(photos)) symlinkSync(join(photos, photo), join(folder, person, photo));
  }
  await place.succeed('enroll', '--list', 'watched', folder);
}

/** When cameras became live, by what daemons logged. */
function livesIn(daemons: readonly RunningDaemon[]): readonly { readonly camera: string; readonly atMs: number }[] {
  return daemons
    .flatMap((daemon) => daemon.lines())
    .filter((line) => line.msg === 'camera state' && line['state'] === 'live')
    .map((line) => ({ camera: String(line['camera']), atMs: Date.parse(String(line['time'])) }));
}

function blindnessOf(
  daemons: readonly RunningDaemon[],
  faults: readonly DoneFault[],
  cameras: readonly string[],
  begin: number,
): readonly (Blindness & { readonly fault: DoneFault | undefined })[] {
  const lives = livesIn(daemons);
  const blindFrom = (camera: string, fromMs: number, fault?: DoneFault) => ({
    camera,
    fromMs,
    toMs: lives.find((live) => live.camera === camera && live.atMs > fromMs)?.atMs ?? Number.POSITIVE_INFINITY,
    fault,
  });
  return [
    ...cameras
      .filter((camera) => !lives.some((live) => live.camera === camera && live.atMs <= begin))
      .map((camera) => blindFrom(camera, begin)),
    ...faults.flatMap((fault) =>
      fault.camera === undefined
        ? cameras.map((camera) => blindFrom(camera, fault.wallMs, fault))
        : [blindFrom(fault.camera, fault.wallMs, fault)],
    ),
  ];
}

/** Everything in history, page by page. */
async function historyOf(place: Workplace): Promise<readonly Alert[]> {
  const found: Alert[] = [];
  let cursor: string | undefined;
  do {
    const page = await place.ask('alerts.list', { limit: 200, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page.alerts);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return found;
}

/** A consumer whose session and waiting messages outlive a crash of the broker. */
async function patientConsumer(broker: Broker): Promise<Listener> {
  return await listen(broker.port, 'sightline/v1/+/+', {
    clean: false,
    clientId: 'torture-consumer',
    properties: { sessionExpiryInterval: 7200 },
  });
}

const durableBroker = [
  'persistence true',
  'persistence_location {dir}/',
  'autosave_interval 1',
  'autosave_on_changes true',
  'max_queued_messages 0',
];

export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { progress } = options;
  const started = performance.now();
  const plan = planTorture({ ...options, lengthMs: options.rounds * filmSeconds * 1000 });
  const truth = readTruth(join(scene, 'lobby.gt.json'));
  await using broker = await startBroker({ settings: durableBroker });
  await using consumer = await patientConsumer(broker);
  await using cameras = await startCameras(options.cameras, options.rounds);
  await using place = await createWorkplace();
  place.configure(configurationOf(broker, cameras));
  await enrolCast(place);
  let daemon = await place.start();
  const daemons = [daemon];
  const faults: DoneFault[] = [];
  const samples: FrameSample[] = [];
  const over = new AbortController();
  const sampling = (async () => {
    while (!over.signal.aborted) {
      await wait(500);
      try {
        const answer = await fetch(daemon.url('/metrics'), { signal: AbortSignal.timeout(5000) });
        samples.push(...samplesOf(await answer.text(), Date.now()));
      } catch {
        // There is no daemon at the moment: a hole in the samples, which the windows look at.
      }
    }
  })();

  cameras.play();
  await until('the film begins', () => [...cameras.clocks.values()].every(({ length }) => length > 0), patienceMs);
  const begin = Math.min(...[...cameras.clocks.values()].map(([first]) => first?.zeroMs ?? Number.POSITIVE_INFINITY));
  const at = async (filmMs: number) => await wait(Math.max(0, begin + filmMs - Date.now()));

  async function killDaemon(): Promise<void> {
    faults.push({ what: 'daemon', wallMs: Date.now() });
    daemon.signal('SIGKILL');
    await daemon.finished;
    daemon = await place.start();
    daemons.push(daemon);
  }

  async function killWorker(camera: string): Promise<void> {
    const pid = await until(`a worker of ${camera}`, () => workerOf(place.dataDir, camera), patienceMs);
    faults.push({ what: 'worker', camera, wallMs: Date.now() });
    kill(pid);
  }

  async function strike(fault: Fault): Promise<void> {
    await at(fault.atMs);
    if (fault.what === 'daemon') await killDaemon();
    else await killWorker(fault.camera);
    progress(
      `${(fault.atMs / 1000).toFixed(0)} s of the film: killed ${fault.what === 'daemon' ? 'the daemon' : fault.camera}`,
    );
  }

  let brokerAwayMs = 0;
  const brokerLife = (async () => {
    await at(plan.brokerAway.fromMs);
    const from = Date.now();
    await broker.kill();
    progress('the broker is away');
    await at(plan.brokerAway.toMs);
    await broker.start();
    brokerAwayMs = Date.now() - from;
    progress('the broker is back');
  })();
  for (const fault of plan.faults) await strike(fault);
  await brokerLife;
  await cameras.ended;
  progress('the film is over');
  await until(
    'every alert is closed',
    async () => (await place.ask('alerts.list', { open: true, limit: 1 })).alerts.length === 0,
    patienceMs,
  );
  await until('the outbox is empty', async () => (await place.ask('status', {})).outbox.waiting === 0, patienceMs);
  const history = await historyOf(place);
  // What the broker has taken is on its way to the consumer.
  let seen = -1;
  while (consumer.messages.length !== seen) {
    seen = consumer.messages.length;
    await wait(1000);
  }
  over.abort();
  await sampling;
  await daemon.stop();

  const blind = blindnessOf(daemons, faults, options.cameras, begin);
  const messages = alertsIn(consumer);
  const recovery = (what: DoneFault['what']) =>
    blind.filter(({ fault }) => fault?.what === what).map(({ fromMs, toMs }) => toMs - fromMs);
  return {
    verdict: judge({
      visits: plantedVisits(truth, { people: listedPeople, rounds: options.rounds, clocks: cameras.clocks }),
      blind,
      messages: messages.map((message) => ({
        topic: message.late ? 'late' : 'live',
        id: message.id,
        revision: message.revision,
        rule: message.rule,
        person: message.entry?.name ?? '',
        firstSeenAt: message.firstSeenAt,
        lastSeenAt: message.lastSeenAt,
      })),
      history: history.map((alert) => ({
        id: alert.id,
        rule: alert.rule,
        person: alert.entry?.name ?? '',
        firstSeenAt: alert.firstSeenAt,
        lastSeenAt: alert.lastSeenAt,
        open: !alert.steps.some(({ state }) => state === 'closed'),
      })),
      leaveAfterMs,
    }),
    faults,
    brokerAwayMs,
    daemonStarts: daemons.length,
    workerDeaths: daemons.flatMap((one) => one.lines()).filter(({ msg }) => msg === 'worker died' || msg === 'worker failed')
      .length,
    recoveriesMs: { daemon: recovery('daemon'), worker: recovery('worker') },
    analysed: analysedRate(samples, truth.fps),
    frames: frameRates(samples, faults, truth.fps),
    payloadBytes: consumer.messages.filter(({ topic }) => /\/(alerts|late)\//.test(topic)).map(({ text }) => text.length),
    seconds: (performance.now() - started) / 1000,
    blind: blind.map(({ camera, fromMs, toMs }) => ({ camera, fromMs, toMs })),
  };
}
