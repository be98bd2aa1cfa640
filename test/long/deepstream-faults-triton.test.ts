import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { RunningDaemon } from '../support/daemon.ts';
import { missingSite, moreFrames, type SiteOptions, withImageAndCamera } from '../support/deepstream-site.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { logFloods, metricsOf } from '../support/faults.ts';
import { fixtureModelRepository, fixtureModels } from '../support/fixtures.ts';
import { freePort } from '../support/port.ts';
import { loadOnly, missingTriton, pythonModel, startTriton, withoutWeights } from '../support/triton.ts';
import { oddFace, tensorsOf } from '../support/triton-odd.ts';
import { pause } from '../support/until.ts';

/** A real Triton that is away, dies, hangs or answers nonsense under the nvinferserver of a container. */
const { face, faceEmbedder } = fixtureModels;
const restarts = 'sightline_worker_restarts_total{worker="deepstream-main"}';
const worker = 'deepstream-main';

describe('Triton under a DeepStream container', { skip: missingSite() || (await missingTriton()) }, () => {
  const shared = withImageAndCamera();

  const site = (port: number, more: Partial<SiteOptions> = {}) => shared.site({ triton: `127.0.0.1:${port}`, ...more });
  const serve = (port: number) =>
    startTriton({ repository: fixtureModelRepository, flags: loadOnly(face, faceEmbedder), port });

  const starts = (daemon: RunningDaemon) =>
    daemon
      .lines()
      .filter(({ msg, state, worker: of }) => msg === 'worker changed its state' && state === 'starting' && of === worker);

  it('that is away at the start, and then for half a minute, is waited for, without starts in vain', async () => {
    const port = await freePort();
    await using house = await site(port);
    const daemon = await house.start();
    const words = /^its worker is started again once Triton is there: exit code 69: Triton cannot be used: ./;
    const absent = await house.says('lobby', 'away', words);
    assert.equal(absent.state === 'away' && absent.code, 'inference.unavailable');
    {
      await using triton = await serve(port);
      await house.says('lobby', 'live');
      await moreFrames(daemon, 'lobby');
      const before = starts(daemon).length;
      triton.signal('SIGKILL');
      await house.says('lobby', 'away', words);
      await triton.ended;
      await pause(30_000);
      // One at most before the daemon knew of it.
      assert.ok(starts(daemon).length <= before + 1, `${starts(daemon).length - before} starts in vain`);
    }
    await using _ = await serve(port);
    await house.says('lobby', 'live');
    await moreFrames(daemon, 'lobby');
    assert.deepEqual(logFloods(daemon.lines()), []);
    assert.equal(daemon.said('worker failed'), undefined);
    await daemon.stop();
  });

  it('that hangs is a wedge, and is waited for', async () => {
    const port = await freePort();
    await using house = await site(port);
    await using triton = await serve(port);
    const daemon = await house.start();
    await house.says('lobby', 'live');
    await moreFrames(daemon, 'lobby');
    const id = await house.container();
    triton.signal('SIGSTOP');
    const words =
      /^its worker is started again once Triton is there: exit code 71: it got no further: pipeline is stuck: no batch for \d+ s while sources deliver$/;
    await house.says('lobby', 'away', words);
    const before = starts(daemon).length;
    await pause(5000);
    assert.equal(starts(daemon).length, before, 'nothing is started while it hangs');
    triton.signal('SIGCONT');
    await house.container(id);
    await house.says('lobby', 'live');
    await moreFrames(daemon, 'lobby');
    await daemon.stop();
  });

  it('that is well does not keep a container that is stuck for another reason', async () => {
    const port = await freePort();
    await using house = await site(port);
    await using _ = await serve(port);
    const daemon = await house.start();
    await house.says('lobby', 'live');
    const id = await house.container();
    await house.cause({ mux: { stuckPad: 0 } });
    const words =
      /^its worker is started again: exit code 71: it got no further: pipeline is stuck: no batch for \d+ s while sources deliver$/;
    const away = await house.says('lobby', 'away', words);
    assert.equal(away.state === 'away' && away.code, 'worker.crashed');
    await house.cause({});
    await house.container(id);
    await house.says('lobby', 'live');
    await daemon.stop();
  });

  it('whose model answers another shape is named, and cameras fail until it is mended', async () => {
    await using served = await temporaryDirectory();
    cpSync(join(fixtureModelRepository, faceEmbedder), join(served.path, faceEmbedder), { recursive: true });
    await pythonModel(served.path, face, tensorsOf(face), oddFace);
    await using here = await temporaryDirectory();
    const descriptions = await withoutWeights(fixtureModelRepository, join(here.path, 'models'));
    const port = await freePort();
    await using _ = await startTriton({ repository: served.path, flags: loadOnly(face, faceEmbedder), port });
    await using house = await site(port, { config: { inference: { repository: descriptions } } });
    const daemon = await house.start();
    const problem = 'detector fixture_face: an input of \\d+x\\d+ has maps of \\d+x\\d+ cells; there are 537 ';
    const words = `exit code 69: Triton cannot be used: ${problem}`;
    await house.says('lobby', 'away', new RegExp(`^its worker is started again once Triton is there: ${words}`));
    // Triton is well, so that its restarts are used up.
    const failed = await house.says('lobby', 'failed', new RegExp(`^its worker: ${words}`));
    assert.equal(failed.state === 'failed' && failed.code, 'inference.unavailable');
    assert.deepEqual(logFloods(daemon.lines()), []);
    await daemon.stop();
  });

  it('that loads for a minute is waited for as long as a start may take, and not longer', async () => {
    const port = await freePort();
    await using _ = await serve(port);
    {
      await using house = await site(port);
      await house.cause({ inference: { startDelayMs: 60_000 } });
      const daemon = await house.start();
      await house.says('lobby', 'live');
      await moreFrames(daemon, 'lobby');
      assert.equal((await metricsOf(daemon)).get(restarts) ?? 0, 0);
      await daemon.stop();
    }
    await using house = await site(port, { deepstream: { startTimeout: '10s' } });
    await house.cause({ inference: { startDelayMs: 60_000 } });
    const daemon = await house.start();
    const words =
      /^its worker is started again: exit code 71: it got no further: pipeline is stuck: the pipeline has not started within 10 s$/;
    await house.says('lobby', 'away', words);
    await house.cause({});
    await house.says('lobby', 'live');
    await daemon.stop();
  });
});
