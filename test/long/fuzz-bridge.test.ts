import { fuzzTest } from '../support/fuzz-test.ts';

fuzzTest('bridge', 'the bridge', { inputs: 1_000_000 });
