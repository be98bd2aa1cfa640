import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClipFiles } from '../../src/composition/clip-files.ts';
import { type ClipSettings, startClips } from '../../src/composition/clips.ts';
import type { ClipRequest } from '../../src/core/media-door.ts';
import { startStore } from '../../src/store/store.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { exampleCommit, exampleEntry, exampleEvent } from '../support/store.ts';
import { until } from '../support/until.ts';

const settings: ClipSettings = {
  enabled: true,
  beforeMs: 5000,
  afterMs: 10_000,
  diskBytes: 10_000,
  retentionMs: 7 * 86_400_000,
};
const index = {
  camera: 'lobby',
  at: 5,
  fps: 25,
  frames: [
    {
      time: 0,
      pts: 0,
      boxes: ['entry-1', 'entry-2'].map((entryId) => ({
        track: 1,
        label: 'face',
        box: [0, 0, 0.1, 0.1],
        score: 0.9,
        match: { entryId, list: 'banned', kind: 'face', similarity: 0.6 },
        colour: '#ff0000',
        decided: true,
      })),
    },
  ],
};

/** The daemon's side with a real store and a door that answers when told. */
async function room(options: { readonly doorRuns?: boolean } = {}) {
  const disk = { bavail: 50, blocks: 1000 };
  const directory = await temporaryDirectory();
  const clock = new ManualClock();
  const ctx = testContext(clock);
  const store = await startStore({ directory: directory.path }, ctx);
  const names = new Map([['entry-1', 'Anna']]);
  const files = createClipFiles(directory.path, store.clips, (entryId) => names.get(entryId));
  await files.reconcile();
  const requests: ClipRequest[] = [];
  const forgotten = Promise.withResolvers<void>();
  const forgets: { entryId: string; clips: readonly string[] }[] = [];
  const clips = startClips(
    {
      files,
      settings,
      mayExpire: () => true,
      spaceOf: async () => disk,
      isMasked: (camera) => camera === 'masked',
      door: {
        clip: (request) => requests.push(request),
        forget: async (entryId, ids) => {
          forgets.push({ entryId, clips: ids });
          if (options.doorRuns ?? true) await forgotten.promise;
        },
      },
    },
    ctx,
  );
  const open = async (id: string, entryId = 'entry-1') => {
    const event = exampleEvent({ id, entry: { id: entryId, name: entryId, list: 'banned' } });
    await store.alerts.commit(exampleCommit({ events: [event] }));
    clips.alerts([event]);
  };
  /** As the door does: files first, then the answer. */
  const write = (id: string, bytes: number, entries: readonly string[] = []) => {
    writeFileSync(join(files.directory, `${id}.mp4`), Buffer.alloc(bytes, 7), { mode: 0o600 });
    writeFileSync(join(files.directory, `${id}.json`), JSON.stringify(index), { mode: 0o600 });
    clips.answer({ type: 'clipDone', id, bytes, fromMs: 1000, toMs: 16_000, entries });
  };
  return {
    ...{ disk, clock, ctx, store, files, clips, requests, forgets, forgotten, names, open, write },
    there: () => readdirSync(files.directory).sort(),
    asked: (id: string) => until(`${id} is asked for`, () => requests.find((request) => request.id === id)),
    kept: (id: string) => until(`${id} is kept`, () => store.clips.get(id)),
    counted: async (result: string) => {
      const metric = await ctx.metrics.registry.getSingleMetric('sightline_clips_total')?.get();
      return metric?.values.find(({ labels }) => labels['result'] === result)?.value ?? 0;
    },
    [Symbol.asyncDispose]: async () => {
      await clips[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      ctx[Symbol.dispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

test('an alert that was opened gets a clip, which can be read in ranges and shows names of those still listed', async () => {
  await using daemon = await room();
  assert.equal(statSync(daemon.files.directory).mode & 0o777, 0o700);
  await daemon.open('a');
  const request = await daemon.asked('a');
  assert.deepEqual(request, {
    ...{ id: 'a', camera: 'lobby', atMs: 2000, beforeMs: 5000, afterMs: 10_000 },
    path: join(daemon.files.directory, 'a'),
  });
  daemon.clips.alerts([exampleEvent({ id: 'a' }, 2), exampleEvent({ id: 'b', durable: false })]);
  assert.deepEqual(daemon.clips.queue, { waiting: 1, limit: 64, dropped: 0 });
  daemon.write('a', 1000, ['entry-1', 'entry-2']);
  await daemon.kept('a');
  await using opened = await daemon.files.open('a');
  assert.ok(opened !== undefined);
  assert.equal(opened.bytes, 1000);
  const chunks: Uint8Array[] = [];
  for await (const chunk of opened.read(10, 19)) chunks.push(chunk);
  assert.deepEqual(Buffer.concat(chunks), Buffer.alloc(10, 7));
  const shown = await daemon.files.index('a');
  assert.deepEqual(
    shown?.frames[0]?.boxes.map(({ match }) => match?.name),
    ['Anna', undefined],
  );
  assert.deepEqual([await daemon.files.open('none'), await daemon.files.index('../a')], [undefined, undefined]);
  daemon.clips.alerts([exampleEvent({ id: 'm', camera: 'masked' })]);
  assert.deepEqual([daemon.requests.length, daemon.clips.queue.waiting, await daemon.counted('masked')], [1, 0, 1]);
  daemon.clips.configure({ ...settings, enabled: false });
  await daemon.open('off');
  assert.equal(daemon.clips.queue.waiting, 0);
  assert.deepEqual(daemon.clips.part(), { name: 'clips', ready: true });
});

test('whoever asks for a clip that is not there is told why, and when one that is being written is due', async () => {
  await using daemon = await room();
  const absence = (id: string, camera = 'lobby') => daemon.clips.absence({ id, camera });
  await daemon.open('a');
  await daemon.asked('a');
  assert.deepEqual(absence('a'), { reason: 'it is being written', dueAt: daemon.clock.now() + settings.afterMs });
  daemon.clips.answer({ type: 'clipFailed', id: 'a', code: 'empty', reason: 'nothing is kept of that time' });
  await until('it failed', () => daemon.clips.queue.waiting === 0);
  assert.deepEqual(absence('a'), { reason: 'nothing is kept of that time' });
  daemon.disk.bavail = 49;
  await daemon.open('b');
  await until('it is given up', () => daemon.clips.queue.waiting === 0);
  assert.deepEqual(absence('b'), { reason: 'the disk had too little room' });
  assert.deepEqual(absence('c', 'masked'), { reason: 'no clips are written of a camera with masks' });
  assert.deepEqual(absence('c'), { reason: 'it is past its retention, or was never written' });
  daemon.clips.configure({ ...settings, enabled: false });
  assert.deepEqual(absence('c'), { reason: 'clips are switched off (media.clips.enabled)' });
});

test('clips go when they are too old, too many bytes, or of alerts that are gone, oldest first', async () => {
  await using daemon = await room();
  for (const id of ['one', 'two', 'three']) {
    await daemon.open(id);
    await daemon.asked(id);
    daemon.write(id, 4000);
    await daemon.kept(id);
    await daemon.clock.advance(1000);
  }
  await until('the oldest is deleted', async () => (await daemon.store.clips.totals()).clips === 2);
  assert.deepEqual(daemon.there(), ['three.json', 'three.mp4', 'two.json', 'two.mp4']);
  assert.deepEqual(await daemon.store.clips.totals(), { clips: 2, bytes: 8000 });
  daemon.clips.configure({ ...settings, retentionMs: 1500 });
  await until('the older is deleted', async () => (await daemon.store.clips.totals()).clips === 1);
  assert.deepEqual(daemon.there(), ['three.json', 'three.mp4']);
  await daemon.store.sweep(daemon.clock.now() + 1e9, { alertsMs: 1, snapshotsMs: 1, ledgerMs: 1 });
  daemon.clips.configure(settings);
  await until('what has no alert is deleted', async () => (await daemon.store.clips.totals()).clips === 0);
  assert.deepEqual(daemon.there(), []);
});

test('erasing an entry deletes its clips, those that name it and those under way; others stay', async () => {
  await using daemon = await room();
  const erase = async (entryId: string) => {
    await daemon.clips.forget(entryId);
    await daemon.files.eraseEntry(entryId);
    await daemon.store.watchlist.erase(entryId);
  };
  await daemon.store.watchlist.put(exampleEntry({ id: 'gone' }), []);
  for (const [id, entryId, entries] of [
    ['own', 'gone', []],
    ['named', 'entry-1', ['gone']],
    ['other', 'entry-1', ['entry-1']],
  ] as const) {
    await daemon.open(id, entryId);
    await daemon.asked(id);
    daemon.write(id, 100, entries);
    await daemon.kept(id);
  }
  await daemon.open('under-way', 'gone');
  await daemon.asked('under-way');
  writeFileSync(join(daemon.files.directory, 'under-way.part'), 'half');
  let over = false;
  const erasing = erase('gone').then(() => {
    over = true;
  });
  await until('the door is told', () => daemon.forgets.length > 0);
  assert.deepEqual(daemon.forgets, [{ entryId: 'gone', clips: ['under-way'] }]);
  // It had just been done: what crosses the request on the way counts too.
  daemon.write('under-way', 100, []);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(over, false, 'the door has not said that it has forgotten');
  daemon.forgotten.resolve();
  await erasing;
  assert.deepEqual(daemon.there(), ['other.json', 'other.mp4']);
  assert.deepEqual(await daemon.store.clips.ids(), ['other']);
  // One that names it and comes later is not kept.
  await daemon.open('later', 'entry-1');
  await daemon.asked('later');
  daemon.write('later', 100, ['gone']);
  await until('it is refused', async () => (await daemon.counted('unkept')) === 1);
  assert.deepEqual(daemon.there(), ['other.json', 'other.mp4']);
});

test('a door that does not answer keeps an erasure from counting as done; one that is not there does not', async () => {
  await using stuck = await room();
  const refused = assert.rejects(stuck.clips.forget('gone'), /the media door does not answer within 5 s/);
  await stuck.clock.advance(5000);
  await refused;
  await using without = await room({ doorRuns: false });
  await without.clips.forget('gone');
  // What it had begun when it ended goes.
  await without.open('a');
  await without.asked('a');
  writeFileSync(join(without.files.directory, 'a.part'), 'half');
  without.clips.answer({ type: 'clipFailed', id: 'a', code: 'gone', reason: 'the media door ended' });
  await until('its remains are deleted', () => without.there().length === 0);
  assert.equal(await without.counted('gone'), 1);
  without.clips.answer({ type: 'clipFailed', id: 'b', code: 'disk', reason: 'ENOSPC: no space left' });
  await until('it is said', () => !without.clips.part().ready);
  assert.match(without.clips.part().reason ?? '', /ENOSPC/);
});

test('a twentieth of the disk stays free: below it no clip is asked for, counted and said until there is room again', async () => {
  await using daemon = await room();
  daemon.disk.bavail = 49;
  await daemon.open('a');
  await until('it is said', () => !daemon.clips.part().ready);
  assert.match(daemon.clips.part().reason ?? '', /less than a twentieth of the disk is free \(5 %\)/);
  assert.deepEqual([await daemon.counted('full'), daemon.requests.length], [1, 0]);
  assert.deepEqual(daemon.clips.queue, { waiting: 0, limit: 64, dropped: 1 });
  daemon.disk.bavail = 50;
  await rm(daemon.files.directory, { recursive: true });
  await daemon.open('b');
  await daemon.asked('b');
  assert.deepEqual(daemon.clips.part(), { name: 'clips', ready: true });
  assert.deepEqual(daemon.there(), [], 'a folder that was deleted is made anew');
});

test('at a start files without a row and rows without files go', async () => {
  await using daemon = await room();
  await daemon.open('kept');
  await daemon.asked('kept');
  daemon.write('kept', 100);
  await daemon.kept('kept');
  await daemon.open('lost');
  await daemon.store.clips.add({ alertId: 'lost', camera: 'lobby', bytes: 1, fromMs: 0, toMs: 1, storedAt: 1 }, []);
  for (const name of ['orphan.mp4', 'orphan.json', 'half.part', 'half.mp4.tmp', 'lost.json']) {
    writeFileSync(join(daemon.files.directory, name), 'x');
  }
  mkdirSync(join(daemon.files.directory, 'folder'));
  await daemon.files.reconcile();
  assert.deepEqual(daemon.there(), ['kept.json', 'kept.mp4']);
  assert.deepEqual(await daemon.store.clips.ids(), ['kept']);
});
