import { fuzzTest } from '../support/fuzz-test.ts';

fuzzTest('rtsp', 'the RTSP parser', { inputs: 1_000_000 });
