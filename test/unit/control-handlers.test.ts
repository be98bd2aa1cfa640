import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createControlHandlers, type Running } from '../../src/composition/control-handlers.ts';
import type { Keep } from '../../src/composition/keep.ts';
import type { UserHandlers } from '../../src/composition/user-handlers.ts';
import { SightlineError } from '../../src/core/errors.ts';
import { testContext } from '../support/context.ts';
import { alertEvent } from '../support/outbox.ts';

test('an act whose audit row is lost is answered as the act that it was, and the row is in the log', async () => {
  using ctx = testContext();
  const event = alertEvent({ id: 'a1', state: 'resolved' });
  const audit = {
    add: async () => {
      throw new SightlineError('store.full', 'the disk is full');
    },
  };
  const handlers = createControlHandlers({
    keep: { store: { audit } } as unknown as Keep,
    running: { alerts: { act: async () => event } } as unknown as Running,
    users: {} as UserHandlers,
    log: ctx.log,
    now: () => 1000,
  });
  const answer = await handlers['alerts.act']({ id: 'a1', step: 'resolved', actor: 'eva' }, ctx.signal);
  assert.deepEqual(answer, { alert: event.alert, step: event.step });
  const line = ctx.lines.find(({ msg }) => msg === 'audit row was lost');
  assert.deepEqual(
    [line?.['level'], line?.['actor'], line?.['action'], line?.['subject'], line?.['reason']],
    ['error', 'eva', 'alert.resolved', 'a1', 'the disk is full'],
  );
});
