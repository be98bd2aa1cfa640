import { fuzzTest } from '../support/fuzz-test.ts';

fuzzTest('photo', 'the photo decoder', { inputs: 1_000_000 });
