import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { renderApp } from '../../test/support/deepstream-app.ts';
import { standinBuild } from '../../test/support/standin.ts';

/** The program of a DeepStream container on the stand-in, outside of a container, as it is built for a card. */

export interface ContainerOptions {
  /** For its files. */
  readonly directory: string;
  /** Where the build for release lies. */
  readonly release: string;
  readonly bridge: string;
  readonly worker: string;
  readonly token: string;
  readonly cameras: readonly string[];
  /** As the clips' *.gt.json: what is found on each frame of every camera. */
  readonly recording: object;
}

export interface Container extends AsyncDisposable {
  readonly pid: number;
  /** Resolves when all cameras are live; rejects when the program ends before that. */
  readonly live: Promise<void>;
}

export async function startContainer(options: ContainerOptions): Promise<Container> {
  const { directory, release, cameras } = options;
  const at = (name: string) => join(directory, name);
  const file = await renderApp({ directory, bridge: options.bridge, cameras, script: {}, mux: { width: 1280, height: 720 } });
  // The tests' files name the tests' build.
  for (const name of await readdir(directory)) {
    if (!/^infer-|^container/.test(name)) continue;
    await writeFile(at(name), (await readFile(at(name), 'utf8')).replaceAll(standinBuild, release));
  }
  const container = JSON.parse(await readFile(file, 'utf8')) as object;
  await writeFile(file, JSON.stringify({ ...container, worker: options.worker }));
  await rm(at('token'));
  await writeFile(at('token'), `${options.token}\n`, { mode: 0o400 });
  await writeFile(at('recording.json'), JSON.stringify(options.recording));
  const clips = { '*': at('recording.json') };
  await writeFile(at('script.json'), JSON.stringify({ 1: { objects: 'persons', clips }, 2: { objects: 'faces', clips } }));

  const child = spawn(join(release, 'app/sightline-bridge'), [file], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      GST_PLUGIN_PATH: join(release, 'standin/elements'),
      GST_REGISTRY: at('registry.bin'),
      GST_REGISTRY_FORK: 'no',
      SIGHTLINE_STANDIN: at('control.json'),
    },
  });
  const exit = once(child, 'exit');
  const live = Promise.withResolvers<void>();
  live.promise.catch(() => {});
  const seen = new Set<unknown>();
  let last = '';
  createInterface({ input: child.stderr }).on('line', (line) => {
    last = line;
    if (process.env['SIGHTLINE_TEST_LOG'] === '1') process.stderr.write(`${line}\n`);
    const { msg, camera } = JSON.parse(line) as { readonly msg?: unknown; readonly camera?: unknown };
    if (msg === 'camera live') seen.add(camera);
    if (seen.size === cameras.length) live.resolve();
  });
  void exit.then(([code]) => live.reject(new Error(`the program ended with ${code}: ${last}`)));
  return {
    pid: child.pid ?? 0,
    live: live.promise,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await exit;
    },
  };
}
