import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { startAlerts } from '../../src/alerts/history.ts';
import type { AlertEvent } from '../../src/core/alerts.ts';
import type { AlertCommit } from '../../src/core/store.ts';
import type { Box, CropFaces } from '../../src/core/types.ts';
import { blurFaces } from '../../src/models/blur.ts';
import { decodeImage } from '../../src/models/image.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import { begin, look, rulesOf } from '../support/sightings.ts';

const size = { width: 240, height: 160 };

/** Every pixel of its own: a grid fine enough that nothing of it may be left where it was blurred. */
async function picture(): Promise<Uint8Array> {
  const data = Buffer.alloc(size.width * size.height * 3);
  for (let at = 0; at < data.length; at += 1) {
    const [x, y] = [Math.floor(at / 3) % size.width, Math.floor(at / 3 / size.width)];
    data[at] = ((x >> 2) + (y >> 2)) % 2 === 0 ? 230 : 25;
  }
  return await sharp(data, { raw: { ...size, channels: 3 } })
    .jpeg({ quality: 95 })
    .toBuffer();
}

/** Mean difference of neighbours inside a box, 0 to 255: how much there is to see. */
async function detail(jpeg: Uint8Array, box: Box): Promise<number> {
  const { data, width } = await decodeImage(jpeg);
  let [sum, count] = [0, 0];
  for (let y = box.top; y < box.top + box.height; y += 1) {
    for (let x = box.left + 1; x < box.left + box.width; x += 1, count += 1) {
      const at = 3 * (y * width + x);
      sum += Math.abs((data[at] ?? 0) - (data[at - 3] ?? 0));
    }
  }
  return sum / count;
}

const other: Box = { left: 150, top: 20, width: 70, height: 90 };
const own: Box = { left: 30, top: 20, width: 70, height: 90 };

test('faces of others lose everything but their colours, the own one and the rest stay', async () => {
  const before = await picture();
  assert.ok((await detail(before, other)) > 30);
  const after = await blurFaces(before, { others: [other, { left: 0, top: 150, width: 1, height: 10 }], own });
  const info = await sharp(after).metadata();
  assert.deepEqual([info.width, info.height, info.format], [240, 160, 'jpeg']);
  assert.ok((await detail(after, other)) < 2, `${await detail(after, other)}`);
  assert.ok((await detail(after, own)) > 30);
  const crossing: CropFaces = { others: [{ ...own, left: 60 }], own };
  const crossed = await blurFaces(before, crossing);
  assert.ok((await detail(crossed, own)) > 30, 'the own face is never hidden');
  assert.ok((await detail(crossed, { ...own, left: 104, width: 22 })) < 2);
  // Boxes that reach over the edge, and pictures of one channel.
  const grey = await sharp(before).greyscale().jpeg().toBuffer();
  const cut = await blurFaces(grey, { others: [{ left: 200, top: 100, width: 500, height: 500 }] });
  assert.ok((await detail(cut, { left: 204, top: 104, width: 30, height: 50 })) < 2);
  await assert.rejects(blurFaces(Uint8Array.of(1, 2, 3), { others: [other] }));
});

/** One look of anna with these faces around her; what was stored and what was published. */
async function alertWith(options: { faces?: CropFaces; hide?: typeof blurFaces; advanceMs?: number }) {
  const clock = new ManualClock({ wall: begin, mono: 5000 });
  using ctx = testContext(clock);
  const commits: AlertCommit[] = [];
  const published: AlertEvent[] = [];
  const jpeg = await picture();
  await using alerts = await startAlerts(
    {
      ...rulesOf({}),
      newId: () => 'id',
      isListed: () => true,
      store: {
        commit: async (commit) => {
          commits.push(commit);
          return [];
        },
        loadOpen: async () => ({ episodes: [], alerts: [], cooldowns: [] }),
        get: async () => undefined,
      },
      publish: { stored: (events) => published.push(...events), unstored: (events) => published.push(...events) },
      ...(options.hide === undefined ? {} : { hideFaces: options.hide }),
    },
    ctx,
  );
  for (const at of [0, 200, 400, 600]) {
    const sighting = look({ at, scores: { anna: 0.8 } });
    const { faces } = options;
    alerts.seeSighting({ ...sighting, crop: { ...sighting.crop, jpeg }, ...(faces === undefined ? {} : { faces }) });
  }
  if (options.advanceMs !== undefined) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(options.advanceMs);
  }
  await alerts.flush();
  const stored = commits.flatMap(({ events }) => events);
  for (const event of [...stored, ...published]) assert.ok(!('faces' in event), 'nothing outside knows of them');
  const leftOut = await ctx.metrics.registry.getSingleMetricAsString('sightline_alert_pictures_left_out_total');
  return { jpeg, stored: stored[0], published: published[0], leftOut };
}

test('an alert leaves with the faces of others hidden, stored and published alike; without others its picture is not touched', async () => {
  const hidden = await alertWith({ faces: { others: [other], own }, hide: blurFaces });
  assert.equal(hidden.published?.step.state, 'opened');
  assert.ok(hidden.published.snapshot !== undefined && hidden.stored?.snapshot !== undefined);
  assert.deepEqual(hidden.published.snapshot, hidden.stored.snapshot);
  assert.ok((await detail(hidden.published.snapshot, other)) < 2);
  let asked = 0;
  const alone = await alertWith({
    hide: async (jpeg) => {
      asked += 1;
      return jpeg;
    },
  });
  assert.deepEqual([alone.published?.snapshot, asked], [alone.jpeg, 0]);
});

test('a picture whose faces cannot be hidden, or not in time, is left out and counted; the alert leaves all the same', async () => {
  const broken = await alertWith({ faces: { others: [other] }, hide: async () => Promise.reject(new Error('no')) });
  const stuck = await alertWith({ faces: { others: [other] }, hide: () => new Promise(() => {}), advanceMs: 500 });
  const unwired = await alertWith({ faces: { others: [other] } });
  for (const { published, stored } of [broken, stuck, unwired]) {
    assert.equal(published?.step.state, 'opened');
    assert.deepEqual([published?.snapshot, stored?.snapshot], [undefined, undefined]);
  }
  assert.match(broken.leftOut, /reason="failed"\} 1/);
  assert.match(stuck.leftOut, /reason="late"\} 1/);
  assert.match(unwired.leftOut, /reason="failed"\} 1/);
});
