import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type CameraConfig, configSchema } from '../../src/config/schema.ts';
import {
  type ActualWorker,
  afterDeath,
  capacityFor,
  desiredWorkers,
  planWorkers,
  type WorkerSpec,
} from '../../src/workers/plan.ts';
import { describeState, mayFollow, type WorkerState, workerStateNames } from '../../src/workers/state.ts';

function cameras(settings: Readonly<Record<string, object>>): Readonly<Record<string, CameraConfig>> {
  const given = Object.fromEntries(
    Object.entries(settings).map(([id, extra]) => [id, { source: `rtsp://10.0.0.1/${id}`, ...extra }]),
  );
  return configSchema.parse({ cameras: given }).cameras;
}

function specOf(settings: Readonly<Record<string, object>>): WorkerSpec {
  const [spec] = desiredWorkers(cameras(settings));
  assert.ok(spec);
  return spec;
}

const now = 100_000;
const states: Readonly<Record<WorkerState['state'], WorkerState>> = {
  starting: { state: 'starting', sinceMonoMs: 0 },
  running: { state: 'running', sinceMonoMs: 0, pid: 7 },
  draining: { state: 'draining', sinceMonoMs: 0, reason: 'told to' },
  waiting: { state: 'waiting', sinceMonoMs: 0, untilMonoMs: now + 2000, code: 'worker.crashed', reason: 'exit code 1' },
  failed: { state: 'failed', sinceMonoMs: 0, retryMonoMs: now + 60_000, code: 'worker.crashed', reason: 'exit code 1' },
  stopped: { state: 'stopped', sinceMonoMs: 0, reason: 'told to' },
};

function actual(spec: WorkerSpec, state: WorkerState, capacity = 8): ActualWorker {
  return { spec, state, capacity };
}

describe('desired workers', () => {
  it('are one per runtime and group, of enabled cameras only', () => {
    const specs = desiredWorkers(
      cameras({ a: {}, b: { group: 'yard' }, c: {}, d: { runtime: 'deepstream' }, e: { enabled: false, group: 'off' } }),
    );
    assert.deepEqual(
      specs.map(({ worker, runtime, cameras: own }) => [worker, runtime, [...own.keys()]]),
      [
        ['deepstream-main', 'deepstream', ['d']],
        ['software-main', 'software', ['a', 'c']],
        ['software-yard', 'software', ['b']],
      ],
    );
  });

  it('do not change with settings that only the daemon needs', () => {
    const zones = {
      door: [
        [0, 0],
        [1, 0],
        [1, 1],
      ],
    };
    assert.deepEqual(specOf({ a: {} }), specOf({ a: { zones } }));
  });
});

