import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRefusals } from '../../src/outputs/refusals.ts';

const hourMs = 3_600_000;

function alert(dedupe: string, monoMs = 0) {
  return { dedupe, monoMs };
}

describe('what is said of topics that a broker refuses', () => {
  it('names the oldest and counts the others', () => {
    const refusals = createRefusals();
    assert.equal(refusals.words, undefined);
    refusals.refused('alerts/yard', 'not authorized', alert('a/1'));
    refusals.refused('cameras/yard', 'quota exceeded');
    assert.equal(refusals.words, 'the broker refuses messages to alerts/yard and 1 more: not authorized');
    refusals.taken('alerts/yard', alert('b/1'));
    assert.equal(refusals.words, 'the broker refuses messages to cameras/yard: quota exceeded');
  });

  it('lapses for alerts an hour after the last refusal, and never for states', () => {
    const refusals = createRefusals();
    refusals.refused('alerts/yard', 'not authorized', alert('a/1', 0));
    refusals.refused('alerts/gate', 'not authorized', alert('b/1', 0));
    refusals.refused('cameras/yard', 'not authorized');
    refusals.refused('alerts/yard', 'not authorized', alert('a/2', 1000));
    refusals.lapse(hourMs - 1);
    assert.deepEqual([...refusals.topics], ['alerts/yard', 'alerts/gate', 'cameras/yard']);
    refusals.lapse(hourMs);
    assert.deepEqual([...refusals.topics], ['alerts/yard', 'cameras/yard']);
    refusals.lapse(100 * hourMs);
    assert.deepEqual([...refusals.topics], ['cameras/yard']);
  });

  it('ends when the message it is about is taken on another topic, not when another message is', () => {
    const refusals = createRefusals();
    refusals.refused('alerts/yard', 'quota exceeded', alert('a/1'));
    refusals.taken('late/yard', alert('b/1'));
    refusals.taken('cameras/yard');
    assert.deepEqual([...refusals.topics], ['alerts/yard']);
    refusals.taken('late/yard', alert('a/1'));
    assert.equal(refusals.words, undefined);
  });
});
