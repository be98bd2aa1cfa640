import { fuzzTest } from '../support/fuzz-test.ts';

fuzzTest('media', 'the media socket', { inputs: 1_000_000 });
