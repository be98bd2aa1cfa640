import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { startFanout } from '../../src/outputs/fanout.ts';
import { type Outbox, type OutboxTuning, startOutbox } from '../../src/outputs/outbox.ts';
import type { Delivery, DeliveryResult, Output } from '../../src/outputs/output.ts';
import { ManualClock } from '../support/clock.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { alertEvent, createMemoryOutbox, type MemoryOutbox } from '../support/outbox.ts';

interface Attempt {
  readonly delivery: Delivery;
  readonly dedupe: string;
  answer(result: DeliveryResult): Promise<void>;
}

interface FakeOutput extends Output {
  window: number;
  readonly attempts: readonly Attempt[];
  open(window: number): Promise<void>;
}

const taken: DeliveryResult = { kind: 'taken' };

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** An output that answers when the test does. */
function fakeOutput(name = 'mqtt'): FakeOutput {
  const attempts: Attempt[] = [];
  let listener = () => {};
  const output: FakeOutput = {
    name,
    state: { state: 'connected', since: 0 },
    window: 16,
    attempts,
    onWindow(next) {
      listener = next;
    },
    deliver(delivery) {
      return new Promise((resolve) => {
        const { alert } = delivery.event;
        attempts.push({
          delivery,
          dedupe: `${alert.id}/${delivery.event.revision}`,
          answer: (result) => {
            resolve(result);
            return settle();
          },
        });
      });
    },
    open(window) {
      output.window = window;
      listener();
      return settle();
    },
    cameraState() {},
    daemonState() {},
    async [Symbol.asyncDispose]() {},
  };
  return output;
}

interface Bench {
  readonly clock: ManualClock;
  readonly ctx: TestContext;
  readonly store: MemoryOutbox;
  readonly output: FakeOutput;
  readonly outbox: Outbox;
  sent(): readonly string[];
  last(): Attempt;
}

async function bench(options: { store?: MemoryOutbox; tuning?: Partial<OutboxTuning>; window?: number } = {}): Promise<Bench> {
  const clock = new ManualClock();
  const ctx = testContext(clock);
  const store = options.store ?? createMemoryOutbox();
  const output = fakeOutput();
  output.window = options.window ?? 16;
  const outbox = startOutbox({ output, store, liveForMs: () => 60_000, tuning: { removeEveryMs: 0, ...options.tuning } }, ctx);
  await settle();
  return {
    clock,
    ctx,
    store,
    output,
    outbox,
    sent: () => output.attempts.map(({ dedupe }) => dedupe),
    last: () => {
      const attempt = output.attempts.at(-1);
      assert.ok(attempt);
      return attempt;
    },
  };
}

