import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startServedModels } from '../../src/composition/served-models.ts';
import {
  added,
  type ModelTraffic,
  type ServerCounts,
  type ServerReading,
  servedModelView,
} from '../../src/core/served-models.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';

/** So many requests of two rows each, four rows to a run: 1 ms in the queue, 2 + 3 + 4 ms in the network, 11 ms in all. */
function counts(requests: number): ServerCounts {
  return {
    requests,
    failures: 0,
    inferences: 2 * requests,
    executions: requests / 2,
    requestSeconds: 0.011 * requests,
    queueSeconds: 0.001 * requests,
    computeInputSeconds: 0.002 * requests,
    computeInferSeconds: 0.003 * requests,
    computeOutputSeconds: 0.004 * requests,
  };
}

describe('readings of counters', () => {
  it('give what was added between them', () => {
    assert.deepEqual(added(['a', 'b'], { a: 5, b: 1.5 }, { a: 7, b: 1.75 }), { a: 2, b: 0.25 });
    assert.deepEqual(added(['a', 'b'], { a: 5, b: 1.5 }, { a: 5, b: 1.5 }), { a: 0, b: 0 });
  });

  it('give all that there is once who counts was restarted, as soon as one of them has gone down', () => {
    assert.deepEqual(added(['a', 'b'], { a: 5, b: 1 }, { a: 2, b: 0.5 }), { a: 2, b: 0.5 });
    assert.deepEqual(added(['a', 'b'], { a: 5, b: 1 }, { a: 6, b: 0.5 }), { a: 6, b: 0.5 });
  });
});

describe('what people are shown of a model on a server', () => {
  const place = { model: 'face_embed', server: 'a:8001' };
  const rounded = (values: object) =>
    Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key, typeof value === 'number' ? +value.toFixed(6) : value]),
    );

  it('is the mean of a message: round trip, queue, network run, and the rest', () => {
    const view = servedModelView(place, { ...counts(20), answers: 20, roundTripSeconds: 0.3 }, 10);
    assert.deepEqual(rounded(view ?? {}), {
      ...place,
      answersPerSecond: 2,
      roundTripMs: 15,
      queueMs: 1,
      computeMs: 9,
      networkMs: 4,
    });
  });

  it('has no more than the round trip where the server says nothing', () => {
    const view = servedModelView(place, { ...counts(0), answers: 5, roundTripSeconds: 0.05 }, 10);
    assert.deepEqual(view, { ...place, answersPerSecond: 0.5, roundTripMs: 10 });
  });

  it('does not call negative what others asked the server for', () => {
    const view = servedModelView(place, { ...counts(100), answers: 5, roundTripSeconds: 0.05 }, 10);
    assert.equal(view?.networkMs, undefined);
    assert.equal(view?.computeMs?.toFixed(3), '9.000');
  });

  it('is nothing where nothing was answered', () => {
    assert.equal(servedModelView(place, { ...counts(100), answers: 0, roundTripSeconds: 0 }, 10), undefined);
  });
});

