import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { type FuzzReport, type Line, noted } from './fuzz.ts';

/**
 * Fuzzing, on the side of the test: the target is a process of its own, so that a crash of native code and a hang are told with the
 * input that did it, and so that its memory is its own. SIGHTLINE_FUZZ_SEED repeats a run.
 */

/** Without a word for this long a target hangs. Generous: the machine may be busy with other things. */
const silentMs = 90_000;
/** What may stay behind: caches and compiled code, not inputs. */
const heapGrowth = 8 * 2 ** 20;
/** In half a minute V8's pools and compiled code have not settled; over a million inputs they have. */
const nativeGrowth = { short: 128 * 2 ** 20, long: 64 * 2 ** 20 };

/** glibc keeps what was freed for later, most after a picture of many pixels; told so it gives it back, and what grows is a leak. */
const returning = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' };

export interface FuzzLimits {
  readonly inputs?: number;
  readonly seconds?: number;
}

/** One test: `target` is a file of test/fixtures/fuzz/ without its ending. */
export function fuzzTest(target: string, what: string, limits: FuzzLimits): void {
  const amount = limits.inputs === undefined ? `for ${limits.seconds} s` : `${limits.inputs} times`;
  test(`${what} takes whatever comes, ${amount}: no crash, no hang, no growth, errors in words`, async () => {
    const seed = process.env['SIGHTLINE_FUZZ_SEED'] ?? String(randomInt(2 ** 31));
    const report = await runTarget(target, seed, limits);
    const again = (input: string) =>
      `seed ${seed}; once more: node test/fixtures/fuzz/${target}.ts --input ${input.length > 6000 ? `${input.slice(0, 6000)}… (${input.length} characters)` : `'${input}'`}`;
    const { failure, before, after } = report;
    assert.ok(failure === undefined, failure && `input ${failure.index}: ${failure.error}\n${again(failure.input)}`);
    const grown = `from ${JSON.stringify(before)} to ${JSON.stringify(after)} in ${report.inputs} inputs; seed ${seed}`;
    assert.ok(after.heap - before.heap < heapGrowth, `the heap has grown ${grown}`);
    assert.ok(
      after.native - before.native < nativeGrowth[limits.inputs === undefined ? 'short' : 'long'],
      `memory has grown ${grown}`,
    );
    assert.ok(after.files <= before.files && after.handles <= before.handles, `handles were left open: ${grown}`);
  });
}

async function runTarget(target: string, seed: string, limits: FuzzLimits): Promise<FuzzReport> {
  const scratch = mkdtempSync(join(tmpdir(), 'sightline-fuzz-'));
  const notes = join(scratch, 'inputs');
  const program = join(import.meta.dirname, `../fixtures/fuzz/${target}.ts`);
  const amount = Object.entries(limits).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn(process.execPath, [program, '--seed', seed, '--notes', notes, ...amount], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...returning, TMPDIR: scratch },
  });
  let hung = false;
  const silence = setTimeout(() => {
    hung = true;
    child.kill('SIGKILL');
  }, silentMs);
  try {
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4000);
    });
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    let report: FuzzReport | undefined;
    let shownAt = 0;
    for await (const text of createInterface({ input: child.stdout })) {
      silence.refresh();
      const line: Line = JSON.parse(text);
      if ('done' in line) report = line.done;
      else if (performance.now() - shownAt > 10_000) {
        shownAt = performance.now();
        console.log(`fuzz ${target}: ${line.progress}`);
      }
    }
    const how = await ended;
    if (report !== undefined && how === 'exit code 0') {
      const { inputs, seconds, cpuSeconds, outcomes, slowestMs, before, after } = report;
      const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
      console.log(
        `fuzz ${target}: ${inputs} inputs in ${seconds.toFixed(1)} s (${cpuSeconds.toFixed(1)} s CPU), ${Object.keys(outcomes).length} outcomes, slowest ${slowestMs.toFixed(0)} ms, heap ${mib(before.heap)} to ${mib(after.heap)} MiB, native ${mib(before.native)} to ${mib(after.native)} MiB; seed ${seed}`,
      );
      return report;
    }
    const inputs = noted(notes).map((input) => `  --input '${input}'`);
    const why = hung ? `hangs: no word for ${silentMs / 1000} s` : `ended with ${how}`;
    throw new Error(`the target ${why}; seed ${seed}; one of these did it:\n${inputs.join('\n')}\n${said}`);
  } finally {
    clearTimeout(silence);
    child.kill('SIGKILL');
    rmSync(scratch, { recursive: true, force: true });
  }
}
