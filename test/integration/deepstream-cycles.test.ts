import { before, describe, it } from 'node:test';
import { missingData } from '../support/data.ts';
import { assertNoGrowth, startAndStop } from '../support/deepstream-cycles.ts';
import { buildStandin, missingStandin } from '../support/standin.ts';

const skip = missingStandin() || missingData('clips/real_classroom.mp4', 'clips/real_classroom.gt.json');

/** What a start and stop may seem to leave, in KiB: without a leak runs on two busy cores gave -8 to 0.1. */
const noiseKib = 16;

describe('the program in a DeepStream container, again and again in one process', { skip }, () => {
  before(() => buildStandin(), { timeout: 600_000 });

  it('leaves nothing behind in 50 starts and stops', async () => {
    assertNoGrowth(await startAndStop(50), noiseKib, 'starts and stops');
  });
});
