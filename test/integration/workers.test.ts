import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startBridge } from '../../src/bridge/server.ts';
import { configSchema } from '../../src/config/schema.ts';
import { desiredWorkers, type WorkerSpec } from '../../src/workers/plan.ts';
import { createProcessLauncher, workerEnvironment } from '../../src/workers/process.ts';
import { type Supervisor, type SupervisorTimings, startSupervisor } from '../../src/workers/supervisor.ts';
import { bridgeLink } from '../support/bridge-link.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { until } from '../support/until.ts';

const fixtures = join(import.meta.dirname, '../fixtures/workers');
const linux = missingTool(process.platform === 'linux', 'Linux with /proc');

function specs(settings: Readonly<Record<string, object>>): readonly WorkerSpec[] {
  const given = Object.fromEntries(
    Object.entries(settings).map(([id, extra]) => [id, { source: `/clips/${id}.mp4`, ...extra }]),
  );
  return desiredWorkers(configSchema.parse({ cameras: given }).cameras);
}

interface World extends AsyncDisposable {
  readonly supervisor: Supervisor;
  readonly ctx: TestContext;
  readonly dataDir: string;
  readonly bridgePath: string;
  /** What workers printed as plain lines. */
  printed(): readonly string[];
  state(worker?: string): string | undefined;
  pid(worker?: string): Promise<number>;
}

interface WorldOptions {
  readonly program: string;
  readonly cameras?: Readonly<Record<string, object>>;
  readonly timings?: Partial<SupervisorTimings>;
  readonly env?: Readonly<Record<string, string>>;
  readonly dataDir?: string;
}

const quick: Partial<SupervisorTimings> = {
  firstDelayMs: 20,
  longestDelayMs: 50,
  drainMs: 60_000,
  termMs: 60_000,
  closedGraceMs: 2000,
};

/** A supervisor with the real bridge and real processes. */
async function startWorld(options: WorldOptions): Promise<World> {
  const directory = await temporaryDirectory();
  const dataDir = options.dataDir ?? directory.path;
  const bridgePath = join(dataDir, 'bridge.sock');
  const ctx = testContext();
  const sink = { frame: () => {}, cameraState: () => {}, stats: () => {}, epoch: async () => 1 };
  const bridge = await startBridge({ socketPath: bridgePath, sink }, ctx);
  const link = bridgeLink(bridge);
  const supervisor = await startSupervisor(
    {
      desired: specs(options.cameras ?? { lobby: {} }),
      link,
      launchers: {
        software: createProcessLauncher({
          dataDir,
          bridgePath,
          program: join(fixtures, options.program),
          ...(options.env === undefined ? {} : { env: options.env }),
        }),
      },
      timings: { ...quick, ...options.timings },
    },
    ctx,
  );
  const state = (worker = 'software-main') => supervisor.states().get(worker)?.state;
  return {
    supervisor,
    ctx,
    dataDir,
    bridgePath,
    state,
    printed: () => ctx.lines.flatMap(({ msg, line }) => (msg === 'worker printed' ? [String(line)] : [])),
    pid: (worker = 'software-main') =>
      until(`${worker} runs`, () => {
        const found = supervisor.states().get(worker);
        return found?.state === 'running' ? found.pid : undefined;
      }),
    [Symbol.asyncDispose]: async () => {
      await supervisor[Symbol.asyncDispose]();
      await bridge[Symbol.asyncDispose]();
      ctx[Symbol.dispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Whether a process is there and not a zombie. */
async function isAlive(pid: number): Promise<boolean> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    return !text.slice(text.lastIndexOf(')')).startsWith(') Z');
  } catch {
    return false;
  }
}

async function startTicksOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19]);
}

function gone(pid: number): Promise<true> {
  return until(`process ${pid} is gone`, async () => !(await isAlive(pid)));
}

async function metric(ctx: TestContext, name: string, labels: Readonly<Record<string, string>>): Promise<number | undefined> {
  const found = await ctx.metrics.registry.getSingleMetric(name)?.get();
  return found?.values.find((value) => Object.entries(labels).every(([key, label]) => value.labels[key] === label))?.value;
}

