import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takeStep } from '../../src/alerts/steps.ts';
import type { AlertState } from '../../src/core/alerts.ts';
import { cannedAlert } from '../support/viewer-canned.ts';

test('a step that an alert cannot take any more is refused in words', () => {
  const refused = (from: AlertState, to: AlertState) => {
    const alert = cannedAlert('a1', 'ada', 1000, { state: from });
    assert.throws(
      () => takeStep({ alert, revision: 2 }, { state: to, at: 2000, actor: 'omar' }),
      (error: Error) => {
        said.push(error.message);
        return true;
      },
    );
  };
  const said: string[] = [];
  refused('acknowledged', 'acknowledged');
  refused('resolved', 'resolved');
  refused('resolved', 'acknowledged');
  assert.deepEqual(said, [
    'alert a1 is acknowledged already',
    'alert a1 is resolved already',
    'alert a1 is resolved and cannot be acknowledged any more',
  ]);
});
