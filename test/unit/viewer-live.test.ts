import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LiveFrame, writeUnitHead } from '../../src/core/live-messages.ts';
import { Figures } from '../../src/http/viewer/live/figures.js';
import { fragment, initSegment } from '../../src/http/viewer/live/mp4.js';
import { boxAt, drawBoxes, inkOn, labelOf, placeOf, trailsOf } from '../../src/http/viewer/live/overlay.js';
import { holdMs, maxHeld, Pairing } from '../../src/http/viewer/live/pairing.js';
import { ReplayGauge } from '../../src/http/viewer/live/replay.js';
import { retryDelayMs } from '../../src/http/viewer/live/retry.js';
import { ServerClock } from '../../src/http/viewer/live/server-clock.js';
import { playerState } from '../../src/http/viewer/live/state.js';
import { readAnswer, readUnit, toMicroseconds, toPts } from '../../src/http/viewer/live/wire.js';
import { numberedBox } from '../support/live-server.ts';
import { seeded } from '../support/seeded.ts';

const ticks = 3600;

function metadata(number: number): LiveFrame {
  return { type: 'frame', camera: 'c', pts: number * ticks, time: 0, predicted: false, boxes: [numberedBox(number, false)] };
}

function pictures(pairing: Pairing) {
  const closed: number[] = [];
  return {
    closed,
    add: (number: number, at: number, more: { readonly replayed?: boolean; readonly exact?: boolean } = {}) =>
      pairing.addPicture({
        pts: number * ticks,
        captureMs: 0,
        arrivedAt: at,
        dueAt: at,
        replayed: false,
        exact: true,
        // Stands in for what only a browser has; nothing here looks at it.
        source: Object.create(null),
        width: 320,
        height: 180,
        close: () => closed.push(number),
        ...more,
      }),
  };
}

function taken(pairing: Pairing, now: number): string | undefined {
  const shown = pairing.take(now);
  if (shown === undefined) return undefined;
  const boxes = shown.metadata === undefined ? 'bare' : String(shown.metadata.pts / ticks);
  return `${shown.picture.pts / ticks} with ${boxes}`;
}

test('a picture waits for the metadata of its own time stamp, half a second, and never takes those of another', () => {
  const pairing = new Pairing(true);
  const { add } = pictures(pairing);
  add(1, 0);
  add(2, 40);
  pairing.addMetadata(metadata(1), 50);
  assert.equal(taken(pairing, 60), '1 with 1');
  assert.equal(taken(pairing, 70), undefined);
  assert.equal(taken(pairing, 40 + holdMs - 1), undefined);
  assert.equal(taken(pairing, 40 + holdMs), '2 with bare');
  assert.equal(pairing.behind, 1);
  // Too late for the drawing, but the picture is still on the canvas.
  pairing.addMetadata(metadata(2), 700);
  assert.equal(pairing.metadataOf(2 * ticks)?.pts, 2 * ticks);
});

test('metadata that are overtaken are waited for a little longer, then they are lost', () => {
  const pairing = new Pairing(true);
  const { add } = pictures(pairing);
  add(1, 0);
  add(2, 40);
  pairing.addMetadata(metadata(2), 60);
  assert.equal(taken(pairing, 309), undefined);
  assert.equal(taken(pairing, 310), '1 with bare');
  assert.equal(taken(pairing, 320), '2 with 2');
});

test('pictures come one at each repaint; those that are ready for too long are passed over and counted', () => {
  const pairing = new Pairing(true);
  const { add, closed } = pictures(pairing);
  for (const number of [1, 2, 3, 4]) add(number, number * 40);
  for (const number of [1, 2]) pairing.addMetadata(metadata(number), 170);
  for (const number of [3, 4]) pairing.addMetadata(metadata(number), 250);
  assert.equal(taken(pairing, 280), '3 with 3');
  assert.deepEqual(closed, [1, 2]);
  assert.equal(pairing.dropped, 2);
  assert.equal(taken(pairing, 290), '4 with 4');
});

test('pictures that waited for the one before them are not late for it', () => {
  const pairing = new Pairing(true);
  const { add } = pictures(pairing);
  for (const number of [1, 2, 3]) add(number, number * 40);
  for (const number of [2, 3]) pairing.addMetadata(metadata(number), 130);
  pairing.addMetadata(metadata(1), 300);
  for (const number of [1, 2, 3]) assert.equal(taken(pairing, 300 + number * 16), `${number} with ${number}`);
  assert.equal(pairing.dropped, 0);
});

