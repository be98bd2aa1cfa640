import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crowd, crowding, type Stranger } from '../../src/media/rtsp-places.ts';

const from = (network: string, count: number, spoke = false): readonly Stranger[] =>
  Array.from({ length: count }, () => ({ network, spoke }));

test('the oldest of the network with most strangers gives his place, whoever is older elsewhere', () => {
  const [flood, others] = [from('10.0.0.2', crowd + 3), from('10.0.0.1', crowd + 2)];
  assert.equal(crowding([...others, ...flood]), flood[0]);
});

test('who has asked something gives it after those who have said nothing', () => {
  const [asked, silent] = [from('10.0.0.2', crowd, true), from('10.0.0.2', 2)];
  assert.equal(crowding([...asked, ...silent]), silent[0]);
  assert.equal(crowding([...asked, ...from('10.0.0.2', 1, true)]), asked[0]);
});

test('nobody gives it where none has more than a few', () => {
  assert.equal(crowding([]), undefined);
  assert.equal(crowding([...from('10.0.0.1', crowd), ...from('10.0.0.2', crowd)]), undefined);
});
