import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { aborted } from '../core/aborted.ts';
import type { Context } from '../core/context.ts';
import type { Control } from '../core/control.ts';
import type { DemoEvent, DemoFacts, DemoRequest, DemoView } from '../core/demo.ts';
import { errorText, isAbort, isSystemError, SightlineError } from '../core/errors.ts';
import { readTextIfThere } from '../core/read-text.ts';
import { Scope } from '../core/scope.ts';
import { isFree } from './broker.ts';
import { type DemoCameras, startDemoCameras } from './camera.ts';
import { type ChosenBroker, chooseBroker } from './chosen-broker.ts';
import {
  cameraNames,
  isAsWritten,
  type OwnBroker,
  ownBroker,
  passwordVariable,
  renderConfiguration,
  sealed,
  writtenByDemo,
} from './configuration.ts';
import { type AlertListener, startAlertListener } from './listener.ts';
import { ignoredList, listMember, watchedList, watchMember } from './listing.ts';
import { createPlace, type DemoPlace, findDemos, type PlaceWorld, removeDeadDemos, writePrivate } from './place.ts';
import { daemonOf } from './running.ts';
import { memberNamed, readScene, type Scene } from './scene.ts';
import { createTour, followSilences } from './tour.ts';

/**
 * The demo: a film served as RTSP cameras, a broker, the real daemon between them, and a consumer of its alerts. Everything is on
 * loopback and in one directory; what was started is stopped in the opposite order, and a temporary directory goes last.
 */

/** A daemon on a configuration file, as the composition root starts it. */
export interface DemoDaemon extends AsyncDisposable {
  readonly index: DemoFacts['index'];
  readonly engine: string;
  readonly detector: string;
  readonly embedder: string;
  readonly threshold: number;
  /** Address of the HTTP server, if it is on. */
  readonly health: string | undefined;
  /** Of our own RTSP server, if it is open. */
  readonly rtspPort: number | undefined;
}

export interface DemoOptions {
  readonly request: DemoRequest;
  readonly view: DemoView;
  readonly world: PlaceWorld;
  /** The program's own scene and configuration. */
  readonly own: {
    readonly scene: string;
    readonly template: string;
    readonly repository: string;
    /** As the user would type it. */
    readonly program: string;
  };
  /** Name of the user, for the audit trail. */
  readonly actor: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** From now on the log goes to this file too. */
  openLog(file: string): void;
  startDaemon(configFile: string, env: Readonly<Record<string, string | undefined>>): Promise<DemoDaemon>;
  connect(dataDir: string): Control;
}

const preferredRtsp = 8554;
/** Beside `demo.yaml` in a directory that stays. */
const standaloneFile = 'sightline.yaml';
const stopWithinMs = 12_000;
const pollMs = 1000;
const drainPollMs = 100;
/** After the film's end what is under way is still told. */
const drainWithinMs = 8000;
/** Told to stop, what the broker takes at once is not counted as waiting. */
const countWithinMs = 1000;

/** Resolves when the signal fires or the loops are over; rejects when it cannot begin or go on. It has undone itself either way. */
export async function runDemo(options: DemoOptions, ctx: Context): Promise<void> {
  const { view, request } = options;
  const over = new AbortController();
  const running: Context = { ...ctx, signal: AbortSignal.any([ctx.signal, over.signal]) };
  const scope = new Scope({ clock: ctx.clock, log: ctx.log, deadlineMs: stopWithinMs });
  const outcome: Outcome = { alerts: 0, waiting: undefined };
  let ownersBroker: OwnBroker | undefined;
  let place: DemoPlace | undefined;
  try {
    ownersBroker = request.mqtt === undefined ? undefined : ownBroker(request.mqtt, options.env);
    const scene = await readScene(request.scene ?? options.own.scene);
    const watch = [...new Set(request.watch.map((name) => memberNamed(scene.cast, name).name))];
    for (const { name, role } of scene.cast)
      if (role === 'listed' || role === 'ignored' || watch.includes(name)) await scene.photos(name);
    const removed = await removeDeadDemos(options.world);
    if (removed.length > 0) view.show({ kind: 'note', text: `removed what a killed demo had left: ${removed.join(', ')}` });
    await refuseTaken(options, ctx.signal);
    place = scope.use('directory', await createPlace({ keep: request.keep, scene: scene.directory }, options.world, ctx));
    await play({ options, scene, watch, place, ownersBroker, outcome }, scope, running);
  } catch (error) {
    if (!ctx.signal.aborted || !isAbort(error)) throw diskFull(error);
  } finally {
    if (place !== undefined) view.show({ kind: 'stopping' });
    over.abort();
    await scope[Symbol.asyncDispose]();
    if (place !== undefined) {
      const { alerts, waiting } = outcome;
      const stays = whatStays(place, ownersBroker);
      view.show({
        kind: 'stopped',
        alerts,
        program: options.own.program,
        ...stays,
        ...(waiting === undefined ? {} : { waiting }),
      });
    }
  }
}

