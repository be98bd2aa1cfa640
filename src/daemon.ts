import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type AlertRoom, startAlerts } from './alerts/history.ts';
import type { AlertRules } from './alerts/settings.ts';
import { startBridge } from './bridge/server.ts';
import { cameraFates } from './composition/camera-fates.ts';
import { createCameraFigures } from './composition/camera-figures.ts';
import { createCameraHealth } from './composition/camera-health.ts';
import { createCameraOutages } from './composition/camera-outages.ts';
import { createCameraStates, type FailedCamera } from './composition/camera-states.ts';
import { startConfigWatching } from './composition/config-watching.ts';
import { createContainers } from './composition/containers.ts';
import { createControlHandlers } from './composition/control-handlers.ts';
import { tellWorkers } from './composition/door-workers.ts';
import { createEpochs } from './composition/epochs.ts';
import { createEventFeed } from './composition/event-feed.ts';
import { startKeep } from './composition/keep.ts';
import { matchCrops } from './composition/matching.ts';
import { startServedModels } from './composition/served-models.ts';
import { startSlowLoop } from './composition/slow-loop.ts';
import { createSourceEnds } from './composition/source-ends.ts';
import { createUserHandlers } from './composition/user-handlers.ts';
import { newTicketKey, startVideo, type Video } from './composition/video.ts';
import { watchlistCounts, watchlistPart } from './composition/watchlist-part.ts';
import type { Web } from './composition/web.ts';
import { createWorkerLink } from './composition/worker-link.ts';
import { modelsInUse } from './config/check-inference.ts';
import type { Config } from './config/schema.ts';
import type { Clock } from './core/clock.ts';
import { type Context, childContext } from './core/context.ts';
import type { PartState, ReloadView, StatusView } from './core/control.ts';
import { errorText } from './core/errors.ts';
import { FloodGate } from './core/log.ts';
import { bridgeSocket, makeRunFolder } from './core/run-folder.ts';
import { Scope } from './core/scope.ts';
import type { CropKind, MatchKind } from './core/types.ts';
import { startAccounts } from './http/auth/accounts.ts';
import { blurFaces } from './models/blur.ts';
import type { DaemonState } from './outputs/output.ts';
import { startOutputs } from './outputs/outputs.ts';
import { seeFrame } from './pipeline.ts';
import { createCandidates } from './tracks/candidates.ts';
import { createTracks } from './tracks/tracks.ts';
import { createProcessLauncher } from './workers/process.ts';
import { startSupervisor } from './workers/supervisor.ts';

/**
 * The composition root: starts each room with its slice of the configuration, introduces them to each other and stops them in the
 * opposite order, sources first, so that the last alert still leaves.
 */
export interface DaemonOptions {
  readonly config: Config;
  /** Watched and loaded again at a reload. */
  readonly configFile: string;
  /** Loads and checks `configFile`; rejects with `ConfigError`. */
  readonly loadConfig: () => Promise<Config>;
  readonly version: string;
}

export interface Daemon extends AsyncDisposable {
  /** Where health and metrics are; undefined when HTTP is off. */
  readonly http: { readonly host: string; readonly port: number } | undefined;
  /** Of our own RTSP server, as it is now; undefined while it is not open. */
  readonly rtspPort: number | undefined;
  /** What searches and what runs the networks, and the cosines from which a sighting speaks for an entry, as it is now. */
  readonly facts: {
    readonly index: { readonly kind: string; readonly reason?: string };
    readonly engine: string;
    readonly thresholds: Readonly<Record<MatchKind, number>>;
  };
  reload(): Promise<ReloadView>;
  /**
   * Resolves when every camera is over (a file that does not loop was played, or the camera has failed) and everything decided has
   * been stored; gives those that have failed.
   */
  readonly finished: Promise<readonly FailedCamera[]>;
}

/** A daemon is given 8 s to stop; workers take the most of it. */
const stopWithinMs = 8000;
const batchSize = 32;
const sweepEveryMs = 10 * 60_000;

