import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configSchema } from '../../src/config/schema.ts';
import type { Context } from '../../src/core/context.ts';
import type { LaunchedWorker, Launcher, WorkerExit } from '../../src/workers/launcher.ts';
import type { WorkerAttachment, WorkerLink, WorkerLinkEvents } from '../../src/workers/life.ts';
import { desiredWorkers, type WorkerSpec } from '../../src/workers/plan.ts';
import { startSupervisor } from '../../src/workers/supervisor.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';

/** What the supervisor does over minutes, on a clock of its own; real processes are in the integration tests. */

function specs(...ids: readonly string[]): readonly WorkerSpec[] {
  const cameras = Object.fromEntries(ids.map((id) => [id, { source: `/clips/${id}.mp4` }]));
  return desiredWorkers(configSchema.parse({ cameras }).cameras);
}

interface Life {
  readonly pid: number;
  readonly bornMs: number;
  readonly capacity: number;
  readonly signals: string[];
  exit(exit: Partial<WorkerExit>): void;
}

/** Workers in memory: they say hello at once if told to, and die when told to. */
function createTheatre(clock: ManualClock) {
  const lives: Life[] = [];
  const events: WorkerLinkEvents[] = [];
  const told: string[][] = [];
  const launcher: Launcher = {
    launch: async ({ capacity }) => {
      const exited = Promise.withResolvers<WorkerExit>();
      const signals: string[] = [];
      const pid = lives.length + 1;
      lives.push({
        pid,
        bornMs: clock.mono(),
        capacity,
        signals,
        exit: (exit) => exited.resolve({ code: undefined, signal: undefined, ...exit }),
      });
      return {
        pid,
        exited: exited.promise,
        signal: (name) => {
          signals.push(name);
          if (name === 'SIGKILL') exited.resolve({ code: undefined, signal: name });
        },
        rssBytes: async () => 1000 * pid,
      } satisfies LaunchedWorker;
    },
    cleanUp: async () => {},
  };
  const link: WorkerLink = {
    register: (_worker, _token, given) => {
      events.push(given);
      return {
        configure: (cameras) => void told.push([...cameras.keys()]),
        drain: () => false,
        [Symbol.dispose]: () => {},
      } satisfies WorkerAttachment;
    },
  };
  return { launcher, link, lives, events, told };
}

/** A supervisor of one worker whose signals are heard of and do nothing; its launcher knows late what has ended. */
async function deafWorker(ctx: Context, clock: ManualClock) {
  const theatre = createTheatre(clock);
  const signals: string[] = [];
  const launcher: Launcher = {
    timings: { killMs: 10_000 },
    launch: async (...given) => ({ ...(await theatre.launcher.launch(...given)), signal: (name) => void signals.push(name) }),
    cleanUp: async () => {},
  };
  const supervisor = await startSupervisor({ desired: specs('a'), link: theatre.link, launchers: { software: launcher } }, ctx);
  return { theatre, signals, supervisor };
}

async function stopped(supervisor: AsyncDisposable, clock: ManualClock): Promise<void> {
  let done = false;
  const stopping = Promise.resolve(supervisor[Symbol.asyncDispose]()).then(() => {
    done = true;
  });
  for (let i = 0; !done && i < 100; i += 1) await clock.advance(100);
  assert.ok(done, 'stopped within ten seconds');
  await stopping;
}

function last<T>(items: readonly T[]): T {
  const item = items.at(-1);
  assert.ok(item !== undefined);
  return item;
}

