import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startErasing } from '../../src/composition/erasing.ts';
import { startStore } from '../../src/store/store.ts';
import { startWatchlist } from '../../src/watchlist/watchlist.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fakePhoto, fakePhotoTools, fakeVector } from '../support/photos.ts';
import { until } from '../support/until.ts';

const day = 86_400_000;
const space = { name: 'test@1', dimensions: 64, threshold: 0.5 };

async function startRoom(directory: string, clock: ManualClock) {
  const ctx = testContext(clock);
  const store = await startStore({ directory }, ctx);
  const erasing = await startErasing(store.clock, ctx);
  const watchlist = await startWatchlist(
    {
      store: store.watchlist,
      lists: { banned: { kind: 'watch', maxAge: 365 * day } },
      spaces: { face: space },
      photos: fakePhotoTools(space.name),
      audit: store.audit.add,
      mayExpire: erasing.allowed,
      scanOnly: true,
    },
    ctx,
  );
  return {
    ctx,
    store,
    erasing,
    watchlist,
    found: async () => {
      const embedding = { vector: fakeVector(space.name, 'alex', 64, 9), space: space.name };
      const [result] = await watchlist.search([{ kind: 'face', embedding }], 1);
      return result?.top.length === 1;
    },
    stored: async () => (await store.watchlist.load()).entries.length,
    [Symbol.asyncDispose]: async () => {
      await watchlist[Symbol.asyncDispose]();
      erasing[Symbol.dispose]();
      await store[Symbol.asyncDispose]();
      ctx[Symbol.dispose]();
    },
  };
}

const request = { photo: fakePhoto({ person: 'alex', variant: 1 }), source: 'a', name: 'alex', list: 'banned', actor: 'kim' };

test('a wall clock that is a year ahead for a while stops matching and erases nobody, which health says and the log once', async () => {
  const clock = new ManualClock();
  await using directory = await temporaryDirectory();
  await using room = await startRoom(directory.path, clock);
  await room.watchlist.enrol(request);
  clock.jump(366 * day);
  for (let minute = 0; minute < 30; minute += 1) await clock.advance(60_000);
  assert.deepEqual([await room.found(), await room.stored()], [false, 1]);
  const [part] = room.erasing.parts();
  assert.equal(part?.ready, false);
  assert.match(part.reason ?? '', /leapt ahead by 366 days; nothing is erased for its age for another 23\.\d hours/);
  assert.equal(room.ctx.lines.filter(({ msg }) => String(msg).startsWith('wall clock leapt ahead')).length, 1);
  clock.jump(-366 * day);
  await clock.advance(60_000);
  assert.deepEqual([await room.found(), await room.stored(), room.erasing.parts()], [true, 1, []]);
});

test('a clock that stands by its leap for a day is believed, also one that was off for a year', async () => {
  await using directory = await temporaryDirectory();
  const before = new ManualClock();
  {
    await using room = await startRoom(directory.path, before);
    await room.watchlist.enrol(request);
  }
  const clock = new ManualClock({ wall: before.now() + 366 * day });
  {
    await using room = await startRoom(directory.path, clock);
    await clock.advance(60_000);
    assert.deepEqual([await room.found(), await room.stored()], [false, 1]);
  }
  await using room = await startRoom(directory.path, clock);
  assert.equal(room.erasing.allowed(), false, 'a start does not make it believed');
  await clock.advance(day + 60_000);
  await until('alex is erased', async () => (await room.stored()) === 0);
  assert.deepEqual(room.erasing.parts(), []);
});
