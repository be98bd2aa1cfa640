import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClipPlan } from '../../src/media/clip-plan.ts';
import { createOverlayRing } from '../../src/media/overlay-ring.ts';
import { createPacketRing, type RingUnit } from '../../src/media/packet-ring.ts';

/** SPS and PPS of a 320x180 baseline stream by x264, and a slice that nobody decodes. */
const sps = Buffer.from('67 42 c0 0d da 05 07 ec 04 40 00 00 03 00 40 00 00 0c 83 c5 0a a8'.replaceAll(' ', ''), 'hex');
const pps = Buffer.from('68ce0f2c80', 'hex');
const format = { codec: 'h264', width: 320, height: 180, parameterSets: [sps, pps] } as const;

interface At {
  readonly epoch?: number;
  readonly captureMs?: number;
  readonly bytes?: number;
  readonly pts?: number;
  readonly format?: RingUnit['format'];
}

function unit(ms: number, key: boolean, more: At = {}): RingUnit {
  const slice = new Uint8Array(more.bytes ?? 1000).fill(0xab);
  slice[0] = key ? 0x65 : 0x41;
  const dts = BigInt(ms * 90);
  return {
    epoch: more.epoch ?? 1,
    key,
    pts: more.pts === undefined ? dts : BigInt(more.pts * 90),
    dts,
    captureMs: more.captureMs ?? 1_000_000 + ms,
    nals: [slice],
    format: more.format ?? format,
  };
}

/** Half a second between frames, a key every two seconds. */
function fill(ring: ReturnType<typeof createPacketRing>, fromMs: number, toMs: number, more: At = {}): void {
  for (let ms = fromMs; ms < toMs; ms += 500) ring.push(unit(ms, ms % 2000 === 0, more), ms);
}

test('whatever a camera sends as parameter sets is described or refused, and never thrown about', () => {
  let seed = 7;
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed;
  };
  for (let round = 0; round < 3000; round += 1) {
    const ring = createPacketRing({ seconds: 10, bytes: 1e6 });
    const codec = round % 2 === 0 ? 'h264' : 'h265';
    const types = codec === 'h264' ? [0x67, 0x68, 0x65] : [0x40, 0x42, 0x44, 0x26];
    const nals = types.map((type) => {
      const nal = Uint8Array.from({ length: 1 + (random() % 40) }, () => (random() >> 8) & (round % 3 === 0 ? 1 : 255));
      nal[0] = type;
      return nal;
    });
    const key = unit(0, true, { format: { codec, width: 320, height: 180, parameterSets: [] } });
    const taken = ring.push({ ...key, nals }, 0);
    const plan = createClipPlan({ camera: 'lobby', atMs: 1_000_000, toMs: 1_060_000 });
    for (const kept of ring.from(0).units) plan.take(kept);
    assert.equal(plan.finish(() => undefined) !== undefined, taken);
  }
});

test('a ring begins with a key unit, holds so many seconds and never more than its bytes', () => {
  const ring = createPacketRing({ seconds: 10, bytes: 1_000_000 });
  assert.equal(ring.push(unit(500, false), 500), false, 'nothing before the first key unit');
  fill(ring, 2000, 60_000);
  const { units, lost } = ring.from(0);
  assert.ok(lost && units[0]?.unit.key);
  const span = (units.at(-1)?.arrivedMono ?? 0) - (units[0]?.arrivedMono ?? 0);
  assert.ok(span >= 9500 && span < 12_000, `${span}`);
  assert.equal(ring.bytes, units.length * 1000);
  const small = createPacketRing({ seconds: 10, bytes: 6000 });
  for (let ms = 0; ms < 30_000; ms += 500) {
    small.push(unit(ms, ms % 2000 === 0), ms);
    assert.ok(small.bytes <= 6000);
    assert.ok(small.from(0).units[0]?.unit.key ?? true);
  }
  // A group of pictures that is larger than all of it is given up, up to the next key unit.
  const tiny = createPacketRing({ seconds: 10, bytes: 2500 });
  const taken = [0, 500, 1000, 1500, 2000].map((ms) => tiny.push(unit(ms, ms === 0 || ms === 2000), ms));
  assert.deepEqual(taken, [true, true, false, false, true]);
});

