import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isSystemError } from '../../src/core/errors.ts';
import { temporaryDirectory } from './directory.ts';
import { until } from './until.ts';

/** A Docker engine of the test's own, with nothing in it, which may be stopped and killed. Needs root. */
export interface PrivateEngine extends AsyncDisposable {
  readonly socket: string;
  docker(...args: readonly string[]): Promise<string>;
  /** Takes an image over from the engine of the machine. */
  load(image: string): Promise<void>;
  start(): Promise<void>;
  /** As a service is stopped: its containers are, too. */
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** What an engine that was killed had mounted. */
async function unmountBelow(path: string): Promise<void> {
  const targets = (await readFile('/proc/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
  for (const target of targets.filter((name) => name.startsWith(`${path}/`)).toReversed())
    await promisify(execFile)('umount', [target]);
}

/** The system's tool for networks, wherever root finds it. */
async function ip(...args: readonly string[]): Promise<void> {
  await promisify(execFile)('/sbin/ip', args);
}

export async function privateEngine(): Promise<PrivateEngine> {
  const directory = await temporaryDirectory();
  const place = (name: string) => join(directory.path, name);
  const socket = place('docker.sock');
  const own = [
    '--data-root',
    place('data'),
    '--exec-root',
    place('exec'),
    '--pidfile',
    place('pid'),
    '--host',
    `unix://${socket}`,
  ];
  // One told to have no bridge removes docker0, which is that of the machine's own engine.
  const bridge = `sl${randomBytes(4).toString('hex')}`;
  await ip('link', 'add', bridge, 'type', 'bridge');
  await ip('address', 'add', `10.213.${randomInt(255)}.1/24`, 'dev', bridge);
  const apart = ['--bridge', bridge, '--iptables=false', '--ip6tables=false', '--config-file', place('engine.json')];
  let engine: ChildProcess | undefined;

  async function docker(...args: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)('docker', ['--host', `unix://${socket}`, ...args], { maxBuffer: 1 << 26 });
    return stdout.trim();
  }

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const ending = engine;
    engine = undefined;
    if (ending === undefined) return;
    ending.kill(signal);
    if (ending.exitCode === null && ending.signalCode === null) await once(ending, 'exit');
  }

  /** With the keeper of containers that it began: as when a machine has no memory left. The containers themselves stay. */
  async function kill(): Promise<void> {
    await end('SIGKILL');
    const pidFile = place('exec/containerd/containerd.pid');
    const keeper = Number(await readFile(pidFile, 'utf8'));
    for (;;) {
      try {
        process.kill(keeper, 'SIGKILL');
        await wait(20);
      } catch (error) {
        if (!isSystemError(error, 'ESRCH')) throw error;
        break;
      }
    }
    await Promise.all([pidFile, place('pid')].map((file) => rm(file, { force: true })));
  }

  async function start(): Promise<void> {
    const log = openSync(place('log'), 'a');
    const env = { ...process.env, PATH: `/usr/sbin:/sbin:${process.env['PATH'] ?? ''}` };
    const started = spawn('dockerd', [...own, ...apart, '--log-level', 'warn'], { stdio: ['ignore', log, log], env });
    engine = started;
    await until(
      'the private engine answers',
      async () => {
        if (started.exitCode !== null) throw new Error(await readFile(place('log'), 'utf8'));
        return await docker('version').catch(() => undefined);
      },
      120_000,
    );
  }

  await writeFile(place('engine.json'), '{}');
  await start();
  return {
    socket,
    docker,
    load: async (image) => {
      const file = place('image.tar');
      await promisify(execFile)('docker', ['save', '--output', file, image]);
      await docker('load', '--quiet', '--input', file);
    },
    start,
    stop: () => end('SIGTERM'),
    kill,
    [Symbol.asyncDispose]: async () => {
      // One that was killed leaves its containers, and their keeper, to the next.
      if (engine === undefined) await start();
      const left = (await docker('ps', '--all', '--quiet')).split('\n').filter(Boolean);
      if (left.length > 0) await docker('rm', '--force', ...left);
      await end('SIGTERM');
      await ip('link', 'delete', bridge);
      await unmountBelow(directory.path);
      await directory[Symbol.asyncDispose]();
    },
  };
}
