import assert from 'node:assert/strict';
import { isSightlineError } from '../../src/core/errors.ts';

/** For `assert.rejects`: an error of the program with this code, its message like `pattern`. */
export function rejectsWith(code: string, pattern = /./) {
  return (error: unknown) => {
    assert.ok(isSightlineError(error), String(error));
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    return true;
  };
}
