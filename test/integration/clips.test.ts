import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import type { ClipRequest, FromDoor, OverlayFrame } from '../../src/core/media-door.ts';
import type { ClipIndex } from '../../src/media/clip-plan.ts';
import { type Clips, createClips } from '../../src/media/clips.ts';
import type { RingUnit } from '../../src/media/packet-ring.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { encode, packetsOf, picturesOf, run } from '../support/encoded.ts';
import { until } from '../support/until.ts';

type Report = Extract<FromDoor, { readonly type: 'clipDone' | 'clipFailed' }>;

const begin = Date.UTC(2026, 0, 5, 12);

function startClips() {
  const ctx = testContext();
  const reports: Report[] = [];
  const clips = createClips({ clock: systemClock, log: ctx.log, report: (message) => reports.push(message) });
  clips.configure({ seconds: 60, bytes: 64 * 1024 * 1024 });
  return { clips, reports, done: (id: string) => until(`clip ${id}`, () => reports.find((report) => report.id === id)) };
}

function overlayOf({ epoch, pts, captureMs }: RingUnit): OverlayFrame {
  return {
    camera: 'lobby',
    epoch,
    pts90k: pts,
    time: captureMs,
    predicted: false,
    boxes: [
      {
        track: 3,
        label: 'face',
        box: [0.1, 0.2, 0.1, 0.2],
        score: 0.9,
        match: { entryId: 'entry-1', name: 'Zebulon Quatermass', list: 'banned', kind: 'face', similarity: 0.7 },
        colour: '#ff0000',
        decided: true,
      },
    ],
  };
}

function feed(clips: Clips, units: readonly RingUnit[]): void {
  for (const unit of units) {
    clips.unit('lobby', unit);
    clips.overlay(overlayOf(unit));
  }
}

/** `avcC` or `hvcC` of a file, without its head. */
function recordOf(file: Buffer, codec: 'h264' | 'h265'): Buffer {
  const at = file.indexOf(codec === 'h264' ? 'avcC' : 'hvcC');
  return file.subarray(at + 4, at - 4 + file.readUInt32BE(at - 4));
}

function request(path: string, changes: Partial<ClipRequest> = {}): ClipRequest {
  return { id: 'alert-1', camera: 'lobby', atMs: begin + 5000, beforeMs: 2000, afterMs: 3000, path, ...changes };
}

