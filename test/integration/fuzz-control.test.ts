import { fuzzTest } from '../support/fuzz-test.ts';

fuzzTest('control', 'the control socket', { seconds: 3 });
