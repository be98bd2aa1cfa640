import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseAvcConfiguration, profileLevelId, splitLengthPrefixed } from '../../src/media/h264.ts';
import { nalType, splitAnnexB } from '../../src/media/nal.ts';
import {
  goodbye,
  interleaved,
  maxPayloadBytes,
  onChannel,
  packetise,
  rtpTimestamp,
  senderReport,
} from '../../src/media/rtp.ts';
import { chooseTransport, formatAnswer, parseTarget } from '../../src/media/rtsp-messages.ts';
import { describeStream } from '../../src/media/sdp.ts';
import { packetsOf } from '../support/rtp.ts';

const fixtures = join(import.meta.dirname, '../fixtures/rtp');

function framedPackets(): Buffer[] {
  const bytes = readFileSync(join(fixtures, 'packets.rtp'));
  const packets: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt16BE(at);
    packets.push(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return packets;
}

function unitNals(index: number): Uint8Array[] {
  return splitAnnexB(readFileSync(join(fixtures, `unit${index}.h264`)));
}

function nal(type: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index === 0 ? 0x60 | type : (index * 7) % 251));
}

describe('rtp packets of h.264', () => {
  it('are byte for byte those of GStreamer, across the wrap of sequence numbers and time stamps', () => {
    const state = { ssrc: 305_419_896, sequence: 65_530 };
    const packets = [0, 1, 2].flatMap((unit) =>
      packetsOf(packetise('h264', unitNals(unit), 4_294_960_000n + BigInt(unit) * 9000n, state)),
    );
    const expected = framedPackets();
    assert.equal(packets.length, expected.length);
    for (const [index, packet] of packets.entries()) assert.deepEqual(packet, expected[index], `packet ${index}`);
  });

  it('give the NAL units back when they are put together again', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 5 }), (lengths) => {
        const nals = lengths.map((length) => nal(5, length));
        const packets = packetsOf(packetise('h264', nals, 0n, { ssrc: 1, sequence: 0 }));
        const joined: Buffer[] = [];
        for (const packet of packets) {
          const payload = packet.subarray(12);
          assert.ok(payload.length <= maxPayloadBytes);
          if (((payload[0] ?? 0) & 31) !== 28) joined.push(payload);
          else if (((payload[1] ?? 0) & 0x80) !== 0) {
            joined.push(Buffer.concat([Buffer.of(((payload[0] ?? 0) & 0xe0) | ((payload[1] ?? 0) & 31)), payload.subarray(2)]));
          } else joined.push(Buffer.concat([joined.pop() ?? Buffer.alloc(0), payload.subarray(2)]));
        }
        assert.deepEqual(
          joined.map((bytes) => Uint8Array.from(bytes)),
          nals,
        );
        assert.deepEqual(
          packets.map((packet) => (packet[1] ?? 0) >> 7),
          packets.map((_, index) => (index === packets.length - 1 ? 1 : 0)),
        );
      }),
    );
  });

  it('leave access unit delimiters out, and the marker is where it would be without them', () => {
    const packets = packetsOf(packetise('h264', [nal(9, 2), nal(5, 10), nal(9, 2)], 0n, { ssrc: 1, sequence: 0 }));
    assert.deepEqual(
      packets.map((packet) => [packet[12] ?? 0, (packet[1] ?? 0) >> 7]),
      [[0x65, 1]],
    );
    assert.equal(packetise('h264', [nal(9, 2)], 0n, { ssrc: 1, sequence: 0 }).count, 0);
  });

  it('carry the low 32 bits of the time stamp, of negative ones too', () => {
    assert.equal(rtpTimestamp(0x1_2345_6789_an & 0xffff_ffffn), rtpTimestamp(0x1_2345_6789_an));
    assert.equal(rtpTimestamp(2n ** 33n + 5n), 5);
    assert.equal(rtpTimestamp(-1n), 0xffff_ffff);
  });
});

