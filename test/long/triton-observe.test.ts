import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it, test } from 'node:test';
import { configSchema } from '../../src/config/schema.ts';
import { isSightlineError } from '../../src/core/errors.ts';
import type { InferenceEngine, InferOptions, Tensor } from '../../src/core/inference.ts';
import { added, type ServerCounts, serverCountNames } from '../../src/core/served-models.ts';
import { createTracer, type Trace } from '../../src/core/trace.ts';
import { startEngine } from '../../src/inference/engine.ts';
import { startTritonEngine } from '../../src/inference/triton.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { createWorkplace, patience } from '../support/daemon.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fixtureModelRepository, fixtureModels, fixturePath } from '../support/fixtures.ts';
import { freePort } from '../support/port.ts';
import { startTraceCollector, type TraceCollector } from '../support/trace-collector.ts';
import { loadOnly, missingTriton, pythonModel, startTriton, type TritonServer } from '../support/triton.ts';
import { until } from '../support/until.ts';

/** What can be seen of a real server's work: its counters beside Prometheus, its traces, and the time it lets requests wait. */
const skip = await missingTriton();

const tensors = `
input [ { name: "in" data_type: TYPE_FP32 dims: [ 2 ] } ]
output [ { name: "out" data_type: TYPE_FP32 dims: [ 1 ] } ]
`;
const body = `
rows = inputs["in"]
time.sleep(float(rows[:, 1].max()) / 1000)
return pb_utils.InferenceResponse([pb_utils.Tensor("out", 2 * rows[:, :1])])
`;

function row(value: number, pauseMs = 0): Tensor {
  return { name: 'in', datatype: 'FP32', shape: [1, 2], data: Float32Array.of(value, pauseMs) };
}

function within(ctx: TestContext, ms: number, more: Partial<InferOptions> = {}): InferOptions {
  return { signal: ctx.signal, deadlineMs: ctx.clock.mono() + ms, stream: 'lobby', ...more };
}

