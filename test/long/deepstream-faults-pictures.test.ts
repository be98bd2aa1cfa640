import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { CameraState } from '../../src/core/types.ts';
import { inspect } from '../support/container-world.ts';
import { patience, type RunningDaemon } from '../support/daemon.ts';
import { missingSite, moreFrames, type ScriptedBoxes, type Site, withImageAndCamera } from '../support/deepstream-site.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { buildImage, docker } from '../support/docker.ts';
import { logFloods, metricsOf, troublesOf, untilMetric } from '../support/faults.ts';
import { fixtureModels } from '../support/fixtures.ts';
import { freePort } from '../support/port.ts';
import { connectRtsp } from '../support/rtsp-client.ts';
import { play } from '../support/rtsp-house.ts';
import { until } from '../support/until.ts';

/** Boxes, crops and annotated video that go wrong inside a container; the camera goes on in all of it. */
const sample = (name: string) => `sightline_camera_${name}{camera="lobby"}`;
const whole: ScriptedBoxes[number] = [200, 60, 120, 240];

/** What a broken network may give, beside a good box: one kind in each run of frames. */
function brokenBoxes(frame: number): ScriptedBoxes {
  const bad: readonly ScriptedBoxes[] = [
    [
      [-5000, -5000, 100, 100],
      [100_000, 20, 50, 50],
      [-300, 10, 200, 100],
    ],
    [
      [300, 100, 0, 0],
      [300, 100, -40, -40],
      [10, 10, 0, 100],
    ],
    [[-100, -100, 10_000, 10_000]],
  ];
  return [whole, ...(bad[Math.floor(frame / 12) % bad.length] ?? [])];
}

