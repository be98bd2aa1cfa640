import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import sharp from 'sharp';
import { parseTritonUrl } from '../../src/core/triton-url.ts';
import type { Frame, Polygon } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { describeModel } from '../../src/inference/repository.ts';
import { planDetector } from '../../src/models/detector-plan.ts';
import { readContainerTemplates } from '../../src/workers/container-templates.ts';
import { renderContainer } from '../../src/workers/render.ts';
import { onStandin, renderApp, startApp } from '../support/deepstream-app.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fixtureModelRepository, fixtureModels, fixturePath, readLobbyTruth } from '../support/fixtures.ts';
import {
  cameraConfig,
  detectConfig,
  inferenceConfig,
  startTestDaemon,
  startWorkerProcess,
} from '../support/software-worker.ts';
import { buildStandin, missingStandin } from '../support/standin.ts';
import { loadOnly, missingTriton, startTriton, type TritonServer } from '../support/triton.ts';
import { until } from '../support/until.ts';

const skip = missingStandin() || (await missingTriton());
const clip = fixturePath('clips/lobby.mp4');
const size = { width: 640, height: 360 };
/** The right half, and a triangle in the left one. */
const masks: readonly Polygon[] = [{ points: [0.5, 0, 1, 0, 1, 1, 0.5, 1] }, { points: [0.1, 0, 0.3, 0, 0.1, 0.5] }];
const fps = 12;
/** Two people have walked through both halves by then. */
const enough = 80;

type Rectangle = readonly [number, number, number, number];

function overlap(a: Rectangle, b: Rectangle): number {
  const width = Math.max(0, Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0]));
  const height = Math.max(0, Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1]));
  return (width * height) / (a[2] * a[3] + b[2] * b[3] - width * height);
}

function boxesOf(frame: Frame): readonly Rectangle[] {
  return frame.objects.flatMap(({ box }) => (box === undefined ? [] : [[box.left, box.top, box.width, box.height] as const]));
}

