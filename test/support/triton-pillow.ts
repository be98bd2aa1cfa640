import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { tritonFolder } from './triton.ts';

const run = promisify(execFile);
/** As tools/golden/requirements.txt has it. */
const version = '13.0.0';

/** The Python of the test's Triton server, and a folder with Pillow for it; installed with the first call, from the registry of pip. */
export async function tritonPython(): Promise<{ readonly python: string; readonly packages: string }> {
  const { stdout } = await run(join(tritonFolder, 'triton-cpu'), ['where']);
  const { cache }: { cache: string } = JSON.parse(stdout);
  const python = join(cache, 'venv/bin/python');
  const packages = join(dirname(cache), `triton-pillow-${version}`);
  if (!existsSync(packages)) {
    const fresh = `${packages}.${process.pid}`;
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:'];
    await run(python, [...pip, '--target', fresh, `Pillow==${version}`], { timeout: 300_000 });
    // Whoever comes second has the same.
    await rename(fresh, packages).catch(() => rm(fresh, { recursive: true }));
  }
  return { python, packages };
}

/** Puts Pillow beside the scripts of a repository's models: the test's server takes no PYTHONPATH. */
export async function linkPillow(repository: string): Promise<void> {
  const { packages } = await tritonPython();
  for (const model of await readdir(repository)) {
    const folder = join(repository, model, '1');
    if (!existsSync(join(folder, 'pictures.py'))) continue;
    for (const name of ['PIL', 'pillow.libs']) await symlink(join(packages, name), join(folder, name));
  }
}
