// Builds the two optional addons that no registry ships ready-made: faiss-node (exact and HNSW vector search) and
// gstreamer-superficial (custom sources). Neither is needed to start; what is missing is named, and the exit code is 0.
// Run again at will: an addon that loads is left alone. Names as arguments: only these.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const modules = join(root, 'node_modules');
const run = (command, args, options = {}) =>
  execFileSync(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', ...options });

/** An addon of another Node or of a library that is gone must not take this process with it: it is tried in one of its own. */
const loads = (name) => {
  try {
    run(process.execPath, ['-e', `require(${JSON.stringify(join(modules, name))})`]);
    return true;
  } catch {
    return false;
  }
};

function faiss() {
  const out = join(modules, 'faiss-node/build/Release');
  mkdirSync(out, { recursive: true });
  const target = join(out, 'faiss-node.node');
  const fresh = `${target}.${process.pid}`;
  try {
    run(process.env.CXX ?? 'g++', [
      '-std=c++17',
      '-O2',
      '-fPIC',
      '-shared',
      '-fopenmp',
      '-fvisibility=hidden',
      '-s',
      '-DNAPI_CPP_EXCEPTIONS',
      '-DNAPI_VERSION=8',
      '-DNODE_GYP_MODULE_NAME=faiss_node',
      `-I${join(modules, 'node-api-headers/include')}`,
      `-I${join(modules, 'node-addon-api')}`,
      '-include',
      join(root, 'native/faiss-compat.h'),
      join(modules, 'faiss-node/src/faiss.cc'),
      '-o',
      fresh,
      '-lfaiss',
      '-lopenblas',
    ]);
    renameSync(fresh, target);
  } finally {
    rmSync(fresh, { force: true });
  }
}

function gstreamer() {
  // nan means V8's own headers: those of the running Node lie beside its binary (../include/node), otherwise node-gyp fetches them.
  const prefix = join(dirname(process.execPath), '..');
  const folder = mkdtempSync(join(tmpdir(), 'headers-'));
  try {
    // The makefiles of node-gyp do not quote: a path with spaces is reached by another name.
    const link = join(folder, 'node');
    symlinkSync(prefix, link);
    const headers = existsSync(join(prefix, 'include/node/v8.h')) ? [`--nodedir=${link}`] : [];
    run(process.execPath, [join(modules, 'node-gyp/bin/node-gyp.js'), 'rebuild', ...headers], {
      cwd: join(modules, 'gstreamer-superficial'),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const addons = [
  {
    name: 'faiss-node',
    build: faiss,
    wants: 'Debian: g++ libfaiss-dev libopenblas-dev',
    without: 'vector search falls back to a plain scan',
  },
  {
    name: 'gstreamer-superficial',
    build: gstreamer,
    wants: 'Debian: g++ make python3 pkg-config libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev',
    without: 'no GStreamer sources',
  },
];
const asked = process.argv.slice(2);
for (const { name, build, wants, without } of addons) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  if (!existsSync(join(modules, name))) {
    console.log(`${name}: not installed; ${without}`);
    continue;
  }
  if (loads(name)) {
    console.log(`${name}: ready`);
    continue;
  }
  const start = performance.now();
  try {
    build();
  } catch (cause) {
    const said = String(cause.stderr || cause.message)
      .trim()
      .split('\n');
    const reasons = said.filter((line) => /error|not found|cannot/i.test(line)).slice(0, 3);
    console.log(
      `${name}: not built; ${without}\n  needs ${wants}\n  ${(reasons.length > 0 ? reasons : said.slice(-1)).join('\n  ')}`,
    );
    continue;
  }
  console.log(
    loads(name)
      ? `${name}: built in ${((performance.now() - start) / 1000).toFixed(1)} s`
      : `${name}: built but does not load; ${without}`,
  );
}
