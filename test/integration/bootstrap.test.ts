import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const bootstrap = join(import.meta.dirname, '../../tools/bootstrap');
const tools = ['bash', 'dirname', 'mktemp', 'tail', 'sed', 'rm', 'grep', 'awk', 'cut', 'du', 'uname', 'cat', 'seq'];

/** What a machine has: one shell script per program. A program that is absent is not found. */
type Machine = Readonly<Record<string, string>>;

const ready: Machine = {
  id: 'echo 0',
  'dpkg-query': 'echo "ii "',
  'apt-get': 'echo "apt-get $*" >>apt.log',
  node: 'case "$*" in -p*) echo 24 ;; --version) echo v24.0.0 ;; *build-native*) echo "faiss-node: ready" ;; esac',
  npm: 'case "$*" in "config get registry") echo https://registry.example/ ;; *) echo "npm $*" >>npm.log ;; esac',
  sleep: 'exit 0',
};

/** The script in a tree of its own on a machine of stand-ins: nothing of this machine is touched. */
function setup(machine: Machine): { code: number | null; output: string; log(name: string): string } {
  const root = mkdtempSync(join(tmpdir(), 'bootstrap-'));
  try {
    const bin = join(root, 'bin');
    mkdirSync(bin);
    mkdirSync(join(root, 'tools'));
    copyFileSync(bootstrap, join(root, 'tools/bootstrap'));
    for (const tool of tools) {
      const real = ['/usr/bin', '/bin'].map((directory) => join(directory, tool)).find(existsSync);
      assert.ok(real, `this machine has no ${tool}`);
      symlinkSync(real, join(bin, tool));
    }
    for (const [name, script] of Object.entries(machine)) {
      writeFileSync(join(bin, name), `#!${join(bin, 'bash')}\n${script}\n`);
      chmodSync(join(bin, name), 0o755);
    }
    const { status, stdout, stderr } = spawnSync(join(bin, 'bash'), [join(root, 'tools/bootstrap')], {
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
    assert.match(log('apt.log'), /apt-get -o DPkg::Lock::Timeout=900 -y -qq --no-install-recommends install mosquitto$/m);
  });

  it('prints the one line to run when it is not root, and goes on', () => {
    const { code, output, log } = setup({ ...ready, id: 'echo 1000', 'dpkg-query': lacksMosquitto });
    assert.equal(code, 0, output);
    assert.match(output, /as root: apt-get update && apt-get install -y --no-install-recommends mosquitto$/m);
    assert.match(output, /npm packages: all there/);
    assert.equal(log('apt.log'), '');
  });

  it('tries three times when apt-get fails, then names what is missing and goes on', () => {
    const failing =
      'echo "apt-get $*" >>apt.log; case "$*" in *update) ;; *assume-no*) ;; *) echo "E: no route"; exit 100 ;; esac';
    const { code, output, log } = setup({ ...ready, 'dpkg-query': lacksMosquitto, 'apt-get': failing });
    assert.equal(code, 0, output);
    assert.equal(log('apt.log').match(/ -y .*install mosquitto$/gm)?.length, 3);
    assert.match(output, /E: no route/);
    assert.match(output, /missing:\n {2}- Debian packages \(apt-get failed three times.*install .* mosquitto$/m);
    assert.match(output, /npm packages: all there/);
  });

  it('names the packages on a system that is not Debian', () => {
    const { 'dpkg-query': _, 'apt-get': __, ...other } = ready;
    const { code, output } = setup(other);
    assert.equal(code, 0, output);
    assert.match(output, /equivalents of these Debian packages.*libfaiss-dev.*mosquitto/);
  });

  const oldNode = 'case "$*" in -p*) echo 20 ;; --version) echo v20.0.0 ;; esac';

  it('fetches Node from the npm registry when the machine has an older one', () => {
    // The stand-in for npm makes the newer one appear where the real package puts it.
    const npm = `case "$*" in *tools/node) d=tools/node/node_modules/.bin; /bin/mkdir -p $d; printf '#!%s\\n%s\\n' "$(command -v bash)" 'case "$*" in -p*) echo 24 ;; --version) echo v24.9.9 ;; esac' >$d/node; /bin/chmod 755 $d/node ;; esac`;
    const { code, output } = setup({ ...ready, node: oldNode, npm });
    assert.equal(code, 0, output);
    assert.match(output, /node: 20 is too old/);
    assert.match(output, /node: v24\.9\.9 in tools\/node/);
  });

  it('fails and names the registry when Node is too old and cannot be fetched', () => {
    const { code, output } = setup({ ...ready, node: oldNode });
    assert.equal(code, 1, output);
    assert.match(output, /Node\.js 24 or newer: npm got none for .* from https:\/\/registry\.example\//);
  });

  it('fails and says so when there is neither Node nor npm nor curl', () => {
    const { node: _, npm: __, ...bare } = ready;
    const { code, output } = setup(bare);
    assert.equal(code, 1, output);
    assert.match(output, /Node\.js 24 or newer with npm .* or curl/);
  });

  it('fails when curl cannot fetch them either', () => {
    const { node: _, npm: __, ...bare } = ready;
    const { code, output } = setup({ ...bare, curl: 'echo "could not resolve host"; exit 6' });
    assert.equal(code, 1, output);
    assert.match(output, /Node\.js 24 or newer with npm/);
  });

  it('fails after three attempts when npm packages cannot be had', () => {
    const node = 'case "$*" in -p*) echo 24 ;; --version) echo v24.0.0 ;; *installed*) exit 1 ;; esac';
    const npm = 'case "$*" in "config get registry") echo https://registry.example/ ;; *) echo ENOTFOUND; exit 1 ;; esac';
    const { code, output } = setup({ ...ready, node, npm });
    assert.equal(code, 1, output);
    assert.match(output, /attempt 3 of 3 failed/);
    assert.match(output, /'npm ci' failed three times.*https:\/\/registry\.example\//);
  });

  it('names an addon that could not be built, and still succeeds', () => {
    const node =
      'case "$*" in -p*) echo 24 ;; *build-native*) echo "faiss-node: not built; a plain scan serves" ;; *) echo v24.0.0 ;; esac';
    const { code, output } = setup({ ...ready, node });
    assert.equal(code, 0, output);
    assert.match(output, /missing:\n {2}- addon faiss-node: not built/);
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
      const { status, stderr } = spawnSync('bash', [join(bootstrap, '../fetch-node'), join(root, 'node')], {
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
