import { fuzzTest } from '../support/fuzz-test.ts';

fuzzTest('media', 'the media socket', { seconds: 3 });