describe('workers', { skip: linux }, () => {
  it('start, are told their cameras, and leave nothing behind when they stop', async () => {
    let pid: number;
    {
      await using world = await startWorld({ program: 'obeys.ts', cameras: { lobby: {}, yard: {} } });
      pid = await world.pid();
      await until('it is welcome', () => world.printed().includes('welcome lobby yard'));
      assert.equal(await metric(world.ctx, 'sightline_worker_state', { worker: 'software-main', state: 'running' }), 1);
      assert.deepEqual(await readdir(join(world.dataDir, 'workers')), ['software-main.json']);
      await world.supervisor[Symbol.asyncDispose]();
      assert.equal(world.state(), 'stopped');
      assert.deepEqual(await readdir(join(world.dataDir, 'workers')), []);
      assert.equal(
        world.ctx.lines.some(({ msg }) => msg === 'worker has not stopped in time and is killed'),
        false,
      );
    }
    assert.equal(await isAlive(pid), false);
  });

  it('get a thread pool for their cameras, no arguments, and nothing of the daemon’s secrets', async () => {
    process.env['CAMERA_PASSWORD'] = 'hunter2';
    try {
      await using world = await startWorld({ program: 'obeys.ts' });
      await world.pid();
      await until('it printed', () => world.ctx.lines.some(({ msg }) => msg === 'own line'));
      const printed = world.printed();
      assert.ok(printed.includes('pool 20 omp 1'), printed.join('\n'));
      assert.ok(printed.includes('arguments 0 secret unknown'), printed.join('\n'));
    } finally {
      delete process.env['CAMERA_PASSWORD'];
    }
    const environment = workerEnvironment(
      { PATH: '/bin', MQTT_PASSWORD: 'x', https_proxy: 'p', SIGHTLINE_TOKEN: 'old' },
      { name: 'w', token: 't', bridgePath: '/b', capacity: 16, logLevel: 'info' },
    );
    assert.deepEqual(Object.keys(environment).sort(), [
      'MALLOC_ARENA_MAX',
      'OMP_NUM_THREADS',
      'ORT_DISABLE_TELEMETRY',
      'PATH',
      'SIGHTLINE_BRIDGE',
      'SIGHTLINE_LOG_LEVEL',
      'SIGHTLINE_TOKEN',
      'SIGHTLINE_WORKER',
      'UV_THREADPOOL_SIZE',
      'https_proxy',
    ]);
    assert.equal(environment['SIGHTLINE_TOKEN'], 't');
    assert.equal(environment['UV_THREADPOOL_SIZE'], '36');
  });

  it('have their output in the log under their name, without secrets, our own lines with level and fields', async () => {
    await using world = await startWorld({ program: 'obeys.ts' });
    const own = await until('its own line', () => world.ctx.lines.find(({ msg }) => msg === 'own line'));
    assert.equal(own['level'], 'error');
    assert.equal(own['camera'], 'lobby');
    assert.equal(own['worker'], 'software-main');
    await until('its plain line', () => world.printed().some((line) => line.startsWith('source')));
    assert.ok(world.printed().includes('source rtsp://admin:***@10.0.0.7/stream'));
    assert.equal(JSON.stringify(world.ctx.lines).includes('hunter2'), false);
  });

  it('are told changed cameras without a restart, and end when nobody needs them', async () => {
    await using world = await startWorld({ program: 'obeys.ts' });
    const pid = await world.pid();
    world.supervisor.apply(specs({ lobby: {}, yard: {} }));
    await until('it is told', () => world.printed().includes('configure lobby yard'));
    assert.equal(await world.pid(), pid);
    world.supervisor.apply(specs({ yard: { group: 'outside' } }));
    await world.pid('software-outside');
    await until('the old one is forgotten', () => !world.supervisor.states().has('software-main'));
    assert.equal(await isAlive(pid), false);
    assert.equal(await metric(world.ctx, 'sightline_worker_state', { worker: 'software-main', state: 'running' }), undefined);
  });

  it('come back after kill -9, alone', async () => {
    await using world = await startWorld({ program: 'obeys.ts', cameras: { lobby: {}, yard: { group: 'outside' } } });
    const pid = await world.pid();
    const neighbour = await world.pid('software-outside');
    process.kill(pid, 'SIGKILL');
    const next = await until('a new process', async () => {
      const found = world.supervisor.states().get('software-main');
      return found?.state === 'running' && found.pid !== pid ? found.pid : undefined;
    });
    assert.notEqual(next, pid);
    assert.equal(await world.pid('software-outside'), neighbour);
    assert.equal(await metric(world.ctx, 'sightline_worker_restarts_total', { worker: 'software-main' }), 1);
    assert.equal(await metric(world.ctx, 'sightline_worker_restarts_total', { worker: 'software-outside' }), undefined);
    const died = world.ctx.lines.find(({ msg }) => msg === 'worker died');
    assert.match(String(died?.['words']), /ended by SIGKILL/);
  });

  it('that hang are noticed by their pings, killed and started again', async () => {
    await using world = await startWorld({ program: 'obeys.ts' });
    const pid = await world.pid();
    process.kill(pid, 'SIGSTOP');
    await until('a new process', () => {
      const found = world.supervisor.states().get('software-main');
      return found?.state === 'running' && found.pid !== pid;
    });
    assert.equal(await isAlive(pid), false);
    assert.match(String(world.ctx.lines.find(({ msg }) => msg === 'worker died')?.['words']), /pings/);
  });

  it('that crash again and again fail loudly, are retried after a long pause, and heal', async () => {
    await using directory = await temporaryDirectory();
    const count = join(directory.path, 'count');
    await using world = await startWorld({
      program: 'crashes.ts',
      env: { FIXTURE_COUNT: count, FIXTURE_CRASHES: '3' },
      timings: { restartsPerMinute: 2, longPauseMs: 3000 },
    });
    await until('it has failed', () => world.ctx.lines.some(({ msg, level }) => msg === 'worker failed' && level === 'error'));
    assert.equal((await stat(count)).size, 3);
    const failed = world.ctx.lines.find(({ msg }) => msg === 'worker failed');
    assert.equal(failed?.['code'], 'worker.crashed');
    assert.match(String(failed?.['words']), /tried again in .*exit code 3/);
    await world.pid();
    assert.equal((await stat(count)).size, 4);
  });

  it('with settings that cannot work are not tried again until the settings change', async () => {
    await using world = await startWorld({ program: 'settings.ts', timings: { longPauseMs: 10 } });
    await until('it has failed', () => world.state() === 'failed');
    world.supervisor.apply(specs({ lobby: {} }));
    const failures = () => world.ctx.lines.filter(({ msg }) => msg === 'worker failed');
    assert.equal(failures().length, 1);
    assert.equal(failures()[0]?.['code'], 'worker.settings');
    assert.ok(
      world.printed().some((line) => line.includes('yolov9')),
      'its own words are in the log',
    );
    world.supervisor.apply(specs({ lobby: { decode: 'software' } }));
    await until('it was tried with the new settings', () => failures().length === 2);
    assert.equal(world.state(), 'failed');
  });

  it('that never introduce themselves are killed', async () => {
    await using world = await startWorld({
      program: 'silent.ts',
      timings: { startTimeoutMs: 500, restartsPerMinute: 0, longPauseMs: 60_000 },
    });
    await until('it has failed', () => world.state() === 'failed');
    assert.equal(world.ctx.lines.find(({ msg }) => msg === 'worker failed')?.['code'], 'worker.start_timeout');
    assert.deepEqual(await readdir(join(world.dataDir, 'workers')), []);
  });

  it('that ignore Drain and SIGTERM are killed with everything they started', async () => {
    const world = await startWorld({ program: 'stubborn.ts', timings: { drainMs: 200, termMs: 200 } });
    let pids: readonly number[];
    {
      await using running = world;
      const pid = await running.pid();
      const line = await until('its child', () => running.printed().find((text) => text.startsWith('child ')));
      pids = [pid, Number(line.slice(6))];
      for (const each of pids) assert.equal(await isAlive(each), true);
    }
    for (const each of pids) await gone(each);
    assert.ok(world.ctx.lines.some(({ msg }) => msg === 'worker has not stopped in time and is killed'));
  });

  it('that are killed take everything they started with them', async () => {
    await using world = await startWorld({ program: 'stubborn.ts', timings: { drainMs: 50, termMs: 50 } });
    const pid = await world.pid();
    const line = await until('its child', () => world.printed().find((text) => text.startsWith('child ')));
    const child = Number(line.slice(6));
    assert.equal(await isAlive(child), true);
    process.kill(pid, 'SIGKILL');
    await gone(child);
  });

  it('that print without end neither block nor flood the log', async () => {
    await using world = await startWorld({ program: 'floods.ts' });
    await world.pid();
    const skipped = await until('lines were left out', () =>
      world.ctx.lines.find(({ msg, count }) => msg === 'worker prints too much, lines were left out' && Number(count) > 500),
    );
    assert.equal(skipped['worker'], 'software-main');
    assert.ok(Math.max(...world.printed().map((line) => line.length)) <= 4096);
    assert.equal(world.state(), 'running');
    assert.ok(Number(await metric(world.ctx, 'sightline_worker_output_skipped_total', { worker: 'software-main' })) > 500);
  });

  it('without a launcher for their runtime say so and harm nobody', async () => {
    await using world = await startWorld({ program: 'obeys.ts', cameras: { lobby: {}, gate: { runtime: 'deepstream' } } });
    await world.pid();
    const found = world.supervisor.states().get('deepstream-main');
    assert.equal(found?.state, 'failed');
    assert.match(found?.reason ?? '', /deepstream/);
  });

  it('whose program is missing fail without harm', async () => {
    await using world = await startWorld({ program: 'nowhere.ts', timings: { restartsPerMinute: 0, longPauseMs: 60_000 } });
    await until('it has failed', () => world.state() === 'failed');
    assert.ok(world.printed().some((line) => line.includes('nowhere.ts')));
  });

  it('of a daemon that was killed are ended by the next one, with their children, and strangers are spared', async () => {
    await using directory = await temporaryDirectory();
    const dataDir = directory.path;
    const bridgePath = join(dataDir, 'bridge.sock');
    // A daemon of its own process, killed in mid-life: its worker and the worker's child live on.
    const daemon = spawn(process.execPath, [join(fixtures, 'daemon.ts'), dataDir, join(fixtures, 'stubborn.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    daemon.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
    const [, pid, child] = await until('the worker and its child', () => /worker (\d+) child (\d+)/.exec(output) ?? undefined);
    const exited = once(daemon, 'exit');
    daemon.kill('SIGKILL');
    await exited;
    const orphans = [Number(pid), Number(child)];
    for (const orphan of orphans) assert.equal(await isAlive(orphan), true);

    // Strangers to whom pid files point: one with the right start and no mark, one with the mark and another start.
    const record = JSON.parse(await readFile(join(dataDir, 'workers/software-main.json'), 'utf8'));
    assert.equal(record.bootId.length, 36);
    const idle = ['-e', 'setInterval(() => {}, 1000)'];
    const mark = { SIGHTLINE_WORKER: 'software-marked', SIGHTLINE_BRIDGE: bridgePath };
    const unmarked = spawn(process.execPath, idle, { stdio: 'ignore', detached: true });
    const marked = spawn(process.execPath, idle, { stdio: 'ignore', detached: true, env: { ...process.env, ...mark } });
    try {
      const write = (worker: string, pid: number | undefined, startTicks: number) =>
        writeFile(join(dataDir, `workers/${worker}.json`), JSON.stringify({ ...record, worker, pid, startTicks }));
      await write('software-unmarked', unmarked.pid, await startTicksOf(unmarked.pid ?? 0));
      await write('software-marked', marked.pid, record.startTicks - 1);
      await writeFile(join(dataDir, 'workers/software-half.json'), '{"pid":');

      await using world = await startWorld({ program: 'obeys.ts', dataDir });
      assert.equal(world.bridgePath, bridgePath);
      for (const orphan of orphans) assert.equal(await isAlive(orphan), false);
      for (const stranger of [unmarked, marked]) assert.equal(await isAlive(stranger.pid ?? 0), true);
      await world.pid();
      assert.deepEqual(await readdir(join(dataDir, 'workers')), ['software-main.json']);
      assert.ok(world.ctx.lines.some(({ msg }) => msg === 'worker of an earlier run was ended'));
    } finally {
      for (const stranger of [unmarked, marked]) stranger.kill('SIGKILL');
    }
  });
});
