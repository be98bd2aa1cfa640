import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import {
  buildWorkerImage,
  type ContainerPlace,
  type ContainerWorld,
  containerPlace,
  containerSettings,
  containerSpecs,
  inspect,
  startContainerWorld,
} from '../support/container-world.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { buildImage, docker, type Image, missingEngine, testLabel } from '../support/docker.ts';
import { openSocketGate } from '../support/socket-gate.ts';
import { until } from '../support/until.ts';

/** Containers as the daemon keeps them, on a real engine; the worker inside is a program of the test that speaks the bridge. */

const noEngine = missingEngine();
const notRoot = process.getuid?.() === 0 ? false : 'only root can be another user';
const asksFixture = join(import.meta.dirname, '../fixtures/containers/asks.ts');
const daemonFixture = join(import.meta.dirname, '../fixtures/containers/daemon.ts');
const patience = 60_000;
let image: Image;

async function only(place: ContainerPlace): Promise<string> {
  const [id, ...more] = await place.containers();
  assert.ok(id !== undefined && more.length === 0, 'one container');
  return id;
}

/** A container of the worker that is not this one. */
function another(place: ContainerPlace, before: string): Promise<string> {
  return until('another container', async () => (await place.containers()).find((id) => id !== before), patience);
}

/** Why a worker does not run, by code and words. */
async function trouble(world: ContainerWorld): Promise<{ readonly code: string; readonly reason: string }> {
  return await until(
    'the worker is in trouble',
    () => {
      const state = world.state();
      return state?.state === 'waiting' || state?.state === 'failed' ? state : undefined;
    },
    patience,
  );
}

/** A daemon that is killed once its container runs. */
async function killedDaemon(place: ContainerPlace, user: { readonly uid?: number; readonly gid?: number } = {}): Promise<void> {
  const daemon = spawn(process.execPath, [daemonFixture, place.dataDir, image.name], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: '/',
    ...user,
  });
  const ended = once(daemon, 'exit');
  await Promise.race([once(daemon.stdout, 'data'), ended.then(() => assert.fail('the daemon ended before its container ran'))]);
  daemon.kill('SIGKILL');
  await ended;
}

