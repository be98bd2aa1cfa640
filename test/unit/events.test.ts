import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEventFeed } from '../../src/composition/event-feed.ts';
import type { Principal } from '../../src/core/access.ts';
import { isSightlineError } from '../../src/core/errors.ts';
import { eventRoutes } from '../../src/http/api/events.ts';
import type { ApiServices } from '../../src/http/api/services.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';

/** Who may listen to the events, how often and for how long. */

const clock = new ManualClock();

async function listen(
  principal: Pick<Principal, 'user' | 'via'>,
  feed: ReturnType<typeof createEventFeed>,
  signal: AbortSignal,
) {
  const services: Partial<ApiServices> = {
    events: (until, listener) => feed.items(until, listener),
    cameras: { list: () => [], frame: () => undefined },
    every: (ms, tick) => clock.every(ms, tick),
  };
  const who = { role: 'viewer', cameras: 'all', pictures: false, ...principal };
  const answer = await eventRoutes[0]?.handle({ principal: who, query: {}, signal } as never, services as ApiServices);
  assert.ok(answer?.kind === 'stream');
  return answer.chunks[Symbol.asyncIterator]();
}

test('whom a proxy let in is disconnected after ten minutes, to be named again; others stay', async () => {
  using ctx = testContext(clock);
  const feed = createEventFeed(ctx.metrics);
  const ended: string[] = [];
  const streams = await Promise.all(
    (['proxy', 'session', 'token'] as const).map((via) => listen({ user: via, via }, feed, ctx.signal)),
  );
  const reading = streams.map(async (stream, at) => {
    while ((await stream.next()).done !== true);
    ended.push(['proxy', 'session', 'token'][at] ?? '');
  });
  await clock.advance(9 * 60_000 + 59_000);
  assert.deepEqual(ended, []);
  await clock.advance(2000);
  assert.deepEqual(ended, ['proxy']);
  await clock.advance(3_600_000);
  assert.deepEqual(ended, ['proxy']);
  ctx[Symbol.dispose]();
  await Promise.all(reading);
});

test('nobody alone takes the places of all who listen; whose stream has ended has a place again', async () => {
  using ctx = testContext(clock);
  const feed = createEventFeed(ctx.metrics);
  const one = (user: string, signal = ctx.signal) => listen({ user, via: 'token' }, feed, signal);
  const full = (words: RegExp) => (error: unknown) =>
    isSightlineError(error) && error.code === 'http.limited' && words.test(error.message);
  const first = new AbortController();
  await one('home', first.signal);
  for (let count = 1; count < 16; count += 1) await one('home');
  await assert.rejects(one('home'), full(/^home listens to the events 16 times already/));
  for (let at = 0; at < 15; at += 1) for (let count = 0; count < 16; count += 1) await one(`user${at}`);
  await assert.rejects(one('another'), full(/^256 listen/));
  first.abort();
  await one('home');
});
