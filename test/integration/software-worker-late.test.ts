import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { FloodGate } from '../../src/core/log.ts';
import { type CameraVideoOptions, startCameraVideo } from '../../src/software-worker/camera-video.ts';
import { createHardware } from '../../src/software-worker/decoder.ts';
import { openDemuxer, silenceFfmpeg, type UnitSource } from '../../src/software-worker/demux.ts';
import type { SentUnit } from '../../src/software-worker/media-sender.ts';
import { openPictures } from '../../src/software-worker/pictures.ts';
import { readAhead } from '../../src/software-worker/read-ahead.ts';
import { testContext } from '../support/context.ts';
import { missingRtspPatterns, patternStep, startRtspPatterns } from '../support/rtsp-patterns.ts';

silenceFfmpeg();

/** The same source where each unit that is to be decoded takes so long more. */
function slowed(source: UnitSource, { signal }: { readonly signal: AbortSignal }, extraMs: () => number): UnitSource {
  return {
    ...source,
    get broken() {
      return source.broken;
    },
    read: async () => {
      const unit = await source.read();
      if (unit !== undefined && unit.skipped !== true) await systemClock.sleep(extraMs(), signal);
      return unit;
    },
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

describe('a camera that sends more than is decoded', { skip: missingRtspPatterns(), concurrency: 3 }, () => {
  for (const kind of ['h264', 'bframes', 'h265'] as const)
    test(`(${kind}) is seen late by few seconds, loses nothing of its video, and is seen in whole once there is time`, async () => {
      using ctx = testContext();
      using flood = new FloodGate(ctx.log, ctx.clock);
      using hardware = createHardware();
      await using server = await startRtspPatterns();
      const url = server.url(kind);
      const passed: { readonly pts: bigint; readonly heldMs: number }[] = [];
      const stream = {
        send: ({ pts, receivedMonoUs }: SentUnit) => {
          passed.push({ pts, heldMs: ctx.clock.mono() - Number(receivedMonoUs) / 1000 });
        },
        dropped: 0,
        onConnected: undefined,
        [Symbol.dispose]: () => {},
      };
      const videoOptions = { camera: 'gate', sender: { stream: () => stream }, texts: {}, flood, epoch: async () => 1 };
      await using video = startCameraVideo(videoOptions as unknown as CameraVideoOptions, ctx);
      const opened = await openDemuxer(
        { address: { kind: 'rtsp', url, shown: url }, transport: 'tcp', openTimeoutMs: 30_000 },
        ctx,
      );
      // 15 frames a second come, and 6 are decoded.
      let extraMs = 160;
      let skipped = 0;
      const slow = slowed(readAhead(video.tap(opened, true), ctx), ctx, () => extraMs);
      // Shorter than what is skipped takes to come: a source that sends is not silent.
      const options = {
        decode: 'software',
        hardware,
        realtime: false,
        silenceTimeoutMs: 5000,
        onSkipped: () => void skipped++,
      } as const;
      await using pictures = await openPictures(slow, options, ctx);
      const seen: { readonly pts: bigint; readonly afterSkip: boolean }[] = [];
      let latestMs = 0;
      let errorFlags = 0;
      let skippedWhileSlow = 0;
      let inTime = 0;
      while (inTime < 30) {
        const picture = await pictures.next();
        assert.ok(picture !== undefined);
        const lateMs = ctx.clock.mono() - Number(picture.receivedMonoUs) / 1000;
        // Four seconds and what a busy machine adds; without a bound they would grow without end.
        assert.ok(lateMs < 8000, `${lateMs} ms late`);
        latestMs = Math.max(latestMs, lateMs);
        const { pts, afterSkip, width, height } = picture;
        const before = seen.at(-1);
        if (before === undefined)
          video.begin({ epoch: 1, timeBase: pictures.timeBase, frameRate: undefined, size: { width, height } });
        else {
          // Where pictures are sent out of order, the first that is skipped may be shown before the last that is not.
          const steps = Number((pts - before.pts) / patternStep);
          assert.ok(afterSkip ? steps > 1 : steps === 1 || (kind === 'bframes' && steps <= 3), `${before.pts}, then ${pts}`);
        }
        errorFlags |= picture.frame.decodeErrorFlags;
        video.shown(picture);
        picture.frame.free();
        seen.push({ pts, afterSkip });
        if (extraMs > 0 && seen.at(-8)?.afterSkip === true) {
          extraMs = 0;
          skippedWhileSlow = skipped;
        }
        inTime = extraMs === 0 && lateMs < 500 ? inTime + 1 : 0;
      }
      assert.ok(latestMs > 2000, `${latestMs} ms late`);
      assert.ok(skippedWhileSlow > 10, `${skippedWhileSlow} were skipped`);
      assert.equal(skipped, skippedWhileSlow, 'none more once there was time');
      assert.deepEqual([pictures.undecodable, errorFlags], [0, 0], 'what is decoded goes on from a key picture');
      const [first, last] = [seen[0]?.pts ?? 0n, seen.at(-1)?.pts ?? 0n];
      const units = Number((last - first) / patternStep) + 1;
      assert.equal(seen.length + skipped, units, 'every unit was decoded or counted');
      assert.equal(video.dropped.clean, 0);
      // Those behind the last are not complete where pictures are sent out of order.
      const times = passed.map(({ pts }) => pts).filter((pts) => pts <= last);
      assert.deepEqual(
        times.sort((a, b) => Number(a - b)),
        Array.from({ length: units }, (_, index) => first + BigInt(index) * patternStep),
        'every unit was passed on',
      );
      // The first wait for their epoch.
      const held = passed.slice(30).map(({ heldMs }) => heldMs);
      const median = held.sort((a, b) => a - b)[held.length >> 1] ?? Number.NaN;
      assert.ok(median < 500, `passed on within ${median} ms, decoded or not`);
    });
});
