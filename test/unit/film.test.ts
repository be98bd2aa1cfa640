import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type DemuxedUnit, type FileDemuxer, type FilmOptions, playFilm } from '../../src/media/file-stream.ts';
import { type AccessUnit, createVideoStream, type PacketisedUnit, type VideoStream } from '../../src/media/video-stream.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { packetsOf } from '../support/rtp.ts';

const sps = Uint8Array.of(0x67, 0x4d, 0x40, 0x1f);
const pps = Uint8Array.of(0x68, 0xee);
const idr = Uint8Array.of(0x65, 1, 2, 3);
const slice = Uint8Array.of(0x41, 4, 5);

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A stream that notes down what it is given. */
function recorder(): FilmOptions['stream'] & { readonly units: readonly AccessUnit[]; readonly over: boolean } {
  const units: AccessUnit[] = [];
  const state = { over: false };
  return {
    units,
    announce: () => {},
    get over() {
      return state.over;
    },
    push: (unit) => units.push(unit),
    end: () => {
      state.over = true;
    },
  };
}

/** Ten frames a second. `offsets`: presentation less decoding time of each, in frames. */
function film(offsets: readonly number[]): () => Promise<FileDemuxer> {
  return async () => {
    const units = offsets.map((offset, index): DemuxedUnit => {
      const dts90k = 5000n + BigInt(index) * 9000n;
      const nals = [index === 0 ? idr : slice];
      return { nals, dts90k, pts90k: dts90k + BigInt(offset) * 9000n, durationTicks: 9000n, key: index === 0 };
    });
    return {
      format: { codec: 'h264', parameterSets: [sps, pps] },
      read: async () => units.shift(),
      async [Symbol.asyncDispose]() {},
    };
  };
}

describe('film', () => {
  it('plays at its own pace, and goes on with growing time stamps when it begins again', async () => {
    const clock = new ManualClock();
    using ctx = testContext(clock);
    const stream = recorder();
    const start = clock.now();
    const playing = playFilm({ stream, open: film([0, 0, 0]) }, ctx);
    await settle();
    assert.equal(stream.units.length, 1);
    await clock.advance(99);
    await settle();
    assert.equal(stream.units.length, 1);
    for (let step = 0; step < 6; step++) {
      await clock.advance(step === 0 ? 1 : 100);
      await settle();
    }
    assert.deepEqual(
      stream.units.map(({ pts90k, captureTimeMs, key }) => [Number(pts90k) / 9000, captureTimeMs - start, key]),
      [0, 1, 2, 3, 4, 5, 6].map((index) => [index, index * 100, index % 3 === 0]),
    );
    ctx[Symbol.dispose]();
    await playing;
    assert.equal(stream.over, true);
  });

  it('sends pictures out of order at their decoding times, none captured later than it is sent', async () => {
    const clock = new ManualClock();
    using ctx = testContext(clock);
    const stream = recorder();
    const start = clock.now();
    const playing = playFilm({ stream, open: film([1, 2, 0, 1]), rounds: 1 }, ctx);
    for (let step = 0; step < 4; step++) {
      await settle();
      assert.equal(stream.units.length, step + 1);
      assert.ok((stream.units.at(-1)?.captureTimeMs ?? 0) <= clock.now());
      await clock.advance(100);
    }
    await playing;
    assert.deepEqual(
      stream.units.map(({ pts90k }) => Number(pts90k) / 9000),
      [0, 2, 1, 3],
    );
    assert.deepEqual(
      stream.units.map(({ captureTimeMs }) => captureTimeMs - start),
      [0, 100, 0, 200],
    );
  });

  it('goes on from now when the machine slept, instead of hurrying', async () => {
    const clock = new ManualClock();
    using ctx = testContext(clock);
    const stream = recorder();
    const start = clock.now();
    const open = film(Array.from({ length: 20 }, () => 0));
    const sleepy = async () => {
      const inner = await open();
      let read = 0;
      return {
        ...inner,
        read: async () => {
          read += 1;
          if (read === 2) await clock.advance(60_000);
          return inner.read();
        },
      };
    };
    const playing = playFilm({ stream, open: sleepy, rounds: 1 }, ctx);
    await settle();
    assert.deepEqual(
      stream.units.map(({ captureTimeMs }) => captureTimeMs - start),
      [0, 60_000],
    );
    await clock.advance(100);
    await settle();
    assert.deepEqual(
      stream.units.map(({ pts90k }) => Number(pts90k) / 9000),
      [0, 1, 2],
    );
    ctx[Symbol.dispose]();
    await playing;
  });

  it('is an error when it is empty', async () => {
    using ctx = testContext(new ManualClock());
    await assert.rejects(playFilm({ stream: recorder(), open: film([]) }, ctx), { code: 'source.format' });
  });
});

describe('video stream', () => {
  function readerOf(stream: VideoStream): PacketisedUnit[] {
    const units: PacketisedUnit[] = [];
    stream.attach({ take: (unit) => units.push(unit), cut: () => {}, ended: () => {} });
    return units;
  }
  const unit = { pts90k: 0n, captureTimeMs: 0 };
  const types = (packetised: PacketisedUnit | undefined) =>
    packetised && packetsOf(packetised).map((packet) => (packet[12] ?? 0) & 31);

  it('puts the newest parameter sets before every key frame, once', () => {
    const stream = createVideoStream({ name: 'x' }, testContext());
    const units = readerOf(stream);
    stream.announce({ codec: 'h264', parameterSets: [sps, pps] });
    stream.push({ ...unit, nals: [idr], key: true });
    stream.push({ ...unit, nals: [slice], key: false });
    const changed = Uint8Array.of(0x67, 0x64, 0, 0x28);
    stream.push({ ...unit, nals: [Uint8Array.of(9, 0x10), changed, pps, idr], key: true });
    assert.deepEqual(units.map(types), [[7, 8, 5], [1], [7, 8, 5]]);
    assert.equal(units[2]?.bytes.toString('hex', 16, 20), '67640028');
  });

  it('gives all readers the same packets, numbered on from frame to frame', () => {
    const stream = createVideoStream({ name: 'x' }, testContext());
    const [one, two] = [readerOf(stream), readerOf(stream)];
    stream.push({ ...unit, nals: [sps, pps, idr], key: true });
    stream.push({ ...unit, nals: [slice], key: false });
    assert.equal(one[0]?.bytes, two[0]?.bytes);
    const numbers = one.flatMap((packetised) => packetsOf(packetised).map((packet) => packet.readUInt16BE(2)));
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => ((numbers[0] ?? 0) + index) % 65_536),
    );
  });

  it('makes who asks for parameter sets wait, until there are any or the signal fires', async () => {
    const stream = createVideoStream({ name: 'x' }, testContext());
    const stop = new AbortController();
    const refused = assert.rejects(stream.parameters(stop.signal));
    stop.abort();
    await refused;
    const asked = stream.parameters(new AbortController().signal);
    stream.push({ ...unit, nals: [sps], key: false });
    stream.push({ ...unit, nals: [pps, idr], key: true });
    assert.deepEqual(await asked, { codec: 'h264', vps: [], sps: [sps], pps: [pps] });
    stream.end();
    await assert.rejects(createEnded().parameters(new AbortController().signal));
  });

  function createEnded(): VideoStream {
    const stream = createVideoStream({ name: 'x' }, testContext());
    stream.end();
    return stream;
  }
});
