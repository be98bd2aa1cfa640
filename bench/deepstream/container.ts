import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { renderApp, writeScript } from '../../test/support/deepstream-app.ts';
import { standinEnv } from '../../test/support/standin.ts';

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
  const file = await renderApp({
    ...{ directory, bridge: options.bridge, cameras, worker: options.worker, token: options.token },
    ...{ build: release, script: {}, mux: { width: 1280, height: 720 } },
    // It ends by itself when the bench was killed.
    limits: { aloneMs: 10_000 },
  });
  await writeFile(at('recording.json'), JSON.stringify(options.recording));
  await writeScript(directory, { '*': at('recording.json') });

  const child = spawn(join(release, 'app/sightline-bridge'), [file], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...standinEnv({ build: release, control: at('control.json') }) },
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