// Groups of 27 pictures of H.265 are open: pictures follow their key unit that are shown before it.
for (const [codec, bFrames, profile, keyEvery] of [
  ['h264', 2, 'high', 25],
  ['h264', 0, 'baseline', 25],
  ['h265', 3, 'main', 27],
] as const) {
  test(`a clip of ${codec} with ${bFrames} B-frames (${profile}) has the pictures, times and key frames of its source`, async () => {
    await using directory = await temporaryDirectory();
    const source = encode(directory.path, { codec, frames: 250, bFrames, profile, keyEvery, captureMs: begin });
    const { clips, reports, done } = startClips();
    await using _clips = clips;
    const path = join(directory.path, 'clip');
    // Before and after the request, as it is when somebody is seen.
    feed(clips, source.units.slice(0, 130));
    clips.request(request(path));
    feed(clips, source.units.slice(130));
    const report = await done('alert-1');
    assert.equal(report.type, 'clipDone', JSON.stringify(reports));
    if (report.type !== 'clipDone') return;

    const packets = packetsOf(`${path}.mp4`);
    const [first] = packets;
    const place = source.units.findLastIndex(({ captureMs, key }) => key && captureMs <= begin + 3000 + 1);
    const before = source.units.slice(place).filter(({ pts }) => pts >= (source.units[place]?.pts ?? 0n));
    const wanted = before.slice(0, packets.length);
    assert.ok(first?.key);
    assert.ok(packets.length >= 120 && packets.length <= 155, `${packets.length} pictures`);
    const start = wanted.reduce((least, { pts }) => (pts < least ? pts : least), wanted[0]?.pts ?? 0n);
    assert.deepEqual(
      packets.map(({ pts, dts, key }) => [pts, dts, key]),
      wanted.map(({ pts, dts, key }) => [Number(pts - start), Number(dts - start), key]),
    );
    // Decodes without a complaint, to the very pictures of the source.
    const pictures = picturesOf(`${path}.mp4`);
    const shown = wanted.map(({ pts }) => Number(pts) / 3600).sort((a, b) => a - b);
    const sourcePictures = picturesOf(source.file);
    const sourceStart = Math.min(...source.units.map(({ pts }) => Number(pts) / 3600));
    assert.deepEqual(
      pictures,
      shown.map((frame) => sourcePictures[Math.round(frame - sourceStart)]),
    );

    const info = run('ffprobe', [
      '-show_entries',
      'format=duration,start_time:stream=codec_tag_string,codec_name,width,height',
      '-of',
      'json',
      `${path}.mp4`,
    ]);
    const { format, streams } = JSON.parse(info);
    assert.equal(streams[0].codec_tag_string, codec === 'h264' ? 'avc1' : 'hvc1');
    assert.deepEqual([streams[0].width, streams[0].height], [320, 180]);
    assert.equal(Number(format.start_time), 0);
    assert.ok(Math.abs(Number(format.duration) - packets.length / 25) < 0.001, format.duration);
    // The index stands before the samples, so that a player may begin at once.
    const bytes = readFileSync(`${path}.mp4`);
    assert.ok(bytes.indexOf('moov') < bytes.indexOf('mdat'));

    // What a decoder is told, byte by byte as ffmpeg tells it; of H.265 what both say: profile to level, and the format.
    const [ours, theirs] = [bytes, readFileSync(source.file)].map((file) => recordOf(file, codec));
    if (codec === 'h264') assert.deepEqual(ours, theirs);
    else assert.deepEqual([ours?.subarray(0, 13), ours?.subarray(16, 19)], [theirs?.subarray(0, 13), theirs?.subarray(16, 19)]);

    const text = readFileSync(`${path}.json`, 'utf8');
    assert.ok(!text.includes('Zebulon'), 'no name lies on the disk');
    const index = JSON.parse(text) as ClipIndex;
    assert.equal(index.frames.length, packets.length);
    assert.deepEqual(
      index.frames.map(({ pts }) => pts),
      packets.map(({ pts }) => pts).sort((a, b) => a - b),
    );
    assert.equal(index.frames[0]?.boxes[0]?.match?.entryId, 'entry-1');
    assert.equal(index.fps, 25);
    assert.ok(Math.abs(index.at - (begin + 5000 - report.fromMs) / 1000) < 0.021);
    assert.deepEqual(report.entries, ['entry-1']);
    assert.equal(report.bytes, statSync(`${path}.mp4`).size + statSync(`${path}.json`).size);
    assert.equal(statSync(`${path}.mp4`).mode & 0o777, 0o600);
    assert.equal(statSync(`${path}.json`).mode & 0o777, 0o600);
    assert.deepEqual(
      readdirSync(directory.path).filter((name) => /tmp|part/.test(name)),
      [],
    );
  });
}