function standsStill(pid: number): boolean {
  const states = readdirSync(`/proc/${pid}/task`).map((task) => readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8'));
  return states.every((text) => text.slice(text.lastIndexOf(')')).startsWith(') T'));
}

describe('what is seen of a Triton server', { skip }, () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let collector: TraceCollector;
  let server: TritonServer;
  let metricsPort = 0;
  const start = (port?: number) =>
    startTriton({
      repository: directory.path,
      ...(port === undefined ? {} : { port }),
      metricsPort,
      flags: collector.flags,
    });

  before(async () => {
    directory = await temporaryDirectory();
    collector = await startTraceCollector();
    metricsPort = await freePort();
    await pythonModel(directory.path, 'double', `max_batch_size: 8 dynamic_batching { }${tensors}`, body);
    const policy = 'default_timeout_microseconds: 60000000 allow_timeout_override: true';
    const patient = `max_batch_size: 1 dynamic_batching { default_queue_policy { ${policy} } }${tensors}`;
    await pythonModel(directory.path, 'patient', patient, body);
    server = await start();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    await collector?.[Symbol.asyncDispose]();
    await directory?.[Symbol.asyncDispose]();
  });

  const engineFor = (ctx: TestContext) => startTritonEngine({ urls: [server.url], repository: directory.path }, ctx);

  async function countsOf(engine: InferenceEngine, model = 'double'): Promise<ServerCounts> {
    const [only, second] = (await engine.statistics?.([model])) ?? [];
    assert.ok(only !== undefined && second === undefined);
    assert.deepEqual([only.server, only.model, only.version], [server.url, model, '1']);
    return only.counts;
  }

  /** The same by the server's page for Prometheus; its times are in microseconds. */
  async function prometheus(): Promise<ServerCounts> {
    const page = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    const of = (name: string, more = '') => {
      const pattern = new RegExp(`^${name}\\{model="double"${more},version="1"\\} (\\S+)$`, 'm');
      return Number(pattern.exec(page)?.[1] ?? assert.fail(`${name} in ${page}`));
    };
    return {
      requests: of('nv_inference_request_success'),
      failures: 0,
      inferences: of('nv_inference_count'),
      executions: of('nv_inference_exec_count'),
      requestSeconds: of('nv_inference_request_duration_us') / 1e6,
      queueSeconds: of('nv_inference_queue_duration_us') / 1e6,
      computeInputSeconds: of('nv_inference_compute_input_duration_us') / 1e6,
      computeInferSeconds: of('nv_inference_compute_infer_duration_us') / 1e6,
      computeOutputSeconds: of('nv_inference_compute_output_duration_us') / 1e6,
    };
  }

  it('its counters are those of its page for Prometheus, and our round trip holds the time of its requests', async () => {
    using ctx = testContext();
    await using engine = await engineFor(ctx);
    await engine.load('double');
    const before = await Promise.all([countsOf(engine), prometheus()]);
    const asked = Array.from({ length: 24 }, (_, at) =>
      engine.infer('double', [row(at, 20)], within(ctx, 20_000, { stream: `camera ${at % 8}` })),
    );
    await Promise.all(asked);
    const now = await Promise.all([countsOf(engine), prometheus()]);
    const [own, theirs] = [added(serverCountNames, before[0], now[0]), added(serverCountNames, before[1], now[1])];
    const [traffic] = engine.traffic();
    assert.ok(traffic);
    assert.equal(own.inferences, 24);
    assert.ok(own.queueSeconds > 0 && own.computeInferSeconds > 0.02, JSON.stringify(own));
    // Each request's time is cut to whole microseconds there.
    for (const [name, value] of Object.entries(own))
      assert.ok(
        Math.abs(value - theirs[name as keyof ServerCounts]) <= 24e-6,
        `${name}: ${value} and ${JSON.stringify(theirs)}`,
      );
    assert.deepEqual([traffic.model, traffic.server, traffic.answers], ['double', server.url, own.requests]);
    assert.ok(traffic.roundTripSeconds > own.requestSeconds, `${traffic.roundTripSeconds} and ${own.requestSeconds}`);
    const parts = own.queueSeconds + own.computeInputSeconds + own.computeInferSeconds + own.computeOutputSeconds;
    assert.ok(parts <= own.requestSeconds, `${parts} of ${own.requestSeconds}`);
  });

  it('a model that it does not have is left out, and the others are told all the same', async () => {
    using ctx = testContext();
    await using engine = await engineFor(ctx);
    const readings = await engine.statistics(['nobody', 'double', 'patient']);
    assert.deepEqual(
      readings.map(({ model }) => model),
      ['double', 'patient'],
    );
  });

  it('while it hangs its statistics are not waited for; after a restart all that it counts was added since', async () => {
    using ctx = testContext();
    await using engine = await engineFor(ctx);
    await engine.load('double');
    for (const value of [1, 2, 3]) await engine.infer('double', [row(value)], within(ctx, 20_000));
    const before = await countsOf(engine);
    server.signal('SIGSTOP');
    try {
      await until('every thread of it to stand still', () => standsStill(server.pid));
      assert.deepEqual(await engine.statistics(['double', 'patient']), []);
    } finally {
      server.signal('SIGCONT');
    }
    const failures = await ctx.metrics.registry.getSingleMetric('sightline_triton_statistics_failures_total')?.get();
    assert.deepEqual(
      failures?.values.map(({ value }) => value),
      [1],
    );
    server.signal('SIGKILL');
    await server[Symbol.asyncDispose]();
    server = await start(server.port);
    await until('an answer of the new server', async () => {
      await engine.infer('double', [row(1)], within(ctx, 20_000));
      return true;
    });
    const now = await countsOf(engine);
    assert.ok(now.requests < before.requests, JSON.stringify([before, now]));
    assert.deepEqual(added(serverCountNames, before, now), now);
  });

  it('traces the requests that ask for it, as children of the span that we name, and no others', async () => {
    using ctx = testContext();
    await using engine = await engineFor(ctx);
    await engine.load('double');
    const known = new Set(collector.spans);
    const spans = () => collector.spans.filter((span) => !known.has(span));
    const begin = createTracer(1);
    const traces: Trace[] = [];
    // Triton's exporter loses a batch of spans now and then: asked often enough, one arrives.
    await until('the spans of a request', async () => {
      const trace = begin();
      assert.ok(trace);
      traces.push(trace);
      await engine.infer('double', [row(1)], within(ctx, 20_000));
      await engine.infer('double', [row(1)], within(ctx, 20_000, { trace }));
      return spans().filter(({ name }) => name === 'InferRequest').length > 0;
    });
    for (const { traceId, parentSpanId, name } of spans()) {
      const trace = traces.find(({ id }) => id === traceId);
      assert.ok(trace, `${traceId} was not asked for`);
      if (name === 'InferRequest') assert.equal(`00-${traceId}-${parentSpanId}-01`, trace.traceparent);
    }
    const [{ traceId } = assert.fail('no span')] = spans();
    const own = spans().filter((span) => span.traceId === traceId);
    assert.deepEqual(own.map(({ name }) => name).toSorted(), ['InferRequest', 'compute', 'double']);
  });

  it('requests that share a message go under the trace of the first, and the log names them all', async () => {
    using ctx = testContext();
    await using engine = await engineFor(ctx);
    await engine.load('double');
    const begin = createTracer(1);
    const traces = Array.from({ length: 3 }, begin);
    const first = engine.infer('double', [row(0, 200)], within(ctx, 20_000));
    const asked = traces.map((trace, at) =>
      engine.infer(
        'double',
        [row(at)],
        within(ctx, 20_000, { stream: `camera ${at}`, ...(trace === undefined ? {} : { trace }) }),
      ),
    );
    await Promise.all([first, ...asked]);
    const [line, another] = ctx.lines.filter(({ msg }) => msg === 'traced requests share a message');
    assert.ok(line !== undefined && another === undefined);
    const named = [String(line['trace']), ...(line['with'] as readonly string[])];
    assert.deepEqual(new Set(named), new Set(traces.map((trace) => trace?.id)));
    assert.ok(!collector.spans.some(({ traceId }) => named.slice(1).includes(traceId)));
  });

  it('a request that is shed is named by its trace in the log', async () => {
    using ctx = testContext();
    await using engine = await engineFor(ctx);
    await engine.load('double');
    const trace = createTracer(1)();
    assert.ok(trace);
    await assert.rejects(engine.infer('double', [row(1)], within(ctx, -1, { trace })), (error: unknown) =>
      isSightlineError(error, 'inference.deadline'),
    );
    const shed = ctx.lines.filter(({ msg }) => msg === 'inference request shed');
    assert.deepEqual(
      shed.map((line) => line['trace']),
      [trace.id],
    );
  });

  for (const queueTimeout of [true, false]) {
    it(`with queueTimeout ${queueTimeout} a request whose time is over in its queue is ${queueTimeout ? 'never' : 'still'} run`, async () => {
      using ctx = testContext();
      const { inference } = configSchema.parse({
        inference: { engine: 'triton', url: server.url, repository: directory.path, queueTimeout },
      });
      await using engine = await startEngine(inference, ctx);
      await engine.load('patient');
      const before = await countsOf(engine, 'patient');
      const long = engine.infer('patient', [row(1, 1500)], within(ctx, 20_000));
      await until('it to be under way', async () => {
        const sent = await ctx.metrics.registry.getSingleMetric('sightline_triton_requests_total')?.get();
        return sent?.values[0]?.value === 1;
      });
      const short = engine.infer('patient', [row(2)], within(ctx, 500, { stream: 'yard' }));
      await assert.rejects(short, (error: unknown) => isSightlineError(error, 'inference.deadline'));
      await long;
      const since = async () => added(serverCountNames, before, await countsOf(engine, 'patient'));
      await until('the server to be done with both', async () => {
        const { requests, failures } = await since();
        return requests + failures === 2;
      });
      assert.deepEqual((await since()).executions, queueTimeout ? 1 : 2);
    });
  }
});

