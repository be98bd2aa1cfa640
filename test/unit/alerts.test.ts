import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { scene } from '../support/sightings.ts';

describe('alerts', () => {
  test('two agreeing looks open an alert, silence for leaveAfter closes it', () => {
    const s = scene();
    assert.deepEqual(s.see({ at: 0, scores: { anna: 0.7 } }), []);
    const [opened] = s.see({ at: 200, scores: { anna: 0.72 } });
    assert.equal(opened?.step.state, 'opened');
    assert.equal(opened?.alert.entry?.name, 'anna');
    assert.equal(opened?.alert.severity, 'high');
    assert.equal(opened?.alert.sightings, 2);
    s.frame(10_100);
    assert.deepEqual(s.story, ['opened anna']);
    s.frame(10_200);
    assert.deepEqual(s.story, ['opened anna', 'closed anna left']);
  });
});
