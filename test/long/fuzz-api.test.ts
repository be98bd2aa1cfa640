import { fuzzTest } from '../support/fuzz-test.ts';

fuzzTest('api', 'the HTTP API', { inputs: 1_000_000 });
