import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SightlineError } from '../../src/core/errors.ts';
import { createSourceRetry } from '../../src/software-worker/retry.ts';

const gone = new SightlineError('source.unreachable', 'connection refused');
const refused = new SightlineError('source.auth', 'server returned 401 Unauthorized');

test('a source that is gone is tried again soon, then less and less often, at least twice a minute', () => {
  const retry = createSourceRetry();
  const delays = Array.from({ length: 9 }, () => retry.next(gone));
  assert.ok((delays[0] ?? 0) <= 600, String(delays));
  assert.ok(
    delays.every((delay, index) => index === 0 || delay > (delays[index - 1] ?? 0) || delay > 24_000),
    String(delays),
  );
  assert.ok(Math.max(...delays) <= 36_000, String(delays));
  retry.reset();
  assert.ok(retry.next(gone) <= 600);
});

test('a refused password is not tried again for half a minute, also the first time', () => {
  const retry = createSourceRetry();
  for (const delay of [retry.next(refused), retry.next(refused)]) assert.ok(delay >= 30_000 && delay <= 36_000, String(delay));
});