describe('a container of a worker', { skip: noEngine }, () => {
  before(async () => {
    image = await buildWorkerImage();
  });
  after(() => image?.[Symbol.asyncDispose]());

  const start = (place: ContainerPlace, more: Partial<Parameters<typeof startContainerWorld>[0]> = {}) =>
    startContainerWorld({ dataDir: place.dataDir, settings: containerSettings(image.name), ...more });

  it('runs without rights, tells nothing secret to whoever asks the engine, and is gone with the daemon', async () => {
    await using place = await containerPlace();
    {
      await using world = await start(place);
      await world.running();
      const { uid, caps, noNewPrivileges, writable } = await world.facts();
      assert.deepEqual(
        { uid, caps, noNewPrivileges, writable },
        { uid: 10_001, caps: '0000000000000000', noNewPrivileges: '1', writable: ' /tmp /var/cache/cuda' },
      );
      const id = await only(place);
      const told = await docker('inspect', id);
      assert.doesNotMatch(told, /secret-of-camera|10\.0\.0\.1|TOKEN/i);
      assert.equal(await inspect(id, '{{.Name}}'), `/sightline-${(await place.owner()).slice(0, 8)}-deepstream-main`);
      const limits = '{{.HostConfig.Memory}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Init}} {{.HostConfig.NetworkMode}}';
      assert.equal(await inspect(id, limits), `${256 * 1024 * 1024} true true none`);
      const rss = await until('its memory is known', () => world.memory(), patience);
      assert.ok(rss > 10_000 && rss < 100_000_000, `${rss} bytes`);
    }
    assert.deepEqual(await place.containers(), []);
  });

  it('runs as the user of a daemon that is not root, who keeps all files for itself', { skip: notRoot }, async () => {
    await using place = await containerPlace();
    const { gid } = await stat('/var/run/docker.sock');
    await chown(place.dataDir, 12_345, gid);
    // It says that its container runs, which so could read its token and connect.
    await killedDaemon(place, { uid: 12_345, gid });
    assert.equal(await inspect(await only(place), '{{.Config.User}}'), `12345:${gid}`);
    for (const path of ['deepstream/deepstream-main/token', 'run', 'run/bridge.sock'])
      assert.equal((await stat(join(place.dataDir, path))).mode & 0o077, 0, path);
  });

  it('goes on when the daemon is killed, and is adopted by the next', async () => {
    await using place = await containerPlace();
    await killedDaemon(place);
    const id = await only(place);
    const began = await inspect(id, '{{.State.StartedAt}} {{.State.Pid}}');
    await using world = await start(place);
    await world.running();
    assert.equal(await only(place), id);
    assert.equal(await inspect(id, '{{.State.StartedAt}} {{.State.Pid}}'), began);
    assert.equal(world.said('container of an earlier run was adopted').length, 1);
    // Its output is read again, and its end is seen.
    await until('it says that it was welcomed again', () => world.said('welcome').length === 1);
    await docker('kill', '--signal', 'KILL', id);
    await another(place, id);
  });

  it('is replaced by the next daemon where it is not what would be started now', async () => {
    await using place = await containerPlace();
    await killedDaemon(place);
    const id = await only(place);
    await using world = await start(place, { settings: containerSettings(image.name, { shmMegabytes: 128 }) });
    await world.running();
    assert.notEqual(await only(place), id);
    await until('it was welcomed', () => world.said('welcome').length > 0);
    // The one before has connected meanwhile, and must not be taken for it.
    assert.deepEqual([world.said('welcome').length, world.said('worker died').length], [1, 0]);
  });

  it('is removed by the next daemon where no camera wants it, and those of others are left alone', async () => {
    await using place = await containerPlace();
    await killedDaemon(place);
    const id = await only(place);
    const plain = ['run', '--detach', ...testLabel, '--entrypoint', 'sightline-bridge', '--network', 'none'];
    const theirs = ['--label', 'io.sightline.owner=somebody-else', '--label', 'io.sightline.worker=deepstream-main'];
    // They look for settings that are not there, and end: the engine starts them again and again.
    const foreign = await docker(...plain, '--restart', 'always', ...theirs, image.name, '/etc/sightline/container.json');
    const stranger = await docker(...plain, '--restart', 'always', image.name, '/etc/sightline/container.json');
    try {
      await using world = await start(place, { desired: containerSpecs({ gate: { group: 'yard' } }) });
      await world.running('deepstream-yard');
      assert.notEqual(await only(place), id);
      assert.equal(world.said('container of an earlier run was removed').length, 1);
      for (const other of [foreign, stranger])
        assert.equal(await inspect(other, '{{.HostConfig.RestartPolicy.Name}}'), 'always');
    } finally {
      await docker('rm', '--force', foreign, stranger);
    }
  });

  it('is started again when somebody kills it, and the dead one is not left', async () => {
    await using place = await containerPlace();
    await using world = await start(place);
    await world.running();
    const id = await only(place);
    await docker('kill', '--signal', 'KILL', id);
    await another(place, id);
    await world.running();
    await only(place);
    const died = world.said('worker died').at(-1);
    assert.match(String(died?.['words']), /it was ended by SIGKILL/);
  });

  it('that takes too much memory is ended, and that is said', async () => {
    await using place = await containerPlace();
    await using world = await start(place, { does: () => 'oom', timings: { restartsPerMinute: 0 } });
    const { code, reason } = await trouble(world);
    assert.equal(code, 'container.memory');
    assert.match(reason, /more than its 256 MB of memory .*deepstream\.memoryMegabytes/);
    assert.deepEqual(await place.containers(), []);
  });

  it('that Triton failed waits until Triton is ready, however long, and begins then', async () => {
    await using place = await containerPlace();
    let isReady = false;
    let does = 'exit 69 no answer from triton:8001';
    const timings = { restartsPerMinute: 1 };
    await using world = await start(place, { does: () => does, inferenceReady: () => isReady, timings });
    const { code, reason } = await trouble(world);
    assert.equal(code, 'inference.unavailable');
    assert.equal(reason, 'exit code 69: Triton cannot be used: no answer from triton:8001');
    const starts = world.said('welcome').length;
    await until('it was asked for some times', () => world.asked() > 3);
    assert.equal(world.said('welcome').length, starts, 'nothing is started while Triton is away');
    does = '';
    isReady = true;
    await world.running();
  });

  it('that its Triton server failed, or may have held up, asks another one, though the daemon finds both ready', async () => {
    const servers = () =>
      [
        { server: 'first:8001', isReady: true },
        { server: 'second:8001', isReady: true },
      ] as const;
    for (const end of ['exit 69 the model is broken', 'exit 71 pipeline is stuck']) {
      await using place = await containerPlace();
      const does = (server: string) => (server === 'first:8001' ? end : '');
      await using world = await start(place, { servers, does });
      // It says Hello before it fails.
      await until('another container', () => world.said('container is begun').length === 2, patience);
      await world.running();
      assert.deepEqual(
        world.said('container is begun').map(({ server }) => server),
        ['first:8001', 'second:8001'],
      );
    }
  });

  it('stays with the Triton server that it asks through a new daemon that would choose another', async () => {
    await using place = await containerPlace();
    await killedDaemon(place);
    const id = await only(place);
    const servers = () =>
      [
        { server: 'first:8001', isReady: true },
        { server: 'triton:8001', isReady: true },
      ] as const;
    await using world = await start(place, { servers });
    await world.running();
    assert.equal(await only(place), id);
    assert.equal(world.said('container of an earlier run was adopted').length, 1);
  });

  it('is another one where the Triton server that it asks is not in the configuration any more', async () => {
    await using place = await containerPlace();
    await killedDaemon(place);
    const id = await only(place);
    await using world = await start(place, { servers: () => [{ server: 'first:8001', isReady: true }] });
    await world.running();
    assert.notEqual(await only(place), id);
  });

  it('ends by exit codes: 75 is rendered and started at once, 78 fails with what it said', async () => {
    await using place = await containerPlace();
    let starts = 0;
    const does = () => {
      starts += 1;
      return starts === 1 ? 'exit 75' : 'exit 78 container.json: mux.width: 3 is too small';
    };
    // Only a start at once comes before the test gives up.
    await using world = await start(place, { does, timings: { firstDelayMs: 300_000, longestDelayMs: 300_000 } });
    await until('it has failed', () => world.state()?.state === 'failed', patience);
    const { code, reason } = await trouble(world);
    assert.equal(code, 'worker.settings');
    assert.equal(reason, 'exit code 78: its settings cannot work: container.json: mux.width: 3 is too small');
  });

  it('that neither drains nor ends is killed', async () => {
    await using place = await containerPlace();
    const world = await start(place, { does: () => 'stay', timings: { drainMs: 200, termMs: 200 } });
    await world.running();
    await world[Symbol.asyncDispose]();
    assert.deepEqual(await place.containers(), []);
    assert.equal(world.said('worker has not stopped in time and is killed').length, 1);
  });

  it('that says no hello is killed and started again', async () => {
    await using place = await containerPlace();
    await using world = await start(place, { does: () => 'mute', timings: { startTimeoutMs: 500, restartsPerMinute: 0 } });
    const { code, reason } = await trouble(world);
    assert.equal(code, 'worker.start_timeout');
    assert.match(reason, /within 0\.5 s/);
  });
});

