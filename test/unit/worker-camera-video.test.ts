import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AV_CODEC_ID_H264 } from 'node-av/constants';
import { FloodGate } from '../../src/core/log.ts';
import { type CameraVideoOptions, startCameraVideo } from '../../src/software-worker/camera-video.ts';
import type { UnitSource, VideoUnit } from '../../src/software-worker/demux.ts';
import { testContext } from '../support/context.ts';

function nal(type: number, bytes: number): Buffer {
  return Buffer.concat([Buffer.of(0, 0, 0, 1, 0x60 | type), Buffer.alloc(bytes, 0x55)]);
}

/** What is read of a source: key units with a picture parameter set of so many bytes each. */
function sourceOf(sizes: readonly number[], extradata: Buffer): UnitSource {
  const left = sizes.map((bytes, index) => ({
    packet: {
      data: Buffer.concat([nal(7, 8), nal(8, bytes), nal(5, 50)]),
      isKeyframe: true,
      pts: BigInt(index),
      dts: BigInt(index),
    },
    receivedMonoUs: 0n,
  }));
  const source = {
    parameters: { codecId: AV_CODEC_ID_H264, extradata, videoDelay: 0 },
    kind: 'live',
    timeBase: { num: 1, den: 25 },
    read: async () => left.shift() as unknown as VideoUnit | undefined,
    [Symbol.asyncDispose]: async () => {},
  };
  return source as unknown as UnitSource;
}

test('parameter sets that the media door would not take stay here, counted, and cost nothing else', async () => {
  using ctx = testContext();
  using flood = new FloodGate(ctx.log, ctx.clock);
  const stream = { send: () => {}, dropped: 0, onConnected: undefined, [Symbol.dispose]: () => {} };
  const options = { camera: 'lobby', sender: { stream: () => stream }, texts: {}, flood, epoch: async () => 1 };
  await using video = startCameraVideo(options as unknown as CameraVideoOptions, ctx);
  const units = video.tap(sourceOf([20, 40_000, 70_000, 30_000], Buffer.concat([nal(7, 8), nal(8, 8)])), true);
  let read = 0;
  while ((await units.read()) !== undefined) read += 1;
  assert.equal(read, 4, 'they are analysed all the same');
  assert.equal(video.dropped.clean, 2);
  assert.ok(ctx.lines.some(({ msg }) => /too long parameter sets/.test(String(msg))));
  const aside = sourceOf([20], Buffer.concat([nal(7, 8), nal(8, 40_000)]));
  assert.equal(video.tap(aside, true), aside, 'nothing of such a source is passed on');
});
