import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { PodContainer } from './kubernetes.ts';

/** What the kubelet does with one container: runs its command, again whenever that ends, and asks its probe. Without its pauses. */
export interface AttachedContainer extends AsyncDisposable {
  /** How often it was begun. */
  readonly starts: number;
  /** What it said, all starts together. */
  readonly output: string;
  kill(): void;
  /** As the liveness probe says. */
  alive(): Promise<boolean>;
}

export interface AttachedContainerOptions {
  readonly container: PodContainer;
  /** What the container has as /etc/sightline. */
  readonly settings: string;
  /** Where its program is. */
  readonly path: string;
}

export function startAttachedContainer({ container, settings, path }: AttachedContainerOptions): AttachedContainer {
  const env = { PATH: `${path}:${process.env['PATH'] ?? ''}` };
  const here = (command: readonly string[] = []) => command.map((word) => word.replaceAll('/etc/sightline', settings));
  let starts = 0;
  let output = '';
  let over = false;
  let child: ChildProcess;

  function run(words: readonly string[]): ChildProcess {
    const [program = '', ...rest] = here(words);
    return spawn(program, rest, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  }

  function begin(): void {
    starts += 1;
    child = run(container.command ?? []);
    child.stderr?.on('data', (text) => {
      output += String(text);
    });
    child.once('close', () => {
      if (!over) begin();
    });
  }
  begin();

  return {
    get starts() {
      return starts;
    },
    get output() {
      return output;
    },
    kill: () => void child.kill('SIGKILL'),
    alive: async () => {
      const [code] = await once(run(container.livenessProbe?.exec?.command ?? []), 'close');
      return code === 0;
    },
    [Symbol.asyncDispose]: async () => {
      over = true;
      const ended = once(child, 'close');
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await ended;
    },
  };
}
