import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSightlineError } from '../../src/core/errors.ts';
import { parseSource } from '../../src/software-worker/source-address.ts';

const addresses: readonly (readonly [source: string, url: string, shown: string])[] = [
  ['rtsp://10.0.0.1/stream1', 'rtsp://10.0.0.1/stream1', 'rtsp://10.0.0.1/stream1'],
  ['rtsp://u:p@10.0.0.1:554/s?channel=1', 'rtsp://u:p@10.0.0.1:554/s?channel=1', 'rtsp://10.0.0.1:554/s'],
  ['rtsp://u@cam/s', 'rtsp://u@cam/s', 'rtsp://cam/s'],
  ['RTSPS://u:p@cam.local/s', 'rtsps://u:p@cam.local/s', 'rtsps://cam.local/s'],
  ['rtsp://us er:p@ss:w/d@127.0.0.1:8554/s', 'rtsp://us%20er:p%40ss%3Aw%2Fd@127.0.0.1:8554/s', 'rtsp://127.0.0.1:8554/s'],
  [
    'rtsp://us%20er:p%40ss%3Aw%2Fd@127.0.0.1:8554/s',
    'rtsp://us%20er:p%40ss%3Aw%2Fd@127.0.0.1:8554/s',
    'rtsp://127.0.0.1:8554/s',
  ],
  ['rtsp://u:100%@cam.local/s', 'rtsp://u:100%25@cam.local/s', 'rtsp://cam.local/s'],
  ['rtsp://u:a?b#c@cam.local/s', 'rtsp://u:a%3Fb%23c@cam.local/s', 'rtsp://cam.local/s'],
  ['rtsp://u:p@ss/x@cam.local/s', 'rtsp://u:p%40ss%2Fx@cam.local/s', 'rtsp://cam.local/s'],
  ['rtsp://u:1234/5@10.0.0.1/s', 'rtsp://u:1234%2F5@10.0.0.1/s', 'rtsp://10.0.0.1/s'],
  ['rtsp://u:p@[fe80::1]:554/s', 'rtsp://u:p@[fe80::1]:554/s', 'rtsp://[fe80::1]:554/s'],
  ['rtsp://camera/live@2', 'rtsp://camera/live@2', 'rtsp://camera/live@2'],
  ['https://cam/stream.m3u8?token=abc', 'https://cam/stream.m3u8?token=abc', 'https://cam/stream.m3u8'],
];

test('credentials reach FFmpeg percent-encoded and people not at all', () => {
  for (const [source, url, shown] of addresses) {
    const parsed = parseSource(source);
    assert.ok(parsed.kind === 'rtsp' || parsed.kind === 'http', source);
    assert.deepEqual({ url: parsed.url, shown: parsed.shown }, { url, shown }, source);
  }
});

test('paths, file URLs and pipelines are told apart', () => {
  assert.deepEqual(parseSource('clips/a b.mp4'), { kind: 'file', path: 'clips/a b.mp4', shown: 'clips/a b.mp4' });
  assert.deepEqual(parseSource('file:///data/a%20b.mp4'), { kind: 'file', path: '/data/a b.mp4', shown: '/data/a b.mp4' });
  for (const path of ['./u:p@h.mp4', '//data/film.mp4', 'a@b.mp4', '/data/12:30@lobby.mp4'])
    assert.deepEqual(parseSource(path), { kind: 'file', path, shown: path });
  assert.deepEqual(parseSource('gst:test-pattern'), { kind: 'gst', pipeline: 'test-pattern', shown: 'gst:test-pattern' });
});

test('what cannot be a source is refused without repeating what it held', () => {
  for (const source of [
    'srt://u:secret@10.0.0.1:9000',
    'gst:../secret',
    'gst:',
    'rtsp://',
    'rtsp://u:secret@',
    'rtsp://u:secret@:99x/y',
    'u:secret@10.0.0.1/x',
    'rtsp:/u:secret@10.0.0.1/x',
    '//u:secret@10.0.0.1/x',
  ]) {
    assert.throws(
      () => parseSource(source),
      (error) => isSightlineError(error, 'source.unsupported') && !error.message.includes('secret'),
      source,
    );
  }
});
