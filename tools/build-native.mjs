// Builds the two optional addons that no registry ships ready-made: faiss-node (exact and HNSW vector search) and
// gstreamer-superficial (custom sources). Neither is needed to start; what is missing is named, and the exit code is 0.
// Run again at will: an addon that loads and was made by today's recipe is left alone. Names as arguments: only these.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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

const faissOut = join(modules, 'faiss-node/build/Release');
const faissRecipe = join(faissOut, 'recipe');
const faissNative = ['faiss-compat.h', 'faiss-distance.cc'].map((name) => join(root, 'native', name));

/** What the addon is made from: one that was made otherwise is made again. */
function recipe() {
  const hash = createHash('sha256');
  for (const file of [...faissNative, import.meta.filename]) hash.update(readFileSync(file));
  return hash.digest('hex');
}

function faissIsOld() {
  return !existsSync(faissRecipe) || readFileSync(faissRecipe, 'utf8') !== recipe();
}

/** faiss-node's source with Float32Array beside plain arrays where vectors are taken; as it is where it is not the source known here. */
function faissSource() {
  const source = readFileSync(join(modules, 'faiss-node/src/faiss.cc'), 'utf8');
  const changed = source
    .replaceAll('if (!info[0].IsArray())', 'if (!sightline::Floats::is(info[0]))')
    .replaceAll(
      /Napi::Array arr = info\[0\]\.As<Napi::Array>\(\);(\s*size_t length = arr\.Length\(\);\s*auto dv )/g,
      'const sightline::Floats arr(info[0]);$1',
    )
    .replaceAll(
      /for \(size_t i = 0; i < length; i\+\+\)\s*\{\s*Napi::Value val = arr\[i\];\s*(if \(!val\.IsNumber\(\)\)\s*\{[^}]*\})\s*(x[bq])\[i\] = val\.As<Napi::Number>\(\)\.FloatValue\(\);\s*\}/g,
      (_loop, refuse, out) => `const size_t i = arr.copyTo(${out});\n    ${refuse.replace('!val.IsNumber()', 'i < length')}`,
    );
  // add, train and search
  return changed.split('arr.copyTo(').length === 4 && changed.split('sightline::Floats arr(').length === 4 ? changed : source;
}

function faiss() {
  mkdirSync(faissOut, { recursive: true });
  const source = join(faissOut, `faiss.${process.pid}.cc`);
  writeFileSync(source, faissSource());
  const target = join(faissOut, 'faiss-node.node');
  const fresh = `${target}.${process.pid}`;
  const [compat, distance] = faissNative;
  const build = (...more) =>
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
      compat,
      ...more,
      source,
      '-o',
      fresh,
      '-lfaiss',
      '-lopenblas',
    ]);
  try {
    try {
      // Of two definitions the linker takes the first, which is ours.
      build('-Wl,-z,muldefs', distance);
    } catch {
      build(); // a compiler or linker that cannot do that: right all the same, and slower
    }
    renameSync(fresh, target);
    writeFileSync(faissRecipe, recipe());
  } finally {
    for (const file of [fresh, source]) rmSync(file, { force: true });
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
    isOld: faissIsOld,
    wants: 'Debian: g++ libfaiss-dev libopenblas-dev',
    without: 'vector search falls back to a plain scan',
  },
  {
    name: 'gstreamer-superficial',
    build: gstreamer,
    isOld: () => false,
    wants: 'Debian: g++ make python3 pkg-config libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev',
    without: 'no GStreamer sources',
  },
];
const asked = process.argv.slice(2);
for (const { name, build, isOld, wants, without } of addons) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  if (!existsSync(join(modules, name))) {
    console.log(`${name}: not installed; ${without}`);
    continue;
  }
  const serves = loads(name);
  if (serves && !isOld()) {
    console.log(`${name}: ready`);
    continue;
  }
  const start = performance.now();
  try {
    build();
  } catch (cause) {
    if (serves) {
      console.log(`${name}: ready, of an earlier recipe: it could not be built anew`);
      continue;
    }
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
