import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { smallDisk } from '../support/small-disk.ts';
import { until } from '../support/until.ts';

const runner = join(import.meta.dirname, '../../tools/test.ts');

/** Runs tools/test.ts over one file with this text; limits are those of long runs where the test does not say others. */
async function runTests(
  text: string,
  { limits = [], env = {} }: { readonly limits?: readonly string[]; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<{ code: number; output: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'runner-'));
  try {
    const file = join(directory, 'sample.test.ts');
    writeFileSync(file, `import { describe, it } from 'node:test';\n${text}`);
    const child = spawn(process.execPath, [runner, ...limits, file], {
      env: { ...process.env, SIGHTLINE_REQUIRE_DATA: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
      });
    }
    const [code] = await once(child, 'close');
    return { code, output };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Empty for a process that is gone or only waits for its parent to notice. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** Of a file; its process has begun with its tests by then also where the machine is busy. */
const tooLong = ['--file-ms', '8000'];

describe('the test runner', { concurrency: 3 }, () => {
  it('says how to call it, asked or not understood', () => {
    const asked = spawnSync(process.execPath, [runner, '--help'], { encoding: 'utf8' });
    assert.equal(asked.status, 0, asked.stderr);
    assert.match(asked.stdout, /^Usage: node tools\/test\.ts /m);
    const wrong = spawnSync(process.execPath, [runner, '--nothing'], { encoding: 'utf8' });
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /^Unknown option '--nothing'.*^Usage: /ms);
  });

  it('passes when every test passes', async () => {
    const { code, output } = await runTests(`it('one', () => {}); describe('group', () => { it('two', () => {}); });`);
    assert.equal(code, 0, output);
    assert.match(output, /^2 passed, 0 failed, 0 skipped in 1 files/m);
  });

  it('shows a failure with its whole name, the difference and what the file printed', async () => {
    const { code, output } = await runTests(
      `console.log('a hint'); describe('group', () => { it('compares', () => { throw new Error('not so', { cause: new Error('deep') }); }); });`,
    );
    assert.equal(code, 1);
    assert.match(output, /group > compares/);
    assert.match(output, /Error: not so/);
    assert.match(output, /caused by: Error: deep/);
    assert.match(output, /a hint/);
    assert.match(output, /0 passed, 1 failed/);
  });

  const skips = `it('a', { skip: 'no data' }, () => {}); it('b', { skip: 'no data' }, () => {}); it('c', { skip: 'no camera' }, () => {});`;

  it('counts skipped tests by reason', async () => {
    const { code, output } = await runTests(skips);
    assert.equal(code, 0, output);
    assert.match(output, /^1 skipped: no camera$/m);
    assert.match(output, /^2 skipped: no data$/m);
  });

  it('fails on a skipped test under SIGHTLINE_REQUIRE_DATA=1', async () => {
    const { code, output } = await runTests(skips, { env: { SIGHTLINE_REQUIRE_DATA: '1' } });
    assert.equal(code, 1);
    assert.match(output, /3 skipped tests are failures/);
  });

  it('names a test that never ends', async () => {
    const { code, output } = await runTests(`it('waits for ever', () => new Promise((done) => setTimeout(done, 60_000)));`, {
      limits: ['--test-ms', '1000'],
    });
    assert.equal(code, 1);
    assert.match(output, /x {2}waits for ever\n\s+test timed out after 1000ms/);
  });

  it('ends a file that takes too long and says during which test', async () => {
    const tests = Array.from({ length: 99 }, (_, i) => `it('slow ${i}', () => new Promise((done) => setTimeout(done, 900)));`);
    const { code, output } = await runTests(tests.join('\n'), { limits: tooLong });
    assert.equal(code, 1);
    assert.match(output, /still running after 8000 ms during "slow \d+"/);
  });

  it('ends a file that blocks its own thread', async () => {
    const { code, output } = await runTests(
      `it('stops', () => new Promise(setImmediate)); it('waits', () => new Promise((done) => setTimeout(done, 50))); it('spins', () => { while (true); });`,
      { limits: tooLong },
    );
    assert.equal(code, 1);
    assert.match(output, /still running after 8000 ms; its thread is blocked, a test after "(stops|waits)" is to blame/);
  });

  it('says what keeps a process alive after its last test', async () => {
    const { code, output } = await runTests(
      `import { createServer } from 'node:net'; it('leaves a server', () => { createServer().listen(0); });`,
      { limits: ['--quiet-ms', '700'] },
    );
    assert.equal(code, 1);
    assert.match(output, /something keeps it alive: TCPServerWrap/);
  });

  it('finds a child process that a test left behind, and ends it', async () => {
    const { code, output } = await runTests(
      `import { spawn, spawnSync } from 'node:child_process'; it('leaves a child', () => { spawn('sleep', ['60'], { detached: true, stdio: 'ignore' }).unref(); });`,
    );
    assert.equal(code, 1);
    const [, pid] = /^\s+(\d+) sleep 60$/m.exec(output) ?? [];
    assert.ok(pid, output);
    await until('the child is gone', () => commandLine(pid) === '');
  });

  it('fails when a file cannot be loaded, and when it holds no test', async () => {
    const broken = await runTests(`import './nowhere.ts';`);
    assert.equal(broken.code, 1);
    assert.match(broken.output, /no test ran, exit code 1/);
    assert.match(broken.output, /nowhere\.ts/);
    const empty = await runTests('');
    assert.equal(empty.code, 1);
    assert.match(empty.output, /no test ran, exit code 0/);
  });

  it('removes its scratch folder also when a file was killed that had mounted a disk there', async (t) => {
    const disk = await smallDisk(1_000_000);
    if (typeof disk === 'string') return t.skip(disk);
    await disk[Symbol.asyncDispose]();
    const { code, output } = await runTests(
      `import { smallDisk } from '${import.meta.dirname}/../support/small-disk.ts';
      it('fills a disk', async () => {
        const { path } = await smallDisk(1_000_000);
        console.log('disk at', path);
        while (true);
      });`,
      { limits: tooLong },
    );
    assert.equal(code, 1);
    const [, path] = /disk at (\S+)$/m.exec(output) ?? [];
    assert.ok(path, output);
    assert.ok(!existsSync(dirname(path)), 'the scratch folder is still there');
    assert.match(output, /^0 passed, 1 failed, 0 skipped in 1 files/m);
  });
});
