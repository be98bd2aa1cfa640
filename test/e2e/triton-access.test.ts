import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { statusMessage } from '../../src/outputs/topics.ts';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { alertWith, createWorkplace, cutClip, filesBelow, patience, processesOf, readProcess } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fixtureModelRepository, fixtureModels } from '../support/fixtures.ts';
import { closedPort } from '../support/port.ts';
import { installedProgram } from '../support/programs.ts';
import { loadOnly, missingTriton, startTriton, withoutWeights } from '../support/triton.ts';
import { until } from '../support/until.ts';

const skip =
  missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg') || (await missingTriton());
const key = 'Zaphod';

test('two Triton servers that want a header, one of them away: ready, recognised, degraded, and the header is shown nowhere', {
  skip,
}, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  await using folder = await temporaryDirectory();
  await using place = await createWorkplace();
  const models = [fixtureModels.face, fixtureModels.faceEmbedder];
  const restricted = 'health,metadata,inference,model-config,model-repository,statistics';
  await using server = await startTriton({
    repository: fixtureModelRepository,
    flags: [...loadOnly(...models), `--grpc-restricted-protocol=${restricted}:infer-key=${key}`],
    early: true,
  });
  await using nobody = await closedPort();
  const away = nobody.port;
  place.configure({
    logLevel: 'debug',
    inference: {
      engine: 'triton',
      url: [`127.0.0.1:${away}`, server.url],
      headers: { 'triton-grpc-protocol-infer-key': '${INFER_KEY}' },
      repository: await withoutWeights(fixtureModelRepository, join(folder.path, 'models')),
    },
    mqtt: { url: broker.url, snapshot: 'off' },
    lists: { watch: {} },
    cameras: { lobby: { source: cutClip(place.directory, 'ada', 17, 55), loop: true, realtime: true } },
  });
  await using daemon = await place.start({ env: { INFER_KEY: key } });
  await place.enrol('watch', 'ada');
  await alertWith(listener, { name: 'ada', state: 'opened' });

  const ready = await until(
    'the daemon to be ready',
    async () => {
      const response = await fetch(daemon.url('/readyz'));
      return response.status === 200 && (await response.text());
    },
    patience,
  );
  const parts: { name: string; ready: boolean; needed?: boolean; reason?: string }[] = JSON.parse(ready).parts;
  const [lacking, ...more] = parts.filter((part) => !part.ready);
  assert.deepEqual([lacking?.name, lacking?.needed, more], [`triton 127.0.0.1:${away}`, false, []]);
  assert.match(lacking?.reason ?? '', /^it is away: .*ECONNREFUSED.*; other servers do its work$/);
  const status = await place.command('status');
  assert.equal(status.code, 0);
  assert.match(status.stdout, new RegExp(`^triton 127\\.0\\.0\\.1:${away} +degraded +it is away: `, 'm'));
  await until(
    'MQTT to say it',
    () =>
      listener.messages
        .filter(({ topic }) => topic === 'sightline/v1/status')
        .map(({ text }) => statusMessage.parse(JSON.parse(text)))
        .some(
          ({ health, problems = [] }) => health === 'degraded' && problems.length === 1 && problems[0]?.startsWith('triton '),
        ),
    patience,
  );

  const running = [daemon.pid, ...processesOf(place.dataDir)];
  assert.ok(running.length >= 3, 'the test sees the worker and the media door');
  const seen = new Map(running.map((pid) => [`arguments of ${pid}`, readProcess(pid, 'cmdline')]));
  for (const pid of processesOf(place.dataDir)) seen.set(`environment of ${pid}`, readProcess(pid, 'environ'));
  for (const path of ['/metrics', '/readyz']) seen.set(path, await (await fetch(daemon.url(path))).text());
  for (const args of [
    ['status', '--json'],
    ['reload', '--json'],
  ]) {
    const { stdout, stderr } = await place.command(...args);
    seen.set(args.join(' '), `${stdout}${stderr}`);
  }
  for (const [file, text] of filesBelow(place.dataDir)) seen.set(`file ${file}`, text);
  for (const [index, { topic, text }] of listener.messages.entries()) seen.set(`message ${index} on ${topic}`, text);
  await daemon.stop();
  seen.set('log', daemon.stderr());
  for (const [where, text] of seen) assert.ok(!text.includes(key), where);
});
