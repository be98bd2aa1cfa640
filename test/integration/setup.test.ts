import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const bootstrap = join(import.meta.dirname, '../../tools/bootstrap');
// biome-ignore format: a list of names
const tools = [
  'awk', 'cat', 'cut', 'date', 'df', 'dirname', 'du', 'grep', 'head', 'ln', 'mkdir', 'mktemp', 'rm', 'sed', 'sh', 'tail', 'tar', 'tr', 'uname',
];

/** What a machine has: one shell script per program. A program that is absent is not found. */
type Machine = Readonly<Record<string, string>>;

const ready: Machine = {
  id: 'echo 0',
  'dpkg-query': 'echo "ii "',
  'apt-get': 'echo "apt-get $*" >>apt.log',
  getconf: 'case "$1" in LONG_BIT) echo 64 ;; GNU_LIBC_VERSION) echo glibc 2.36 ;; esac',
  node: 'case "$*" in -p*) echo 24 ;; --version) echo v24.7.0 ;; *build-native*) echo "faiss-node: ready" ;; esac',
  npm: 'case "$*" in "config get registry") echo https://npm.example/ ;; *) echo "npm $*" >>npm.log ;; esac',
  sleep: 'exit 0',
};

/** The script in a tree of its own on a machine of stand-ins: nothing of this machine is touched. */
function setup(
  machine: Machine,
  profile: 'demo' | 'test' = 'test',
): { code: number | null; output: string; log(name: string): string } {
  const root = mkdtempSync(join(tmpdir(), 'bootstrap-'));
  try {
    const bin = join(root, 'bin');
    mkdirSync(bin);
    mkdirSync(join(root, 'tools'));
    copyFileSync(bootstrap, join(root, 'tools/bootstrap'));
    copyFileSync(join(bootstrap, '../fetch-node'), join(root, 'tools/fetch-node'));
    for (const tool of tools) {
      const real = ['/usr/bin', '/bin'].map((directory) => join(directory, tool)).find(existsSync);
      assert.ok(real, `this machine has no ${tool}`);
      if (!(tool in machine)) symlinkSync(real, join(bin, tool));
    }
    for (const [name, script] of Object.entries(machine)) {
      writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(bin, name), 0o755);
    }
    const { status, stdout, stderr } = spawnSync(join(root, 'tools/bootstrap'), [profile], {
      env: { PATH: bin },
      encoding: 'utf8',
    });
    const logs = new Map(
      ['apt.log', 'npm.log'].map((name) => [name, spawnSync('/bin/cat', [join(root, name)], { encoding: 'utf8' }).stdout]),
    );
    return { code: status, output: stdout + stderr, log: (name) => logs.get(name) ?? '' };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const lacksMosquitto = 'case "$*" in *" mosquitto") exit 1 ;; *) echo "ii " ;; esac';

describe('tools/bootstrap', () => {
  it('leaves a machine alone that has everything', () => {
    const { code, output, log } = setup(ready);
    assert.equal(code, 0, output);
    assert.match(output, /packages: all there/);
    assert.match(output, /npm packages: all there/);
    assert.equal(log('apt.log') + log('npm.log'), '');
    assert.doesNotMatch(output, /missing/);
  });

  it('installs only the Debian packages that are missing', () => {
    const { code, output, log } = setup({ ...ready, 'dpkg-query': lacksMosquitto });
    assert.equal(code, 0, output);
    assert.match(log('apt.log'), /apt-get -o DPkg::Lock::Timeout=900 -y -q --no-install-recommends install mosquitto$/m);
  });

  it('prints the one line to run when it is not root, and goes on', () => {
    const { code, output, log } = setup({ ...ready, id: 'echo 1000', 'dpkg-query': lacksMosquitto });
    assert.equal(code, 0, output);
    assert.match(output, /as root: apt-get update && apt-get install -y --no-install-recommends mosquitto$/m);
    assert.match(output, /npm packages: all there/);
    assert.equal(log('apt.log'), '');
  });

  it('tries three times when apt-get fails, then names what is missing and goes on', () => {
    const failing = 'echo "apt-get $*" >>apt.log; case "$*" in *update) ;; *) echo "E: no route"; exit 100 ;; esac';
    const { code, output, log } = setup({ ...ready, 'dpkg-query': lacksMosquitto, 'apt-get': failing });
    assert.equal(code, 0, output);
    assert.equal(log('apt.log').match(/ -y .*install mosquitto$/gm)?.length, 3);
    assert.match(output, /E: no route/);
    assert.match(output, /missing:\n {2}- Debian packages: apt-get failed, see above.*install .* mosquitto$/m);
    assert.match(output, /npm packages: all there/);
  });

  for (const { profile, seconds } of [
    { profile: 'demo', seconds: 30 },
    { profile: 'test', seconds: 900 },
  ] as const) {
    it(`says who holds apt's lock, waits at most ${seconds} s for the ${profile}, then goes on and says how to get the rest`, () => {
      // apt's own words; it is the one that waits, for as long as it is told.
      const locked = [
        'echo "apt-get $*" >>apt.log; case "$*" in *update) exit 0 ;; esac',
        'for second in 1 2 3; do echo "Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 4711 (unattended-upgr)..."; done',
        'echo "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?" >&2; exit 100',
      ].join('\n');
      const absent = 'case "$*" in *libfaiss*) exit 1 ;; *) echo "ii " ;; esac';
      const { code, output, log } = setup({ ...ready, 'dpkg-query': absent, 'apt-get': locked }, profile);
      assert.equal(code, 0, output);
      const installs = log('apt.log').match(/^apt-get .* install libfaiss-dev$/gm) ?? [];
      assert.equal(installs.length, 1, 'who waited in vain does not wait again');
      assert.match(installs[0] ?? '', new RegExp(` DPkg::Lock::Timeout=${seconds} `));
      const held = `setup: packages: apt's lock is held by process 4711 (unattended-upgr): waiting at most ${seconds} s\n`;
      assert.equal(output.split(held).length, 2, output);
      assert.match(
        output,
        new RegExp(
          `missing:\\n  - Debian packages.*: apt's lock was held for ${seconds} s; when that is over: apt-get update && .*libfaiss-dev\\n`,
        ),
      );
      assert.match(output, /ready in \d+ s/);
    });
  }

  it('names the packages on a system that is not Debian', () => {
    const { 'dpkg-query': _, 'apt-get': __, ...other } = ready;
    const { code, output } = setup(other);
    assert.equal(code, 0, output);
    assert.match(output, /its names for these Debian packages: .*mosquitto/);
    assert.match(output, /docker build -t sightline/);
  });

  const oldNode = 'case "$*" in -p*) echo 20 ;; --version) echo v20.0.0 ;; esac';

  it('fetches Node from the npm registry when the machine has an older one', () => {
    // The stand-in for npm makes the newer one appear where the real package puts it.
    const npm = `case "$*" in *tools/node) d=tools/node/node_modules/.bin; /bin/mkdir -p $d; printf '#!%s\\n%s\\n' /bin/sh 'case "$*" in -p*) echo 24 ;; --version) echo v24.9.9 ;; esac' >$d/node; /bin/chmod 755 $d/node ;; esac`;
    const { code, output } = setup({ ...ready, node: oldNode, npm });
    assert.equal(code, 0, output);
    assert.match(output, /node: v20\.0\.0 is too old/);
    assert.match(output, /node: v24\.9\.9 in tools\/node/);
  });

  it('fails and names the registry when Node is too old and cannot be fetched', () => {
    const { code, output } = setup({ ...ready, node: oldNode });
    assert.equal(code, 1, output);
    assert.match(output, /Node\.js 24 or newer: https:\/\/npm\.example\/ gave none for /);
  });

  it('fails and says so when there is neither Node nor npm nor curl', () => {
    const { node: _, npm: __, ...bare } = ready;
    const { code, output } = setup(bare);
    assert.equal(code, 1, output);
    assert.match(output, /Node\.js 24 or newer with npm .* or curl/);
  });

  it('says that it is the network when curl cannot fetch them either', () => {
    const { node: _, npm: __, ...bare } = ready;
    const { code, output } = setup({ ...bare, curl: 'echo "curl: (6) Could not resolve host" >&2; exit 6' });
    assert.equal(code, 1, output);
    assert.match(output, /Could not resolve host/);
    assert.match(output, /a way to .* for Node\.js 24: set-up needs the network once/);
  });

  it('fails after three attempts when npm packages cannot be had', () => {
    const node = 'case "$*" in -p*) echo 24 ;; --version) echo v24.7.0 ;; *installed*) exit 1 ;; esac';
    const npm = 'case "$*" in "config get registry") echo https://npm.example/ ;; *) echo E500; exit 1 ;; esac';
    const { code, output } = setup({ ...ready, node, npm });
    assert.equal(code, 1, output);
    assert.match(output, /attempt 3 of 3 failed/);
    assert.match(output, /'npm ci' failed three times.*https:\/\/npm\.example\//);
  });

  const noModules = 'case "$*" in -p*) echo 24 ;; --version) echo v24.7.0 ;; *installed*) exit 1 ;; esac';

  it('names the folder of npm that cannot be written to, and does not try', () => {
    const npm = 'case "$*" in "config get cache") echo /proc/nowhere ;; *) echo "npm $*" >>npm.log ;; esac';
    const node = 'case "$*" in -p*) echo 24 ;; *installed*) exit 1 ;; esac';
    const { code, output, log } = setup({ ...ready, npm, node });
    assert.equal(code, 1);
    assert.match(output, /npm's cache: \/proc\/nowhere cannot be written to; name another: npm_config_cache=/);
    assert.equal(log('npm.log'), '');
  });

  it('waits while another set-up is at work in the same folder', () => {
    const flock = 'case "$1" in -n) exit 1 ;; *) echo "flock $*" >>npm.log ;; esac';
    const { code, output, log } = setup({ ...ready, flock });
    assert.equal(code, 0, output);
    assert.match(output, /another set-up runs in this folder: waiting until it is done/);
    assert.equal(log('npm.log'), 'flock 9\n');
  });

  it('does not try again without a network, and says that later starts need none', () => {
    const npm =
      'echo "npm $*" >>npm.log; case "$*" in "config get registry") echo https://npm.example/ ;; ci*) echo "npm error code EAI_AGAIN"; exit 1 ;; esac';
    const { code, output, log } = setup({ ...ready, node: noModules, npm });
    assert.equal(code, 1, output);
    assert.equal(log('npm.log').match(/^npm ci/gm)?.length, 1);
    assert.match(output, /a way to https:\/\/npm\.example\/: set-up needs the network once, later starts do not/);
  });

  it('tries with the certificates of the system where npm meets a proxy that brings its own', () => {
    const npm =
      'case "$*" in ci*) echo "npm ci with ${NODE_EXTRA_CA_CERTS:-its own certificates}" >>npm.log; [ -n "${NODE_EXTRA_CA_CERTS:-}" ] || { echo "npm error code SELF_SIGNED_CERT_IN_CHAIN"; exit 1; } ;; esac';
    const { code, output, log } = setup({ ...ready, node: noModules, npm });
    assert.equal(code, 0, output);
    assert.match(log('npm.log'), /^npm ci with its own certificates\nnpm ci with \/etc\/.*\n$/);
    assert.match(output, /trying with the certificates of this system/);
  });

  it('does not begin what the disk has no room for', () => {
    const df = 'echo Filesystem; echo "/dev/x 1000 900 100000 99% /"';
    const { code, output, log } = setup({ ...ready, node: noModules, df });
    assert.equal(code, 1, output);
    assert.equal(log('npm.log'), '');
    assert.match(output, /disk space: node_modules needs 860 MB in .* and 100 MB are free/);
  });

  it('says that the disk is full when it fills up on the way', () => {
    const npm = 'case "$*" in ci*) echo "npm error code ENOSPC"; exit 1 ;; *) echo "npm $*" >>npm.log ;; esac';
    const { code, output } = setup({ ...ready, node: noModules, npm });
    assert.equal(code, 1, output);
    assert.match(output, /ENOSPC.*disk space: node_modules needs 860 MB/s);
  });

  it('installs less for the demo: nothing that only tests and development need', () => {
    const absent = 'case "$*" in *faiss* | *mosquitto*) exit 1 ;; *) echo "ii " ;; esac';
    const { code, output, log } = setup({ ...ready, 'dpkg-query': absent, node: noModules }, 'demo');
    assert.equal(code, 0, output);
    assert.match(log('apt.log'), /install libfaiss-dev$/m);
    assert.match(log('npm.log'), /^npm ci --omit=dev /m);
  });

  it('adds the tools of development after a demo, rather than removing what is there first', () => {
    const node = 'case "$*" in -p*) echo 24 ;; --version) echo v24.7.0 ;; *omit=dev) exit 0 ;; *installed*) exit 1 ;; esac';
    const { code, output, log } = setup({ ...ready, node });
    assert.equal(code, 0, output);
    assert.match(log('npm.log'), /^npm install --no-save /m);
    assert.doesNotMatch(log('npm.log'), /^npm ci/m);
  });

  it('goes on to the demo when apt-get fails, and says what serves instead of FAISS', () => {
    const absent = 'case "$*" in *faiss*) exit 1 ;; *) echo "ii " ;; esac';
    const { code, output } = setup({ ...ready, 'dpkg-query': absent, 'apt-get': 'echo "E: no route"; exit 100' }, 'demo');
    assert.equal(code, 0, output);
    assert.match(output, /without them the built-in exact search is used instead of FAISS.*install .*libfaiss-dev$/m);
    assert.match(output, /ready in \d+ s/);
  });

  it('has one message for a system that is not Debian, with its own names and the way by container', () => {
    const { 'dpkg-query': _, 'apt-get': __, ...other } = ready;
    const demo = setup({ ...other, dnf: 'exit 0' }, 'demo');
    assert.equal(demo.code, 0, demo.output);
    assert.match(
      demo.output,
      /missing:\n {2}- nothing that the demo needs.*docker build -t sightline \. && docker run --rm -it sightline demo\n/,
    );
    const tests = setup({ ...other, pacman: 'exit 0' });
    assert.match(tests.output, /as root: pacman -S --needed .*mosquitto/);
  });

  it('adds up what was downloaded, from the figures of apt-get and of the cache of npm', () => {
    const apt =
      'case "$*" in *update) echo "Fetched 9,500 kB in 2s (4 MB/s)" ;; *install*) echo "Fetched 12.4 MB in 1s (9 MB/s)" ;; esac';
    const npm =
      'cache=$PWD/cache; case "$*" in "config get cache") echo $cache ;; ci*) mkdir -p node_modules $cache/_cacache/content-v2; head -c 5000000 /dev/zero >$cache/_cacache/content-v2/a ;; esac';
    const { output } = setup({ ...ready, 'dpkg-query': lacksMosquitto, 'apt-get': apt, node: noModules, npm });
    assert.match(output, /packages: installed \(\d+ s, 22 MB downloaded\)/);
    assert.match(output, /npm packages: .*\(\d+ s, 5\.\d MB downloaded\)/);
    assert.match(output, /ready in \d+ s, 2[67] MB downloaded\n$/);
  });

  it('says once what FAISS wants when its packages are missing', () => {
    const node =
      'case "$*" in -p*) echo 24 ;; *build-native*) echo "faiss-node: not built; a plain scan serves" ;; *) echo v24.7.0 ;; esac';
    const absent = 'case "$*" in *faiss*) exit 1 ;; *) echo "ii " ;; esac';
    const { output } = setup({ ...ready, id: 'echo 1000', 'dpkg-query': absent, node }, 'demo');
    assert.deepEqual(output.match(/^ {2}- .*/gm)?.length, 1, output);
  });

  it('names an addon that could not be built, and still succeeds', () => {
    const node =
      'case "$*" in -p*) echo 24 ;; *build-native*) echo "faiss-node: not built; a plain scan serves" ;; *) echo v24.7.0 ;; esac';
    const { code, output } = setup({ ...ready, node });
    assert.equal(code, 0, output);
    assert.match(output, /missing:\n {2}- addon faiss-node: not built/);
  });
});

/** grep as of a processor whose flags have no SSE4.2. */
const oldProcessor = 'case "$*" in *cpuinfo) exit 1 ;; *) exec /bin/grep "$@" ;; esac';
const uname = (system: string, processor: string) =>
  `case "$1" in -s) echo ${system} ;; -m) echo ${processor} ;; *) echo ${system} ${processor} ;; esac`;

describe('tools/bootstrap on a machine that cannot run the program', () => {
  const cases: readonly { readonly what: string; readonly machine: Machine; readonly says: RegExp }[] = [
    {
      what: 'a processor without SSE4.2',
      machine: { uname: uname('Linux', 'x86_64'), grep: oldProcessor },
      says: /SSE4\.2 \(x86-64-v2/,
    },
    { what: 'a 32-bit processor', machine: { uname: uname('Linux', 'armv7l') }, says: /for Linux armv7l/ },
    { what: 'another architecture', machine: { uname: uname('Linux', 'riscv64') }, says: /Linux on x86-64 or 64-bit ARM/ },
    {
      what: 'a 32-bit system on a 64-bit processor',
      machine: { uname: uname('Linux', 'aarch64'), getconf: 'echo 32' },
      says: /this one runs 32-bit programs/,
    },
    { what: 'a Mac with an Intel processor', machine: { uname: uname('Darwin', 'x86_64') }, says: /for Darwin x86_64/ },
    { what: 'Windows', machine: { uname: uname('MINGW64_NT-10.0', 'x86_64') }, says: /on Windows use WSL 2 or Docker/ },
    {
      what: 'an older glibc',
      machine: { getconf: 'echo glibc 2.31' },
      says: /glibc 2\.34 or newer, this is glibc 2\.31: Debian 12/,
    },
    {
      what: 'musl',
      machine: { getconf: 'exit 1', ldd: 'echo "musl libc (x86_64)" >&2; exit 1' },
      says: /do not run on musl \(Alpine\); with Docker: docker build/,
    },
  ];
  for (const { what, machine, says } of cases) {
    it(`touches nothing and names the reason: ${what}`, () => {
      const { code, output, log } = setup({ ...ready, ...machine }, 'demo');
      assert.equal(code, 1, output);
      assert.match(output, says);
      assert.match(output, /cannot go on\n$/);
      assert.equal(log('apt.log') + log('npm.log'), '');
    });
  }
});

describe('make', () => {
  const root = join(import.meta.dirname, '../..');
  it('says from another directory where to go', () => {
    const { status, stderr } = spawnSync('make', ['-f', join(root, 'Makefile'), 'demo'], { cwd: tmpdir(), encoding: 'utf8' });
    assert.equal(status, 2, stderr);
    assert.match(stderr, /This is not Sightline's folder.*make -C FOLDER demo/);
  });

  it('starts the demo and the daemon as bin/sightline does, in a path with spaces too, and passes their arguments on', () => {
    const parent = mkdtempSync(join(tmpdir(), 'make-'));
    try {
      const folder = join(parent, 'a folder with spaces');
      mkdirSync(join(folder, 'tools'), { recursive: true });
      mkdirSync(join(folder, 'bin'));
      for (const file of ['Makefile', 'bin/sightline']) copyFileSync(join(root, file), join(folder, file));
      const script = (name: string, text: string) => {
        writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
        chmodSync(join(folder, name), 0o755);
      };
      script('tools/bootstrap', 'echo "bootstrap $1 in $PWD"');
      mkdirSync(join(folder, 'tools/node/node_modules/.bin'), { recursive: true });
      script('tools/node/node_modules/.bin/node', 'echo "node of tools, $MALLOC_ARENA_MAX heaps: $*"');
      const { MALLOC_ARENA_MAX: _, ...env } = process.env;
      const made = (...args: readonly string[]) => {
        const { status, stdout, stderr } = spawnSync('make', ['-s', '-C', folder, ...args], { encoding: 'utf8', env });
        assert.equal(status, 0, stderr);
        return stdout;
      };
      const program = `node of tools, 2 heaps: --max-semi-space-size=4 --disable-sigusr1 ${realpathSync(folder)}/src/main.ts`;
      const setUp = `bootstrap demo in ${realpathSync(folder)}\n`;
      assert.equal(made('demo', 'DEMO_ARGS=--cameras 2'), `${setUp}${program} demo --cameras 2\n`);
      assert.equal(made('run', 'CONFIG=my.yaml'), `${program} run my.yaml\n`);
    } finally {
      rmSync(parent, { recursive: true, force: true });
    }
  });
});

describe('tools/fetch-node', () => {
  it('refuses what is not what its hash says, and leaves nothing behind', () => {
    const root = mkdtempSync(join(tmpdir(), 'fetch-node-'));
    try {
      const curl = join(root, 'curl');
      writeFileSync(
        curl,
        '#!/bin/sh\nfor last; do case "$want" in yes) echo junk >"$last"; want= ;; esac; [ "$last" = -o ] && want=yes; done; true\n',
      );
      chmodSync(curl, 0o755);
      const { status, stderr } = spawnSync('sh', [join(bootstrap, '../fetch-node'), join(root, 'node')], {
        env: { ...process.env, PATH: `${root}:${process.env['PATH']}` },
        encoding: 'utf8',
      });
      assert.equal(status, 1, stderr);
      assert.match(stderr, /is not what its hash says/);
      assert.ok(!existsSync(join(root, 'node')));
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});