describe('masks of a DeepStream camera, on the stand-in', { skip }, () => {
  let triton: TritonServer;
  before(
    async () => {
      await buildStandin();
      triton = await startTriton({ repository: fixtureModelRepository, flags: loadOnly(fixtureModels.face) });
    },
    { timeout: 600_000 },
  );
  after(async () => {
    await triton?.[Symbol.asyncDispose]();
  });

  const detect = [detectConfig(fixtureModels.face, { fps })];
  const camera = cameraConfig('lobby', clip, { masks: [...masks], detect });
  /** Beside it in each batch. */
  const bare = cameraConfig('yard', clip, { detect });

  async function bySoftware(): Promise<readonly Frame[]> {
    await using daemon = await startTestDaemon({ cameras: [camera], inference: inferenceConfig(fixtureModelRepository) });
    await using worker = startWorkerProcess(daemon.socketPath);
    await Promise.race([until('its frames', () => daemon.frames.length >= enough, 120_000), worker.failed]);
    return daemon.frames.slice(0, enough);
  }

  /** The program with what the daemon renders for it. */
  async function startMasked(bridge: string, directory: string, triton: string, control: object = {}) {
    const container = await renderApp({
      directory,
      bridge,
      cameras: ['lobby', 'yard'],
      mux: size,
      encoder: 'none',
      control: { ...control },
    });
    const plan = planDetector(await describeModel(fixtureModelRepository, fixtureModels.face), size);
    const rendered = renderContainer(
      {
        worker: 'main',
        logLevel: 'info',
        media: false,
        gpu: 0,
        frame: size,
        detectors: [{ ...plan, fps }],
        tracker: 'iou',
        encoder: { kind: 'none', bitrateKbps: 4000 },
        triton: parseTritonUrl(triton),
        cudaBufferSharing: false,
        startMs: 60_000,
        cameras: ['lobby', 'yard'],
      },
      readContainerTemplates(),
    );
    for (const [name, text] of rendered)
      if (name !== 'container.json') await writeFile(join(directory, name), onStandin(text, directory));
    const settings = JSON.parse(await readFile(container, 'utf8')) as object;
    const { detectors, tracker } = JSON.parse(onStandin(rendered.get('container.json') ?? '', directory)) as Record<
      string,
      unknown
    >;
    await writeFile(container, JSON.stringify({ ...settings, detectors, tracker }));
    return startApp(container, directory);
  }

  it('hide from detection and from crops what they hide with a software worker', async () => {
    await using daemon = await startTestDaemon({ cameras: [camera, bare], inference: undefined });
    await using directory = await temporaryDirectory();
    await using app = await startMasked(daemon.socketPath, directory.path, triton.url);
    const of = (name: string) => daemon.frames.filter((frame) => frame.camera === name).slice(0, enough);
    const both = () => of('lobby').length === enough && of('yard').length === enough;
    await Promise.race([until('frames of both', both, 120_000), app.failed]);
    app.child.kill('SIGTERM');
    const exit = await app.exit;
    assert.equal(exit, 0, `${exit}: ${app.output.slice(-4000)}`);
    const software = await bySoftware();
    const truth = readLobbyTruth();

    let hidden = 0;
    let seen = 0;
    for (const frame of of('lobby')) {
      const number = Number(frame.sequence);
      const other = software[number];
      if (frame.predicted || other === undefined || other.predicted) continue;
      hidden += truth.frames[number]?.faces.filter(({ box }) => box[0] >= 320).length ?? 0;
      const boxes = boxesOf(frame);
      const wanted = boxesOf(other);
      assert.equal(boxes.length, wanted.length, `frame ${number}: ${boxes} beside ${wanted}`);
      for (const box of boxes) {
        assert.ok(Math.max(...wanted.map((one) => overlap(one, box))) > 0.8, `frame ${number}: ${box} beside ${wanted}`);
        seen += 1;
      }
    }
    assert.ok(hidden > 10 && seen > 10, `${hidden} faces are hidden, ${seen} are seen`);

    const right = of('yard').flatMap((frame) => boxesOf(frame).filter(([left]) => left >= 320));
    assert.ok(right.length > 10, `${right.length} faces are seen where the other camera has none`);

    let black = 0;
    for (const { crop } of of('lobby').flatMap(({ objects }) => objects)) {
      if (crop?.rect === undefined) continue;
      const { rect } = crop;
      const { data, info } = await sharp(crop.jpeg).greyscale().raw().toBuffer({ resolveWithObject: true });
      // Some pixels inside the mask, where JPEG does not smear.
      const from = Math.ceil(((324 - rect.left) * info.width) / rect.width);
      for (let y = 0; y < info.height; y += 1)
        for (let x = Math.max(0, from); x < info.width; x += 1) {
          assert.ok(
            (data[y * info.width + x] ?? 255) < 24,
            `${x}, ${y} of a crop at ${rect.left} is ${data[y * info.width + x]}`,
          );
          black += 1;
        }
    }
    assert.ok(black > 100, `${black} masked pixels are in crops`);
  });

  const failures = [
    {
      where: 'the card refuses, to be tried again',
      control: { cuda: { refuse: true } },
      code: 70,
      message: /"msg":"a picture cannot be masked: CUDA cannot write to it: error 1"/,
    },
    {
      where: 'pictures are in memory of a Jetson, as settings that cannot work',
      control: { mux: { surfaceArray: true } },
      code: 78,
      message: /"msg":"pictures cannot be masked here: their memory is of type 4, not CUDA's, as on a Jetson"/,
    },
  ];
  for (const { where, control, code, message } of failures)
    it(`end the program where ${where}, before a picture was looked at`, async () => {
      await using daemon = await startTestDaemon({ cameras: [camera, bare], inference: undefined });
      await using directory = await temporaryDirectory();
      await using app = await startMasked(daemon.socketPath, directory.path, triton.url, control);
      assert.equal(await app.exit, code);
      assert.match(app.output, message);
      assert.equal(daemon.frames.length, 0);
    });
});