test('of a replay only the newest picture is kept, and none of it waits', () => {
  const pairing = new Pairing(true);
  const { add, closed } = pictures(pairing);
  for (const number of [1, 2, 3]) add(number, 0, { replayed: true });
  assert.equal(pairing.held, 1);
  assert.equal(taken(pairing, 1), '3 with bare');
  assert.deepEqual(closed, [1, 2]);
  assert.deepEqual([pairing.dropped, pairing.behind], [0, 0]);
});

test('where no metadata come for two seconds pictures go at once, until some come', () => {
  const pairing = new Pairing(true);
  const { add } = pictures(pairing);
  for (let at = 0; at < 2000; at += 500) add(at / 20, at);
  assert.equal(taken(pairing, 2001), '75 with bare');
  add(101, 2040);
  assert.equal(taken(pairing, 2041), '101 with bare');
  pairing.addMetadata(metadata(101), 2100);
  add(103, 2120);
  assert.equal(taken(pairing, 2130), undefined);
  assert.equal(taken(pairing, 2120 + holdMs), '103 with bare');
});

test('no more pictures wait than are allowed, and one of unsure time stamp has no boxes', () => {
  const pairing = new Pairing(true);
  const { add } = pictures(pairing);
  for (let number = 0; number <= maxHeld; number += 1) add(number, 0);
  assert.equal(taken(pairing, 1), '0 with bare');
  assert.equal(taken(pairing, 1), undefined);
  pairing.reset();
  assert.equal(pairing.held, 0);
  pairing.addMetadata(metadata(1), 0);
  add(1, 0, { exact: false });
  assert.equal(taken(pairing, 1), '1 with bare');
});

test('whatever comes when, no picture is shown with the metadata of another', () => {
  const random = seeded(6);
  const pairing = new Pairing(true);
  const { add } = pictures(pairing);
  const events: { readonly at: number; readonly run: () => void }[] = [];
  for (let number = 0; number < 3000; number += 1) {
    events.push({ at: number * 40, run: () => add(number, number * 40) });
    if (random() < 0.95) {
      const at = number * 40 + random() * 700;
      events.push({ at, run: () => pairing.addMetadata(metadata(number), at) });
    }
  }
  for (let at = 0; at < 3000 * 40; at += 1000 / 60)
    events.push({
      at,
      run: () => {
        const shown = pairing.take(at);
        if (shown?.metadata !== undefined) assert.equal(shown.metadata.pts, shown.picture.pts);
        if (shown !== undefined) assert.ok(at - shown.picture.arrivedAt < 700, `${at} ${shown.picture.arrivedAt}`);
        assert.ok(pairing.held <= maxHeld);
      },
    });
  for (const { run } of events.sort((a, b) => a.at - b.at)) run();
});

test('the trail of a track is where its boxes were in the two seconds before', () => {
  const pairing = new Pairing(true);
  for (let number = 0; number < 100; number += 1) pairing.addMetadata(metadata(number), number);
  const frames = pairing.before(80 * ticks);
  assert.deepEqual([frames[0]?.pts, frames.at(-1)?.pts], [31 * ticks, 80 * ticks]);
  const trail = trailsOf(frames).get(7) ?? [];
  assert.equal(trail.length, 50);
  assert.deepEqual(trail.at(-1), [88 / 320 + 0.075, 0.55]);
});

test('units are read as the server writes them, and time stamps survive the microseconds of a decoder', () => {
  const head = {
    key: true,
    stream: 65_535,
    ptsMinusDts: -3600,
    pts: 2 ** 45 + 1,
    captureMs: 1.5,
    sentMs: 1_790_000_000_000.25,
  };
  const bytes = new Uint8Array([...writeUnitHead(head), 1, 2, 3]);
  const { data, ...read } = readUnit(bytes.buffer) ?? { data: [] };
  assert.deepEqual(read, head);
  assert.deepEqual([...data], [1, 2, 3]);
  assert.equal(readUnit(bytes.slice(0, 32).buffer), undefined);
  assert.equal(readUnit(bytes.fill(9, 0, 1).buffer), undefined);
  assert.equal(readAnswer('{"type":1}'), undefined);
  assert.equal(readAnswer('{'), undefined);
  const random = seeded(1);
  for (let index = 0; index < 10_000; index += 1) {
    const pts = Math.floor(random() * 2 ** 43) - 1000;
    assert.equal(toPts(toMicroseconds(pts)), pts);
  }
});