test("a daemon tells of its own requests and of its worker's: status, metrics, and the trace of an alert", {
  skip,
}, async () => {
  const models = [fixtureModels.face, fixtureModels.faceEmbedder];
  await using server = await startTriton({
    repository: fixtureModelRepository,
    flags: loadOnly(...models),
  });
  await using place = await createWorkplace({
    inference: { engine: 'triton', url: server.url, traceRatio: 1 },
    lists: { banned: {} },
    cameras: { lobby: { source: fixturePath('clips/lobby.mp4'), realtime: true, loop: true } },
  });
  await place.enrol('banned', 'ada');
  await using daemon = await place.start();
  const { trace, id } = await until('an alert', async () => (await place.ask('alerts.list', { limit: 1 })).alerts[0], patience);
  assert.match(trace ?? 'none', /^[0-9a-f]{32}$/);
  assert.match(await place.succeed('alerts', 'show', id), new RegExp(`^trace +${trace}$`, 'm'));
  const { served } = await until(
    'both models with all of their times',
    async () => {
      const status = await place.ask('status', {});
      const told = status.served?.filter(({ queueMs, computeMs, networkMs }) =>
        [queueMs, computeMs, networkMs].every((ms) => ms !== undefined),
      );
      return told?.length === 2 ? status : undefined;
    },
    patience,
  );
  assert.deepEqual(new Set(served?.map(({ model }) => model)), new Set(models));
  for (const { answersPerSecond, roundTripMs, queueMs = 0, computeMs = 0, networkMs = 0 } of served ?? []) {
    assert.ok(answersPerSecond > 0 && computeMs > 0);
    assert.ok(queueMs + computeMs + networkMs <= roundTripMs + 1e-6);
  }
  const text = await place.succeed('status');
  for (const model of models) assert.match(text, new RegExp(`^${model} on ${server.url}: .* answers a second, .*network`, 'm'));
  for (const model of models) {
    const of = (name: string, more = '') =>
      daemon.metric(`sightline_triton_${name}{model="${model}",server="${server.url}"${more}}`);
    // Ours are counted from the start, the server's from the first reading on; nobody else asks it.
    const theirs = await of('server_requests_total');
    assert.ok(theirs > 0 && theirs <= (await of('answers_total')), model);
    assert.ok((await of('server_stage_seconds_total', ',stage="compute_infer"')) > 0, model);
  }
});