test('a clip begins where the moment begins: not in the gap before it, nor before a leap of the camera clock', () => {
  const ring = createPacketRing({ seconds: 600, bytes: 1e9 });
  fill(ring, 0, 10_000);
  const at = (number: number | undefined) => ring.from(number ?? -1).units[0]?.unit.captureMs;
  assert.equal(at(ring.start(1_004_700)), 1_004_000);
  assert.equal(at(ring.start(1_000_000 - 60_000)), 1_000_000, 'the oldest there is');
  assert.equal(ring.start(1_060_000), undefined, 'nothing has come that far');
  // Away for twenty minutes.
  fill(ring, 1_210_000, 1_216_000, { epoch: 2 });
  assert.equal(at(ring.start(1_000_000 + 1_205_000)), 1_000_000 + 1_210_000);
  // The camera's clock goes back by an hour.
  for (let ms = 1_216_000; ms < 1_222_000; ms += 500) {
    ring.push(unit(ms, ms % 2000 === 0, { epoch: 3, captureMs: 1_000_000 + ms - 3_600_000 }), ms);
  }
  assert.equal(at(ring.start(1_000_000 + 1_210_000 - 3_600_000)), 1_000_000 + 1_216_000 - 3_600_000);
});

test('time in the file follows time stamps within an epoch and camera time between two; leaps are bounded', () => {
  const ring = createPacketRing({ seconds: 1e6, bytes: 1e9 });
  fill(ring, 0, 2000);
  // A reconnect: time stamps begin anew, four seconds passed.
  for (let ms = 0; ms < 1000; ms += 500) ring.push(unit(ms, ms === 0, { epoch: 2, captureMs: 1_005_500 + ms }), 5500 + ms);
  // The source's own time stamps go back and then leap ahead by a day.
  ring.push(unit(200, false, { epoch: 2, captureMs: 1_007_000 }), 7000);
  ring.push(unit(86_400_000, false, { epoch: 2, captureMs: 1_007_500 }), 7500);
  const plan = createClipPlan({ camera: 'lobby', atMs: 1_005_500, toMs: 1_060_000 });
  assert.deepEqual(
    ring.from(0).units.map((kept) => plan.take(kept).step),
    Array.from({ length: 8 }, () => 'write'),
  );
  const clip = plan.finish(() => []);
  const times = clip?.index.frames.map(({ time }) => time) ?? [];
  assert.deepEqual(times.slice(0, 6), [0, 0.5, 1, 1.5, 5.5, 6]);
  assert.ok((times[6] ?? 0) > 6 && (times[6] ?? 0) < 6.001, `${times[6]}`);
  assert.equal(Math.round((times[7] ?? 0) - (times[6] ?? 0)), 3600);
  assert.equal(clip?.index.at, 5.5);
});

test('overlays keep no name, match by epoch and time stamp, age and can forget an entry', () => {
  const ring = createOverlayRing({ seconds: 10 });
  const match = { entryId: 'anna', name: 'Anna', list: 'banned', kind: 'face', similarity: 0.6 } as const;
  const box = { track: 1, label: 'face', box: [0, 0, 0.1, 0.1] as [number, number, number, number], score: 0.9 };
  const overlay = (pts90k: bigint, epoch = 1) => ({
    camera: 'lobby',
    epoch,
    pts90k,
    time: Number(pts90k),
    predicted: false,
    boxes: [{ ...box, colour: '#ff0000', decided: true, match }],
  });
  ring.push(overlay(90n), 0);
  ring.push(overlay(90n, 2), 1000);
  assert.ok(!JSON.stringify(ring.find(1, 90n)).includes('Anna'));
  assert.equal(ring.find(1, 90n)?.[0]?.match?.entryId, 'anna');
  ring.forget('anna');
  assert.ok(!JSON.stringify([ring.find(1, 90n), ring.find(2, 90n)]).includes('anna'));
  assert.equal(ring.push(overlay(180n), 15_500), 0, 'what is old is not dropped but over');
  assert.deepEqual([ring.find(1, 90n), ring.find(2, 90n)?.length], [undefined, 1]);
  let dropped = 0;
  for (let frame = 0; frame < 31_000; frame += 1) dropped += ring.push(overlay(BigInt(1000 + frame), 3), 16_000);
  assert.ok(dropped >= 1000, `${dropped}`);
});
