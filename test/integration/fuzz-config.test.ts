import { fuzzTest } from '../support/fuzz-test.ts';

fuzzTest('config', 'the configuration', { seconds: 3 });
