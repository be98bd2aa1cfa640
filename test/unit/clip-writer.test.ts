import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ClipRequest, FromDoor } from '../../src/core/media-door.ts';
import type { ClipIndex } from '../../src/media/clip-plan.ts';
import { createClips } from '../../src/media/clips.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { until } from '../support/until.ts';

const parameterSets = [
  Buffer.from('6742c00dda0507ec044000000300400000 0c83c50aa8'.replaceAll(' ', ''), 'hex'),
  Buffer.from('68ce0f2c80', 'hex'),
];
const format = { codec: 'h264', width: 320, height: 180, parameterSets } as const;
const begin = 1_000_000;

async function room() {
  const directory = await temporaryDirectory();
  const clock = new ManualClock();
  const ctx = testContext(clock);
  const reports: Extract<FromDoor, { readonly type: 'clipDone' | 'clipFailed' }>[] = [];
  const clips = createClips({ clock, log: ctx.log, report: (message) => reports.push(message) });
  clips.configure({ seconds: 60, bytes: 1e7 });
  let sent = 0;
  return {
    clock,
    clips,
    directory: directory.path,
    names: () => readdirSync(directory.path).sort(),
    /** 25 frames a second, a key every second, on the clock; overlays only when told. */
    play: async (frames: number, overlays = false) => {
      for (let count = 0; count < frames; count += 1, sent += 1) {
        const nals = [new Uint8Array(500).fill(sent % 25 === 0 ? 0x65 : 0x41)];
        const pts = BigInt(sent * 3600);
        const captureMs = begin + sent * 40;
        clips.unit('lobby', { epoch: 1, key: sent % 25 === 0, pts, dts: pts, captureMs, nals, format });
        if (overlays) clips.overlay({ camera: 'lobby', epoch: 1, pts90k: pts, time: captureMs, predicted: false, boxes: [] });
        await clock.advance(40);
      }
    },
    ask: (id: string, changes: Partial<ClipRequest> = {}) =>
      clips.request({
        id,
        camera: 'lobby',
        atMs: begin + 4000,
        beforeMs: 2000,
        afterMs: 2000,
        path: join(directory.path, id),
        ...changes,
      }),
    report: (id: string) => until(`report of ${id}`, () => reports.find((message) => message.id === id)),
    reports,
    [Symbol.asyncDispose]: async () => {
      await clips[Symbol.asyncDispose]();
      ctx[Symbol.dispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

test('several alerts of a moment each get their clip as soon as its end has come, and one waits for the boxes of its last pictures', async () => {
  await using door = await room();
  await door.play(110, true);
  door.ask('a');
  door.ask('b', { atMs: begin + 4200 });
  await door.play(44, true);
  const a = await door.report('a');
  assert.ok(a.type === 'clipDone');
  assert.deepEqual([a.fromMs, a.toMs], [begin + 2000, begin + 6000]);
  assert.equal(door.clips.counters.waiting, 1);
  // Video of the second one is whole; the metadata of its end never comes.
  await door.play(6);
  const b = await until('it waits no longer', async () => {
    await door.clock.advance(100);
    return door.reports.find(({ id }) => id === 'b');
  });
  assert.ok(b.type === 'clipDone');
  assert.equal(b.toMs, begin + 6200);
  const index = JSON.parse(readFileSync(join(door.directory, 'b.json'), 'utf8')) as ClipIndex;
  assert.equal(index.frames.at(-1)?.time, (153 * 40 - 2000) / 1000, 'the frames that have metadata');
  assert.deepEqual(door.names(), ['a.json', 'a.mp4', 'b.json', 'b.mp4']);
  assert.deepEqual(door.clips.counters, { waiting: 0, written: 2, failed: 0, unusable: 0, overlaysDropped: 0 });
});

test('a camera that falls silent gives what there is when the time is up, one that is away at once, one that stops at the stop', async () => {
  await using door = await room();
  await door.play(110);
  door.ask('silent');
  await door.clock.advance(2000 + 4900);
  assert.equal(door.reports.length, 0);
  await door.clock.advance(200);
  const silent = await door.report('silent');
  assert.ok(silent.type === 'clipDone' && silent.toMs === begin + 109 * 40);
  door.ask('away');
  door.clips.away('yard');
  assert.equal(door.clips.counters.waiting, 1);
  door.clips.away('lobby');
  assert.equal((await door.report('away')).type, 'clipDone');
  door.ask('stopped');
  await door.clips[Symbol.asyncDispose]();
  assert.equal((await door.report('stopped')).type, 'clipDone');
});

test('what cannot be written is answered all the same: too many, twice, nothing kept, a camera that is gone', async () => {
  await using door = await room();
  await door.play(110);
  for (let count = 0; count < 64; count += 1) door.ask(`many-${count}`);
  door.ask('many-0');
  door.ask('busy');
  const [twice, busy] = door.reports;
  assert.deepEqual([twice?.type, twice?.id], ['clipFailed', 'many-0']);
  assert.ok(busy?.type === 'clipFailed' && busy.code === 'busy');
  door.clips.keepOnly(['yard']);
  await until('all are answered', () => door.clips.counters.waiting === 0);
  assert.equal(door.clips.counters.written, 64);
  assert.equal(door.clips.ringBytes, 0);
  door.ask('nothing');
  door.clips.away('lobby');
  const nothing = await door.report('nothing');
  assert.ok(nothing.type === 'clipFailed' && nothing.code === 'empty', JSON.stringify(nothing));
  assert.equal(door.names().filter((name) => !/^many-\d+\.(mp4|json)$/.test(name)).length, 0);
});
