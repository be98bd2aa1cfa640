import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isSightlineError } from '../../src/core/errors.ts';
import { GdpReader, readCaps } from '../../src/software-worker/gdp.ts';
import { parsePipeline } from '../../src/software-worker/pipeline-template.ts';

describe('a pipeline file', () => {
  const text = `# comment with \${NOTHING}
  src location=\${LOCATION} size=\${SIZE=640}
    ! sink
`;

  test('becomes a launch string with its values, defaults where none is given', () => {
    const pipeline = parsePipeline('x', text);
    assert.deepEqual(pipeline.placeholders, [
      { name: 'LOCATION', fallback: undefined },
      { name: 'SIZE', fallback: '640' },
    ]);
    assert.equal(pipeline.render({ LOCATION: 'a-b_1.c' }), 'src location=a-b_1.c size=640 ! sink');
    assert.equal(pipeline.render({ LOCATION: 'x', SIZE: '320' }), 'src location=x size=320 ! sink');
  });

  test('keeps a value one value, whatever it holds', () => {
    const pipeline = parsePipeline('x', text);
    assert.equal(
      pipeline.render({ LOCATION: 'a ! fakesink "b\\' }),
      String.raw`src location="a ! fakesink \"b\\" size=640 ! sink`,
    );
    assert.equal(pipeline.render({ LOCATION: '' }), 'src location="" size=640 ! sink');
    assert.equal(pipeline.render({ LOCATION: '$&' }), 'src location="$&" size=640 ! sink');
  });

  test('refuses values that lack and values that nobody asked for, naming what it has', () => {
    const pipeline = parsePipeline('x', text);
    assert.throws(
      () => pipeline.render({ LOCATOIN: 'secret' }),
      (error) =>
        isSightlineError(error, 'source.unsupported') &&
        error.message === 'pipeline x: properties lack LOCATION and properties have LOCATOIN; it has LOCATION, SIZE',
    );
  });
});

function packet(type: number, payload: Buffer, pts = 0xffff_ffff_ffff_ffffn): Buffer {
  const header = Buffer.alloc(62);
  header[0] = 1;
  header.writeUInt16BE(type, 4);
  header.writeUInt32BE(payload.length, 6);
  header.writeBigUInt64BE(pts, 10);
  return Buffer.concat([header, payload]);
}

describe('the GDP reader', () => {
  const stream = Buffer.concat([
    packet(64 + 3, Buffer.from('an event')),
    packet(2, Buffer.from('video/x-h264, width=(int)4\0')),
    packet(1, Buffer.from('first'), 3_600_000_000_000_001n),
    packet(1, Buffer.alloc(0)),
  ]);

  test('gives caps and buffers with their time stamps, however the stream is cut', () => {
    for (const size of [1, 7, 61, 62, 63, stream.length]) {
      const reader = new GdpReader();
      const packets = [];
      for (let at = 0; at < stream.length; at += size) packets.push(...reader.push(stream.subarray(at, at + size)));
      assert.deepEqual(packets, [
        { kind: 'caps', caps: 'video/x-h264, width=(int)4' },
        { kind: 'buffer', ptsNs: 3_600_000_000_000_001n, data: Buffer.from('first') },
        { kind: 'buffer', ptsNs: undefined, data: Buffer.alloc(0) },
      ]);
    }
  });

  test('refuses what gdppay did not write', () => {
    assert.throws(() => [...new GdpReader().push(Buffer.alloc(100, 7))], /gdppay/);
  });
});

describe('caps of a pipeline', () => {
  test('that can be read are', () => {
    assert.deepEqual(
      readCaps(
        'video/x-h264, stream-format=(string)byte-stream, alignment=(string)au, width=(int)320, height=(int)240, framerate=(fraction)30/1',
      ),
      { codec: 'h264', width: 320, height: 240, frameRate: 30 },
    );
    assert.deepEqual(readCaps('image/jpeg, width=(int)1280, height=(int)720, framerate=(fraction)0/1'), {
      codec: 'jpeg',
      width: 1280,
      height: 720,
      frameRate: undefined,
    });
    assert.deepEqual(readCaps('video/x-raw, format=(string)I420, width=(int)640, height=(int)360, framerate=(fraction)15/2'), {
      codec: 'i420',
      width: 640,
      height: 360,
      frameRate: 7.5,
    });
  });

  test('that cannot be read are refused with what could', () => {
    for (const caps of [
      'video/x-h264, stream-format=(string)avc, alignment=(string)au',
      'video/x-h264, stream-format=(string)byte-stream, alignment=(string)nal',
      'video/x-raw, format=(string)YUY2, width=(int)640, height=(int)360',
      'video/x-raw, format=(string)I420, width=(int)642, height=(int)360',
      'audio/x-raw',
    ]) {
      assert.throws(
        () => readCaps(caps),
        (error) => isSightlineError(error, 'source.unsupported') && /alignment=au/.test(error.message),
        caps,
      );
    }
  });
});