describe('outbox', () => {
  it('has one message of a camera under way, and those of other cameras beside it', async () => {
    const { clock, store, outbox, sent, output } = await bench();
    const events = [1, 2].flatMap((revision) => ['a', 'b'].map((id) => alertEvent({ id, camera: id, revision })));
    outbox.notify(store.add(events, { createdAt: clock.now() }));
    assert.deepEqual(sent(), ['a/1', 'b/1']);
    await output.attempts[1]?.answer(taken);
    assert.deepEqual(sent(), ['a/1', 'b/1', 'b/2']);
    await output.attempts[0]?.answer(taken);
    assert.deepEqual(sent(), ['a/1', 'b/1', 'b/2', 'a/2']);
    assert.deepEqual(
      store.rows.map(({ id }) => id),
      [3, 4],
    );
  });

  it('sends the oldest rows first when the window is small', async () => {
    const { clock, store, outbox, sent, output } = await bench({ window: 1 });
    outbox.notify(
      store.add(
        ['a', 'b', 'a', 'c'].map((camera, index) => alertEvent({ id: String(index), camera })),
        { createdAt: clock.now() },
      ),
    );
    for (let index = 0; index < 4; index++) await output.attempts[index]?.answer(taken);
    assert.deepEqual(sent(), ['0/1', '1/1', '2/1', '3/1']);
  });

  it('lets no live message wait behind the late ones of an outage, and keeps the order of each', async () => {
    const { clock, store, outbox, output } = await bench({ window: 0 });
    const old = [1, 2, 3].map((revision) => alertEvent({ id: 'old', revision }));
    outbox.notify(store.add(old, { createdAt: clock.now() }));
    await clock.advance(61_000);
    await output.open(16);
    outbox.notify(
      store.add(
        [1, 2].map((revision) => alertEvent({ id: 'new', revision })),
        { createdAt: clock.now() },
      ),
    );
    const sent = () => output.attempts.map(({ dedupe, delivery }) => `${dedupe}${delivery.late ? ' late' : ''}`);
    assert.deepEqual(sent(), ['old/1 late', 'new/1'], 'although the first late one is not answered');
    await output.attempts[1]?.answer(taken);
    assert.deepEqual(sent().slice(2), ['new/2']);
    await output.attempts[0]?.answer(taken);
    await output.attempts[3]?.answer(taken);
    assert.deepEqual(sent().slice(3), ['old/2 late', 'old/3 late']);
    for (const index of [2, 4]) await output.attempts[index]?.answer(taken);
    assert.equal(store.rows.length, 0);
  });

  it('keeps half of the window free of late messages', async () => {
    const { clock, store, outbox, output, sent } = await bench({ window: 0 });
    const late = ['a', 'b', 'c', 'd'].map((camera) => alertEvent({ id: camera, camera }));
    outbox.notify(store.add(late, { createdAt: clock.now() }));
    await clock.advance(61_000);
    await output.open(4);
    assert.deepEqual(sent(), ['a/1', 'b/1']);
    outbox.notify(store.add([alertEvent({ id: 'new', camera: 'd' })], { createdAt: clock.now() }));
    assert.deepEqual(sent(), ['a/1', 'b/1', 'new/1']);
  });

  it('sends nothing while the window is closed, and everything once it opens', async () => {
    const { clock, store, outbox, sent, output } = await bench({ window: 0 });
    outbox.notify(store.add([alertEvent({})], { createdAt: clock.now() }));
    assert.deepEqual(sent(), []);
    await output.open(16);
    assert.deepEqual(sent(), ['alert-1/1']);
  });

  it('repeats a message that was lost with the connection, in its old place', async () => {
    const { clock, store, outbox, sent, last, output } = await bench();
    outbox.notify(store.add([alertEvent({}), alertEvent({ revision: 2 })], { createdAt: clock.now() }));
    output.window = 0;
    await last().answer({ kind: 'lost', closed: false });
    await output.open(16);
    await last().answer(taken);
    assert.deepEqual(sent(), ['alert-1/1', 'alert-1/1', 'alert-1/2']);
    assert.equal(store.rows.length, 1);
  });

  it('says late of what is older than liveFor, by the monotonic clock for rows of this run', async () => {
    const { clock, store, outbox, output, last } = await bench({ window: 0 });
    outbox.notify(store.add([alertEvent({})], { createdAt: clock.now() }));
    clock.jump(3_600_000);
    await output.open(16);
    assert.equal(last().delivery.late, false, 'somebody set the wall clock');
    assert.equal(last().delivery.expiresAt, clock.now() + 60_000 - 112, 'less the time from frame to decision');
    output.window = 0;
    await last().answer({ kind: 'lost', closed: false });
    await clock.advance(59_900);
    await output.open(16);
    assert.equal(last().delivery.late, true, '59.9 s and the time since the frame');
  });

  for (const { what, ageMs, late } of [
    { what: 'a young row of an earlier run is live', ageMs: 50_000, late: false },
    { what: 'an old row of an earlier run is late', ageMs: 61_000, late: true },
    { what: 'a row from the future is late, for its age is unknown', ageMs: -3_600_000, late: true },
  ]) {
    it(what, async () => {
      const store = createMemoryOutbox();
      store.add([alertEvent({})], { createdAt: new ManualClock().now() - ageMs });
      const { last } = await bench({ store });
      assert.equal(last().delivery.late, late);
      assert.equal(last().delivery.sameRun, false);
    });
  }

  it('lets a camera whose message is refused for now wait longer each time, then gives the message up', async () => {
    const { clock, store, outbox, sent, last } = await bench({ tuning: { maxRetries: 2, retryFirstMs: 1000 } });
    outbox.notify(store.add([alertEvent({}), alertEvent({ revision: 2 })], { createdAt: clock.now() }));
    await last().answer({ kind: 'retry', reason: 'quota exceeded' });
    await clock.advance(799);
    assert.equal(sent().length, 1);
    await clock.advance(402);
    assert.equal(sent().length, 2);
    await last().answer({ kind: 'retry', reason: 'quota exceeded' });
    await clock.advance(1599);
    assert.equal(sent().length, 2);
    await clock.advance(802);
    await last().answer({ kind: 'retry', reason: 'quota exceeded' });
    assert.deepEqual(
      store.dead.map(({ row, reason }) => [row.id, reason]),
      [[1, 'quota exceeded']],
    );
    assert.deepEqual(sent(), ['alert-1/1', 'alert-1/1', 'alert-1/1', 'alert-1/2']);
  });

  it('sends the suspects of a cut alone and one after the other, until the guilty one is found', async () => {
    const { clock, store, outbox, output, sent, last } = await bench({ tuning: { maxCuts: 2 } });
    const events = [alertEvent({ id: 'a', camera: 'a' }), alertEvent({ id: 'a', camera: 'a', revision: 2 })];
    outbox.notify(
      store.add([...events, ...['b', 'c'].map((id) => alertEvent({ id, camera: id }))], { createdAt: clock.now() }),
    );
    assert.deepEqual(sent(), ['a/1', 'b/1', 'c/1']);
    const first = [...output.attempts];
    output.window = 0;
    for (const attempt of first) await attempt.answer({ kind: 'lost', closed: true });
    await output.open(16);
    assert.deepEqual(sent().slice(3), ['a/1'], 'alone');
    await last().answer(taken);
    for (const cuts of [0, 1]) {
      assert.equal(last().dedupe, 'b/1', 'the next suspect, before an older message that is none');
      assert.equal(last().delivery.cuts, cuts);
      output.window = 0;
      await last().answer({ kind: 'lost', closed: true });
      await output.open(16);
    }
    assert.deepEqual(
      store.dead.map(({ row, reason }) => [row.alertId, reason]),
      [['b', 'connection closed']],
    );
    assert.deepEqual(sent().slice(-1), ['c/1']);
    await last().answer(taken);
    assert.deepEqual(sent().slice(3), ['a/1', 'b/1', 'b/1', 'c/1', 'a/2']);
  });

  it('does not blame a message for a connection that our own side ended', async () => {
    const { clock, store, outbox, output, last } = await bench({ tuning: { maxCuts: 1 } });
    outbox.notify(store.add([alertEvent({})], { createdAt: clock.now() }));
    for (let round = 0; round < 5; round++) {
      output.window = 0;
      await last().answer({ kind: 'lost', closed: false });
      await output.open(16);
    }
    assert.equal(store.dead.length, 0);
    assert.equal(last().delivery.cuts, 0);
  });

  it('holds a bounded number of rows whatever the outage, and reads the rest afterwards', async () => {
    const { clock, store, outbox, output } = await bench({ window: 0, tuning: { memoryRows: 10, pageRows: 4 } });
    for (let index = 0; index < 100; index++) {
      outbox.notify(store.add([alertEvent({ id: String(index), camera: `c${index % 3}` })], { createdAt: clock.now() }));
      assert.ok(outbox.depth <= 10, `${outbox.depth} rows in memory`);
    }
    await output.open(16);
    for (let index = 0; index < 100; index++) await output.attempts[index]?.answer(taken);
    assert.equal(store.rows.length, 0);
    for (let lane = 0; lane < 3; lane++) {
      const ids = output.attempts.map(({ delivery }) => Number(delivery.event.alert.id)).filter((id) => id % 3 === lane);
      assert.deepEqual(
        ids,
        ids.toSorted((a, b) => a - b),
      );
    }
    assert.equal(output.attempts.length, 100, 'each once');
  });

  it('follows a backlog with what is announced while its end is read, without reading that too', async () => {
    const { clock, store, outbox, output, sent } = await bench({ window: 0, tuning: { memoryRows: 8, pageRows: 4 } });
    const announce = (id: number) =>
      outbox.notify(store.add([alertEvent({ id: String(id), camera: `c${id}` })], { createdAt: clock.now() }));
    for (let id = 0; id < 10; id++) announce(id);
    // From now on every read is overtaken by a commit, as under steady load.
    const { pending } = store;
    let next = 10;
    store.pending = async (...args) => {
      const rows = await pending(...args);
      if (next < 40) announce(next++);
      return rows;
    };
    await output.open(16);
    for (let at = 0; at < output.attempts.length; at++) await output.attempts[at]?.answer(taken);
    assert.ok(next < 20, `it has caught up after ${next} alerts`);
    const reads = store.reads.length;
    while (next < 40) {
      announce(next++);
      await settle();
      await output.attempts.at(-1)?.answer(taken);
    }
    assert.equal(store.reads.length, reads, 'nothing more is read once it has caught up');
    assert.equal(new Set(sent()).size, 40);
    assert.equal(sent().length, 40, 'each once');
    assert.equal(store.rows.length, 0);
  });

  it('does not send a row twice because the store cannot remove it', async () => {
    const { clock, store, outbox, sent, last, ctx } = await bench();
    const rows = store.add([alertEvent({})], { createdAt: clock.now() });
    outbox.notify(rows);
    store.broken = true;
    await last().answer(taken);
    assert.equal(store.rows.length, 1);
    outbox.refresh();
    await settle();
    store.broken = false;
    for (let turn = 0; turn < 5; turn++) await clock.advance(1000);
    await settle();
    assert.equal(store.rows.length, 0);
    assert.deepEqual(sent(), ['alert-1/1']);
    assert.ok(ctx.lines.some(({ msg }) => msg === 'outbox cannot write to the store'));
  });

  it('finds rows that nobody announced', async () => {
    const { clock, store, sent } = await bench({ tuning: { sweepEveryMs: 30_000 } });
    store.add([alertEvent({})], { createdAt: clock.now() });
    await clock.advance(30_000);
    await settle();
    assert.deepEqual(sent(), ['alert-1/1']);
  });

  it('forgets on refresh what was erased meanwhile, also what is waiting for another attempt', async () => {
    const { clock, store, outbox, output, sent, last } = await bench();
    const rows = store.add(
      [alertEvent({ id: 'erased' }), alertEvent({ id: 'erased', revision: 2 }), alertEvent({ id: 'kept' })],
      {
        createdAt: clock.now(),
      },
    );
    outbox.notify(rows);
    await store.acknowledge([1, 2]);
    outbox.refresh();
    await settle();
    output.window = 0;
    await last().answer({ kind: 'lost', closed: true });
    await output.open(16);
    assert.deepEqual(sent(), ['erased/1', 'kept/1']);
  });

  it('reads again on refresh what was changed meanwhile and is not taken yet', async () => {
    const { clock, store, outbox, output, sent, last } = await bench();
    outbox.notify(store.add([alertEvent({ id: 'changed' })], { createdAt: clock.now() }));
    outbox.refresh();
    await settle();
    output.window = 0;
    await last().answer({ kind: 'lost', closed: false });
    await output.open(16);
    assert.deepEqual(sent(), ['changed/1', 'changed/1']);
    assert.equal(last().delivery.sameRun, false, 'it comes from the store');
    await last().answer(taken);
    assert.equal(store.rows.length, 0);
  });

  it('misses no row that is announced while a page is being read', async () => {
    const clock = new ManualClock();
    const store = createMemoryOutbox();
    const pages: (() => void)[] = [];
    const slow = {
      ...store,
      pending: async (name: string, limit: number, afterId?: number) => {
        const page = await store.pending(name, limit, afterId);
        await new Promise<void>((resolve) => pages.push(resolve));
        return page;
      },
    };
    const output = fakeOutput();
    const outbox = startOutbox({ output, store: slow, liveForMs: () => 60_000 }, testContext(clock));
    await settle();
    outbox.notify(store.add([alertEvent({})], { createdAt: clock.now() }));
    for (let turn = 0; turn < 3; turn++) {
      pages.shift()?.();
      await settle();
    }
    assert.deepEqual(
      output.attempts.map(({ dedupe }) => dedupe),
      ['alert-1/1'],
    );
  });

  it('sends events without a row after the rows that are waiting, and loses the oldest when there are too many', async () => {
    const { clock, store, outbox, output, sent, ctx } = await bench({
      window: 0,
      tuning: { unstoredEvents: 2, memoryRows: 1, pageRows: 1 },
    });
    outbox.notify(store.add([alertEvent({ id: 'row' })], { createdAt: clock.now() }));
    outbox.notifyUnstored(['x', 'y', 'z'].map((id) => alertEvent({ id })));
    await output.open(1);
    for (let index = 0; index < 3; index++) await output.attempts[index]?.answer(taken);
    assert.deepEqual(sent(), ['row/1', 'y/1', 'z/1']);
    assert.match(await ctx.metrics.registry.metrics(), /sightline_output_unstored_dropped_total\{output="mqtt"\} 1/);
  });

  it('delivers every row once, in the order of its camera, whatever happens on the way', async () => {
    const action = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('add' as const), camera: fc.constantFrom('a', 'b', 'c') }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('taken', 'retry', 'lost', 'cut'), pick: fc.nat(5) }) },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constantFrom('refresh', 'advance', 'open', 'close', 'silent', 'break', 'mend') }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const { clock, store, outbox, output } = await bench({
          tuning: { memoryRows: 4, pageRows: 2, maxRetries: 100, maxCuts: 100, sweepEveryMs: 2000 },
        });
        const done: string[] = [];
        const open = new Set<Attempt>();
        let seen = 0;
        let next = 0;
        async function answer(attempt: Attempt, kind: string): Promise<void> {
          open.delete(attempt);
          if (kind === 'taken') done.push(attempt.delivery.event.alert.id);
          if (kind === 'retry') await attempt.answer({ kind: 'retry', reason: 'busy' });
          else await attempt.answer(kind === 'taken' ? taken : { kind: 'lost', closed: kind === 'cut' });
        }
        function look(): readonly Attempt[] {
          for (const attempt of output.attempts.slice(seen)) open.add(attempt);
          seen = output.attempts.length;
          return [...open];
        }
        for (const step of actions) {
          if ('camera' in step) {
            const rows = store.add([alertEvent({ id: `${step.camera}${next++}`, camera: step.camera })], {
              createdAt: clock.now(),
            });
            outbox.notify(rows);
          } else if ('pick' in step) {
            const attempts = look();
            const attempt = attempts[step.pick % Math.max(1, attempts.length)];
            if (attempt !== undefined) await answer(attempt, step.do);
          } else if (step.do === 'refresh') outbox.refresh();
          else if (step.do === 'advance') await clock.advance(700);
          else if (step.do === 'silent') store.add([alertEvent({ id: `c${next++}`, camera: 'c' })], { createdAt: clock.now() });
          else if (step.do === 'break' || step.do === 'mend') store.broken = step.do === 'break';
          else await output.open(step.do === 'open' ? 16 : 0);
          assert.ok(outbox.depth <= 4, `${outbox.depth} rows in memory`);
        }
        store.broken = false;
        await output.open(16);
        for (let turn = 0; turn < 300 && store.rows.length > 0; turn++) {
          for (const attempt of look()) await answer(attempt, 'taken');
          if (look().length === 0) await clock.advance(5000);
        }
        assert.equal(store.rows.length, 0);
        assert.equal(outbox.depth, 0);
        assert.deepEqual(done.toSorted(), [...new Set(done)].toSorted(), 'each once');
        assert.equal(done.length, next);
        for (const camera of ['a', 'b']) {
          const order = done.filter((id) => id.startsWith(camera)).map((id) => Number(id.slice(1)));
          assert.deepEqual(
            order,
            order.toSorted((one, two) => one - two),
          );
        }
      }),
      { numRuns: 500 },
    );
  });

  it('gives up a message on which the output itself stumbles', async () => {
    const clock = new ManualClock();
    const store = createMemoryOutbox();
    const output = fakeOutput();
    output.deliver = () => Promise.reject(new Error('cannot read properties'));
    const outbox = startOutbox({ output, store, liveForMs: () => 60_000 }, testContext(clock));
    await settle();
    outbox.notify(store.add([alertEvent({})], { createdAt: clock.now() }));
    await settle();
    assert.deepEqual(
      store.dead.map(({ reason }) => reason),
      ['internal error'],
    );
  });

  it('removes what was taken in batches under load, and a message alone at once', async () => {
    const { clock, store, output, outbox } = await bench({ tuning: { removeEveryMs: 20 } });
    const batches: number[] = [];
    const { acknowledge } = store;
    store.acknowledge = async (ids) => {
      batches.push(ids.length);
      return acknowledge(ids);
    };
    const cameras = ['hall', 'door', 'yard', 'gate', 'roof'];
    const events = cameras.map((camera) => alertEvent({ id: camera, camera }));
    outbox.notify(store.add(events, { createdAt: clock.now() }));
    for (const attempt of output.attempts.slice(0, 4)) await attempt.answer(taken);
    assert.deepEqual(batches, [1]);
    await clock.advance(19);
    assert.deepEqual(batches, [1]);
    await clock.advance(1);
    await settle();
    assert.deepEqual(batches, [1, 3]);
    await output.attempts[4]?.answer(taken);
    await outbox[Symbol.asyncDispose]();
    assert.deepEqual(store.rows, [], 'a rest under way does not outlive the loop');
  });

  it('flushes at disposal, but not for longer than it may', async () => {
    const { clock, store, outbox, last } = await bench({ tuning: { flushMs: 3000 } });
    outbox.notify(store.add([alertEvent({}), alertEvent({ revision: 2 })], { createdAt: clock.now() }));
    let stopped = false;
    const stopping = outbox[Symbol.asyncDispose]().then(() => {
      stopped = true;
    });
    await last().answer(taken);
    await clock.advance(2999);
    assert.equal(stopped, false);
    await clock.advance(1);
    await stopping;
    assert.deepEqual(
      store.rows.map(({ revision }) => revision),
      [2],
    );
  });
});

describe('fanout', () => {
  it('lets no output wait for another one', async () => {
    const clock = new ManualClock();
    const store = createMemoryOutbox();
    const hanging = fakeOutput('mqtt');
    const working = fakeOutput('webhook');
    const tuning = { removeEveryMs: 0 };
    const fanout = startFanout({ outputs: [hanging, working], store, liveForMs: () => 60_000, tuning }, testContext(clock));
    await settle();
    for (const revision of [1, 2, 3]) {
      for (const output of ['mqtt', 'webhook']) {
        fanout.notify(store.add([alertEvent({ revision })], { output, createdAt: clock.now() }));
      }
    }
    for (let index = 0; index < 3; index++) await working.attempts[index]?.answer(taken);
    assert.equal(hanging.attempts.length, 1);
    assert.equal(working.attempts.length, 3);
    assert.deepEqual(
      store.rows.map(({ output }) => output),
      ['mqtt', 'mqtt', 'mqtt'],
    );
  });
});