describe('supervisor over time', () => {
  it('doubles its delays, gives up for two minutes after five restarts a minute, and heals for good', async () => {
    const clock = new ManualClock();
    using ctx = testContext(clock);
    const theatre = createTheatre(clock);
    const supervisor = await startSupervisor(
      { desired: specs('a'), link: theatre.link, launchers: { software: theatre.launcher } },
      ctx,
    );
    const state = () => supervisor.states().get('software-main');
    await clock.advance(0);

    const dieAtOnce = async (): Promise<number> => {
      const born = theatre.lives.length;
      last(theatre.lives).exit({ code: 1 });
      const from = clock.mono();
      for (let ms = 0; theatre.lives.length === born && ms < 200_000; ms += 10) await clock.advance(10);
      return clock.mono() - from;
    };
    const delays: number[] = [];
    for (let i = 0; i < 5; i += 1) delays.push(await dieAtOnce());
    for (const [i, delay] of delays.entries()) {
      const expected = 500 * 2 ** i;
      assert.ok(delay >= 0.8 * expected && delay <= 1.2 * expected + 10, `delay ${i} was ${delay} ms`);
    }
    last(theatre.lives).exit({ code: 1 });
    await clock.advance(10);
    assert.equal(state()?.state, 'failed');
    assert.ok(Math.abs((await dieAtOnce()) - 120_000) < 100, 'a long pause after the fifth restart');
    // Its budget is full again by now, but it has not been well: one death is enough for the next long pause.
    assert.ok(Math.abs((await dieAtOnce()) - 120_000) < 100, 'a long pause again');

    last(theatre.events).hello();
    await clock.advance(0);
    await clock.advance(60_000);
    assert.equal(state()?.state, 'running');
    const delay = await dieAtOnce();
    assert.ok(delay <= 610, `well for a minute it is started again at once, not after ${delay} ms`);

    await stopped(supervisor, clock);
    assert.deepEqual(last(theatre.lives).signals, ['SIGTERM', 'SIGKILL']);
  });

  it('forgets old deaths when the settings change', async () => {
    const clock = new ManualClock();
    using ctx = testContext(clock);
    const theatre = createTheatre(clock);
    const supervisor = await startSupervisor(
      { desired: specs('a'), link: theatre.link, launchers: { software: theatre.launcher }, timings: { restartsPerMinute: 1 } },
      ctx,
    );
    const dies = async (): Promise<string | undefined> => {
      await clock.advance(0);
      last(theatre.lives).exit({ code: 1 });
      await clock.advance(0);
      return supervisor.states().get('software-main')?.state;
    };
    assert.equal(await dies(), 'waiting');
    await clock.advance(1000);
    assert.equal(await dies(), 'failed');
    supervisor.apply(specs('a', 'b'));
    await clock.advance(0);
    assert.equal(theatre.lives.length, 3);
    last(theatre.events).hello();
    await clock.advance(0);
    assert.deepEqual(last(theatre.told), ['a', 'b']);
    assert.equal(await dies(), 'waiting');
    await stopped(supervisor, clock);
  });

  it('tries a worker that cannot work as it is set up every five minutes, when asked at once, and says a reason once', async () => {
    const clock = new ManualClock();
    using ctx = testContext(clock);
    const theatre = createTheatre(clock);
    const supervisor = await startSupervisor(
      { desired: specs('a'), link: theatre.link, launchers: { software: theatre.launcher } },
      ctx,
    );
    const fails = async (): Promise<void> => {
      await clock.advance(0);
      last(theatre.lives).exit({ code: 78 });
      await clock.advance(0);
      assert.equal(supervisor.states().get('software-main')?.state, 'failed');
    };
    const said = () => ctx.lines.filter(({ msg, level }) => msg === 'worker failed' && level === 'error').length;
    await fails();
    await clock.advance(299_000);
    assert.equal(theatre.lives.length, 1);
    await clock.advance(1000);
    assert.equal(theatre.lives.length, 2);
    await fails();
    assert.equal(said(), 1, 'the same reason');
    const loud = () => ctx.lines.filter(({ level }) => level !== 'debug').length;
    const before = loud();
    await clock.advance(300_000);
    await fails();
    assert.equal(loud(), before, 'a retry that ends the same way says nothing');
    supervisor.retryFailed();
    await clock.advance(0);
    assert.equal(theatre.lives.length, 4);
    last(theatre.events).hello();
    await clock.advance(0);
    const told = theatre.told.length;
    supervisor.retryFailed();
    await clock.advance(0);
    assert.equal(theatre.told.length, told + 1, 'a running worker is told its cameras once more, for those that have failed');
    assert.equal(theatre.lives.length, 4);
    await stopped(supervisor, clock);
  });

  it('restarts a worker for more cameras than it has threads for, with room for more', async () => {
    const clock = new ManualClock();
    using ctx = testContext(clock);
    const theatre = createTheatre(clock);
    const supervisor = await startSupervisor(
      { desired: specs('a'), link: theatre.link, launchers: { software: theatre.launcher } },
      ctx,
    );
    await clock.advance(0);
    last(theatre.events).hello();
    await clock.advance(0);
    supervisor.apply(specs(...'abcdefghi'));
    await clock.advance(0);
    assert.equal(supervisor.states().get('software-main')?.state, 'draining');
    await clock.advance(3000);
    assert.deepEqual(
      theatre.lives.map(({ capacity }) => capacity),
      [8, 16],
    );
    await stopped(supervisor, clock);
  });

  it('ends a worker that cannot be told its cameras, and tries again', async () => {
    const clock = new ManualClock();
    using ctx = testContext(clock);
    const theatre = createTheatre(clock);
    let broken = true;
    const link: WorkerLink = {
      register: (...given) => ({
        ...theatre.link.register(...given),
        configure: () => {
          if (broken) throw new RangeError('invalid uint32: 1000.5');
        },
      }),
    };
    const supervisor = await startSupervisor({ desired: specs('a'), link, launchers: { software: theatre.launcher } }, ctx);
    const state = () => supervisor.states().get('software-main');
    await clock.advance(0);
    last(theatre.events).hello();
    await clock.advance(0);
    assert.deepEqual(last(theatre.lives).signals, ['SIGKILL']);
    const waiting = state();
    assert.ok(waiting?.state === 'waiting');
    assert.match(waiting.reason, /cannot be told its cameras: invalid uint32/);
    broken = false;
    await clock.advance(1000);
    assert.equal(theatre.lives.length, 2);
    last(theatre.events).hello();
    await clock.advance(0);
    assert.equal(state()?.state, 'running');
    await stopped(supervisor, clock);
  });

  it('waits for the end of a worker that has drained as long as draining may take, and kills nobody who ends in that time', async () => {
    const clock = new ManualClock();
    using ctx = testContext(clock);
    const theatre = createTheatre(clock);
    const link: WorkerLink = {
      register: (...given) => ({ ...theatre.link.register(...given), drain: () => true }),
    };
    const supervisor = await startSupervisor({ desired: specs('a'), link, launchers: { software: theatre.launcher } }, ctx);
    await clock.advance(0);
    last(theatre.events).hello();
    await clock.advance(0);
    const stopping = Promise.resolve(supervisor[Symbol.asyncDispose]());
    await clock.advance(500);
    last(theatre.events).drained();
    // Its engine is slow to take it down.
    await clock.advance(4900);
    last(theatre.lives).exit({ code: 0 });
    await clock.advance(0);
    await stopping;
    assert.deepEqual(last(theatre.lives).signals, []);
    assert.deepEqual(
      ctx.lines.filter(({ level }) => level === 'warn' || level === 'error'),
      [],
    );
  });

  it('says no more of a killed worker than is known, and stops within its time', async () => {
    const clock = new ManualClock();
    using ctx = testContext(clock);
    const { theatre, signals, supervisor } = await deafWorker(ctx, clock);
    const unseen = () => ctx.lines.filter(({ msg }) => msg === 'worker was killed, its end is not seen yet and not waited for');
    await clock.advance(0);
    last(theatre.events).closed('3 pings in a row were not answered');
    // It has no word for a while, and ends in the time that its launcher gives it.
    await clock.advance(9000);
    assert.deepEqual(signals, ['SIGKILL']);
    assert.equal(supervisor.states().get('software-main')?.state, 'starting');
    last(theatre.lives).exit({ signal: 'SIGKILL' });
    await clock.advance(0);
    assert.equal(supervisor.states().get('software-main')?.state, 'waiting');
    assert.deepEqual(unseen(), []);
    await clock.advance(1000);
    assert.equal(theatre.lives.length, 2);
    signals.splice(0);
    await stopped(supervisor, clock);
    assert.deepEqual(signals, ['SIGTERM', 'SIGKILL']);
    assert.partialDeepStrictEqual(unseen(), [{ level: 'warn', worker: 'software-main', withinMs: 1000 }]);
  });

  for (const { when, meets } of [
    { when: 'it has not introduced itself', meets: async (clock: ManualClock) => clock.advance(30_000) },
    {
      when: 'its connection has ended',
      meets: async (clock: ManualClock, events: WorkerLinkEvents) => {
        events.closed('3 pings in a row were not answered');
        await clock.advance(500);
      },
    },
  ])
    it(`stops within its time while the end of a worker is waited for that was killed because ${when}`, async () => {
      const clock = new ManualClock();
      using ctx = testContext(clock);
      const { theatre, signals, supervisor } = await deafWorker(ctx, clock);
      await clock.advance(0);
      await meets(clock, last(theatre.events));
      await clock.advance(2000);
      assert.deepEqual(signals, ['SIGKILL']);
      const askedMs = clock.mono();
      await stopped(supervisor, clock);
      assert.ok(clock.mono() - askedMs <= 1100, `stopped after ${clock.mono() - askedMs} ms`);
      assert.deepEqual(signals, ['SIGKILL']);
    });

  it('lets a launcher forget a worker that nobody wants any more, once it has ended', async () => {
    const clock = new ManualClock();
    using ctx = testContext(clock);
    const theatre = createTheatre(clock);
    const forgotten: string[] = [];
    const launcher: Launcher = { ...theatre.launcher, forget: (worker) => void forgotten.push(worker) };
    const supervisor = await startSupervisor(
      { desired: specs('a'), link: theatre.link, launchers: { software: launcher } },
      ctx,
    );
    await clock.advance(0);
    last(theatre.events).hello();
    await clock.advance(0);
    supervisor.apply([]);
    await clock.advance(0);
    assert.deepEqual(forgotten, []);
    last(theatre.lives).exit({ code: 0 });
    await clock.advance(0);
    assert.deepEqual(forgotten, ['software-main']);
    await stopped(supervisor, clock);
  });

  it('reports the memory of running workers and nothing of dead ones', async () => {
    const clock = new ManualClock();
    using ctx = testContext(clock);
    const theatre = createTheatre(clock);
    const supervisor = await startSupervisor(
      { desired: specs('a'), link: theatre.link, launchers: { software: theatre.launcher } },
      ctx,
    );
    const memory = async () =>
      (await ctx.metrics.registry.getSingleMetric('sightline_worker_rss_bytes')?.get())?.values.map(({ value }) => value);
    await clock.advance(0);
    last(theatre.events).hello();
    await clock.advance(0);
    await clock.advance(5000);
    assert.deepEqual(await memory(), [1000]);
    last(theatre.lives).exit({ code: 1 });
    await clock.advance(1);
    assert.deepEqual(await memory(), []);
    await stopped(supervisor, clock);
  });

  it('tells every change of state with the cameras it concerns', async () => {
    const clock = new ManualClock();
    using ctx = testContext(clock);
    const theatre = createTheatre(clock);
    const seen: string[] = [];
    const supervisor = await startSupervisor(
      {
        desired: specs('a', 'b'),
        link: theatre.link,
        launchers: { software: theatre.launcher },
        onState: (worker, { state }, cameras) => void seen.push(`${worker} ${state} ${cameras.join('+')}`),
      },
      ctx,
    );
    await clock.advance(0);
    last(theatre.events).hello();
    await clock.advance(0);
    last(theatre.lives).exit({ signal: 'SIGSEGV' });
    await clock.advance(0);
    await clock.advance(700);
    await stopped(supervisor, clock);
    assert.deepEqual(
      seen,
      ['starting', 'running', 'waiting', 'starting', 'draining', 'stopped'].map((state) => `software-main ${state} a+b`),
    );
  });

  it('starts a worker that Triton failed once Triton is ready, soon, and counts no outage against it', async () => {
    const clock = new ManualClock();
    using ctx = testContext(clock);
    const theatre = createTheatre(clock);
    let isReady = false;
    const supervisor = await startSupervisor(
      {
        desired: specs('a'),
        link: theatre.link,
        launchers: { software: theatre.launcher },
        inferenceReady: () => isReady,
      },
      ctx,
    );
    await clock.advance(0);
    for (let outage = 1; outage <= 20; outage += 1) {
      isReady = false;
      last(theatre.lives).exit({ code: 69 });
      await clock.advance(20_000);
      assert.equal(theatre.lives.length, outage, 'not before Triton is ready');
      assert.equal(supervisor.states().get('software-main')?.state, 'waiting');
      isReady = true;
      await clock.advance(1000);
      assert.equal(theatre.lives.length, outage + 1, `after outage ${outage}`);
    }
    // Triton says that it is ready, and the worker fails all the same.
    for (let i = 0; i < 6; i += 1) {
      const born = theatre.lives.length;
      last(theatre.lives).exit({ code: 69 });
      for (let ms = 0; ms < 10_000 && theatre.lives.length === born; ms += 100) await clock.advance(100);
    }
    assert.equal(supervisor.states().get('software-main')?.state, 'failed');
    await stopped(supervisor, clock);
  });
});
