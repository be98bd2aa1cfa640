import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseHevcConfiguration, profileTierLevel } from '../../src/media/h265.ts';
import { withParameterSets } from '../../src/media/nal.ts';
import { hurried, replayFor } from '../../src/media/replay.ts';
import { describeStream } from '../../src/media/sdp.ts';
import { createVideoStream, type StreamReader, type VideoStream } from '../../src/media/video-stream.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { packetsOf } from '../support/rtp.ts';

const sps = Uint8Array.of(0x67, 0x4d, 0x40, 0x1f);
const pps = Uint8Array.of(0x68, 0xee);

function pictures(stream: VideoStream, kinds: string, from = 0): void {
  for (const [index, kind] of [...kinds].entries()) {
    const nals = kind === 'K' ? [sps, pps, Uint8Array.of(0x65, index)] : [Uint8Array.of(0x41, index)];
    const at = from + index;
    stream.push({ nals, pts90k: BigInt(at) * 3600n, captureTimeMs: 1e12 + at * 40, key: kind === 'K' });
  }
}

const shape = (stream: VideoStream) =>
  stream
    .kept()
    .map(({ key }) => (key ? 'K' : 'p'))
    .join('');
const silent: StreamReader = { take: () => {}, cut: () => {}, ended: () => {} };

describe('the kept group of pictures', () => {
  it('begins at the last key frame, with its own times and numbers', () => {
    const stream = createVideoStream({ name: 'x' }, testContext());
    pictures(stream, 'ppKppKpp');
    assert.equal(shape(stream), 'Kpp');
    assert.deepEqual(
      stream.kept().map(({ pts90k, captureTimeMs }) => [Number(pts90k) / 3600, captureTimeMs - 1e12]),
      [
        [5, 200],
        [6, 240],
        [7, 280],
      ],
    );
    const numbers = stream.kept().flatMap((unit) => packetsOf(unit).map((packet) => packet.readUInt16BE(2)));
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => ((numbers[0] ?? 0) + index) % 65_536),
    );
    assert.equal(stream.kept()[0]?.sequence, numbers[0]);
  });

  it('is not kept once more for every channel that a client thinks of', () => {
    const stream = createVideoStream({ name: 'x' }, testContext());
    pictures(stream, 'K');
    const [unit] = stream.kept();
    assert.ok(unit);
    for (let channel = 0; channel < 256; channel += 2) {
      assert.equal(unit.on(channel)[1], channel);
      assert.deepEqual(unit.on(channel).subarray(4, 12), unit.bytes.subarray(4, 12));
    }
    const channels = Array.from({ length: 128 }, (_, place) => 2 * place);
    const first = new Map(channels.map((channel) => [channel, unit.on(channel)]));
    const shared = channels.filter((channel) => unit.on(channel) === first.get(channel));
    assert.deepEqual(shared, [0, 2, 4]);
  });

  it('is not kept beyond its bytes, until the next key frame', () => {
    const stream = createVideoStream({ name: 'x', keptBytes: 200 }, testContext());
    pictures(stream, 'Kppppppppppppp');
    assert.equal(shape(stream), '');
    pictures(stream, 'Kp', 20);
    assert.equal(shape(stream), 'Kp');
  });

  it('is forgotten where what follows does not continue it, and where its source has been silent for long', async () => {
    const clock = new ManualClock();
    const stream = createVideoStream({ name: 'x' }, testContext(clock));
    const cuts: string[] = [];
    stream.attach({ ...silent, cut: () => cuts.push('cut') });
    pictures(stream, 'Kp');
    stream.cut();
    assert.deepEqual([shape(stream), cuts], ['', ['cut']]);
    pictures(stream, 'p', 2);
    assert.equal(shape(stream), '');
    pictures(stream, 'Kpp', 3);
    await clock.advance(30_000);
    assert.equal(shape(stream), 'Kpp');
    await clock.advance(1);
    assert.equal(shape(stream), '');
    pictures(stream, 'p', 6);
    assert.equal(shape(stream), 'Kppp', 'a source that only was slow');
  });

  it('can be had with hurried times: the same order, the newest where it was, B-frames behind what they need', () => {
    const stream = createVideoStream({ name: 'x' }, testContext());
    for (const [index, shown] of [0, 3, 1, 2].entries()) {
      const nals = index === 0 ? [sps, pps, Uint8Array.of(0x65)] : [Uint8Array.of(0x41, index)];
      stream.push({ nals, pts90k: BigInt(shown) * 3600n, captureTimeMs: 1e12 + shown * 40, key: index === 0 });
    }
    const units = hurried(stream.kept());
    assert.deepEqual(
      units.map(({ pts90k }) => Number(pts90k)),
      [10_797, 10_800, 10_798, 10_799],
    );
    assert.deepEqual(
      units.map((unit) => packetsOf(unit).at(-1)?.readUInt32BE(4)),
      [10_797, 10_800, 10_798, 10_799],
    );
    assert.equal(units[1]?.captureTimeMs, 1e12 + 120);
    assert.deepEqual(
      units.map(({ sequence }) => sequence),
      stream.kept().map(({ sequence }) => sequence),
    );
    assert.equal(
      packetsOf(stream.kept()[0] ?? { bytes: Buffer.alloc(0) })[0]?.readUInt32BE(4),
      0,
      'the shared ones are as they were',
    );
    assert.deepEqual(hurried([]), []);
  });

  for (const [uri, agent, expected] of [
    ['rtsp://h/lobby', 'Lavf59.27.100', 'original'],
    ['rtsp://h/lobby', 'GStreamer/1.22.0', 'original'],
    ['rtsp://h/lobby', undefined, 'original'],
    ['rtsp://h/lobby', 'libmpv', 'hurried'],
    ['rtsp://h/lobby', 'mpv 0.35.1', 'hurried'],
    ['rtsp://h/lobby', 'LibVLC/3.0.18 (LIVE555 Streaming Media v2016.11.28)', 'hurried'],
    ['rtsp://h/lobby?replay=original', 'libmpv', 'original'],
    ['rtsp://h/lobby?replay=hurried', 'Lavf59.27.100', 'hurried'],
    ['rtsp://h/lobby?replay=none', undefined, 'none'],
    ['rtsp://h/lobby?replay=x', undefined, 'original'],
    ['*', undefined, 'original'],
  ] as const) {
    it(`is replayed "${expected}" to ${agent ?? 'somebody'} at ${uri}`, () => assert.equal(replayFor(uri, agent), expected));
  }
});

