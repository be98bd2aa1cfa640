import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHardware } from '../../src/software-worker/decoder.ts';
import { openDemuxer, silenceFfmpeg } from '../../src/software-worker/demux.ts';
import { openPictures, type Picture } from '../../src/software-worker/pictures.ts';
import { testContext } from '../support/context.ts';
import { missingRtspPatterns, patternStep, startRtspPatterns } from '../support/rtsp-patterns.ts';

silenceFfmpeg();

/** Pixels of the white ball on its black ground. */
function ballPixels({ frame, width, height }: Picture): number {
  const luma = frame.data?.[0];
  const pitch = frame.linesize[0];
  assert.ok(luma !== undefined && pitch !== undefined);
  let white = 0;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) if ((luma[y * pitch + x] ?? 0) > 128) white += 1;
  }
  return white;
}

describe('pictures of a camera that sends several slices, each of a key picture with parameter sets', {
  skip: missingRtspPatterns(),
}, () => {
  for (const transport of ['tcp', 'udp'] as const) {
    test(`are whole, and one for each time stamp, over ${transport}`, async () => {
      using ctx = testContext();
      using hardware = createHardware();
      await using server = await startRtspPatterns();
      const url = server.url('slices');
      const units = await openDemuxer({ address: { kind: 'rtsp', url, shown: url }, transport, openTimeoutMs: 30_000 }, ctx);
      assert.deepEqual([units.parameters.width, units.parameters.height], [640, 360], 'known before the first picture');
      const options = { decode: 'software', hardware, realtime: false, silenceTimeoutMs: 30_000 } as const;
      await using pictures = await openPictures(units, options, ctx);
      for (let index = 0; index < 64; index += 1) {
        const picture = await pictures.next();
        assert.ok(picture !== undefined);
        assert.equal(picture.pts, BigInt(index) * patternStep, `picture ${index}`);
        const white = ballPixels(picture);
        assert.ok(white > 1050 && white < 1210, `picture ${index} has ${white} pixels of the ball`);
        picture.frame.free();
      }
    });
  }
});
