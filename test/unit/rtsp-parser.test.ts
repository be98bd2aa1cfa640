import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isSightlineError } from '../../src/core/errors.ts';
import { formatAnswer } from '../../src/media/rtsp-messages.ts';
import { type RtspInput, RtspParser, rtspLimits } from '../../src/media/rtsp-parser.ts';

function parse(...chunks: readonly (string | Uint8Array)[]): RtspInput[] {
  const parser = new RtspParser();
  return chunks.flatMap((chunk) => [...parser.push(Buffer.from(chunk))]);
}

function request(input: RtspInput | undefined) {
  assert.equal(input?.kind, 'request');
  const { method, uri, headers, body } = input.request;
  return { method, uri, headers: Object.fromEntries(headers), body: body.toString() };
}

const describeText = 'DESCRIBE rtsp://host/lobby RTSP/1.0\r\nCSeq: 2\r\nAccept: application/sdp\r\n\r\n';
const describeRequest = {
  method: 'DESCRIBE',
  uri: 'rtsp://host/lobby',
  headers: { cseq: '2', accept: 'application/sdp' },
  body: '',
};

describe('rtsp parser', () => {
  it('reads requests, one after the other, with and without a body', () => {
    const inputs = parse(`${describeText}SET_PARAMETER * RTSP/1.0\r\nCSeq: 3\r\nContent-Length: 4\r\n\r\na: b${describeText}`);
    assert.deepEqual(inputs.map(request), [
      describeRequest,
      { method: 'SET_PARAMETER', uri: '*', headers: { cseq: '3', 'content-length': '4' }, body: 'a: b' },
      describeRequest,
    ]);
  });

  it('counts and skips interleaved packets between requests', () => {
    const packet = Buffer.concat([Buffer.from([0x24, 1, 1, 44]), Buffer.alloc(300, '$')]);
    const inputs = parse(
      Buffer.concat([packet, Buffer.from(describeText), packet, Buffer.from([0x24, 3, 0, 0]), Buffer.from(describeText)]),
    );
    assert.deepEqual(
      inputs.map((input) => (input.kind === 'packet' ? [input.channel, input.bytes] : input.request.method)),
      [[1, 300], 'DESCRIBE', [1, 300], [3, 0], 'DESCRIBE'],
    );
  });

  it('gives the same however the bytes arrive', () => {
    const packet = Buffer.concat([Buffer.from([0x24, 1, 0, 7]), Buffer.from('OPTIONS')]);
    const text = Buffer.concat([
      Buffer.from(describeText),
      packet,
      Buffer.from('\r\nSET_PARAMETER rtsp://h/x RTSP/1.0\nCSeq : 9 \nX: one\r\n two\nContent-Length: 2\n\nab'),
      packet,
    ]);
    const whole = parse(text);
    assert.equal(whole.length, 4);
    assert.deepEqual(request(whole[2]), {
      method: 'SET_PARAMETER',
      uri: 'rtsp://h/x',
      headers: { cseq: '9', x: 'one two', 'content-length': '2' },
      body: 'ab',
    });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: text.length }), { maxLength: 20 }), (cuts) => {
        const edges = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const chunks = edges.slice(1).map((edge, index) => text.subarray(edges[index], edge));
        assert.deepEqual(parse(...chunks), whole);
      }),
    );
  });

  it('joins headers of one name', () => {
    const [input] = parse('SETUP rtsp://h/x RTSP/1.0\r\nTransport: a\r\ntransport: b\r\n\r\n');
    assert.deepEqual(request(input).headers, { transport: 'a,b' });
  });

  for (const [what, text, status] of [
    ['HTTP', 'GET / HTTP/1.1\r\n', 400],
    ['another version', 'OPTIONS * RTSP/2.0\r\n', 505],
    ['a method in small letters', 'options * RTSP/1.0\r\n', 400],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n', 400],
    ['a line without end', ' '.padEnd(rtspLimits.lineBytes + 1, 'x'), 400],
    ['an address without end', 'OPTIONS '.padEnd(rtspLimits.lineBytes + 1, 'x'), 414],
    ['a long address', `OPTIONS ${'x'.repeat(rtspLimits.addressBytes + 1)} RTSP/1.0\r\n`, 414],
    ['a header without name', 'OPTIONS * RTSP/1.0\r\n: 1\r\n', 400],
    ['a header without colon', 'OPTIONS * RTSP/1.0\r\nCSeq 1\r\n', 400],
    ['a first header that goes on', 'OPTIONS * RTSP/1.0\r\n CSeq: 1\r\n', 400],
    ['a carriage return inside a header', 'OPTIONS * RTSP/1.0\r\nCSeq: 1\rX: 1\r\n', 400],
    ['a carriage return inside a header that goes on', 'OPTIONS * RTSP/1.0\nCSeq:\n 2\rb\n', 400],
    [
      'too many headers',
      `OPTIONS * RTSP/1.0\r\n${Array.from({ length: 65 }, (_, index) => `X-${index}: 1\r\n`).join('')}`,
      400,
    ],
    ['headers without end', `OPTIONS * RTSP/1.0\r\n${'X: 1\r\n'.repeat(5000)}`, 400],
    ['a length that is no number', 'OPTIONS * RTSP/1.0\r\nContent-Length: -1\r\n\r\n', 400],
    ['two lengths', 'OPTIONS * RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    ['a large body', 'OPTIONS * RTSP/1.0\r\nContent-Length: 8193\r\n\r\n', 413],
    ['blank lines without end', '\r\n'.repeat(100), 400],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => parse(Buffer.from(text, 'latin1')),
        (error) => isSightlineError(error, 'media.protocol') && error.details['status'] === status,
      );
    });
  }

  it('gives back the CSeq byte for byte', () => {
    const [input] = parse(Buffer.from('OPTIONS * RTSP/1.0\r\nCSeq: \xff\xe9\r\n\r\n', 'latin1'));
    assert.equal(input?.kind, 'request');
    const answer = formatAnswer({ status: 400 }, input.request.headers.get('cseq'));
    assert.match(answer.toString('latin1'), /^RTSP\/1\.0 400 Bad Request\r\nCSeq: \xff\xe9\r\n/);
  });

  it('reads nothing after malformed input', () => {
    const parser = new RtspParser();
    assert.throws(() => [...parser.push(Buffer.from('GET / HTTP/1.1\r\n'))]);
    assert.throws(() => [...parser.push(Buffer.from(describeText))], { code: 'media.protocol' });
  });

  it('ends no other way than by a media.protocol error, whatever arrives', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .constantFrom(
          describeText,
          '\r\n',
          '$\x00\x00\x05',
          'OPTIONS * RTSP/1.0\r\n',
          'CSeq: 1\r\n',
          'Content-Length: 3\r\n',
          ' folded\r\n',
        )
        .map((text) => Buffer.from(text, 'latin1')),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          parse(...pieces);
        } catch (error) {
          assert.ok(isSightlineError(error, 'media.protocol'), String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});