describe('worker plan', () => {
  const spec = specOf({ a: {}, b: {} });
  const other = specOf({ a: {}, b: { detect: [{ model: 'yunet' }] } });

  it('starts what is not there and leaves alone what is as it should be', () => {
    assert.deepEqual(planWorkers([spec], [], now), { actions: [{ do: 'start', spec, why: 'new' }] });
    for (const state of ['starting', 'running', 'draining'] as const) {
      assert.deepEqual(planWorkers([spec], [actual(spec, states[state])], now), { actions: [] });
    }
  });

  it('tries again at once, when asked to, a worker that has failed and the cameras of one that runs', () => {
    const asked = (state: WorkerState) => planWorkers([spec], [{ ...actual(spec, state), retry: true }], now).actions;
    assert.deepEqual(asked(states.failed), [{ do: 'start', spec, why: 'changed' }]);
    assert.deepEqual(asked(states.running), [{ do: 'configure', spec, why: 'retry' }]);
    assert.deepEqual(asked(states.draining), []);
  });

  it('tells a software worker its new cameras without a restart', () => {
    for (const state of ['starting', 'running'] as const) {
      assert.deepEqual(planWorkers([other], [actual(spec, states[state])], now).actions, [
        { do: 'configure', spec: other, why: 'changed' },
      ]);
    }
  });

  it('restarts a software worker whose thread pool has become too small', () => {
    const nine = specOf(Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`cam${i}`, {}])));
    const [action] = planWorkers([nine], [actual(spec, states.running, 8)], now).actions;
    assert.equal(action?.do, 'drain');
    assert.deepEqual(planWorkers([nine], [actual(spec, states.running, 16)], now).actions, [
      { do: 'configure', spec: nine, why: 'changed' },
    ]);
    assert.deepEqual([0, 1, 8, 9, 16, 17].map(capacityFor), [8, 8, 8, 16, 16, 24]);
  });

  it('restarts a container for any change of its cameras', () => {
    const before = specOf({ a: { runtime: 'deepstream' } });
    const after = specOf({ a: { runtime: 'deepstream', decode: 'software' } });
    assert.equal(planWorkers([after], [actual(before, states.running)], now).actions[0]?.do, 'drain');
    assert.deepEqual(planWorkers([after], [actual(before, states.stopped)], now).actions, [
      { do: 'start', spec: after, why: 'changed' },
    ]);
  });

  it('waits out a pause and says when to look again', () => {
    assert.deepEqual(planWorkers([spec], [actual(spec, states.waiting)], now), { actions: [], nextMonoMs: now + 2000 });
    assert.deepEqual(planWorkers([spec], [actual(spec, states.waiting)], now + 2000), {
      actions: [{ do: 'start', spec, why: 'retry' }],
    });
    assert.deepEqual(planWorkers([spec], [actual(spec, states.failed)], now), { actions: [], nextMonoMs: now + 60_000 });
    assert.deepEqual(planWorkers([spec], [actual(spec, states.failed)], now + 60_000).actions, [
      { do: 'start', spec, why: 'retry' },
    ]);
  });

  it('tries a worker with wrong settings again when they change, and not before', () => {
    const wrong: WorkerState = { state: 'failed', sinceMonoMs: 0, code: 'worker.settings', reason: 'exit code 78' };
    assert.deepEqual(planWorkers([spec], [actual(spec, wrong)], now + 1e9), { actions: [] });
    assert.deepEqual(planWorkers([other], [actual(spec, wrong)], now).actions, [{ do: 'start', spec: other, why: 'changed' }]);
  });

  it('ends what nobody wants any more, then forgets it', () => {
    const steps = Object.fromEntries(
      workerStateNames.map((name) => [name, planWorkers([], [actual(spec, states[name])], now).actions[0]?.do]),
    );
    assert.deepEqual(steps, {
      starting: 'drain',
      running: 'drain',
      draining: undefined,
      waiting: 'forget',
      failed: 'forget',
      stopped: 'forget',
    });
  });

  it('comes to rest: carried out again and again, whatever there was ends as it should be', () => {
    const specs = [spec, other, specOf({ a: { group: 'yard' } }), specOf({ a: { runtime: 'deepstream' } })];
    const stateName = fc.constantFrom(...workerStateNames);
    fc.assert(
      fc.property(fc.subarray(specs.slice(1)), fc.subarray([spec, ...specs.slice(2)]), stateName, (desired, there, name) => {
        let workers = there.map((item) => actual(item, states[name]));
        for (let round = 0; round < 6; round += 1) {
          const { actions } = planWorkers(desired, workers, now + 1e6);
          for (const action of actions) {
            const target = 'spec' in action ? action.spec.worker : action.worker;
            const rest = workers.filter(({ spec: { worker } }) => worker !== target);
            const before = workers.find(({ spec: { worker } }) => worker === target);
            if (action.do === 'start') workers = [...rest, actual(action.spec, states.starting)];
            else if (action.do === 'configure' && before !== undefined) workers = [...rest, { ...before, spec: action.spec }];
            else if (action.do === 'drain' && before !== undefined) workers = [...rest, { ...before, state: states.draining }];
            else workers = rest;
          }
          // Time passes: what drains stops, what starts runs.
          workers = workers.map((worker) => ({
            ...worker,
            state: { draining: states.stopped, starting: states.running }[worker.state.state as string] ?? worker.state,
          }));
        }
        assert.deepEqual(planWorkers(desired, workers, now + 1e6), { actions: [] });
        assert.deepEqual(
          new Map(workers.map((worker) => [worker.spec.worker, worker.spec])),
          new Map(desired.map((item) => [item.worker, item])),
        );
        for (const worker of workers) assert.equal(worker.state.state, 'running');
      }),
    );
  });
});

describe('worker after its death', () => {
  const chances = { delayMs: 700, withinBudget: true, longPauseMs: 120_000, inferenceReady: true };
  const death = { reason: 'exit code 1', code: 'worker.crashed', exitCode: 1 } as const;

  it('is started again after the delay while it has restarts left', () => {
    assert.deepEqual(afterDeath(death, chances, now), {
      state: 'waiting',
      sinceMonoMs: now,
      untilMonoMs: now + 700,
      code: 'worker.crashed',
      reason: 'exit code 1',
    });
  });

  it('that got no further waits for Triton where that is away, and for nothing where it is there', () => {
    const wedged = { ...death, exitCode: 71 };
    const needs = (inferenceReady: boolean) => {
      const next = afterDeath(wedged, { ...chances, inferenceReady }, now);
      return next.state === 'waiting' && next.needs;
    };
    assert.deepEqual([needs(false), needs(true)], ['inference', undefined]);
  });

  it('fails with a long pause when they are used up, and a longer one when its settings are wrong', () => {
    assert.deepEqual(afterDeath(death, { ...chances, withinBudget: false }, now), {
      state: 'failed',
      sinceMonoMs: now,
      retryMonoMs: now + 120_000,
      code: 'worker.crashed',
      reason: 'exit code 1',
    });
    const settings = afterDeath({ ...death, exitCode: 78 }, chances, now);
    assert.deepEqual(settings, {
      state: 'failed',
      sinceMonoMs: now,
      retryMonoMs: now + 300_000,
      code: 'worker.settings',
      reason: 'exit code 1',
    });
  });
});

describe('worker state', () => {
  it('never skips a step on the way down or up', () => {
    assert.equal(mayFollow(states.running, states.stopped), false);
    assert.equal(mayFollow(states.running, states.starting), false);
    assert.equal(mayFollow(states.draining, states.starting), false);
    assert.equal(mayFollow(states.stopped, states.starting), true);
    assert.equal(mayFollow(states.failed, states.starting), true);
  });

  it('has words for every state', () => {
    assert.deepEqual(
      workerStateNames.map((name) => describeState(states[name], now)),
      [
        'starting for 100 s',
        'running for 100 s as process 7',
        'stopping: told to',
        'waiting 2 s before the next start: exit code 1',
        'failed, tried again in 60 s: exit code 1',
        'stopped: told to',
      ],
    );
    assert.equal(
      describeState({ state: 'failed', sinceMonoMs: 0, code: 'worker.settings', reason: 'exit code 78' }, now),
      'failed until its settings change: exit code 78',
    );
  });
});