describe('models on Triton servers', () => {
  const reading = (server: string, model: string, requests: number, version = '1'): ServerReading => ({
    server,
    model,
    version,
    counts: counts(requests),
  });

  function house() {
    const clock = new ManualClock();
    const ctx = testContext(clock);
    const says = {
      servers: ['a:1', 'b:1'] as readonly string[],
      traffic: [] as readonly ModelTraffic[],
      readings: [] as readonly ServerReading[],
      asked: [] as (readonly string[])[],
    };
    const engine = {
      servers: () => says.servers.map((name) => ({ name, state: 'ready', reason: '' }) as const),
      traffic: () => says.traffic,
      statistics: async (models: readonly string[]) => {
        says.asked.push(models);
        return says.readings;
      },
    };
    const served = startServedModels(engine, () => ['face_embed', 'centerface'], ctx);
    const metric = async (name: string, labels: Readonly<Record<string, string>>) => {
      const { values } = (await ctx.metrics.registry.getSingleMetric(`sightline_triton_${name}`)?.get()) ?? { values: [] };
      const found = values.filter((value) =>
        Object.entries(labels).every(([key, text]) => (value.labels as Readonly<Record<string, unknown>>)[key] === text),
      );
      return found.length === 0 ? undefined : +found.reduce((sum, { value }) => sum + value, 0).toFixed(9);
    };
    return { clock, says, served, metric };
  }
  const face = { model: 'face_embed', server: 'a:1' };

  it('count from the first reading on: what a server did before was for others', async () => {
    const { clock, says, served, metric } = house();
    using _ = served;
    says.readings = [reading('a:1', 'face_embed', 1000)];
    await clock.advance(5000);
    assert.deepEqual(says.asked, [['face_embed', 'centerface']]);
    assert.equal(await metric('server_requests_total', face), undefined);
    says.readings = [reading('a:1', 'face_embed', 1010)];
    await clock.advance(5000);
    const stage = (name: string) => metric('server_stage_seconds_total', { ...face, stage: name });
    assert.deepEqual(
      await Promise.all([
        ...['requests', 'failures', 'inferences', 'executions', 'request_seconds'].map((name) =>
          metric(`server_${name}_total`, face),
        ),
        ...['queue', 'compute_input', 'compute_infer', 'compute_output'].map(stage),
      ]),
      [10, 0, 20, 5, 0.11, 0.01, 0.02, 0.03, 0.04],
    );
  });

  it('go on counting through a restart of the server, and add up the versions of a model', async () => {
    const { clock, says, served, metric } = house();
    using _ = served;
    for (const readings of [
      [reading('a:1', 'face_embed', 100)],
      [reading('a:1', 'face_embed', 107)],
      [],
      [reading('a:1', 'face_embed', 4)],
      [reading('a:1', 'face_embed', 5), reading('a:1', 'face_embed', 30, '2')],
      [reading('a:1', 'face_embed', 5), reading('a:1', 'face_embed', 32, '2')],
    ]) {
      says.readings = readings;
      await clock.advance(5000);
    }
    assert.equal(await metric('server_requests_total', face), 7 + 4 + 1 + 2);
  });

  it('keep nothing of versions that a server has no more', async () => {
    const { clock, says, served, metric } = house();
    using _ = served;
    for (const readings of [
      [reading('a:1', 'face_embed', 100, '1')],
      [reading('a:1', 'face_embed', 100, '2')],
      // Counted before it was read first, as version 2 was: had it been kept, these were 50 more.
      [reading('a:1', 'face_embed', 150, '1')],
      [reading('a:1', 'face_embed', 153, '1')],
    ]) {
      says.readings = readings;
      await clock.advance(5000);
    }
    assert.equal(await metric('server_requests_total', face), 3);
  });

  it('count the round trips of the daemon and of every worker from their beginning, and through their restarts', async () => {
    const { clock, says, served, metric } = house();
    using _ = served;
    const wire = (answers: bigint, server = 'a:1', model = 'face_embed') => ({
      model,
      server,
      answers,
      roundTripSeconds: Number(answers) / 100,
    });
    says.traffic = [{ ...face, answers: 4, roundTripSeconds: 0.08 }];
    served.stats('one', [wire(3n)]);
    served.stats('two', [wire(5n), wire(9n, 'stranger:1'), wire(9n, 'a:1', 'stranger')]);
    await clock.advance(5000);
    served.stats('one', [wire(1n)]);
    served.stats('two', [wire(8n)]);
    assert.equal(await metric('answers_total', face), 4 + 3 + 5 + 1 + 3);
    assert.equal(await metric('round_trip_seconds_total', face), 0.08 + 0.12);
    assert.equal(await metric('answers_total', { server: 'stranger:1' }), undefined);
    assert.equal(await metric('answers_total', { model: 'stranger' }), undefined);
  });

  it('are forgotten with their server', async () => {
    const { clock, says, served, metric } = house();
    using _ = served;
    says.traffic = ['a:1', 'b:1'].map((server) => ({ model: 'face_embed', server, answers: 1, roundTripSeconds: 1 }));
    await clock.advance(5000);
    says.servers = ['b:1'];
    await clock.advance(5000);
    assert.equal(await metric('answers_total', face), undefined);
    assert.equal(await metric('answers_total', { server: 'b:1' }), 1);
    assert.deepEqual(
      served.status().served?.map(({ server }) => server),
      ['b:1'],
    );
  });

  it('are shown by the last minute alone', async () => {
    const { clock, says, served } = house();
    using _ = served;
    const step = async (answers: number) => {
      says.traffic = [{ ...face, answers, roundTripSeconds: answers / 10 }];
      says.readings = [reading('a:1', 'face_embed', answers)];
      await clock.advance(5000);
    };
    assert.deepEqual(served.status(), { served: [] });
    for (let at = 1; at <= 20; at += 1) await step(50 * at);
    const [view] = served.status().served ?? [];
    assert.deepEqual(
      [view?.answersPerSecond, view?.roundTripMs.toFixed(3), view?.networkMs?.toFixed(3)],
      [10, '100.000', '89.000'],
    );
    for (let at = 0; at < 12; at += 1) await step(1000);
    assert.deepEqual(served.status(), { served: [] });
  });

  it('are nothing where the program itself runs the networks', async () => {
    const clock = new ManualClock();
    using served = startServedModels({}, () => ['face_embed'], testContext(clock));
    await clock.advance(20_000);
    assert.deepEqual(served.status(), {});
  });
});
