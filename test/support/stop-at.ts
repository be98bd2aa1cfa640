import { subscribe } from 'node:diagnostics_channel';
import { readFileSync, writeFileSync } from 'node:fs';
import { type DeliveryCheckpoint, type DeliveryStep, deliveryChannel } from '../../src/core/checkpoints.ts';

/**
 * Loaded into a program and its threads with `node --import`: notes every step that a message passes, and ends the process as
 * `kill -9` does the moment it passes the one asked for.
 */
const { SIGHTLINE_TEST_JOURNAL: journal, SIGHTLINE_TEST_STOP_AT: stopAt } = process.env;
if (journal !== undefined) {
  subscribe(deliveryChannel, (message) => {
    const { step, messages } = message as DeliveryCheckpoint;
    writeFileSync(journal, `${messages.map((name) => `${step}: ${name}\n`).join('')}`, { flag: 'a' });
    if (step === stopAt) process.kill(process.pid, 'SIGKILL');
  });
}

/** The environment of a program that is to note its steps in the file `journal` and to end at `step`. */
export function stoppingAt(journal: string, step?: DeliveryStep): Readonly<Record<string, string>> {
  return {
    NODE_OPTIONS: `--import=${import.meta.filename}`,
    SIGHTLINE_TEST_JOURNAL: journal,
    ...(step === undefined ? {} : { SIGHTLINE_TEST_STOP_AT: step }),
  };
}

/** The messages that have passed `step`, each as often as it did. */
export function passedIn(journal: string, step: DeliveryStep): readonly string[] {
  return readFileSync(journal, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(`${step}: `))
    .map((line) => line.slice(step.length + 2));
}
