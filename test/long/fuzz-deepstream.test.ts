import { before } from 'node:test';
import { fuzzTest } from '../support/fuzz-test.ts';
import { buildStandin } from '../support/standin.ts';

before(() => buildStandin(), { timeout: 1_800_000 });

fuzzTest('deepstream', 'the program of a DeepStream container', { seconds: 120 });
