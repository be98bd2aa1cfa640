import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serverParts } from '../../src/composition/server-parts.ts';
import { isReady } from '../../src/core/control.ts';
import type { InferenceServer, ModelState } from '../../src/core/inference.ts';

describe('inference servers as parts', () => {
  const away: InferenceServer = { name: '10.0.0.8:8001', state: 'away', reason: 'connect ECONNREFUSED' };
  const busy: InferenceServer = { name: '10.0.0.9:8001', state: 'busy', reason: 'a model is being loaded or is broken' };
  const ready: InferenceServer = { name: '10.0.0.7:8001', state: 'ready', reason: '' };
  const runs: ModelState = { state: 'ready', model: 'face_embed' };
  const none: ModelState = { state: 'unavailable', model: 'person_embed', reason: '10.0.0.7:8001: it is not there' };
  const elsewhere: ModelState = { ...runs, reason: 'the embedded engine runs it: no server' };

  for (const [says, servers, models, isDaemonReady] of [
    ['one server, away', [away], [], false],
    ['the other one ready, before a model is asked for', [away, ready], [], true],
    ['the other one ready, and it runs the model', [away, ready], [runs], true],
    ['the other one ready, without one of the models', [away, ready], [runs, none], false],
    ['the other one ready, and a model still asked for', [away, ready], [{ state: 'loading', model: 'face_embed' }], false],
    ['all away, and the embedded engine runs the model', [away], [elsewhere], false],
    ['one that is busy and runs the model', [busy], [runs], true],
    ['one that is busy, before a model is asked for', [busy], [], false],
    ['one away, one busy that runs the model', [away, busy], [runs], true],
    ['one not asked yet beside one that is ready', [{ ...away, state: 'unknown' }, ready], [runs], true],
  ] as const satisfies readonly [string, readonly InferenceServer[], readonly ModelState[], boolean][]) {
    it(`${says}: the daemon is ${isDaemonReady ? '' : 'not '}ready`, () => {
      const parts = serverParts('triton', servers, models);
      assert.equal(isReady(parts), isDaemonReady);
      // A problem it is in any case.
      assert.deepEqual(
        parts.map((part) => part.ready),
        servers.map(({ state }) => state === 'ready'),
      );
    });
  }

  it('say why one is not ready, and who does its work', () => {
    assert.deepEqual(serverParts('triton', [ready, away, busy], [runs]), [
      { name: 'triton 10.0.0.7:8001', ready: true },
      {
        name: 'triton 10.0.0.8:8001',
        ready: false,
        needed: false,
        reason: 'it is away: connect ECONNREFUSED; other servers do its work',
      },
      {
        name: 'triton 10.0.0.9:8001',
        ready: false,
        needed: false,
        reason: 'it is busy: a model is being loaded or is broken; the models in use are served',
      },
    ]);
    assert.deepEqual(serverParts('triton', [away], [none]), [
      { name: 'triton 10.0.0.8:8001', ready: false, reason: 'it is away: connect ECONNREFUSED' },
    ]);
    assert.deepEqual(serverParts('triton', [away], [elsewhere]), [
      {
        name: 'triton 10.0.0.8:8001',
        ready: false,
        reason: 'it is away: connect ECONNREFUSED; the embedded engine runs the models meanwhile',
      },
    ]);
    assert.deepEqual(
      serverParts('triton', [away], [elsewhere, none]).map(({ reason }) => reason),
      ['it is away: connect ECONNREFUSED'],
    );
  });
});
