import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { missingData, missingTool } from './data.ts';

/** `tools/convert` with the Python packages that it asks for, kept in a cache of the machine's own between runs. */

const root = resolve(import.meta.dirname, '../..');
const driver = join(root, 'test/fixtures/convert.py');
const requirements = join(root, 'tools/convert/requirements.txt');
const execute = promisify(execFile);

export interface ConversionWork {
  readonly heads: readonly string[];
  /** Of the heads' input; absent: 128. */
  readonly side?: number;
  readonly random: readonly (readonly string[])[];
  readonly conversions: readonly (readonly string[])[];
}

export interface Conversion {
  readonly said?: readonly string[];
  readonly refused?: string;
}

let installing: Promise<string> | undefined;

/** `false` when conversions can run, else the reason to skip. The first call of a machine installs the packages, from the registry of pip. */
export async function missingConvert(): Promise<string | false> {
  installing ??= install();
  try {
    await installing;
  } catch (error) {
    return missingTool(
      false,
      `the Python packages of tools/convert: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  return missingData('models/centerface_int8w.onnx');
}

async function install(): Promise<string> {
  const wanted = await readFile(requirements, 'utf8');
  const { stdout: python } = await execute('python3', ['-c', 'import sys; print(sys.version)']);
  const name = createHash('sha256').update(wanted).update(python).digest('hex').slice(0, 16);
  const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'sightline', `convert-${name}`);
  if (existsSync(folder)) return folder;
  // Whoever is there first wins: a second run of the tests installs for nothing.
  const fresh = `${folder}.${process.pid}`;
  await mkdir(fresh, { recursive: true });
  try {
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary=:all:'];
    await execute('python3', [...pip, '--target', fresh, '-r', requirements], { timeout: 300_000 });
    await rename(fresh, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  return folder;
}

/** What each conversion said, in order. */
export async function runConversions(out: string, work: ConversionWork): Promise<readonly Conversion[]> {
  installing ??= install();
  const env = { ...process.env, PYTHONPATH: await installing, PYTHONDONTWRITEBYTECODE: '1' };
  const { stdout } = await execute('python3', [driver, out, JSON.stringify(work)], { env, maxBuffer: 2 ** 24 });
  return JSON.parse(stdout);
}
