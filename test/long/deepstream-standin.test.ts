import { describe, it } from 'node:test';
import { missingStandin, testStandin } from '../support/standin.ts';

describe('the stand-in of DeepStream', { skip: missingStandin() }, () => {
  it('does what its own tests say', { timeout: 900_000 }, async () => {
    await testStandin({ tests: true });
  });
});
