import childProcess, { type SpawnOptions } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/**
 * Loaded into a program with `node --import`: its wall clock, that of its threads and of the programs of Node that it starts stands
 * off the machine's by the milliseconds in a file, now and whenever they change. The monotonic clock is left alone, as an operator
 * who sets the time leaves it.
 */
const file = process.env['SIGHTLINE_TEST_CLOCK'];
const lookEveryMs = 20;
if (file !== undefined) {
  const machineNow = Date.now;
  let offsetMs = 0;
  let lookedAt = Number.NEGATIVE_INFINITY;
  Date.now = () => {
    const mono = performance.now();
    if (mono - lookedAt >= lookEveryMs) {
      lookedAt = mono;
      try {
        offsetMs = Number(readFileSync(file, 'utf8'));
      } catch (error) {
        // A program that has no descriptors left keeps the time it knew.
        if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
      }
    }
    return machineNow() + offsetMs;
  };
  const { spawn } = childProcess;
  const moved = (command: string, args: readonly string[], options: SpawnOptions) =>
    command === process.execPath
      ? spawn(command, ['--import', import.meta.filename, ...args], {
          ...options,
          env: { ...options.env, SIGHTLINE_TEST_CLOCK: file },
        })
      : spawn(command, args, options);
  Object.assign(childProcess, { spawn: moved });
  syncBuiltinESMExports();
}

export const movedClockModule = import.meta.filename;

/** Sets the wall clocks that follow `clockFile` off by `ms`. */
export function moveClock(clockFile: string, ms: number): void {
  writeFileSync(`${clockFile}.new`, String(ms));
  renameSync(`${clockFile}.new`, clockFile);
}
