import assert from 'node:assert/strict';
import { test } from 'node:test';
import { detectorViews } from '../../src/composition/detector-views.ts';
import { ModelStats } from '../../src/gen/sightline/bridge/v1/bridge.ts';

const model = (name: string, more: Partial<ModelStats> = {}) => ({ ...ModelStats.create(), model: name, ...more });

test('a detector is told once for all workers in which it is in the same state, by name', () => {
  assert.deepEqual(
    detectorViews([
      ['deepstream-main.2', [model('yolox_nano', { requests: 7n }), model('centerface')]],
      ['deepstream-main', [model('centerface'), model('yolox_nano')]],
    ]),
    [
      { model: 'centerface', state: 'ready', workers: ['deepstream-main', 'deepstream-main.2'] },
      { model: 'yolox_nano', state: 'ready', workers: ['deepstream-main', 'deepstream-main.2'] },
    ],
  );
});

test('one that fails in a worker is told apart from where it works, with the reason; so is one that runs elsewhere', () => {
  assert.deepEqual(
    detectorViews([
      ['a', [model('centerface', { failing: 'an output holds NaN' })]],
      ['b', [model('centerface', { fallback: true })]],
      ['c', [model('centerface', { failing: 'an output holds NaN', requests: 3n })]],
    ]),
    [
      { model: 'centerface', state: 'unavailable', reason: 'an output holds NaN', workers: ['a', 'c'] },
      {
        model: 'centerface',
        state: 'ready',
        reason: 'the embedded engine runs it, since no Triton server can',
        workers: ['b'],
      },
    ],
  );
});
