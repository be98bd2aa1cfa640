import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { GpuStats } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { dataPath, missingData } from '../support/data.ts';
import { renderApp, startApp } from '../support/deepstream-app.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { cameraConfig, detectConfig, startTestDaemon } from '../support/software-worker.ts';
import { buildStandin, missingStandin } from '../support/standin.ts';
import { until } from '../support/until.ts';

/** The card's figures as the program in a DeepStream container tells them, from the stand-in's libnvidia-ml. */

const clip = 'real_visits_a';
const skip = missingStandin() || missingData(`clips/${clip}.mp4`, `clips/${clip}.gt.json`);

async function startWorld({ driver = true, gpu = {} }: { readonly driver?: boolean; readonly gpu?: object } = {}) {
  const detect = [detectConfig('persons'), detectConfig('faces')];
  const camera = cameraConfig('lobby', dataPath(`clips/${clip}.mp4`), { detect, realtime: true, loop: false });
  const directory = await temporaryDirectory();
  const daemon = await startTestDaemon({ cameras: [camera], inference: undefined });
  const container = await renderApp({
    ...{ directory: directory.path, bridge: daemon.socketPath, cameras: ['lobby'], script: { lobby: clip } },
    control: { gpu },
  });
  const app = startApp(container, directory.path, { driver });
  const newest = () => daemon.stats.at(-1);
  return {
    app,
    daemon,
    /** Puts it into the stand-in's control file in one go. */
    put: async (card: object) => {
      const path = join(directory.path, 'control.json');
      const whole = { ...(JSON.parse(await readFile(path, 'utf8')) as object), gpu: card };
      await writeFile(`${path}.new`, JSON.stringify(whole));
      await rename(`${path}.new`, path);
    },
    said: async (what: string, holds: (card: GpuStats | undefined) => boolean) => {
      const found = until(what, () => newest() !== undefined && holds(newest()?.gpu), 60_000);
      await Promise.race([found, app.failed]);
      return newest()?.gpu;
    },
    logged: (message: string) => daemon.logs.filter((line) => line.message === message),
    [Symbol.asyncDispose]: async () => {
      await app[Symbol.asyncDispose]();
      await daemon[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

describe('figures of the card', { skip }, () => {
  before(() => buildStandin(), { timeout: 600_000 });

  it('are those of its driver, without what it does not tell, and none while it has lost the card', async () => {
    const figures = { utilizationPercent: 64, decoderPercent: 31, memoryMiB: 23_034, memoryUsedMiB: 9216, celsius: 58 };
    await using world = await startWorld({ gpu: { ...figures, uuid: 'GPU-1', name: 'NVIDIA L4' } });
    assert.deepEqual(await world.said('figures', (card) => card?.utilizationPercent === 64), {
      ...{ uuid: 'GPU-1', name: 'NVIDIA L4', utilizationPercent: 64, decoderPercent: 31, encoderPercent: 0, celsius: 58 },
      ...{ memoryUsedBytes: 9216n << 20n, memoryBytes: 23_034n << 20n },
    });
    await world.put({ uuid: 'GPU-1', name: 'Orin', tegra: true, celsius: 47 });
    assert.deepEqual(await world.said('what Jetson tells', (card) => card?.name === 'Orin'), {
      ...{ uuid: 'GPU-1', name: 'Orin', utilizationPercent: undefined, decoderPercent: undefined, encoderPercent: undefined },
      ...{ memoryUsedBytes: undefined, memoryBytes: undefined, celsius: 47 },
    });
    await world.put({ error: 15 });
    await world.said('nothing of a lost card', (card) => card === undefined);
    const noFigures = () => world.logged("the GPU's driver gives no figures");
    await until('its reason in the log', () => noFigures().length > 0, 60_000);
    assert.deepEqual(
      noFigures().map(({ level, fieldsJson }) => [level, fieldsJson]),
      [['warn', '{"reason":"nvmlDeviceGetHandleByIndex: GPU is lost"}']],
    );
    await world.put({ celsius: 33 });
    await world.said('figures again', (card) => card?.celsius === 33);
  });

  it('are away while the driver hangs, which holds nothing else up', async () => {
    await using world = await startWorld();
    await world.said('figures', (card) => card !== undefined);
    await world.put({ hang: true });
    await world.said('no figures', (card) => card === undefined);
    const [frames, stats] = [world.daemon.frames.length, world.daemon.stats.length];
    const goesOn = () => world.daemon.frames.length > frames + 20 && world.daemon.stats.length > stats + 1;
    await until('frames and stats', goesOn, 60_000);
    const hangs = () => world.logged("the GPU's driver does not answer; its figures are away").length;
    await until('the log says so', () => hangs() > 0, 60_000);
    assert.equal(hangs(), 1);
    world.app.child.kill('SIGTERM');
    assert.equal(await world.app.exit, 0);
    await world.daemon.untilDrained();
  });

  it('are not there without a driver, and the log says so once', async () => {
    await using world = await startWorld({ driver: false });
    await until('stats', () => world.daemon.stats.length > 1, 60_000);
    assert.ok(world.daemon.stats.every(({ gpu }) => gpu === undefined));
    const lines = () => world.app.output.split('\n').filter((text) => text.includes('there are no figures of the GPU'));
    const [line, ...more] = await until('its line', () => lines().length > 0 && lines());
    assert.match(line ?? '', /"level":"info".*libnvidia-ml\.so\.1: cannot open shared object file/);
    assert.equal(more.length, 0);
  });
});