interface Outcome {
  alerts: number;
  /** Messages that the user's broker had not taken at the end; undefined when there was none. */
  waiting: { readonly messages: number; readonly broker: string } | undefined;
}

/** Undefined is nothing. */
function whatStays(
  { directory, kept }: DemoPlace,
  broker: OwnBroker | undefined,
): Pick<Extract<DemoEvent, { kind: 'stopped' }>, 'kept' | 'configFile' | 'passwordIn' | 'left'> {
  const configFile = join(directory, standaloneFile);
  if (kept) return { kept: directory, ...(existsSync(configFile) ? { configFile, ...passwordIn(broker) } : {}) };
  return existsSync(directory) ? { left: directory } : {};
}

function passwordIn(broker: OwnBroker | undefined): { readonly passwordIn?: string } {
  return broker?.password === undefined ? {} : { passwordIn: passwordVariable };
}

function diskFull(error: unknown): unknown {
  if (!isSystemError(error, 'ENOSPC')) return error;
  return new SightlineError('demo.failed', 'the demo cannot go on: the disk is full', { cause: error });
}

/** Before anything is written there: a daemon would take what this demo writes for changes of its own configuration. */
async function refuseTaken({ request: { keep }, world, connect }: DemoOptions, signal: AbortSignal): Promise<void> {
  if (keep === undefined) return;
  const place = await realPath(keep);
  for (const { owner, alive } of await findDemos(world)) {
    if (!alive || (await realPath(owner.directory)) !== place) continue;
    throw new SightlineError('daemon.running', `a demo runs on ${keep} already: process ${owner.pid}`);
  }
  // One of another user or container, or no demo at all.
  const pid = await daemonOf(connect(join(place, 'data')), signal);
  if (pid !== undefined) throw new SightlineError('daemon.running', `${keep} is in use by process ${pid}`);
}

async function realPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR') || isSystemError(error, 'EACCES')) return path;
    throw error;
  }
}

interface Stage {
  readonly options: DemoOptions;
  readonly scene: Scene;
  readonly watch: readonly string[];
  readonly place: DemoPlace;
  /** Undefined: the embedded one. */
  readonly ownersBroker: OwnBroker | undefined;
  readonly outcome: Outcome;
}