/** Boxes of an MP4 by their path, as `moof/traf/tfdt`. */
function boxes(bytes: Buffer, path = ''): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const size = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    const content = bytes.subarray(at + 8, at + size);
    const own = path === '' ? type : `${path}/${type}`;
    found.set(own, content);
    if (['moov', 'trak', 'mdia', 'minf', 'stbl', 'mvex', 'moof', 'traf'].includes(type))
      for (const [key, value] of boxes(content, own)) found.set(key, value);
    at += size;
  }
  return found;
}

test('a fragment has the times, the flags and the place of its one sample', () => {
  const data = Uint8Array.from([0, 0, 0, 1, 9]);
  const bytes = Buffer.from(fragment({ sequence: 3, dts: 2 ** 33, ptsMinusDts: -7, duration: 3600, key: false, data }));
  const found = boxes(bytes);
  assert.equal(found.get('moof/traf/tfdt')?.readBigUInt64BE(4), 2n ** 33n);
  const run = found.get('moof/traf/trun') ?? Buffer.alloc(0);
  const offset = run.readUInt32BE(8);
  assert.deepEqual([run.readUInt32BE(12), run.readUInt32BE(16), run.readInt32BE(24)], [3600, 5, -7]);
  assert.equal(run.readUInt32BE(20), 0x0101_0000);
  assert.deepEqual([...bytes.subarray(offset, offset + 5)], [...data]);
  const init = boxes(Buffer.from(initSegment({ codec: 'avc1.640015', description: data, width: 320, height: 180 })));
  assert.equal(init.get('moov/trak/mdia/mdhd')?.readUInt32BE(12), 90_000);
  assert.ok(init.get('moov/trak/mdia/minf/stbl/stsd')?.includes('avcC'));
});

test('a replay ends with the first unit that is sent no faster than it was captured', () => {
  const gauge = new ReplayGauge();
  const replay = [0, 40, 80, 120].map((captureMs, index) => gauge.isReplayed({ captureMs, sentMs: 1000 + index }));
  assert.deepEqual(replay, [true, true, true, true]);
  assert.deepEqual(
    [160, 200].map((captureMs) => gauge.isReplayed({ captureMs, sentMs: 1000 + captureMs })),
    [false, false],
  );
  assert.equal(new ReplayGauge().isReplayed({ captureMs: 1000, sentMs: 1020 }), false);
});

test("the server's clock is that of the message that came fastest, for at most two minutes", () => {
  const clock = new ServerClock();
  assert.equal(clock.at(5), 5);
  clock.observe(1100, 200);
  clock.observe(1200, 290);
  clock.observe(1300, 450);
  assert.equal(clock.at(500), 1410);
  clock.observe(62_000, 61_100);
  assert.equal(clock.at(61_100), 62_010);
  clock.observe(124_000, 123_100);
  assert.equal(clock.at(123_100), 124_000);
});

test('attempts come at ever longer distances, never all at once', () => {
  assert.deepEqual(
    [retryDelayMs(0, 0), retryDelayMs(0, 1), retryDelayMs(3, 1), retryDelayMs(99, 0), retryDelayMs(99, 1)],
    [250, 500, 4000, 7500, 15_000],
  );
});

test('a player says in words how it is', () => {
  const live = { word: 'live', text: 'live' } as const;
  const facts = {
    feed: live,
    camera: undefined,
    playing: true,
    refused: undefined,
    unsupported: undefined,
    delayMs: 80,
    behind: false,
    notice: '',
  };
  const text = (more: Partial<Parameters<typeof playerState>[0]>) => {
    const { word, text: said } = playerState({ ...facts, ...more });
    return `${word}: ${said}`;
  };
  const camera = { type: 'state', camera: 'c', since: 0 } as const;
  assert.equal(text({}), 'live: live');
  assert.equal(text({ delayMs: undefined }), 'connecting: connecting');
  assert.equal(text({ delayMs: 3100 }), 'delayed: delayed by 3 s');
  assert.equal(text({ behind: true }), 'behind: inference behind');
  assert.equal(text({ delayMs: 3100, behind: true }), 'delayed: delayed by 3 s, inference behind', 'why there are no boxes');
  assert.equal(text({ playing: false }), 'paused: paused while out of view');
  assert.equal(text({ camera: { ...camera, state: 'away', reason: 'connection refused' } }), 'away: away: connection refused');
  assert.equal(text({ refused: { code: 'http.forbidden', reason: 'eve may not' } }), 'refused: not allowed: eve may not');
  assert.equal(text({ refused: { code: 'http.unknown', reason: 'there is no camera c' } }), 'refused: there is no camera c');
  assert.equal(
    text({ feed: { word: 'waiting', text: 'connecting: the connection was lost' } }),
    'connecting: connecting: the connection was lost',
  );
});

