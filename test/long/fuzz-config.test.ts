import { fuzzTest } from '../support/fuzz-test.ts';

fuzzTest('config', 'the configuration', { inputs: 1_000_000 });
