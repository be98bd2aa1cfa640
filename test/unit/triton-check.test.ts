import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { problemText } from '../../src/inference/triton-check.ts';
import { BadAnswer, grpcCodes, TritonStatus } from '../../src/inference/triton-failures.ts';

describe('why a Triton server could not be asked', () => {
  const late = new TritonStatus(
    grpcCodes.deadlineExceeded,
    'Deadline exceeded after 5.003s,LB pick: 0.009s,remote_addr=10.0.0.7:8001',
  );

  it('is said once, with what helps where it was asked', () => {
    assert.equal(
      problemText('10.0.0.7:8001', late, false),
      'no answer from a Triton server at 10.0.0.7:8001: deadline exceeded: Deadline exceeded after 5.003s; it may be busy or hang: --timeout SECONDS waits longer',
    );
    assert.match(problemText('10.0.0.7:8001', late, false, ''), /it may be busy or hang$/);
  });

  it('is no silence when the server answered', () => {
    const login = problemText('t:1', new TritonStatus(grpcCodes.unauthenticated, 'token missing'), true);
    assert.match(login, /^t:1 lets nobody in without a login: unauthenticated: token missing; --header-file FILE/);
    assert.equal(
      problemText('t:1', new BadAnswer("the server's answer cannot be read: x"), true),
      "t:1: the server's answer cannot be read: x",
    );
  });
});