async function play(stage: Stage, scope: Scope, ctx: Context): Promise<void> {
  const { options, scene, place } = stage;
  const { request, view } = options;
  options.openLog(place.logFile);

  const broker = await chooseBroker(
    { view, env: options.env, own: stage.ownersBroker, earlier: join(place.directory, standaloneFile) },
    scope,
    ctx,
  );
  const cameras = scope.use('cameras', await startCameras(stage, ctx));
  const onAlert = () => {
    stage.outcome.alerts += 1;
  };
  const tour = createTour({ view, place, finite: request.loops !== undefined, onAlert });
  const listener = scope.use(
    'consumer of alerts',
    startAlertListener({ ...broker.consumer, cameras: [...cameras.urls.keys()], ...tour.listener(broker.address) }, ctx),
  );
  const daemon = scope.use('daemon', await startDaemon(stage, broker, cameras));
  const control = options.connect(place.dataDir);
  if (broker.address.own) scope.use('count of what waits', countedAtEnd(stage, control, broker, ctx));
  const { listed, ignored } = await listCast(stage, control, ctx.signal);
  const viewer =
    daemon.health === undefined ? undefined : { url: daemon.health, ...(await makeLogin(stage, control, ctx.signal)) };

  const facts: DemoFacts = {
    program: options.own.program,
    cast: scene.cast,
    listed,
    ignored,
    index: daemon.index,
    engine: daemon.engine,
    detector: daemon.detector,
    embedder: daemon.embedder,
    threshold: daemon.threshold,
    broker: broker.address,
    baseTopic: broker.baseTopic,
    cameras: [...cameras.urls.values()],
    directory: place.directory,
    dataDir: place.dataDir,
    log: place.logFile,
    ...(daemon.health === undefined ? {} : { health: daemon.health }),
    ...(viewer === undefined ? {} : { viewer }),
    ...(daemon.rtspPort === undefined ? {} : { stream: `rtsp://127.0.0.1:${daemon.rtspPort}/lobby` }),
    ...(place.kept ? { configFile: join(place.directory, standaloneFile), ...passwordIn(stage.ownersBroker) } : {}),
  };
  tour.begin(facts);
  cameras.play();
  void takeNames(stage, control, ctx);
  scope.use('ledger', followSilences(view, control, ignored, ctx));

  const reason = await Promise.race([cameras.ended, aborted(ctx.signal)]);
  ctx.signal.throwIfAborted();
  if (reason !== undefined) throw new SightlineError('demo.failed', `the demo's camera ended: ${reason}`);
  if (request.loops === undefined) throw new SightlineError('demo.failed', "the demo's camera ended by itself");
  await drain(control, listener, ctx);
}

/** Asked before the daemon stops: how many messages the broker has not taken. */
function countedAtEnd({ outcome }: Stage, control: Control, broker: ChosenBroker, { clock }: Context): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () => {
      using limit = clock.deadline(countWithinMs);
      try {
        do {
          const { outbox } = await control.call('status', {}, limit.signal);
          outcome.waiting = outbox.waiting === 0 ? undefined : { messages: outbox.waiting, broker: broker.address.url };
          if (outcome.waiting === undefined) return;
          await clock.sleep(drainPollMs, limit.signal);
        } while (!limit.signal.aborted);
      } catch (error) {
        if (!limit.signal.aborted) throw error;
      }
    },
  };
}

function startCameras({ options, scene }: Stage, ctx: Context): Promise<DemoCameras> {
  const { request } = options;
  return startDemoCameras(
    {
      film: scene.film,
      names: cameraNames(request.cameras),
      port: 0,
      ...(request.loops === undefined ? {} : { loops: request.loops }),
    },
    ctx,
  );
}

/** Its own streams are where they are without a demo, if nobody else's are. */
async function startDaemon(stage: Stage, broker: ChosenBroker, cameras: DemoCameras): Promise<DemoDaemon> {
  const { options } = stage;
  const start = async (rtspPort: number) =>
    options.startDaemon(await writeConfiguration(stage, broker, cameras, rtspPort), broker.env);
  const free = await isFree(preferredRtsp);
  let daemon = await start(free ? preferredRtsp : 0);
  // Another one may have taken it in between.
  if (free && daemon.rtspPort === undefined && !(await isFree(preferredRtsp))) {
    await daemon[Symbol.asyncDispose]();
    daemon = await start(0);
  }
  const { rtspPort } = daemon;
  if (rtspPort !== undefined && rtspPort !== preferredRtsp)
    options.view.show({ kind: 'note', text: `port ${preferredRtsp} is taken: the RTSP of Sightline is on ${rtspPort}` });
  return daemon;
}

