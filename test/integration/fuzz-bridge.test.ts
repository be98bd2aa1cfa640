import { fuzzTest } from '../support/fuzz-test.ts';

fuzzTest('bridge', 'the bridge', { seconds: 3 });
