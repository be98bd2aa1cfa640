import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type AttachedContainer, startAttachedContainer } from '../support/attached-container.ts';
import {
  buildWorkerProgram,
  type ContainerWorld,
  type ContainerWorldOptions,
  containerSettings,
  containerSpecs,
  startContainerWorld,
} from '../support/container-world.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { containerNamed, readKubernetes } from '../support/kubernetes.ts';
import { until } from '../support/until.ts';

/**
 * Containers that somebody else starts. They run the command of deploy/kubernetes, without a container round it; the worker inside is a
 * program of the test that speaks the bridge.
 */

const noCompiler = missingTool(spawnSync('cc', ['--version']).status === 0, 'cc');
const daemonFixture = join(import.meta.dirname, '../fixtures/containers/daemon.ts');
const container = containerNamed(readKubernetes(), 'deepstream-main');
const worker = 'deepstream-main';
let program: Awaited<ReturnType<typeof temporaryDirectory>>;

interface Pod extends AsyncDisposable {
  readonly dataDir: string;
  readonly settings: string;
  readonly container: AttachedContainer;
  isOffered(): boolean;
  token(): Promise<string>;
}

/** A data directory and a container that has its folder of it before there is a daemon, as a mount does. */
async function startPod(): Promise<Pod> {
  const directory = await temporaryDirectory();
  const settings = join(directory.path, 'deepstream', worker);
  await mkdir(settings, { recursive: true });
  const running = startAttachedContainer({ container, settings, path: program.path });
  return {
    dataDir: directory.path,
    settings,
    container: running,
    isOffered: () => existsSync(join(settings, 'start')),
    token: () => readFile(join(settings, 'token'), 'utf8'),
    [Symbol.asyncDispose]: async () => {
      await running[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

type More = Partial<ContainerWorldOptions> & { readonly startTimeout?: number };

function start({ dataDir }: Pod, { startTimeout, ...more }: More = {}): Promise<ContainerWorld> {
  const settings = containerSettings('none', { start: 'attached', ...(startTimeout === undefined ? {} : { startTimeout }) });
  return startContainerWorld({ dataDir, settings, ...more });
}

/** Of a daemon that was killed while its container ran. */
async function killedDaemon({ dataDir }: Pod): Promise<void> {
  const daemon = spawn(process.execPath, [daemonFixture, dataDir, 'none', 'attached'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(daemon.stdout, 'data');
  daemon.kill('SIGKILL');
  await once(daemon, 'exit');
}

const said = (pod: Pod, msg: string) =>
  pod.container.output.split('\n').filter((line) => line.includes(`"msg":"${msg}"`)).length;

describe('a container that somebody else starts', { skip: noCompiler }, () => {
  before(async () => {
    program = await temporaryDirectory();
    await buildWorkerProgram(program.path);
  });
  after(() => program[Symbol.asyncDispose]());

  it('begins once there is a daemon, in the folder that it has, which is nobody else’s to read', async () => {
    await using pod = await startPod();
    const { ino } = await stat(pod.settings);
    await using world = await start(pod);
    await world.running();
    await until('nothing is offered any more', () => !pod.isOffered());
    assert.equal((await stat(pod.settings)).ino, ino);
    assert.deepEqual((await readdir(pod.settings)).toSorted(), ['container.json', 'token']);
    for (const name of ['container.json', 'token']) assert.equal((await stat(join(pod.settings, name))).mode & 0o077, 0, name);
    assert.equal(pod.container.starts, 1);
    assert.equal(await pod.container.alive(), true);
  });

  it('ends when the daemon is stopped, and waits for the next one', async () => {
    await using pod = await startPod();
    {
      await using world = await start(pod);
      await world.running();
    }
    await until('it was begun again', () => pod.container.starts === 2);
    assert.equal(pod.isOffered(), false);
    await using world = await start(pod);
    await world.running();
    assert.equal(pod.container.starts, 2);
  });

  it('is drained for other cameras, and its next life has them and another token', async () => {
    await using pod = await startPod();
    await using world = await start(pod);
    await world.running();
    await until('nothing is offered any more', () => !pod.isOffered());
    const token = await pod.token();
    world.supervisor.apply(containerSpecs({ lobby: {}, yard: {} }));
    await until('it was begun again', () => pod.container.starts === 2);
    await until('it is welcome again', () => said(pod, 'welcome') === 2);
    const { cameras } = JSON.parse(await readFile(join(pod.settings, 'container.json'), 'utf8'));
    assert.deepEqual(cameras, ['lobby', 'yard']);
    assert.notEqual(await pod.token(), token);
    assert.equal(world.said('worker died').length, 0);
  });

  it('that is killed is told by its connection, and begins again with the same settings', async () => {
    await using pod = await startPod();
    await using world = await start(pod);
    await world.running();
    await until('it is welcome', () => said(pod, 'welcome') === 1);
    const token = await pod.token();
    pod.container.kill();
    await until('it is welcome again', () => said(pod, 'welcome') === 2);
    assert.match(String(world.said('worker died').at(-1)?.['words']), /its connection ended: the worker closed the connection/);
    assert.equal(await pod.token(), token);
    assert.equal(pod.container.starts, 2);
  });

  it('goes on when the daemon is killed, and is known to the next', async () => {
    await using pod = await startPod();
    await killedDaemon(pod);
    await using world = await start(pod);
    await world.running();
    await until('it was welcomed by both', () => said(pod, 'welcome') === 2);
    await until('nothing is offered any more', () => !pod.isOffered());
    assert.equal(pod.container.starts, 1);
  });

  it('with older settings is not welcome, and its probe says that it must end', async () => {
    await using pod = await startPod();
    await killedDaemon(pod);
    await using world = await start(pod, { desired: containerSpecs({ yard: {} }) });
    await until('new settings are offered', () => pod.isOffered());
    await until('it was refused', () => world.said('connection refused on the bridge').length > 0);
    assert.equal(world.state()?.state, 'starting');
    assert.equal(await pod.container.alive(), false);
    pod.container.kill();
    await world.running();
    await until('it is welcome again', () => said(pod, 'welcome') === 2);
  });

  it('does not begin while no Triton is ready, which is no fault of it', async () => {
    await using pod = await startPod();
    let isReady = false;
    await using world = await start(pod, { inferenceReady: () => isReady });
    const waiting = await until('it waits', () => {
      const state = world.state();
      return state?.state === 'waiting' ? state : undefined;
    });
    assert.deepEqual([waiting.code, waiting.reason], ['inference.unavailable', 'no Triton server is ready']);
    assert.equal(pod.isOffered(), false);
    isReady = true;
    await world.running();
  });

  it('stays with its Triton server while that is ready, through its lives and the daemon’s, and then asks another', async () => {
    await using pod = await startPod();
    await killedDaemon(pod);
    const token = await pod.token();
    let isReady = true;
    const servers = () =>
      [
        { server: 'first:8001', isReady: true },
        { server: 'triton:8001', isReady },
      ] as const;
    const server = async () => JSON.parse(await readFile(join(pod.settings, 'container.json'), 'utf8')).server;
    await using world = await start(pod, { servers });
    await world.running();
    assert.deepEqual([await server(), await pod.token(), pod.container.starts], ['triton:8001', token, 1]);
    await until('it was welcomed by both', () => said(pod, 'welcome') === 2);
    pod.container.kill();
    await until('it is welcome again', () => said(pod, 'welcome') === 3);
    assert.deepEqual([await server(), await pod.token()], ['triton:8001', token]);
    isReady = false;
    pod.container.kill();
    await until('it asks another', () => said(pod, 'welcome') === 4);
    assert.equal(await server(), 'first:8001');
    assert.notEqual(await pod.token(), token);
  });

  it('that ended by itself asks another Triton server that is ready, and one that was killed the same', async () => {
    await using pod = await startPod();
    const servers = () =>
      [
        { server: 'first:8001', isReady: true },
        { server: 'second:8001', isReady: true },
      ] as const;
    // The first is ready, and fails every request of this container.
    const does = (server: string) => (server === 'first:8001' ? 'exit 69 Triton failed a request' : '');
    const server = async () => JSON.parse(await readFile(join(pod.settings, 'container.json'), 'utf8')).server;
    await using world = await start(pod, { servers, does });
    const living = async () => world.state()?.state === 'running' && !pod.isOffered() && (await server()) === 'second:8001';
    await until('it lives with the second', living);
    await until('it was welcome once with each', () => said(pod, 'welcome') === 2);
    const token = await pod.token();
    pod.container.kill();
    await until('it is welcome again', () => said(pod, 'welcome') === 3);
    assert.deepEqual([await server(), await pod.token()], ['second:8001', token]);
  });

  it('that is drained for other cameras stays with its Triton server', async () => {
    await using pod = await startPod();
    const servers = () =>
      [
        { server: 'first:8001', isReady: true },
        { server: 'second:8001', isReady: true },
      ] as const;
    const rendered = async () => JSON.parse(await readFile(join(pod.settings, 'container.json'), 'utf8'));
    await using world = await start(pod, { servers });
    await world.running();
    await until('nothing is offered any more', () => !pod.isOffered());
    world.supervisor.apply(containerSpecs({ lobby: {}, yard: {} }));
    await until('it is welcome again', () => said(pod, 'welcome') === 2);
    assert.partialDeepStrictEqual(await rendered(), { server: 'first:8001', cameras: ['lobby', 'yard'] });
  });

  it('that is not there is said, with the folder that it should have', async () => {
    await using pod = await startPod();
    const desired = containerSpecs({ gate: { group: 'yard' } });
    await using world = await start(pod, { desired, startTimeout: 100, timings: { restartsPerMinute: 0 } });
    const failed = await until('it has failed', () => {
      const state = world.state('deepstream-yard');
      return state?.state === 'failed' ? state : undefined;
    });
    assert.equal(failed.code, 'worker.start_timeout');
    assert.match(
      failed.reason,
      /^no container introduced itself within 0\.1 s with the settings in .*\/deepstream\/deepstream-yard; is there one/,
    );
    await until('nothing is offered', () => !existsSync(join(pod.dataDir, 'deepstream/deepstream-yard/start')));
  });
});
