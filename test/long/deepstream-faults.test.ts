import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { inspect } from '../support/container-world.ts';
import { deepstreamSite, missingSite, moreFrames, type Site, type SiteOptions } from '../support/deepstream-site.ts';
import { docker, type Image } from '../support/docker.ts';
import { metricsOf } from '../support/faults.ts';
import { fixturePath } from '../support/fixtures.ts';
import { type RtspCamera, startRtspCamera } from '../support/rtsp-camera.ts';
import { buildStandinImage } from '../support/standin-image.ts';

/** What becomes of a container: the real program on the stand-in, under the real daemon, with a live camera. */
describe('a DeepStream container', { skip: missingSite() }, () => {
  let image: Image;
  let camera: RtspCamera;
  before(
    async () => {
      image = await buildStandinImage();
      camera = await startRtspCamera(fixturePath('clips/lobby.mp4'));
    },
    { timeout: 600_000 },
  );
  after(async () => {
    await camera?.[Symbol.asyncDispose]();
    await image?.[Symbol.asyncDispose]();
  });

  const site = (more: Partial<SiteOptions> = {}): Promise<Site> =>
    deepstreamSite({ image: image.name, cameras: { lobby: camera.url }, ...more });

  it('that is killed is said and started again', async () => {
    await using house = await site();
    const daemon = await house.start();
    await house.says('lobby', 'live');
    const id = await house.container();
    await docker('kill', '--signal', 'KILL', id);
    const killed = performance.now();
    const away = await house.says('lobby', 'away', /^its worker is started again: it was ended by SIGKILL$/);
    assert.equal(away.state === 'away' && away.code, 'worker.crashed');
    const other = await house.container(id);
    await house.says('lobby', 'live');
    console.log('kill healed in', Math.round(performance.now() - killed), 'ms');
    await moreFrames(daemon, 'lobby');
    assert.equal(Object.keys(await house.containers()).length, 1);
    assert.equal(await inspect(other, '{{.State.Running}}'), 'true');
    const samples = await metricsOf(daemon);
    assert.equal(samples.get('sightline_worker_restarts_total{worker="deepstream-main"}'), 1);
    assert.equal(samples.get('sightline_camera_troubles_total{camera="lobby",code="worker.crashed"}'), 1);
    await daemon.stop();
  });
});
