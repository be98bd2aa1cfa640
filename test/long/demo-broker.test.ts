import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectAsync } from 'mqtt';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { runProgram } from '../support/cli.ts';
import { readProcess } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { createDemoStage, fixtureScene } from '../support/demo.ts';
import { freePort } from '../support/port.ts';
import { until } from '../support/until.ts';

/** `sightline demo --mqtt`: a broker of the user's, on which there may be others. */

const patience = 90_000;

test('an own broker that comes later gets the alerts, and its password is shown and written nowhere', {
  skip: missingTool(hasMosquitto, 'mosquitto'),
}, async () => {
  await using stage = await createDemoStage();
  const scene = await fixtureScene(stage.temporary);
  const password = 'Ohh-s3cr3t';
  await using broker = await startBroker({ users: { viewer: password } });
  await broker.kill();
  const keep = join(stage.temporary, 'kept');
  const url = `mqtt://viewer:${password}@127.0.0.1:${broker.port}`;
  const demo = stage.start('--scene', scene, '--mqtt', url, '--keep', keep);
  await demo.said(/^warning: the broker mqtt:\/\/127\.0\.0\.1:\d+ cannot be reached: .*; alerts wait, it is tried again$/m);
  await demo.said(/^the demo runs$/m);
  for (const pid of stage.processes()) assert.ok(!readProcess(pid, 'cmdline').includes(password));
  await broker.start();
  await demo.said(/^connected to the broker mqtt:\/\/127\.0\.0\.1:\d+$/m);
  await until('alerts come', () => demo.alerts().length > 0, patience);
  demo.kill('SIGINT');
  const { code, stdout, stderr } = await demo.finished;
  assert.equal(code, 0, stderr);
  const config = join(keep, 'sightline.yaml');
  assert.match(stderr, /: MQTT_PASSWORD=\.\.\. .*sightline run .*sightline\.yaml goes on with it$/m);
  const checked = await runProgram(['check', config], { env: { ...stage.environment, MQTT_PASSWORD: password } });
  assert.equal(checked.code, 0, checked.stderr);
  {
    const login = { username: 'viewer', password };
    await using consumer = await listen(broker.port, '#', login);
    const client = await connectAsync(`mqtt://127.0.0.1:${broker.port}`, login);
    await client.publishAsync('last', 'message');
    await client.endAsync();
    await until('the last message', () => consumer.messages.some(({ topic }) => topic === 'last'), patience);
    assert.equal(consumer.messages.length, 1, 'nothing was retained');
  }
  const written = readdirSync(keep, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
  for (const text of [stdout, stderr, ...written]) assert.ok(!text.includes(password));
});

test('two demos on one broker tell of their own alerts, and the end of one takes nothing from the other', {
  skip: missingTool(hasMosquitto, 'mosquitto'),
}, async () => {
  await using broker = await startBroker();
  await using stages = new AsyncDisposableStack();
  const [firstStage, secondStage] = [stages.use(await createDemoStage()), stages.use(await createDemoStage())];
  const url = `mqtt://127.0.0.1:${broker.port}`;
  const first = firstStage.start('--scene', await fixtureScene(firstStage.temporary, { ignored: 'dee' }), '--mqtt', url);
  const [, topic] = await first.said(/ topics (sightline-demo\/[0-9a-f]{8})\/#$/m);
  const scene = await fixtureScene(secondStage.temporary);
  const second = secondStage.start('--scene', scene, '--mqtt', url, '--watch', 'dee', '--loops', '1');
  const [, otherTopic] = await second.said(/ topics (sightline-demo\/[0-9a-f]{8})\/#$/m);
  assert.notEqual(topic, otherTopic);
  const { code, stderr, stdout } = await second.finished;
  assert.equal(code, 0, stderr);
  assert.ok(
    second.alerts().some(({ name }) => name === 'dee'),
    stdout,
  );
  await until('the first is told too', () => first.alerts().length > 0, patience);
  const ids = second.alerts().map(({ id }) => id);
  assert.deepEqual(
    first.alerts().filter(({ id, name }) => name === 'dee' || ids.includes(id)),
    [],
    'nothing of the other one',
  );

  await using consumer = await listen(broker.port, 'sightline-demo/#');
  await until('retained states come', () => consumer.messages.some(({ retain }) => retain), patience);
  const status = await until('the state of the first', () =>
    consumer.messages.find((message) => message.retain && message.topic === `${topic}/v1/status`),
  );
  assert.equal(JSON.parse(status.text).state, 'online');
  assert.ok(!consumer.messages.some((message) => message.topic.startsWith(`${otherTopic}/`)), 'nothing of the second stays');
  first.kill('SIGINT');
  assert.equal((await first.finished).code, 0);
});

test('a broker that is away until the end: it is said how many messages waited, and a directory that stays keeps its topic', async () => {
  await using stage = await createDemoStage();
  const scene = await fixtureScene(stage.temporary);
  const args = ['--scene', scene, '--mqtt', `mqtt://127.0.0.1:${await freePort()}`, '--keep', join(stage.temporary, 'kept')];
  const first = stage.start(...args, '--loops', '1');
  const [, topic] = await first.said(/ topics (sightline-demo\/[0-9a-f]{8})\/#$/m);
  const { code, stderr } = await first.finished;
  assert.equal(code, 0, stderr);
  const [, waited] = /^0 alerts, (\d+) messages waited for the broker mqtt:\/\/127\.0\.0\.1:\d+; kept in /m.exec(stderr) ?? [];
  assert.ok(Number(waited) >= 2, stderr);

  const second = stage.start(...args);
  const [, same] = await second.said(/ topics (sightline-demo\/[0-9a-f]{8})\/#$/m);
  assert.equal(same, topic);
  second.kill('SIGINT');
  assert.equal((await second.finished).code, 0);
});