describe('a container of another version', { skip: noEngine }, () => {
  before(async () => {
    image = await buildWorkerImage();
  });
  after(() => image?.[Symbol.asyncDispose]());

  it('is ended at once, and both versions are named', async () => {
    await using place = await containerPlace();
    const settings = containerSettings(image.name);
    const timings = { restartsPerMinute: 0, startTimeoutMs: 600_000 };
    await using world = await startContainerWorld({ dataDir: place.dataDir, settings, does: () => 'version 2', timings });
    const { code, reason } = await trouble(world);
    assert.equal(code, 'worker.protocol');
    assert.match(reason, /^the worker speaks protocol 2, the daemon 1: .*its image, is not of the daemon's version$/);
    assert.deepEqual(await place.containers(), []);
  });
});

describe('a container that cannot be started', { skip: noEngine }, () => {
  before(async () => {
    image = await buildWorkerImage();
  });
  after(() => image?.[Symbol.asyncDispose]());

  async function whatIsSaid(settings: Parameters<typeof containerSettings>[1], name = image.name): Promise<[string, string]> {
    await using place = await containerPlace();
    await using world = await startContainerWorld({
      dataDir: place.dataDir,
      settings: containerSettings(name, settings),
      timings: { restartsPerMinute: 0 },
    });
    const { code, reason } = await trouble(world);
    assert.deepEqual(await place.containers(), []);
    return [code, reason];
  }

  it('for want of its image says how to get it', async () => {
    const [code, reason] = await whatIsSaid({}, 'sightline/never-built:1');
    assert.equal(code, 'container.image');
    assert.match(reason, /sightline\/never-built:1 is not on this machine; build it .*deepstream\.pull/);
  });

  it('for want of the program in its image says that it is the image', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(join(directory.path, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /');
    await using empty = await buildImage({ file: join(directory.path, 'Dockerfile'), context: directory.path });
    const [code, reason] = await whatIsSaid({}, empty.name);
    assert.equal(code, 'container.image');
    assert.match(reason, /^the image does not hold the program sightline-bridge/);
  });

  it('for want of a registry says so, after saying what it is at', async () => {
    await using place = await containerPlace();
    const settings = containerSettings('127.0.0.1:1/none:1', { pull: 'missing' });
    await using world = await startContainerWorld({ dataDir: place.dataDir, settings });
    const { code, reason } = await trouble(world);
    assert.equal(code, 'container.image');
    assert.match(reason, /127\.0\.0\.1:1\/none:1 cannot be pulled: .*connection refused/);
    assert.deepEqual(world.progress.slice(0, 1), ['its image 127.0.0.1:1/none:1 is being pulled']);
  });

  it('for want of a GPU says what to install', async () => {
    for (const gpuAccess of ['request', 'runtime'] as const) {
      const [code, reason] = await whatIsSaid({ gpuAccess });
      assert.equal(code, 'container.gpu', reason);
      assert.match(reason, /NVIDIA Container Toolkit/);
    }
  });

  it('since its settings ask too much says what the engine said', async () => {
    const [code, reason] = await whatIsSaid({ cpus: 1000 });
    assert.equal(code, 'container.refused');
    assert.match(reason, /the Docker engine says no: range of cpus/i);
  });

  it('since its name is taken says by whom', async () => {
    await using place = await containerPlace();
    {
      await using world = await startContainerWorld({ dataDir: place.dataDir, settings: containerSettings(image.name) });
      await world.running();
    }
    const name = `sightline-${(await place.owner()).slice(0, 8)}-deepstream-main`;
    const other = await docker('create', ...testLabel, '--name', name, '--entrypoint', 'sightline-bridge', image.name);
    try {
      await using world = await startContainerWorld({ dataDir: place.dataDir, settings: containerSettings(image.name) });
      const { code, reason } = await trouble(world);
      assert.equal(code, 'container.refused');
      assert.match(reason, /not ours has the name of ours/);
      assert.equal(await inspect(other, '{{.State.Status}}'), 'created');
    } finally {
      await docker('rm', other);
    }
  });

  it('for want of permission on the socket says which group is needed', async () => {
    await using place = await containerPlace();
    await using gate = await openSocketGate(join(place.dataDir, 'docker.sock'), '/var/run/docker.sock');
    await chmod(gate.path, 0);
    // Root may use any socket.
    const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const { stdout } = await promisify(execFile)(process.execPath, [asksFixture, gate.path], { cwd: '/', ...nobody });
    assert.match(stdout, /^container\.engine: no permission on .*docker\.sock; .* group \(usually docker\)/);
  });

  it('begins as soon as the engine answers, and goes on under an engine that is away for a while', async () => {
    await using place = await containerPlace();
    await using gate = await openSocketGate(join(place.dataDir, 'docker.sock'), '/var/run/docker.sock');
    await gate.shut();
    const settings = containerSettings(image.name, { socket: gate.path });
    await using world = await startContainerWorld({ dataDir: place.dataDir, settings });
    const { code, reason } = await trouble(world);
    assert.equal(code, 'container.engine');
    assert.match(reason, /there is no Docker engine/);
    assert.equal(world.state()?.state, 'waiting');
    await gate.open();
    await world.running();
    const id = await only(place);
    await gate.shut();
    await gate.open();
    // Nobody was told of its end while the connection was away; the next one is.
    await docker('kill', '--signal', 'KILL', id);
    await another(place, id);
    await world.running();
  });
});
