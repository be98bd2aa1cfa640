import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configureMessage } from '../../src/composition/camera-message.ts';
import { createWorkerLink } from '../../src/composition/worker-link.ts';
import { configSchema } from '../../src/config/schema.ts';
import {
  CameraStats,
  GpuStats,
  Hello,
  InferenceConfig,
  ModelStats,
  WorkerStats,
} from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { readEngine } from '../../src/software-worker/settings.ts';
import { desiredWorkers } from '../../src/workers/plan.ts';
import { testContext } from '../support/context.ts';

test('worker link: nothing is said or measured of a camera that was removed, nor of a worker that is gone', async () => {
  using ctx = testContext();
  const { cameras, inference } = configSchema.parse({ cameras: { lobby: { source: '/a.mp4' }, yard: { source: '/b.mp4' } } });
  const forgotten: string[] = [];
  const link = createWorkerLink(
    {
      register: () => ({ setCameras: () => {}, send: () => true, connected: true, [Symbol.dispose]: () => {} }),
      forget: (camera) => void forgotten.push(camera),
    },
    inference,
    ctx.metrics,
  );
  const attachment = link.register('main', 'token', { hello: () => {}, closed: () => {}, drained: () => {} });
  for (const { cameras: own } of desiredWorkers(cameras)) attachment.configure(own);
  const report = () =>
    link.stats('main', {
      ...WorkerStats.create(),
      cameras: ['lobby', 'yard'].map((camera) => ({ ...CameraStats.create(), camera, framesDecoded: 7n, fps: 5 })),
      models: [{ ...ModelStats.create(), model: 'centerface', requests: 3n }],
      gpu: { ...GpuStats.create(), uuid: 'GPU-1', name: 'NVIDIA L4', celsius: 50 },
    });
  const labels = async () => new Set((await ctx.metrics.registry.metrics()).match(/(camera|worker|gpu)="[\w-]+"/g));
  report();
  assert.deepEqual(await labels(), new Set(['camera="lobby"', 'camera="yard"', 'worker="main"', 'gpu="GPU-1"']));
  link.forgetCamera('lobby');
  report();
  assert.deepEqual(forgotten, ['lobby']);
  assert.deepEqual(await labels(), new Set(['camera="yard"', 'worker="main"', 'gpu="GPU-1"']));
  assert.deepEqual(
    link.status().gpus?.map(({ workers }) => workers),
    [['main']],
  );
  attachment[Symbol.dispose]();
  assert.deepEqual(await labels(), new Set(['camera="yard"']));
  assert.deepEqual(link.status(), {});
});

test('worker link: detectors of a worker are told while it is connected', () => {
  using ctx = testContext();
  const events: { hello: () => void; closed: () => void }[] = [];
  const link = createWorkerLink(
    {
      register: (_name, _token, { hello, closed }) => {
        events.push({ hello: () => hello(Hello.create()), closed: () => closed('the test ended it') });
        return { setCameras: () => {}, send: () => true, connected: true, [Symbol.dispose]: () => {} };
      },
      forget: () => {},
    },
    configSchema.parse({}).inference,
    ctx.metrics,
  );
  const attachment = link.register('main', 'token', { hello: () => {}, closed: () => {}, drained: () => {} });
  const told = () => link.status().detectors?.map(({ model, workers }) => `${model} of ${workers}`);
  const failing = () => link.parts().map(({ name, reason }) => `${name}: ${reason}`);
  const models = [{ ...ModelStats.create(), model: 'centerface', failing: 'out of memory' }];
  const report = () => link.stats('main', { ...WorkerStats.create(), models });
  events[0]?.hello();
  report();
  assert.deepEqual(told(), ['centerface of main']);
  assert.deepEqual(failing(), ['detector centerface: out of memory']);
  events[0]?.closed();
  assert.equal(told(), undefined);
  assert.deepEqual(failing(), [], 'its cameras are away, and say why');
  events[0]?.hello();
  report();
  assert.deepEqual(told(), ['centerface of main']);
  assert.deepEqual(failing(), ['detector centerface: out of memory']);
  attachment[Symbol.dispose]();
  assert.equal(told(), undefined);
  assert.deepEqual(failing(), []);
});

test('worker link: a model that a worker does not name any more is not measured any more', async () => {
  using ctx = testContext();
  const link = createWorkerLink(
    { register: () => assert.fail('nobody attaches'), forget: () => {} },
    configSchema.parse({}).inference,
    ctx.metrics,
  );
  const report = (...models: readonly string[]) =>
    link.stats('main', { ...WorkerStats.create(), models: models.map((model) => ({ ...ModelStats.create(), model })) });
  report('centerface', 'yunet');
  report('yunet');
  assert.deepEqual(new Set((await ctx.metrics.registry.metrics()).match(/model="[a-z]+"/g)), new Set(['model="yunet"']));
});

test('worker link: the wish for annotated video reaches whichever worker has the camera, and the next one when that starts anew', () => {
  using ctx = testContext();
  const { cameras, inference } = configSchema.parse({ cameras: { lobby: { source: '/a.mp4' }, yard: { source: '/b.mp4' } } });
  const sent: string[] = [];
  let hello: () => void = () => assert.fail('nobody is registered');
  const link = createWorkerLink(
    {
      register: (_name, _token, events) => {
        hello = () => events.hello(Hello.create());
        return {
          setCameras: () => {},
          send: (message) => {
            sent.push(message.$case === 'wantVideo' ? `${message.value.camera} ${message.value.annotated}` : message.$case);
            return true;
          },
          connected: true,
          [Symbol.dispose]: () => {},
        };
      },
      forget: () => {},
    },
    inference,
    ctx.metrics,
  );
  const attachment = link.register('main', 'token', { hello: () => {}, closed: () => {}, drained: () => {} });
  link.wantVideo('lobby', true);
  assert.deepEqual(sent, [], 'no worker has it yet');
  const [own] = desiredWorkers(cameras).map((worker) => worker.cameras);
  assert.ok(own);
  attachment.configure(own);
  link.wantVideo('yard', true);
  link.wantVideo('yard', false);
  assert.deepEqual(sent.splice(0), ['welcome', 'lobby true', 'yard true', 'yard false']);
  hello();
  attachment.configure(own);
  assert.deepEqual(sent.splice(0), ['welcome', 'lobby true'], 'a worker that started anew');
  link.forgetCamera('lobby');
  attachment.configure(own);
  assert.deepEqual(sent, ['configure']);
});

test('every setting of inference reaches the worker as it is written', () => {
  const { inference } = configSchema.parse({
    inference: {
      engine: 'triton',
      url: ['a:8001', 'grpcs://b'],
      caFile: '/ca.pem',
      certFile: '/client.pem',
      keyFile: '/client.key',
      fallback: 'embedded',
      sharedMemory: true,
      queueTimeout: true,
      traceRatio: 0.25,
      repository: '/models',
      threads: 3,
    },
  });
  const { inference: message } = configureMessage(new Map(), inference);
  assert.ok(message);
  const sent = InferenceConfig.decode(InferenceConfig.encode(message).finish());
  assert.deepEqual(readEngine(sent), inference);
});