describe('rtp packets of h.265', () => {
  const h265 = (type: number, length: number) =>
    Uint8Array.from({ length }, (_, index) => (index === 0 ? (type << 1) | 1 : index === 1 ? 0x0b : (index * 7) % 251));

  it('are fragments of type 49 with the layer and temporal id of the unit, and give it back (RFC 7798 section 4.4.3)', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 2, max: 6000 }), { minLength: 1, maxLength: 4 }), (lengths) => {
        const nals = lengths.map((length) => h265(19, length));
        const packets = packetsOf(packetise('h265', nals, 0n, { ssrc: 1, sequence: 65_535 }));
        const joined: Buffer[] = [];
        for (const packet of packets) {
          const payload = packet.subarray(12);
          assert.ok(payload.length <= maxPayloadBytes);
          const [first = 0, second = 0, fu = 0] = payload;
          assert.equal(second, 0x0b);
          if (first >> 1 !== 49) joined.push(payload);
          else if ((fu & 0x80) !== 0)
            joined.push(Buffer.concat([Buffer.of(((fu & 63) << 1) | (first & 0x81), second), payload.subarray(3)]));
          else joined.push(Buffer.concat([joined.pop() ?? Buffer.alloc(0), payload.subarray(3)]));
          assert.ok(first >> 1 !== 49 || (fu & 0xc0) !== 0xc0, 'a fragment is never both the first and the last');
        }
        assert.deepEqual(
          joined.map((bytes) => Uint8Array.from(bytes)),
          nals,
        );
        assert.deepEqual(
          packets.map((packet) => (packet[1] ?? 0) >> 7),
          packets.map((_, index) => (index === packets.length - 1 ? 1 : 0)),
        );
      }),
    );
  });

  it('leave access unit delimiters out', () => {
    assert.equal(packetise('h265', [h265(35, 3), h265(1, 20)], 0n, { ssrc: 1, sequence: 0 }).count, 1);
  });

  it('are the same bytes on another channel, but for the channel', () => {
    const { bytes } = packetise('h265', [h265(1, 4000), h265(1, 30)], 0n, { ssrc: 1, sequence: 0 });
    const moved = onChannel(bytes, 6);
    const packets = packetsOf({ bytes: moved });
    assert.deepEqual(packets, packetsOf({ bytes }));
    assert.equal(packets.length, 4);
    const heads = packets.map((packet) => moved[packet.byteOffset - moved.byteOffset - 3]);
    assert.deepEqual(heads, [6, 6, 6, 6]);
  });
});

describe('rtcp', () => {
  it('reports the capture time as NTP, with a source description', () => {
    // By Python's struct.pack('>BBHIIIIII', ...) of 2026-01-01T00:00:00.250Z, and an SDES chunk packed by hand.
    const expected = '80c8000612345678ed0037804000000023456789000000070' + '0001f4081ca000412345678010973696768746c696e6500';
    const report = {
      ssrc: 0x12345678,
      captureTimeMs: Date.UTC(2026, 0, 1) + 250,
      pts90k: 0x1_2345_6789n,
      packets: 7,
      octets: 8000,
    };
    assert.equal(senderReport(report, 'sightline').toString('hex'), expected);
  });

  it('pads the source description to whole words, with a null byte at least', () => {
    const report = { ssrc: 1, captureTimeMs: 0, pts90k: 0n, packets: 0, octets: 0 };
    assert.equal(senderReport(report, 'ab').subarray(28).toString('hex'), '81ca0003000000010102616200000000');
    for (let length = 0; length < 20; length++) {
      const packet = senderReport(report, 'x'.repeat(length)).subarray(28);
      assert.equal(packet.length, (packet.readUInt16BE(2) + 1) * 4);
      assert.equal(packet.at(-1), 0);
    }
  });

  it('says goodbye', () => assert.equal(goodbye(0xabcdef01).toString('hex'), '81cb0001abcdef01'));

  it('stands in the RTSP connection behind a head', () =>
    assert.equal(interleaved(3, goodbye(0xabcdef01)).toString('hex'), '2403000881cb0001abcdef01'));
});

describe('h.264 byte streams', () => {
  it('are cut at three- and four-byte start codes', () => {
    const bytes = Buffer.from('0000000167aa00000168bb0000010000000141cc0001', 'hex');
    assert.deepEqual(
      splitAnnexB(bytes).map((part) => Buffer.from(part).toString('hex')),
      ['67aa', '68bb', '41cc0001'],
    );
    assert.deepEqual(splitAnnexB(Buffer.from('ffff', 'hex')), []);
  });

  it('are cut by lengths, and a length that does not fit is an error', () => {
    assert.deepEqual(
      splitLengthPrefixed(Buffer.from('0000000267aa00000001bb', 'hex'), 4).map((part) => Buffer.from(part).toString('hex')),
      ['67aa', 'bb'],
    );
    assert.deepEqual(splitLengthPrefixed(Buffer.from('02aabb', 'hex'), 1).length, 1);
    assert.throws(() => splitLengthPrefixed(Buffer.from('0000000367aa', 'hex'), 4), { code: 'source.format' });
  });

  it('have their parameter sets in avcC', () => {
    const parsed = parseAvcConfiguration(Buffer.from('014d401fffe1000467aabbcc01000268dd', 'hex'));
    assert.deepEqual(
      [Buffer.from(parsed.sps).toString('hex'), Buffer.from(parsed.pps).toString('hex'), parsed.lengthBytes],
      ['67aabbcc', '68dd', 4],
    );
    for (const malformed of [
      '',
      '024d401fffe1000467aabbcc01000268dd',
      '014d401fffe1ffff67',
      '014d401fffe0010002',
      '014d401fffe1000467aabbcc00',
    ]) {
      assert.throws(() => parseAvcConfiguration(Buffer.from(malformed, 'hex')), { code: 'source.format' }, malformed);
    }
  });

  it('are described with profile, level and parameter sets', () => {
    const [sps, pps] = unitNals(0);
    assert.ok(sps && pps && nalType('h264', sps) === 7 && nalType('h264', pps) === 8);
    const sdp = describeStream('lobby', { codec: 'h264', vps: [], sps: [sps], pps: [pps] });
    assert.match(sdp, /^v=0\r\n/);
    assert.match(sdp, new RegExp(`profile-level-id=${profileLevelId(sps)};`));
    assert.match(sdp, /a=control:\*\r\n.*a=range:npt=now-\r\n.*a=control:trackID=0\r\n$/s);
    const [, sets] = /sprop-parameter-sets=(\S+)/.exec(sdp) ?? [];
    assert.deepEqual(
      sets?.split(',').map((set) => Uint8Array.from(Buffer.from(set, 'base64'))),
      [sps, pps].map((set) => Uint8Array.from(set)),
    );
  });
});