test('a camera that was away leaves a gap as long as it was, and parameter sets that change end the clip on the side of the sighting', async () => {
  await using directory = await temporaryDirectory();
  const first = encode(directory.path, { codec: 'h264', frames: 50, epoch: 1, captureMs: begin });
  const same = encode(directory.path, { codec: 'h264', frames: 50, epoch: 2, captureMs: begin + 6000 });
  const other = encode(directory.path, {
    codec: 'h264',
    frames: 50,
    epoch: 3,
    width: 160,
    height: 90,
    captureMs: begin + 10_000,
  });
  const { clips, done } = startClips();
  await using _clips = clips;
  feed(clips, [...first.units, ...same.units, ...other.units]);
  const gap = join(directory.path, 'gap');
  clips.request(request(gap, { id: 'gap', atMs: begin + 1000, beforeMs: 5000, afterMs: 6000 }));
  assert.equal((await done('gap')).type, 'clipDone');
  const times = packetsOf(`${gap}.mp4`)
    .map(({ pts }) => pts / 90)
    .sort((a, b) => a - b);
  assert.ok(times.length >= 50 + 24 && times.length <= 50 + 26, `${times.length}`);
  const leap = times.findIndex((time, place) => place > 0 && time - (times[place - 1] ?? 0) > 1000);
  assert.equal(leap, 50);
  assert.ok(Math.abs((times[50] ?? 0) - 6000) < 1, `${times[50]}`);
  assert.equal(picturesOf(`${gap}.mp4`).length, times.length);

  for (const [id, atMs, height, from, to] of [
    ['before', begin + 7000, 180, begin + 6000, begin + 8000],
    ['after', begin + 11_000, 90, begin + 10_000, begin + 12_000],
  ] as const) {
    const path = join(directory.path, id);
    clips.request(request(path, { id, atMs, beforeMs: 5000, afterMs: 5000 }));
    clips.away('lobby');
    const report = await done(id);
    assert.ok(report.type === 'clipDone');
    assert.ok(report.fromMs >= from - 5000 && Math.abs(report.toMs - to) <= 80, JSON.stringify(report));
    const probed = JSON.parse(run('ffprobe', ['-show_entries', 'stream=height', '-of', 'json', `${path}.mp4`]));
    assert.equal(probed.streams[0].height, height);
    assert.equal(picturesOf(`${path}.mp4`).length, packetsOf(`${path}.mp4`).length);
  }
});

test('a clip that cannot be written leaves nothing behind and says why', async () => {
  await using directory = await temporaryDirectory();
  const source = encode(directory.path, { codec: 'h264', frames: 50, captureMs: begin });
  const { clips, done } = startClips();
  await using _clips = clips;
  feed(clips, source.units);
  clips.request(request(join(directory.path, 'nowhere', 'clip'), { id: 'nowhere' }));
  const nowhere = await done('nowhere');
  assert.ok(nowhere.type === 'clipFailed' && nowhere.code === 'disk' && /ENOENT/.test(nowhere.reason), JSON.stringify(nowhere));
  const before = readdirSync(directory.path);
  clips.request(request(join(directory.path, 'other'), { id: 'other', atMs: begin + 3_600_000 }));
  clips.request(request(join(directory.path, 'named'), { id: 'named', atMs: begin + 1500, afterMs: 60_000 }));
  clips.away('lobby');
  const other = await done('other');
  assert.ok(other.type === 'clipFailed' && other.code === 'empty', JSON.stringify(other));
  assert.equal((await done('named')).type, 'clipDone');
  // One that is given up while it is written.
  clips.request(request(join(directory.path, 'given-up'), { id: 'given-up', atMs: begin + 1500, afterMs: 60_000 }));
  await until('it is under way', () => readdirSync(directory.path).includes('given-up.part'));
  await clips.forget('entry-1', ['given-up']);
  const givenUp = await done('given-up');
  assert.ok(givenUp.type === 'clipFailed' && givenUp.code === 'cancelled');
  assert.deepEqual(readdirSync(directory.path).sort(), [...before, 'named.json', 'named.mp4'].sort());
  // What is written from now on does not know the entry.
  clips.request(request(join(directory.path, 'later'), { id: 'later', atMs: begin + 1500 }));
  clips.away('lobby');
  const later = await done('later');
  assert.ok(later.type === 'clipDone');
  assert.deepEqual(later.entries, []);
  assert.ok(!readFileSync(join(directory.path, 'later.json'), 'utf8').includes('entry-1'));
});
