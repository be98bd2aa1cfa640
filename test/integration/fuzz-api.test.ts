import { fuzzTest } from '../support/fuzz-test.ts';

fuzzTest('api', 'the HTTP API', { seconds: 3 });
