import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installedProgram } from '../../test/support/programs.ts';

/** The Python of the yardsticks: benches run it as a process, and compare in one run. */

interface Yardstick {
  /** What pip is to install. */
  readonly requirements: string;
  /** Where its virtual environment is made. */
  readonly folder: string;
  /** Names another Python instead. */
  readonly variable: string;
}

const root = join(import.meta.dirname, '../..');

/** ../shared/peer */
const peer: Yardstick = {
  requirements: join(root, '../shared/peer/requirements.txt'),
  folder: join(root, '.cache/peer'),
  variable: 'SIGHTLINE_PEER_PYTHON',
};

/** bench/triton/peer.py */
export const tritonPeer: Yardstick = {
  requirements: join(root, 'bench/triton/requirements.txt'),
  folder: join(root, '.cache/triton-peer'),
  variable: 'SIGHTLINE_TRITON_PEER_PYTHON',
};

/** What keeps the peer from being measured here; `false` when nothing does. */
export function missingPeer({ requirements, variable }: Yardstick = peer): string | false {
  const given = process.env[variable];
  if (given === undefined) return existsSync(requirements) ? false : `no yardsticks at ${requirements}`;
  return existsSync(given) || installedProgram(given) ? false : `${variable} is ${given}, which is not there`;
}

function run(program: string, args: readonly string[]): Promise<void> {
  process.stderr.write(`peer: ${[program, ...args].join(' ')}\n`);
  const child = spawn(program, args, { stdio: ['ignore', 2, 2] });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ${args.join(' ')} ended with ${code}`));
    });
  });
}

/**
 * Path of a Python that has the peer's packages: the one that is named, else the virtual environment, which is made (and filled by pip,
 * a minute) when it is not there or was made of other requirements. Says on stderr what it does.
 */
export async function peerPython({ requirements, folder, variable }: Yardstick = peer): Promise<string> {
  const given = process.env[variable];
  if (given !== undefined) return given;
  const python = join(folder, 'bin/python');
  const stamp = join(folder, 'requirements.txt');
  const wanted = readFileSync(requirements, 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return python;
  mkdirSync(folder, { recursive: true });
  await run('python3', ['-m', 'venv', folder]);
  await run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements]);
  writeFileSync(stamp, wanted);
  return python;
}