describe('a video stream', () => {
  it('says how many read or are about to', () => {
    const counts: number[] = [];
    const stream = createVideoStream({ name: 'x', onReaders: (count) => counts.push(count) }, testContext());
    const [one, two] = [stream.hold(), stream.hold()];
    one[Symbol.dispose]();
    one[Symbol.dispose]();
    two[Symbol.dispose]();
    assert.deepEqual(counts, [1, 2, 1, 0]);
  });

  it('counts what it was given and what slow readers lost', () => {
    const stream = createVideoStream({ name: 'x' }, testContext());
    pictures(stream, 'Kp');
    stream.lose(3);
    assert.deepEqual([stream.units, stream.lost, stream.bytes], [2, 3, 4 * 16 + sps.length + pps.length + 4]);
  });

  it('goes on in time while its source is silent', async () => {
    const clock = new ManualClock();
    const stream = createVideoStream({ name: 'x' }, testContext(clock));
    assert.equal(stream.time(), undefined);
    pictures(stream, 'K');
    await clock.advance(2000);
    assert.deepEqual(stream.time(), { pts90k: 180_000n, captureTimeMs: 1e12 + 2000 });
  });

  it('ends its readers when its codec changes: their description is void', () => {
    const stream = createVideoStream({ name: 'x' }, testContext());
    let ended = 0;
    stream.attach({ ...silent, ended: () => (ended += 1) });
    stream.announce({ codec: 'h264', parameterSets: [] });
    pictures(stream, 'Kp');
    assert.equal(ended, 0);
    stream.announce({ codec: 'h265', parameterSets: [] });
    assert.deepEqual([ended, stream.readers, stream.codec, shape(stream)], [1, 0, 'h265', '']);
  });

  it('waits for VPS, SPS and PPS of H.265, and puts all of them before a key frame, once', async () => {
    const [vps, sps, pps, pps2] = [32, 33, 34, 34].map((type, id) => Uint8Array.of(type << 1, 1, id)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const stream = createVideoStream({ name: 'x', codec: 'h265' }, testContext());
    const asked = stream.parameters(new AbortController().signal);
    stream.announce({ codec: 'h265', parameterSets: [pps, sps] });
    const idr = Uint8Array.of(19 << 1, 1, 9);
    const unit = { pts90k: 0n, captureTimeMs: 0, key: true };
    stream.push({ ...unit, nals: [vps, sps, pps, pps2, pps, idr] });
    assert.deepEqual(await asked, { codec: 'h265', vps: [vps], sps: [sps], pps: [pps, pps2] });
    stream.push({ ...unit, nals: [idr] });
    const [kept] = stream.kept();
    assert.deepEqual(
      packetsOf(kept ?? { bytes: Buffer.alloc(0) }).map((packet) => Uint8Array.from(packet.subarray(12))),
      [vps, sps, pps, pps2, idr],
    );
  });

  it('keeps copies of parameter sets, made once', () => {
    const bytes = Uint8Array.from(sps);
    const known = withParameterSets({ codec: 'h264', vps: [], sps: [], pps: [] }, [bytes, pps]);
    bytes[1] = 0;
    assert.deepEqual(known.sps, [sps]);
    assert.equal(withParameterSets(known, [sps, pps, Uint8Array.of(0x65)]), known);
  });
});

describe('h.265 descriptions', () => {
  // Of x265 (main, level 3.1), with emulation prevention among the constraint flags.
  const main = Buffer.from('420101016000000300900000030000030 05da0028080'.replaceAll(' ', ''), 'hex');

  it('name profile, tier and level from behind the emulation prevention', () => {
    assert.deepEqual(profileTierLevel(main), { space: 0, tier: 0, profile: 1, level: 93 });
    assert.equal(profileTierLevel(main.subarray(0, 10)), undefined);
  });

  it('have each kind of parameter set in its place (RFC 7798 section 7.1)', () => {
    const sdp = describeStream('lobby', { codec: 'h265', vps: [Uint8Array.of(0x40, 1)], sps: [main], pps: [pps] });
    assert.match(sdp, /a=rtpmap:96 H265\/90000\r\n/);
    const base64 = main.toString('base64').replaceAll('+', '\\+');
    assert.match(
      sdp,
      new RegExp(
        `a=fmtp:96 profile-space=0;profile-id=1;tier-flag=0;level-id=93;sprop-vps=QAE=;sprop-sps=${base64};sprop-pps=aO4=\r\n`,
      ),
    );
  });

  it('are read from hvcC, and a box that is cut is an error', () => {
    const head = Buffer.alloc(23);
    head[0] = 1;
    head[21] = 0xff;
    head[22] = 2;
    const box = Buffer.concat([head, Buffer.from('a000010002400142000200014200024343', 'hex').subarray(0, 7)]);
    const whole = Buffer.concat([box, Buffer.from('a100010003420101', 'hex')]);
    const { nals, lengthBytes } = parseHevcConfiguration(whole);
    assert.deepEqual([nals.map((nal) => Buffer.from(nal).toString('hex')), lengthBytes], [['4001', '420101'], 4]);
    for (const cut of [0, 22, 25, whole.length - 1]) {
      assert.throws(() => parseHevcConfiguration(whole.subarray(0, cut)), { code: 'source.format' }, `${cut}`);
    }
  });
});
