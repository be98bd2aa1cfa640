import { fuzzTest } from '../support/fuzz-test.ts';

fuzzTest('control', 'the control socket', { inputs: 1_000_000 });
