import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scope } from '../../src/core/scope.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';

function setup(deadlineMs = 8000) {
  const clock = new ManualClock();
  const ctx = testContext(clock);
  const order: string[] = [];
  const scope = new Scope({ clock, log: ctx.log, deadlineMs });
  const part = (name: string, stop: () => Promise<void> | void = () => {}): AsyncDisposable => ({
    [Symbol.asyncDispose]: async () => {
      order.push(name);
      await stop();
    },
  });
  return { clock, ctx, order, scope, part };
}

test('parts stop in the opposite order, each after the other has stopped', async () => {
  const { scope, order, part } = setup();
  const first = Promise.withResolvers<void>();
  scope.use('a', part('a'));
  scope.use(
    'b',
    part('b', () => first.promise),
  );
  scope.use('c', { [Symbol.dispose]: () => void order.push('c') });
  const stopping = scope[Symbol.asyncDispose]();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(order, ['c', 'b']);
  first.resolve();
  await stopping;
  assert.deepEqual(order, ['c', 'b', 'a']);
});

test('a part that hangs is named and the others are stopped all the same, within the deadline', async () => {
  const { scope, order, part, clock, ctx } = setup(8000);
  scope.use('a', part('a'));
  scope.use(
    'b',
    part('b', () => new Promise(() => {})),
  );
  const stopping = scope[Symbol.asyncDispose]();
  await clock.advance(7999);
  assert.deepEqual(order, ['b']);
  await clock.advance(1);
  await stopping;
  assert.deepEqual(order, ['b', 'a']);
  assert.deepEqual(
    ctx.lines.map(({ msg, part: name }) => [msg, name]),
    [['part did not stop in time', 'b']],
  );
});

test('a part that fails is logged and the others are stopped all the same', async () => {
  const { scope, order, part, ctx } = setup();
  scope.use('a', part('a'));
  scope.use(
    'b',
    part('b', () => Promise.reject(new Error('later'))),
  );
  scope.use('c', {
    [Symbol.dispose]: () => {
      throw new Error('at once');
    },
  });
  await scope[Symbol.asyncDispose]();
  assert.deepEqual(order, ['b', 'a']);
  assert.deepEqual(
    ctx.lines.map(({ part: name }) => name),
    ['c', 'b'],
  );
});

test('stopping twice is stopping once', async () => {
  const { scope, order, part } = setup();
  scope.use('a', part('a'));
  await Promise.all([scope[Symbol.asyncDispose](), scope[Symbol.asyncDispose]()]);
  await scope[Symbol.asyncDispose]();
  assert.deepEqual(order, ['a']);
});