describe('rtsp messages', () => {
  for (const [header, expected] of [
    ['RTP/AVP/TCP;unicast;interleaved=0-1', 'interleaved 0-1'],
    ['RTP/AVP/TCP;unicast;interleaved=4', 'interleaved 4-5'],
    ['RTP/AVP/TCP', 'interleaved 8-9'],
    ['RTP/AVP;unicast;client_port=5000-5001,RTP/AVP/TCP;unicast;interleaved=2-3', 'udp 5000-5001'],
    ['RTP/AVP/UDP;unicast;client_port=5000', 'udp 5000-5001'],
    ['RTP/AVP;unicast;client_port=80-81,RTP/AVP/TCP;unicast;interleaved=2-3', 'interleaved 2-3'],
    ['RTP/AVP;unicast;destination=10.0.0.7;client_port=5000-5001', 'udp 5000-5001'],
    ['RTP/AVP;unicast;destination=10.0.0.8;client_port=5000-5001', undefined],
    ['RTP/AVP;unicast;client_port=65535', undefined],
    ['RTP/AVP;unicast', undefined],
    ['RTP/AVP;multicast;client_port=5000-5001', undefined],
    ['RTP/AVP/TCP; interleaved=0-1 ;mode="PLAY"', 'interleaved 0-1'],
    ['RTP/AVP/TCP;multicast', undefined],
    ['RTP/AVP/TCP;interleaved=0-1;mode=RECORD', undefined],
    ['RTP/AVP/TCP;interleaved=255', undefined],
    ['RTP/AVP/TCP;interleaved=300-301', undefined],
    ['RTP/AVP/TCP;interleaved=1-1', undefined],
    ['RTP/AVP/TCP;interleaved=x', undefined],
    ['RTP/SAVP;unicast;client_port=5000-5001', undefined],
    ['', undefined],
  ] as const) {
    it(`chooses ${expected ?? 'nothing'} of "${header}"`, () => {
      const chosen = chooseTransport(header, { free: { rtp: 8, rtcp: 9 }, udpTo: '10.0.0.7' });
      const pair = chosen?.kind === 'udp' ? chosen.ports : chosen?.channels;
      assert.equal(chosen && `${chosen.kind} ${pair?.rtp}-${pair?.rtcp}`, expected);
    });
  }

  it('offer UDP to nobody where it is off', () => {
    assert.equal(chooseTransport('RTP/AVP;unicast;client_port=5000-5001', { free: { rtp: 0, rtcp: 1 } }), undefined);
  });

  for (const [uri, expected] of [
    ['rtsp://host/lobby', { stream: 'lobby', base: 'rtsp://host/lobby/' }],
    ['rtsp://host:8554/lobby/', { stream: 'lobby', base: 'rtsp://host:8554/lobby/' }],
    ['rtsp://u:p@host/a/b%20c/trackID=0?x=1', { stream: 'a/b c', track: 'trackID=0', base: 'rtsp://host/a/b%20c/' }],
    ['rtsp://[::1]:554/x/trackID=7', { stream: 'x', track: 'trackID=7', base: 'rtsp://[::1]:554/x/' }],
    ['rtsp://host', { stream: '', base: 'rtsp://host/' }],
    ['rtsp://host/%zz', undefined],
    ['http://host/lobby', undefined],
    ['*', undefined],
    ['/lobby', undefined],
  ] as const) {
    it(`reads the address ${uri}`, () => assert.deepEqual(parseTarget(uri), expected));
  }

  it('are answered with the number of the request and the length of the body', () => {
    const text = formatAnswer({ status: 200, headers: { Session: '1' }, body: 'ä' }, '7').toString();
    assert.equal(text, 'RTSP/1.0 200 OK\r\nCSeq: 7\r\nServer: Sightline\r\nSession: 1\r\nContent-Length: 2\r\n\r\nä');
    assert.equal(formatAnswer({ status: 404 }, undefined).toString(), 'RTSP/1.0 404 Not Found\r\nServer: Sightline\r\n\r\n');
  });
});