/** Gives the file that the demo runs on. In a directory that stays another one works without the demo, playing the film by itself. */
async function writeConfiguration(
  { options, scene, place }: Stage,
  { settings, address, baseTopic }: ChosenBroker,
  cameras: DemoCameras,
  rtspPort: number,
): Promise<string> {
  const path = scene.template ?? options.own.template;
  const template = await readFile(path, 'utf8');
  const common = { baseTopic, dataDir: place.dataDir, repository: options.own.repository, rtspPort };
  const streams = new Map([...cameras.urls].map(([name, source]) => [name, { source, film: false }]));
  const comment = `${writtenByDemo} for itself; its cameras and its broker are there while it runs.`;
  await writePrivate(
    place.configFile,
    renderConfiguration(template, path, { ...common, comment, broker: settings, cameras: streams }),
  );
  if (place.kept) {
    const films = new Map([...cameras.urls.keys()].map((name) => [name, { source: scene.film, film: true }]));
    const standalone = renderConfiguration(template, path, {
      ...common,
      comment: `${writtenByDemo} --keep: the same without the demo. The film comes from the file; sightline run THIS FILE.`,
      broker: address.own ? settings : undefined,
      cameras: films,
    });
    const file = join(place.directory, standaloneFile);
    const before = await readTextIfThere(file);
    if (before === undefined || isAsWritten(before)) await writePrivate(file, sealed(standalone));
    else options.view.show({ kind: 'note', text: `${file} was changed since a demo wrote it: it is left as it is` });
  }
  return place.configFile;
}

/** Everybody listed is enrolled, and who is to be ignored; what an earlier run in a kept directory listed stays. Gives who is on both lists. */
async function listCast(
  { options, scene, watch }: Stage,
  control: Control,
  signal: AbortSignal,
): Promise<{ readonly listed: readonly string[]; readonly ignored: readonly string[] }> {
  const { actor } = options;
  const listed = [...new Set([...scene.cast.filter(({ role }) => role === 'listed').map(({ name }) => name), ...watch])];
  for (const name of listed) await listMember(control, scene, { name, list: watchedList, actor }, signal);
  const { entries: before } = await control.call('watchlist.list', { list: watchedList }, signal);
  const watched = new Set(before.map(({ entry }) => entry.name));
  const ignored = scene.cast.filter(({ role, name }) => role === 'ignored' && !watched.has(name)).map(({ name }) => name);
  for (const name of ignored) await listMember(control, scene, { name, list: ignoredList, actor }, signal);
  return { listed: [...watched], ignored };
}

/** An admin for the pages; in a directory that stays, one of an earlier run gets a new password. */
async function makeLogin(
  { options }: Stage,
  control: Control,
  signal: AbortSignal,
): Promise<{ readonly user: string; readonly password: string }> {
  const { actor } = options;
  const user = 'demo';
  const password = randomBytes(9).toString('base64url');
  const { users } = await control.call('users.list', {}, signal);
  if (users.some((known) => known.user === user)) await control.call('users.passwd', { user, password, actor }, signal);
  else await control.call('users.add', { user, password, role: 'admin', actor }, signal);
  return { user, password };
}

/** After the last frame: until the cameras have noticed and every message has left, or for a while. */
async function drain(control: Control, listener: AlertListener, ctx: Context): Promise<void> {
  const end = ctx.clock.mono() + drainWithinMs;
  while (ctx.clock.mono() < end) {
    const { outbox } = await control.call('status', {}, ctx.signal);
    if (listener.live.size === 0 && outbox.waiting === 0) break;
    await ctx.clock.sleep(drainPollMs, ctx.signal);
  }
  await ctx.clock.sleep(pollMs, ctx.signal); // one more look at the ledger
}

/** Names that the user types are listed one after the other. */
async function takeNames({ options, scene }: Stage, control: Control, ctx: Context): Promise<void> {
  const { view, actor } = options;
  try {
    for await (const line of view.names ?? []) {
      if (ctx.signal.aborted) return;
      if (line.trim() === '') continue;
      try {
        view.show({ kind: 'note', text: await watchMember(control, scene, line, actor, ctx.signal) });
      } catch (error) {
        if (ctx.signal.aborted) return;
        view.show({ kind: 'warning', text: errorText(error) });
      }
    }
  } catch (error) {
    if (!ctx.signal.aborted) view.show({ kind: 'warning', text: `names are not read any more: ${errorText(error)}` });
  }
}