describe('in a DeepStream container', { skip: missingSite() }, () => {
  const shared = withImageAndCamera();

  const { site } = shared;

  async function unharmed(house: Site, daemon: RunningDaemon): Promise<ReadonlyMap<string, number>> {
    await moreFrames(daemon, 'lobby');
    const samples = await metricsOf(daemon);
    assert.equal(samples.get('sightline_worker_restarts_total{worker="deepstream-main"}') ?? 0, 0);
    assert.deepEqual(
      [...samples].filter(([name]) => name.startsWith('sightline_bridge_dropped_total')),
      [],
    );
    assert.equal((await house.state('lobby')).state, 'live');
    assert.deepEqual(logFloods(daemon.lines()), []);
    return samples;
  }

  it('boxes that are outside, without a size or of any size are cut or left out', async () => {
    await using house = await site({ boxes: brokenBoxes });
    const daemon = await house.start();
    await house.says('lobby', 'live');
    await untilMetric(daemon, sample('frames_decoded'), (count) => count > 120);
    const samples = await unharmed(house, daemon);
    assert.ok((samples.get(sample('crops')) ?? 0) > 0, 'the good box gives crops');
    await daemon.stop();
  });

  it('values that are not finite cost their picture alone; the detector is named as long as they come', async () => {
    const mended = 120;
    await using house = await site({ boxes: (frame) => (frame < mended ? [whole, [null, 60, 120, 240]] : [whole]) });
    const daemon = await house.start();
    await house.says('lobby', 'live');
    const failures = `sightline_detector_failures{worker="deepstream-main",model="${fixtureModels.person}"}`;
    await untilMetric(daemon, failures, (count) => count > 3);
    const part = `detector ${fixtureModels.person}`;
    assert.match((await troublesOf(daemon)).get(part) ?? '', /^an output holds a value that is not finite/);
    await untilMetric(daemon, sample('crops'), (count) => count > 0);
    await until('it is named no more', async () => (await troublesOf(daemon)).get(part) === undefined, patience);
    await unharmed(house, daemon);
    await daemon.stop();
  });

  it('ten thousand boxes in a picture stop nothing', async () => {
    const many = Array.from({ length: 10_000 }, (_, i): ScriptedBoxes[number] => [
      (i % 100) * 6,
      Math.floor(i / 100) * 3.5,
      5,
      3,
    ]);
    await using house = await site({ boxes: (frame) => (frame >= 24 && frame < 30 ? many : [whole]) });
    const daemon = await house.start();
    await house.says('lobby', 'live');
    await untilMetric(daemon, sample('frames_decoded'), (count) => count > 60);
    await unharmed(house, daemon);
    await daemon.stop();
  });

  it('crops that cannot be cut are said as long as that lasts, and counted', async () => {
    for (const fault of ['refuse', 'noMeta']) {
      await using house = await site();
      const daemon = await house.start();
      await house.says('lobby', 'live');
      await untilMetric(daemon, sample('crops'), (count) => count > 0);
      await house.cause({ crops: { [fault]: true } });
      const said = await house.says('lobby', 'live', /^its crops cannot be cut: nobody in it is recognised$/);
      assert.equal(said.state === 'live' && said.code, 'camera.crops');
      await untilMetric(daemon, sample('crops_refused'), (count) => count > 0);
      await unharmed(house, daemon);
      await house.cause({});
      await until('it says no more of it', async () => reasonOf(await house.state('lobby')) === undefined, patience);
      await daemon.stop();
    }
  });

  const reasonOf = (state: CameraState) => ('reason' in state ? state.reason : undefined);

  describe('annotated video', () => {
    /** Plays it once there is something to play, until pictures have come. */
    async function seen(port: number): Promise<void> {
      await until(
        'annotated pictures',
        async () => {
          using client = await connectRtsp(port);
          const url = `rtsp://127.0.0.1:${port}/lobby/annotated`;
          const { status } = await client.request('DESCRIBE', url, { Accept: 'application/sdp' });
          if (status === 503) return false;
          await play(client, url);
          return await until('packets', () => client.packets.length > 50, patience);
        },
        patience,
      );
    }
    const open = (port: number) => ({ media: { rtsp: { port, open: true } } });

    it('without an encoder on the card, or with one that fails, is encoded by the processor', async () => {
      await using directory = await temporaryDirectory();
      const file = join(directory.path, 'Dockerfile');
      await writeFile(
        file,
        `FROM ${shared.image.name}\nUSER 0\nRUN rm /opt/sightline/lib/gstreamer-1.0/libgstnvstandinenc.so\n`,
      );
      await using without = await buildImage({ file, context: directory.path });
      for (const [name, faults] of [
        [without.name, {}],
        [shared.image.name, { encoder: { fail: true } }],
      ] as const) {
        const port = await freePort();
        await using house = await site({ image: name, deepstream: { encoder: { kind: 'auto' } }, config: open(port) });
        await house.cause(faults);
        const daemon = await house.start();
        await house.says('lobby', 'live');
        await seen(port);
        const words = 'annotated video cannot be encoded by the card, it is encoded by the processor from now on';
        assert.notEqual(daemon.said(words, { worker: 'deepstream-main' }), undefined);
        await unharmed(house, daemon);
        await daemon.stop();
      }
    });

    it('that the card was told to encode and does not is tried again; nothing else is harmed', async () => {
      const port = await freePort();
      await using house = await site({ deepstream: { encoder: { kind: 'hardware' } }, config: open(port) });
      await house.cause({ encoder: { fail: true } });
      const daemon = await house.start();
      await house.says('lobby', 'live');
      const id = await house.container();
      const watching = seen(port);
      await until('it says so', () => daemon.said('annotated video cannot be made', { retryInMs: 5000 }), patience);
      await unharmed(house, daemon);
      await house.cause({});
      await watching;
      assert.equal(await house.container(), id);
      await unharmed(house, daemon);
      await daemon.stop();
    });
  });

  it('a full /tmp stops nothing', async () => {
    await using house = await site();
    const daemon = await house.start();
    await house.says('lobby', 'live');
    const id = await house.container();
    await docker('exec', id, 'sh', '-c', 'cat /dev/zero > /tmp/filler || true');
    assert.match(await docker('exec', id, 'df', '--output=avail', '/tmp'), /\s0$/);
    await unharmed(house, daemon);
    assert.equal(await inspect(id, '{{.State.Running}}'), 'true');
    await daemon.stop();
  });
});