export async function startDaemon(options: DaemonOptions, ctx: Context): Promise<Daemon> {
  const scope = new Scope({ clock: ctx.clock, log: ctx.log, deadlineMs: stopWithinMs });
  try {
    return await compose(options, scope, ctx);
  } catch (error) {
    await scope[Symbol.asyncDispose]();
    throw error;
  }
}

async function compose(options: DaemonOptions, scope: Scope, ctx: Context): Promise<Daemon> {
  const { clock, log } = ctx;
  const startedAt = clock.now();
  let config = options.config;
  const flood = scope.use('log', new FloodGate(log, clock));
  const keep = scope.use('keep', await startKeep(config, ctx));
  const { store, recognition, watchlist } = keep;
  const accounts = scope.use('accounts', await startAccounts(store, ctx));
  const outputs = scope.use('outputs', await startOutputs(config, { outbox: store.outbox, version: options.version }, ctx));
  const feed = createEventFeed(ctx.metrics);
  const figures = createCameraFigures(clock);
  let video: Video | undefined;

  const alertRules = (): AlertRules => ({
    rules: config.alerts,
    lists: config.lists,
    cameras: config.cameras,
    leaveAfterMs: config.alerting.leaveAfter,
    updateEveryMs: config.alerting.updateEvery,
    thresholds: keep.thresholds(config.models),
    outputs: outputs.names,
  });
  const alerts: AlertRoom = scope.use(
    'alerts',
    await startAlerts(
      {
        ...alertRules(),
        newId: randomUUID,
        isListed: (entryId) => watchlist.has(entryId),
        store: store.alerts,
        publish: {
          stored: (events, rows) => {
            outputs.notify(rows);
            feed.push(events);
            video?.alerts(events);
          },
          unstored: (events) => {
            outputs.notifyUnstored(events);
            feed.push(events);
          },
        },
        hideFaces: (jpeg, faces) => (config.snapshot.others === 'show' ? Promise.resolve(jpeg) : blurFaces(jpeg, faces)),
        onLabel: (track, label) => link.label(track, label, config.lists),
      },
      childContext(ctx, { room: 'alerts' }),
    ),
  );
  keep.onRemove((entry) => alerts.removeEntry(entry.id));
  keep.onErased(() => outputs.refresh());

  const tracks = createTracks();
  scope.use('tracks', {
    [Symbol.dispose]: () => alerts.stop(Object.keys(config.cameras).flatMap((camera) => tracks.endCamera(camera))),
  });
  const candidates = createCandidates({ cameras: config.cameras, decided: (track) => alerts.label(track).decided });
  const unsearched = ctx.metrics.counter(
    'sightline_search_failures_total',
    'Batches that could not be compared with the watchlist',
  );
  const loop = scope.use(
    'recognition loop',
    startSlowLoop(
      {
        tracks,
        candidates,
        alerts,
        batchSize,
        embed: recognition.embed,
        match: async (crops) => {
          try {
            return await matchCrops(watchlist, crops, Math.max(2, config.mqtt.topK));
          } catch (error) {
            unsearched.inc();
            flood.warn('crops were not compared with the watchlist', { reason: errorText(error) });
            return [];
          }
        },
      },
      ctx,
    ),
  );

  const outages = createCameraOutages(startedAt);
  const cameraHealth = createCameraHealth(ctx.metrics);
  const cameras = createCameraStates(
    (camera, state) => {
      outages.note(camera, state, clock.now());
      cameraHealth.note(camera, state);
      outputs.publishCameraState(camera, state);
      video?.state(camera, state);
      feed.pushCamera(camera, state);
      if (state === undefined) figures.forget(camera);
      log.info({ camera, ...(state ?? { state: 'removed' }) }, 'camera state');
    },
    (camera, state) => feed.pushCamera(camera, state),
  );
  const finished = Promise.withResolvers<readonly FailedCamera[]>();
  const enabledCameras = () => Object.keys(config.cameras).filter((camera) => config.cameras[camera]?.enabled);
  cameras.configure(enabledCameras(), clock.now());
  outputs.clearOtherCameras();

  const sourceEnds = createSourceEnds({
    loop,
    cameras,
    tracks,
    candidates,
    alerts,
    allOver: () => finished.resolve(cameras.failed()),
  });

  const served = scope.use(
    'served models',
    startServedModels(keep.engine, () => modelsInUse(config), ctx),
  );
  const epochs = createEpochs(store, flood, ctx.metrics);
  await makeRunFolder(config.dataDir);
  const bridge = scope.use(
    'bridge',
    await startBridge(
      {
        socketPath: bridgeSocket(config.dataDir),
        sink: {
          frame: (frame) => {
            seeFrame(loop.stages, frame);
            video?.see(frame);
            figures.frame(frame);
          },
          cameraState: (camera, _epoch, state) => {
            cameras.set(camera, state);
            if (state.state === 'away') sourceEnds.away(camera);
            if (state.state === 'ended' || state.state === 'failed') void sourceEnds.over(camera);
          },
          stats: (worker, stats) => {
            link.stats(worker, stats);
            figures.stats(stats);
            served.stats(worker, stats.served);
          },
          epoch: (camera) => epochs.next(camera),
        },
      },
      childContext(ctx, { room: 'bridge' }),
    ),
  );
  const link = tellWorkers(createWorkerLink(bridge, config.inference, ctx.metrics), (workers) => video?.workers(workers));
  const ticketKey = newTicketKey();
  if (config.media.enabled)
    video = scope.use(
      'video',
      await startVideo(
        {
          config,
          keep,
          ticketKey,
          label: (track) => alerts.label(track),
          onWant: (camera, annotated) => link.wantVideo(camera, annotated),
          users: accounts,
        },
        childContext(ctx, { room: 'video' }),
      ),
    );
  for (const { camera, state } of cameras.entries()) video?.state(camera, state);
  const workersContext = childContext(ctx, { room: 'workers' });
  const inferenceReady = () => keep.engine.servers?.().some(({ state }) => state === 'ready') ?? true;
  const containers = await createContainers(
    { config, engine: keep.engine, inferenceReady, version: options.version },
    workersContext,
  );
  const supervisor = scope.use(
    'workers',
    await startSupervisor(
      {
        desired: await containers.desired(config.cameras),
        link,
        launchers: {
          deepstream: containers.launcher,
          software: createProcessLauncher({
            bridgePath: bridge.socketPath,
            dataDir: config.dataDir,
            ...(video === undefined ? {} : { mediaPath: video.mediaPath }),
          }),
        },
        inferenceReady,
        ...cameraFates({ cameras, sourceEnds, now: () => clock.now() }),
      },
      workersContext,
    ),
  );

  const kinds = () => {
    const used = new Set<CropKind>(Object.values(config.cameras).flatMap(({ recognise }) => recognise));
    return [...used];
  };
  void recognition.warm(kinds());

  const watch = scope.use(
    'configuration',
    startConfigWatching(
      {
        file: options.configFile,
        config,
        load: options.loadConfig,
        apply: async (next) => {
          config = next;
          log.level = next.logLevel;
          watchlist.configure({
            lists: next.lists,
            thresholds: mapThresholds(keep.thresholds(next.models)),
          });
          outputs.configure(next);
          alerts.configure(alertRules());
          candidates.configure(next.cameras);
          const shown = video?.configure(next);
          for (const camera of cameras.configure(enabledCameras(), clock.now())) {
            link.forgetCamera(camera);
            const changes = tracks.endCamera(camera);
            candidates.see(changes);
            alerts.endSource(camera, changes);
          }
          supervisor.apply(await containers.desired(next.cameras));
          await shown;
        },
      },
      ctx,
    ),
  );

  /** Asked for by somebody: what has failed is tried again too, whatever the file says. */
  const reload = async (trigger: 'signal' | 'control'): Promise<ReloadView> => {
    const view = await watch.reload(trigger);
    supervisor.retryFailed();
    return view;
  };

  const parts = (): readonly PartState[] => [
    { name: 'store', ready: store.state === 'ready', ...(store.reason === undefined ? {} : { reason: store.reason }) },
    watchlistPart(watchlist.health),
    ...keep.erasing.parts(),
    ...recognition.parts(),
    ...link.parts(),
    loop.part(),
    ...[...outputs.states()].map(([name, state]) => ({
      name: `output ${name}`,
      ready: state.state === 'connected' && state.reason === undefined,
      ...('reason' in state && state.reason !== undefined ? { reason: state.reason } : {}),
    })),
    ...(video?.parts() ?? []),
    ...cameras.parts(),
  ];
  const status = async (): Promise<StatusView> => ({
    version: options.version,
    pid: process.pid,
    startedAt,
    configFile: options.configFile,
    parts: parts(),
    cameras: cameras.entries(),
    watchlist: watchlistCounts(watchlist.health),
    alerts: { open: alerts.sizes.episodes },
    outbox: await store.outbox.counts(),
    ...served.status(),
    ...link.status(),
    ...(watch.last === undefined ? {} : { lastReload: watch.last }),
  });
  // Loaded while the workers start.
  const [{ startControlServer }, { startWeb }] = await Promise.all([
    import('./http/control.ts'),
    import('./composition/web.ts'),
  ]);
  let web: Web | undefined;
  const control = createControlHandlers({
    keep,
    users: createUserHandlers({ accounts, pages: () => web?.pages }),
    now: () => clock.now(),
    running: { alerts, feed, outages, reload: () => reload('control'), status },
  });
  scope.use('control', await startControlServer({ socketPath: join(config.dataDir, 'control.sock'), handlers: control }, ctx));
  web = config.http.enabled
    ? scope.use(
        'http',
        await startWeb(
          {
            http: config.http,
            accounts,
            ticketKey,
            video,
            keep,
            control,
            feed,
            figures,
            config: () => config,
            cameras: () => cameras.entries(),
            status,
            parts,
          },
          childContext(ctx, { room: 'http' }),
        ),
      )
    : undefined;
  scope.use(
    'retention',
    clock.every(sweepEveryMs, async () => {
      if (!keep.erasing.allowed()) return;
      const { alerts: alertsMs, snapshots: snapshotsMs, ledger: ledgerMs, audit: auditMs } = config.retention;
      try {
        await store.sweep(clock.now(), { alertsMs, snapshotsMs, ledgerMs, auditMs });
      } catch (error) {
        flood.warn('retention could not be kept', { reason: errorText(error) });
      }
    }),
  );
  scope.use('health', startHealth(parts, outputs, clock));
  log.info(
    {
      cameras: enabledCameras().length,
      entries: watchlist.health.entries,
      index: watchlist.health.index.kind,
      engine: keep.engine.name,
    },
    'sightline is watching',
  );

  return {
    http: web?.address,
    get rtspPort() {
      return video?.door.ready?.rtspPort;
    },
    get facts() {
      return {
        index: watchlist.health.index,
        engine: keep.engine.name,
        thresholds: mapThresholds(keep.thresholds(config.models)),
      };
    },
    reload: () => reload('signal'),
    finished: finished.promise,
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
}

/** Says on the outputs whether everything works, whenever that changes. */
function startHealth(
  parts: () => readonly PartState[],
  outputs: { publishDaemonState(state: DaemonState): void },
  clock: Clock,
): Disposable {
  let said: string | undefined;
  return clock.every(1000, () => {
    const problems = parts()
      .filter(({ ready, name }) => !ready && !name.startsWith('output '))
      .map(({ name, reason }) => (reason === undefined ? name : `${name}: ${reason}`));
    const state: DaemonState = { health: problems.length === 0 ? 'ok' : 'degraded', problems };
    const text = JSON.stringify(state);
    if (text === said) return;
    said = text;
    outputs.publishDaemonState(state);
  });
}

function mapThresholds(thresholds: ReturnType<Awaited<ReturnType<typeof startKeep>>['thresholds']>): Record<MatchKind, number> {
  return {
    face: thresholds.face.open,
    appearance: thresholds.appearance.open,
    description: thresholds.description.open,
  };
}
