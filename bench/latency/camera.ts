import { parseArgs } from 'node:util';
import { testContext } from '../../test/support/context.ts';
import { serveFilm } from '../support/film.ts';

/**
 * A camera that knows when it sent each frame: plays a film once over RTSP, in real time and with sender reports, from the moment its
 * first reader is there. Prints `ready URL`, and at the end one line of JSON: for every frame its time stamp in milliseconds since the
 * first, and the wall clock in milliseconds at which it was sent.
 */
const { positionals } = parseArgs({ allowPositionals: true });
const [file] = positionals;
if (file === undefined) throw new Error('usage: camera.ts FILE');

/** What a reader needs from the answer to PLAY to its first read. */
const settleMs = 300;

using ctx = testContext();
const reader = Promise.withResolvers<void>();
const sent: { readonly ptsMs: number; readonly atMs: number }[] = [];
await using served = await serveFilm(
  {
    film: file,
    names: ['camera'],
    onReader: () => reader.resolve(),
    onSent: (_camera, { pts90k }) => {
      sent.push({ ptsMs: Number(pts90k) / 90, atMs: performance.timeOrigin + performance.now() });
    },
  },
  ctx,
);
for (const { url } of served.cameras) console.log(`ready ${url}`);
await reader.promise;
await ctx.clock.sleep(settleMs, ctx.signal);
for (const camera of served.cameras) await camera.play(1);
console.log(JSON.stringify(sent));
