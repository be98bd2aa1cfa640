import { fuzzTest } from '../support/fuzz-test.ts';

fuzzTest('rtsp', 'the RTSP parser', { seconds: 3 });
