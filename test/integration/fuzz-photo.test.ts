import { fuzzTest } from '../support/fuzz-test.ts';

fuzzTest('photo', 'the photo decoder', { seconds: 3 });