test('boxes are named by similarity, in ink that can be read, and are found under the pointer', () => {
  assert.deepEqual(labelOf(numberedBox(3, false)), ['Number 3', 'similarity 0.71']);
  assert.deepEqual(labelOf(numberedBox(3, true)), ['person 7']);
  const match = { entryId: 'cap', name: 'cap', list: 'l', kind: 'description', similarity: 0.31 } as const;
  assert.deepEqual(labelOf({ ...numberedBox(3, true), match }), [
    'cap',
    'similarity 0.31, experimental,',
    'matches a description, not a person',
  ]);
  assert.deepEqual([inkOn('#ffd400'), inkOn('#1a237e'), inkOn('#808080')], ['#000000', '#ffffff', '#000000']);
  assert.deepEqual(placeOf(1000, 1000, 320, 180), { x: 0, y: 218, width: 1000, height: 563 });
  const place = placeOf(320, 180, 320, 180);
  assert.equal(boxAt([numberedBox(0, true)], place, 20, 90)?.track, 7);
  assert.equal(boxAt([numberedBox(0, true)], place, 2, 90), undefined);
});

test('labels of people who cross lie beside each other, those of listed people in the place that is theirs', () => {
  const grounds: (readonly number[])[] = [];
  const texts: string[] = [];
  const context = {
    measureText: (text: string) => ({ width: text.length * 7 }),
    fillRect: (...box: readonly number[]) => grounds.push(box),
    fillText: (text: string) => texts.push(text),
    strokeRect: () => {},
  } as unknown as Parameters<typeof drawBoxes>[0];
  const box = (number: number, predicted: boolean, left: number) => ({
    ...numberedBox(number, predicted),
    track: number,
    box: [left, 0.4, 0.15, 0.3] as [number, number, number, number],
  });
  const frame = { ...metadata(0), boxes: [box(1, true, 0.42), box(2, false, 0.4), box(3, true, 0.1)] };
  drawBoxes(context, frame, placeOf(640, 360, 640, 360), 1, { spots: new Map() });
  assert.equal(grounds.length, 3);
  for (const [index, [x = 0, y = 0, width = 0, height = 0]] of grounds.entries())
    for (const [otherX = 0, otherY = 0, otherWidth = 0, otherHeight = 0] of grounds.slice(index + 1))
      assert.ok(x + width <= otherX || otherX + otherWidth <= x || y + height <= otherY || otherY + otherHeight <= y);
  const listed = grounds[texts.findIndex((text) => text.startsWith('Number'))];
  assert.ok((listed?.[1] ?? 0) < 0.4 * 360, 'above its box');
});

test('a player that catches up draws faster than the camera takes pictures, and says what the camera does', () => {
  const figures = new Figures();
  // 25 a second were taken; 41 a second are drawn.
  for (let picture = 0; picture < 80; picture += 1) figures.add((picture * 1000) / 41, 3000 - picture * (40 - 1000 / 41), true);
  assert.ok(Math.abs(figures.recent((79 * 1000) / 41).fps - 25) < 0.1);
  // One that falls behind says how many it draws.
  figures.forget();
  for (let picture = 0; picture < 20; picture += 1) figures.add(picture * 100, 80 + picture * 60, true);
  assert.ok(Math.abs(figures.recent(1900).fps - 10) < 0.1);
});

test('how far apart pictures are is known after they stop', () => {
  const figures = new Figures();
  for (let at = 0; at <= 4000; at += 40) figures.add(at, 80, true);
  assert.deepEqual([figures.recent(60_000).fps, figures.gapMs], [0, 40]);
  figures.add(14_000, 80, true);
  assert.equal(figures.gapMs, 10_000);
  for (let at = 14_040; at <= 18_000; at += 40) figures.add(at, 80, true);
  assert.equal(figures.gapMs, 40, 'one pause is no habit');
  figures.forget();
  assert.equal(figures.gapMs, 0);
});
