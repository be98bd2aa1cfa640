import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { statusMessage } from '../../src/outputs/topics.ts';
import { hasMosquitto } from '../support/broker.ts';
import { alertsIn, kill, patience, statesIn, workerOf } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { busyProcesses, limitDescriptors, type Night, startNight } from '../support/night.ts';
import { installedProgram } from '../support/programs.ts';
import { until } from '../support/until.ts';

const skip =
  missingTool(hasMosquitto, 'mosquitto') ||
  missingTool(installedProgram('ffmpeg'), 'ffmpeg') ||
  missingTool(installedProgram('prlimit'), 'prlimit');

const mayAll = ['topic readwrite #'];
const hourMs = 3_600_000;
/** What a camera says of a machine that is busy: how busy it is, nobody can tell beforehand. */
const lateWords = /\d+\.\d+ of \d+\.\d+ frames a second are looked at: this machine has no time for more$/;

describe('one daemon through a night of faults, never started again', { skip, concurrency: 1 }, () => {
  let night: Night;
  let undurable: readonly string[] = [];
  before(async () => {
    night = await startNight({ acl: mayAll });
  });
  after(() => night?.[Symbol.asyncDispose]());

  let open: string | undefined;
  /** A fault that has not healed takes the tests after it along, at once instead of by their patience. */
  function fault(name: string, test: (t: TestContext) => Promise<void>): void {
    it(name, async (t) => {
      assert.equal(open, undefined, 'an earlier fault has not healed');
      open = name;
      await test(t);
      open = undefined;
    });
  }

  fault('broker down at the start: said, and alerts leave once it is there', async () => {
    await night.broker.kill();
    await night.start();
    await night.trouble(/^output mqtt: broker closed the connection before it answered/);
    assert.equal(await night.daemon.metric('sightline_output_connected{output="mqtt"}'), 0);
    await night.daemon.told('mqtt broker is away', { level: 'warn' });
    await until('alerts wait', async () => (await night.place.ask('status', {})).outbox.waiting >= 2, patience);
    // Whoever listens is there before the daemon.
    night.proxy.refuse = true;
    await night.broker.start();
    await night.listener.subscribed();
    night.proxy.refuse = false;
    await night.bothAgain();
    await night.healed();
    assert.equal(await night.daemon.metric('sightline_output_connected{output="mqtt"}'), 1);
    night.assertCalm();
  });

  fault('connection cut after PUBLISH and before PUBACK: sent again under the same dedupe', async () => {
    const lost = 'sightline_output_retries_total{output="mqtt",reason="connection lost"}';
    const before = await night.daemon.metric(lost);
    const known = alertsIn(night.listener).length;
    const { unheard } = night.proxy;
    night.proxy.deafAfter = '/v1/alerts/';
    await until('the broker has it and has said so', () => night.proxy.unheard > unheard, patience);
    night.proxy.cut();
    night.proxy.deafAfter = undefined;
    const repeated = () =>
      [...Map.groupBy(alertsIn(night.listener).slice(known), ({ dedupe }) => dedupe)].find(([, same]) => same.length >= 2);
    const [dedupe, said] = await until('it is sent again', repeated, patience);
    assert.deepEqual(new Set(said.map(({ id, revision }) => `${id}/${revision}`)), new Set([dedupe]));
    assert.ok((await night.daemon.metric(lost)) > before);
    const statuses = night.listener.messages
      .filter(({ topic }) => topic === 'sightline/v1/status')
      .map(({ text }) => statusMessage.parse(JSON.parse(text)));
    assert.ok(
      statuses.some(({ state, reason }) => state === 'offline' && reason === 'connection_lost'),
      'its last will came before',
    );
    await night.healed();
    night.assertCalm();
  });

  fault('slow broker: alerts take as long as it does, and nothing else happens', async () => {
    night.proxy.delayMs = 1500;
    const waiting = 'sightline_output_waiting{output="mqtt"}';
    await until('messages wait', async () => (await night.daemon.metric(waiting)) > 0, patience);
    await night.bothAgain();
    assert.deepEqual(await night.troubles(), []);
    const quick = 'sightline_output_acknowledged_seconds_bucket{le="1",output="mqtt"}';
    const all = 'sightline_output_acknowledged_seconds_count{output="mqtt"}';
    const slow = async () => (await night.daemon.metric(all)) - (await night.daemon.metric(quick));
    await until('the metric shows it', async () => (await slow()) >= 2, patience);
    night.proxy.delayMs = 0;
    night.assertCalm();
  });

  fault('topic refused: said by name, the alerts are in history, and the next one that is allowed heals it', async () => {
    night.broker.allow(['topic read #', 'topic readwrite sightline/v1/+/yard/#', 'topic readwrite sightline/v1/alerts/yard']);
    await night.trouble(/^output mqtt: the broker refuses messages to sightline\/v1\/alerts\/lobby: not authorized$/);
    const refused = await night.daemon.told('alert message given up', { level: 'error', reason: 'not authorized' });
    assert.ok((await night.history()).includes(String(refused['alert'])));
    assert.ok((await night.daemon.metric('sightline_output_dead_letters_total{output="mqtt",reason="not authorized"}')) >= 1);
    const before = night.opened('ben').length;
    await until('alerts of the other camera', () => night.opened('ben').length > before, patience);
    night.broker.allow(mayAll);
    await night.bothAgain();
    await night.healed();
    night.assertCalm();
  });

  fault('store thread dies: it is started again, and alerts are kept as before', async () => {
    const before = await night.daemon.metric('sightline_store_restarts_total');
    await night.endThread('store');
    await until('it is back', async () => (await night.daemon.metric('sightline_store_restarts_total')) > before, patience);
    await night.daemon.told('store thread ended', { level: 'error' });
    await night.healed();
    await night.bothAgain();
    night.assertCalm();
  });

  fault('search thread dies: the index is built again, and people are found', async () => {
    await night.endThread('vectors');
    const metric = 'sightline_watchlist_index_restarts_total';
    await until('it is back', async () => (await night.daemon.metric(metric)) === 1, patience);
    await night.daemon.told('vector index ended', { level: 'error' });
    await night.healed();
    await night.bothAgain();
    night.assertCalm();
  });

  fault('inference thread dies: it is started again with its models, and people are found', async () => {
    await night.endThread('inference');
    await until('it is back', () => night.daemon.said('inference thread is back'), patience);
    await night.daemon.told('inference thread died', { level: 'warn' });
    assert.equal(await night.daemon.metric('sightline_inference_thread_deaths_total'), 1);
    await night.healed();
    await night.bothAgain();
    night.assertCalm();
  });

  for (const [signal, reason] of [
    ['SIGKILL', 'it was ended by SIGKILL'],
    ['SIGSTOP', '3 pings in a row were not answered'],
  ] as const) {
    fault(`worker ended by ${signal}: its camera is away for a moment, the other one notices nothing`, async () => {
      const restarts = 'sightline_worker_restarts_total{worker="software-inside"}';
      const before = await night.daemon.metric(restarts);
      const from = statesIn(night.listener, 'lobby').length;
      const worker = workerOf(night.place.dataDir, 'inside');
      const other = workerOf(night.place.dataDir, 'outside');
      assert.ok(worker !== undefined && other !== undefined);
      kill(worker, signal);
      await night.trouble(new RegExp(`^camera lobby: away: its worker is started again: ${reason}$`));
      await night.healed();
      // How late a busy machine is may change before and after.
      const states = () =>
        statesIn(night.listener, 'lobby')
          .slice(from)
          .map((state) => `${state?.state}: ${state?.reason ?? ''}`.replace(lateWords, ''))
          .filter((state, index, all) => state !== (all[index - 1] ?? 'live: '));
      await until('the camera is live', () => states().at(-1) === 'live: ', patience);
      assert.deepEqual(states(), [`away: its worker is started again: ${reason}`, 'live: ']);
      assert.equal(await night.daemon.metric(restarts), before + 1);
      await night.daemon.told('worker died', { level: 'warn', worker: 'software-inside' });
      assert.equal(workerOf(night.place.dataDir, 'outside'), other);
      await night.bothAgain();
      night.assertCalm();
    });
  }

  fault('store full: alerts are told from memory and say so, and are kept again once there is room', async (t) => {
    if (typeof night.disk === 'string') return t.skip(night.disk);
    const { disk } = night;
    // A clip that could not be written to its end is deleted and leaves room once more, as what expires does.
    const fullAgain = async () => {
      disk.fill();
      return (await night.place.ask('status', {})).parts.some(({ name, reason }) => name === 'store' && reason === 'full');
    };
    await until('the store is full', fullAgain, patience);
    assert.equal(await night.daemon.metric('sightline_store_ready'), 0);
    const from = alertsIn(night.listener).length;
    const untold = () =>
      alertsIn(night.listener)
        .slice(from)
        .filter(({ durable }) => !durable);
    for (const name of ['ada', 'ben'])
      await until(
        `${name} is told of`,
        () => {
          disk.fill();
          return untold().some(({ entry, state }) => entry?.name === name && state === 'opened');
        },
        patience,
      );
    assert.ok((await night.daemon.metric('sightline_alert_unstored_total')) >= 2);
    await night.daemon.told('disk is full, alerts are not kept until there is space', { level: 'error' });
    await until(
      'the state says so',
      () =>
        night.listener.messages.some(
          ({ topic, text }) =>
            topic === 'sightline/v1/status' && statusMessage.parse(JSON.parse(text)).problems?.includes('store: full'),
        ),
      patience,
    );
    night.disk.clear();
    await night.healed();
    const known = alertsIn(night.listener).length;
    const isKept = () =>
      alertsIn(night.listener)
        .slice(known)
        .some(({ durable, state }) => durable && state === 'opened');
    await until('an alert is kept again', isKept, patience);
    // What was told from memory may still have been on its way when all was well again.
    undurable = untold().map(({ id }) => id);
    await night.bothAgain();
    night.assertCalm();
  });

  fault('wall clock set an hour ahead, and an hour back: people who come are told of live, once', async () => {
    const from = alertsIn(night.listener).length;
    for (const ms of [hourMs, 0]) {
      night.moveClock(ms);
      await night.bothAgain();
      const { decided } = alertsIn(night.listener).at(-1)?.times ?? assert.fail('nobody was told of');
      assert.ok(Math.abs(decided - Date.now() - ms) < hourMs / 2, 'the daemon lives by the new time');
    }
    const alerts = alertsIn(night.listener).slice(from);
    assert.deepEqual(
      alerts.filter(({ late }) => late),
      [],
    );
    for (const [dedupe, same] of Map.groupBy(alerts, (alert) => alert.dedupe)) assert.equal(same.length, 1, dedupe);
    const reasons = alerts.filter(({ state }) => state === 'closed').map(({ steps }) => steps.at(-1)?.reason);
    assert.deepEqual(new Set(reasons), new Set(['left']));
    assert.deepEqual(await night.troubles(), []);
    night.assertCalm();
  });

  fault('no file descriptors left: what is open goes on, the rest is said and comes back by itself', async () => {
    const { pid } = night.daemon;
    const worker = workerOf(night.place.dataDir, 'inside');
    assert.ok(worker !== undefined);
    const told = (message: string, fields: object) => until(message, () => night.daemon.said(message, { ...fields }), patience);
    const walks = () => night.daemon.lines().filter(({ msg, camera }) => msg === 'camera live' && camera === 'yard').length;
    const before = walks();
    const restarts = 'sightline_worker_restarts_total{worker="software-inside"}';
    const connections = 'sightline_output_connections_total{output="mqtt"}';
    const counted = [await night.daemon.metric(restarts), await night.daemon.metric(connections)] as const;
    const limitedAt = Date.now();
    limitDescriptors(pid, 3);
    try {
      kill(worker, 'SIGKILL');
      night.proxy.cut();
      const reason = 'no file descriptors are left; raise the limit (LimitNOFILE, ulimit -n)';
      await told('mqtt broker is away', { reason });
      const away = `its worker is started again: worker software-inside cannot be started: ${reason}`;
      await told('camera state', { camera: 'lobby', state: 'away', reason: away });
      await told('memory of the workers cannot be read', { reason });
      // Its file begins anew with each walk past it.
      await until('ben has come and gone', () => walks() >= before + 2, patience);
    } finally {
      limitDescriptors(pid, 4096);
    }
    const freedAt = Date.now();
    await night.healed();
    await night.bothAgain();
    assert.ok((await night.daemon.metric(restarts)) >= counted[0] + 2);
    assert.ok((await night.daemon.metric(connections)) > counted[1]);
    const { alerts } = await night.place.ask('alerts.list', { from: limitedAt, to: freedAt });
    assert.ok(
      alerts.some(({ camera, decidedAt }) => camera === 'yard' && decidedAt >= limitedAt && decidedAt <= freedAt),
      'the other camera went on',
    );
    night.assertCalm();
  });

  fault('all cores busy: everybody is still found, and no camera is given up', async () => {
    const decided = 'sightline_alert_decision_seconds_count{kind="face"}';
    const before = await night.daemon.metric(decided);
    using _busy = busyProcesses(4);
    await night.bothAgain();
    assert.deepEqual(await night.troubles(), []);
    for (const camera of ['lobby', 'yard'])
      assert.equal((statesIn(night.listener, camera).at(-1)?.reason ?? '').replace(lateWords, ''), '');
    assert.ok((await night.daemon.metric(decided)) >= before + 2);
    night.assertCalm();
  });

  fault('in the end every alert was told under one id, none was invented, and the other camera was never touched', async () => {
    const yard = statesIn(night.listener, 'yard').filter((state) => state?.state !== 'connecting');
    assert.deepEqual(new Set(yard.map((state) => state?.state)), new Set(['live']));
    assert.equal(new Set(yard.map((state) => state?.since)).size, 1, 'live since the start');
    await night.daemon.stop();
    await night.start();
    const { outbox } = await night.place.ask('status', {});
    const history = new Set(await night.history());
    const ids = () => new Set(alertsIn(night.listener).map((alert) => alert.id));
    const untold = () => [...history].filter((id) => !ids().has(id));
    await until('all were told but what the broker would not have', () => untold().length <= outbox.dead, patience);
    const told = alertsIn(night.listener);
    const invented = [...ids()].filter((id) => !history.has(id) && !undurable.includes(id));
    const later = new Set(await night.history());
    assert.deepEqual(
      invented.filter((id) => !later.has(id)),
      [],
    );
    const opened = told.filter(({ state }) => state === 'opened');
    // While all cores are busy few frames are looked at, and one track may go from who leaves to who comes.
    const visits = Map.groupBy(opened, ({ camera, track, entry }) => `${camera} ${track.epoch} ${track.id} ${entry?.name}`);
    for (const [visit, alerts] of visits) assert.equal(new Set(alerts.map(({ id }) => id)).size, 1, visit);
    await night.daemon.stop();
  });
});
