import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { dataPath, missingData, readDataJson } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { freePort } from '../support/port.ts';
import {
  type Box,
  buildStandin,
  drive,
  missingStandin,
  parserLibrary,
  standinBuild,
  trackerLibrary,
  untilBatches,
} from '../support/standin.ts';
import { missingTriton, pythonModel, startTriton, type TritonServer, tritonRepository } from '../support/triton.ts';
import { until } from '../support/until.ts';

/**
 * The stand-in's nvinferserver and nvtracker against a real Triton: they must find what the networks find, and fail as the card's
 * elements do (../shared/reference/deepstream-standin.md, sections 6.1 and 7).
 */

const skip = missingStandin() || (await missingTriton()) || missingData('clips/real_headpose_m.mp4', 'clips/real_visits_a.mp4');

/** Answers at once, with one box of 16 pixels from (16, 8) to (32, 40) in an input of 64 x 64. */
const fixedConfig = `max_batch_size: 2
input [ { name: "images" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, -1, -1 ] } ]
output [
  { name: "num_dets" data_type: TYPE_INT32 dims: [ 1 ] },
  { name: "det_boxes" data_type: TYPE_FP32 dims: [ 2, 4 ] },
  { name: "det_scores" data_type: TYPE_FP32 dims: [ 2 ] },
  { name: "det_classes" data_type: TYPE_INT32 dims: [ 2 ] }
]`;
const answer = (count: number) => `
n = inputs["images"].shape[0]
return pb_utils.InferenceResponse([
    pb_utils.Tensor("num_dets", np.full((n, 1), ${count}, np.int32)),
    pb_utils.Tensor("det_boxes", np.tile(np.array([[16, 8, 32, 40], [0, 0, 0, 0]], np.float32), (n, 1, 1))),
    pb_utils.Tensor("det_scores", np.tile(np.array([0.75, 0], np.float32), (n, 1))),
    pb_utils.Tensor("det_classes", np.ones((n, 2), np.int32)),
])
`;

/** One more box with each call, from none to three: a list of all boxes that there are, of one picture. */
const listedConfig = `max_batch_size: 0
input [ { name: "images" data_type: TYPE_FP32 dims: [ 1, 3, 640, 640 ] } ]
output [ { name: "output" data_type: TYPE_FP32 dims: [ -1, 7 ] } ]`;
const listedAnswer = `
self.calls = getattr(self, "calls", -1) + 1
rows = [[0, 160, 180 + 10 * i, 320, 360, i, 0.75] for i in range(self.calls % 4)]
return pb_utils.InferenceResponse([pb_utils.Tensor("output", np.array(rows, np.float32).reshape(-1, 7))])
`;

interface Inference {
  readonly url: string;
  readonly model?: string;
  readonly dims?: string;
  readonly batch?: number;
  readonly more?: string;
  readonly backend?: string;
}

function inference({ url, model = 'fixed', dims = '3, 64, 64', batch = 2, more = '', backend = '' }: Inference): string {
  return `infer_config {
  unique_id: 7
  gpu_ids: [0]
  max_batch_size: ${batch}
  backend {
    inputs [ { name: "images" dims: [${dims}] } ]
    triton { model_name: "${model}" version: -1 grpc { url: "${url}" } }
    output_mem_type: MEMORY_TYPE_CPU
    ${backend}
  }
  preprocess {
    network_format: IMAGE_FORMAT_RGB
    tensor_order: TENSOR_ORDER_LINEAR
    maintain_aspect_ratio: 1
    symmetric_padding: 1
    normalize { scale_factor: 0.0039215686 }
  }
  postprocess {
    labelfile_path: "labels.txt"
    detection {
      num_detected_classes: 2
      custom_parse_bbox_func: "SightlineParseYoloEnd2end_1"
      simple_cluster { threshold: 0.3 }
    }
  }
  custom_lib { path: "${parserLibrary}" }
}
input_control { process_mode: PROCESS_MODE_FULL_FRAME }
output_control { output_tensor_meta: true }
${more}`;
}

const mux = (width: number, height: number, cameras = 1) =>
  `nvstreammux name=mux batch-size=${cameras} width=${width} height=${height} batched-push-timeout=4000000 buffer-pool-size=8`;
const source = (clip: string, camera = 0) =>
  `nvurisrcbin uri=file://${dataPath(`clips/${clip}.mp4`)} source-id=${camera} ! mux.sink_${camera}`;
const infer = (config: string) => `nvinferserver name=infer config-file-path=${config}`;
const out = 'identity name=probe ! fakesink sync=false';

const iou = (a: Box, b: Box) => {
  const width = Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1]);
  const shared = Math.max(width, 0) * Math.max(height, 0);
  return shared / (a[2] * a[3] + b[2] * b[3] - shared);
};

const near = (box: Box, expected: Box, margin: number) =>
  assert.ok(
    Math.max(...box.map((value, i) => Math.abs(value - (expected[i] ?? Number.NaN)))) <= margin,
    `${box} is not ${expected}`,
  );

describe("the stand-in's nvinferserver and nvtracker", { skip }, () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let triton: TritonServer;
  let tracker: string;
  let count = 0;

  before(async () => {
    await buildStandin({ tests: true });
    directory = await temporaryDirectory();
    const repository = join(directory.path, 'repository');
    await pythonModel(repository, 'fixed', fixedConfig, answer(1));
    await pythonModel(repository, 'broken', fixedConfig, answer(-1));
    await pythonModel(repository, 'yolov7', listedConfig, listedAnswer);
    await tritonRepository(repository, ['centerface']);
    await writeFile(join(directory.path, 'labels.txt'), 'thing\nperson;somebody\n');
    tracker = join(directory.path, 'tracker.yml');
    await writeFile(tracker, 'TargetManagement:\n  probationAge: 0\nStateEstimator:\n  stateEstimatorType: 1\n');
    triton = await startTriton({ repository });
  });
  after(async () => {
    await triton?.[Symbol.asyncDispose]();
    await directory?.[Symbol.asyncDispose]();
    await rm(join(standinBuild, `registry-${process.pid}.bin`), { force: true });
  });

  const written = async (text: string) => {
    count += 1;
    const path = join(directory.path, `infer-${count}.txt`);
    await writeFile(path, text);
    return path;
  };
  /** Another server, to do things to. */
  const ownTriton = () =>
    startTriton({
      repository: join(directory.path, 'repository'),
      flags: ['--model-control-mode=explicit', '--load-model=fixed'],
    });

  const only = <T>(all: readonly T[] | undefined): T => {
    assert.equal(all?.length, 1);
    const [first] = all;
    assert.ok(first !== undefined);
    return first;
  };

  it('asks Triton for two cameras at once and maps the boxes of a parser back to their frames', async () => {
    const config = await written(inference({ url: triton.url }));
    await using driven = drive(
      `${mux(768, 432, 2)} ! ${infer(config)} ! ${out} ${source('real_visits_a', 0)} ${source('neg_carpark', 1)}`,
    );
    // A source that is not open yet is not waited for.
    const frames = await until('a batch of both', () => driven.batches.find((batch) => batch.length === 2), 60_000);
    assert.deepEqual(frames.map((frame) => frame.source).sort(), [0, 1]);
    for (const frame of frames) {
      assert.equal(frame.inferred, true);
      const object = only(frame.objects);
      // 768 x 432 lies as 64 x 36 in 64 x 64, 14 from the top.
      near(object.box, [192, -72, 192, 384], 0.01);
      assert.deepEqual(object.detector, object.box);
      assert.deepEqual([object.class, object.component, object.label, object.text], [1, 7, 'person', 'person']);
      assert.equal(object.id, null);
      assert.ok(Math.abs(object.confidence - 0.75) < 1e-6);
      const [tensors] = frame.tensors;
      assert.deepEqual([tensors?.uniqueId, tensors?.network], [7, [64, 64]]);
      assert.deepEqual(
        tensors?.layers.map(({ name, dims }) => [name, dims]),
        [
          ['det_boxes', [2, 4]],
          ['det_classes', [2]],
          ['det_scores', [2]],
          ['num_dets', [1]],
        ],
      );
    }
  });

  /** As the daemon renders it for a container, here. */
  const rendered = async (container: string, model: string) => {
    const text = await readFile(join(import.meta.dirname, `../fixtures/deepstream/${container}/infer-${model}.txt`), 'utf8');
    return await written(
      text
        .replace('localhost:8001', triton.url)
        .replace('/opt/sightline/lib/libbridge_infer.so', parserLibrary)
        .replace(`/etc/sightline/labels-${model}.txt`, join(directory.path, 'labels.txt')),
    );
  };

  it('asks a model of one list about each picture alone, be the list empty, of one box or of more', async () => {
    const config = await rendered('one-list', 'yolov7');
    await using driven = drive(
      `${mux(1280, 720, 2)} ! ${infer(config)} ! ${out} ${source('real_visits_a', 0)} ${source('neg_carpark', 1)}`,
    );
    await until('batches of both', () => driven.batches.filter((batch) => batch.length === 2).length >= 4, 60_000);
    const frames = driven.batches.flat();
    // The first call is nvinferserver's own, at its start.
    assert.deepEqual(
      frames.slice(0, 8).map(({ objects }) => objects.length),
      [1, 2, 3, 0, 1, 2, 3, 0],
    );
    for (const { inferred, objects } of frames.slice(0, 8)) {
      assert.equal(inferred, true);
      for (const [i, object] of objects.entries()) {
        // 1280 x 720 lies as 640 x 360 in 640 x 640, 140 from the top.
        near(object.box, [320, 80 + 20 * i, 320, 360 - 20 * i], 0.01);
        assert.equal(object.class, i);
      }
    }
  });

  it('finds the faces that CenterFace finds, with the settings that the daemon renders', async () => {
    const config = await rendered('faces-and-people', 'centerface');
    const truth = readDataJson('clips/real_headpose_m.gt.json') as {
      readonly width: number;
      readonly height: number;
      readonly frames: readonly { readonly faces: readonly { readonly box: Box }[] }[];
    };
    await using driven = drive(`${mux(truth.width, truth.height)} ! ${infer(config)} ! ${out} ${source('real_headpose_m')}`);
    await untilBatches(driven, 8);
    for (const frames of driven.batches.slice(0, 8)) {
      const frame = only(frames);
      const face = only(truth.frames[frame.number]?.faces);
      const object = only(frame.objects);
      // The truth is another network's: its boxes are cut a little differently.
      assert.ok(iou(object.box, face.box) > 0.6, `${object.box} and ${face.box}`);
      assert.deepEqual(
        frame.tensors[0]?.layers.map((layer) => layer.name),
        ['537', '538', '539', '540'],
      );
    }
  });

  it('does not start without a server, and says so twice', async () => {
    const config = await written(inference({ url: `127.0.0.1:${await freePort()}` }));
    await using driven = drive(`${mux(768, 432)} ! ${infer(config)} ! ${out} ${source('real_visits_a')}`);
    assert.equal(await driven.ended, 0);
    assert.equal(driven.started(), false);
    assert.deepEqual(driven.errors, ['Failed to initialize InferTrtIsContext', 'gstnvinferserver_impl start failed']);
    assert.match(driven.said(), /nvinferserver\[UID 7\]: error: server is not live: /);
  });

  for (const [what, change, reason] of [
    ['a model that is not there', { model: 'nobody' }, /model\(nobody\) config|is not ready/],
    [
      'larger batches than the model takes',
      { batch: 3 },
      /failed to specify dims after running inference failed on model:fixed/,
    ],
    [
      'dims that are not the model’s',
      { dims: '1, 64, 64' },
      /plugin dims: 2x1x64x64 is not matched with model dims: 2x3x-1x-1/,
    ],
    ['open dims without the first request', { backend: 'disable_warmup: true' }, /since input has wildcard dims/],
    ['an output that is not there', { backend: 'outputs [ { name: "more" } ]' }, /configured output tensor:more is not found/],
  ] as const)
    it(`does not start with ${what}`, async () => {
      const config = await written(inference({ url: triton.url, ...change }));
      await using driven = drive(`${mux(768, 432)} ! ${infer(config)} ! ${out} ${source('real_visits_a')}`);
      await driven.ended;
      assert.equal(driven.started(), false);
      assert.match(driven.said(), reason);
    });

  it('lets the batch of a failed request through and fails behind it, for good', async () => {
    await using server = await ownTriton();
    const config = await written(inference({ url: server.url }));
    await using driven = drive(`${mux(768, 432)} ! ${infer(config)} ! ${out} ${source('real_visits_a')}`);
    await untilBatches(driven, 5);
    server.signal('SIGKILL');
    assert.equal(await driven.ended, 0);
    assert.equal(driven.errors[0], 'inference failed with unique-id:7');
    assert.match(driven.said(), /inference failed with error: /);
    const last = only(driven.batches.at(-1));
    assert.deepEqual([last.inferred, last.objects.length], [false, 0]);
    assert.equal(driven.eos(), false);
  });

  it('stands still without a word while a server hangs, and goes on when it answers', async () => {
    await using server = await ownTriton();
    const config = await written(inference({ url: server.url }));
    await using driven = drive(`${mux(768, 432)} ! ${infer(config)} ! ${out} ${source('real_visits_a')}`);
    await untilBatches(driven, 5);
    server.signal('SIGSTOP');
    // One is asked about, two wait, the next one blocks the thread that brings it.
    await until('the pipeline to stand still', () => driven.entered() - driven.batches.length === 4);
    const stood = driven.batches.length;
    assert.deepEqual(driven.errors, []);
    server.signal('SIGCONT');
    await untilBatches(driven, stood + 10);
    assert.deepEqual(driven.errors, []);
  });

  it('fails like a lost request when a parser refuses what came', async () => {
    const config = await written(inference({ url: triton.url, model: 'broken' }));
    await using driven = drive(`${mux(768, 432)} ! ${infer(config)} ! ${out} ${source('real_visits_a')}`);
    await driven.ended;
    assert.equal(driven.errors[0], 'inference failed with unique-id:7');
    assert.match(driven.said(), /Failed to parse bboxes using custom parse function/);
    assert.match(driven.said(), /parser yolo_end2end of the model with outputs .*num_dets is -1/);
    assert.ok(driven.batches.map(only).every((frame) => !frame.inferred));
  });

  it('changes its interval by the event and not by the property while it runs', async () => {
    const config = await written(inference({ url: triton.url }));
    const pipeline = `${mux(768, 432)} ! ${infer(config)} ! ${out} ${source('real_visits_a')}`;
    await using event = drive(pipeline, { args: ['--at', '4', 'event', '2'] });
    await untilBatches(event, 12);
    // The count of batches goes on: from the fifth one every third, as the number of the batch divides.
    assert.deepEqual(
      event.batches.slice(0, 12).map((frames) => only(frames).inferred),
      [true, true, true, true, false, false, true, false, false, true, false, false],
    );
    await using property = drive(pipeline, { args: ['--at', '4', 'property', '2'] });
    await untilBatches(property, 12);
    assert.ok(property.batches.slice(0, 12).every((frames) => only(frames).inferred));
  });

  describe('with a script in place of Triton', () => {
    const truth = () =>
      readDataJson('clips/real_visits_a.gt.json') as {
        readonly frames: readonly { readonly persons: readonly { readonly id: string; readonly box: Box }[] }[];
      };

    const scripted = async (clip: string) => {
      const script = join(directory.path, `script-${clip}.json`);
      const control = join(directory.path, `control-${clip}.json`);
      await writeFile(
        script,
        JSON.stringify({ 7: { objects: 'persons', class: 1, clips: { '*': dataPath(`clips/${clip}.gt.json`) } } }),
      );
      await writeFile(control, JSON.stringify({ inference: { script } }));
      return control;
    };
    const track = () => `nvtracker ll-lib-file=${trackerLibrary} ll-config-file=${tracker} display-tracking-id=false`;

    it('gives the recorded boxes through parser and multiplexer, and one id to each visitor', async () => {
      const config = await written(inference({ url: 'nowhere:1' }));
      const control = await scripted('real_visits_a');
      await using driven = drive(`${mux(1920, 1080)} ! ${infer(config)} ! ${track()} ! ${out} ${source('real_visits_a')}`, {
        control,
      });
      assert.equal(await driven.ended, 0, driven.said());
      assert.equal(driven.eos(), true);
      const { frames } = truth();
      assert.equal(driven.batches.length, frames.length);
      const ids = new Map<string, Set<number | null>>();
      for (const frame of driven.batches.map(only)) {
        const persons = frames[frame.number]?.persons ?? [];
        assert.equal(frame.objects.length, persons.length, `frame ${frame.number}`);
        for (const [i, { id, box }] of persons.entries()) {
          const scaled = box.map((value) => value * 2.5) as unknown as Box;
          const object = frame.objects[i];
          assert.ok(object !== undefined);
          near(object.detector, scaled, 0.1);
          ids.set(id, (ids.get(id) ?? new Set()).add(object.id));
        }
      }
      assert.deepEqual(
        [...ids.values()].map((own) => own.size),
        [1, 1, 1],
      );
      assert.equal(new Set([...ids.values()].flatMap((own) => [...own])).size, 3);
    });

    it('guesses on skipped frames: confidence below 0, no detector’s box', async () => {
      const config = await written(
        inference({ url: 'nowhere:1' }).replace('PROCESS_MODE_FULL_FRAME', 'PROCESS_MODE_FULL_FRAME interval: 2'),
      );
      const control = await scripted('real_visits_a');
      await using driven = drive(`${mux(768, 432)} ! ${infer(config)} ! ${track()} ! ${out} ${source('real_visits_a')}`, {
        control,
      });
      assert.equal(await driven.ended, 0, driven.said());
      const frames = driven.batches.map(only);
      const seen = frames.filter((frame) => frame.inferred);
      assert.equal(seen.length, frames.length / 3);
      assert.ok(seen.every((frame) => frame.objects.every((object) => object.confidence > 0.8)));
      const guessed = frames.filter((frame) => !frame.inferred).flatMap((frame) => frame.objects);
      assert.ok(guessed.length > 100, String(guessed.length));
      for (const object of guessed) {
        assert.ok(Math.abs(object.confidence + 0.1) < 1e-6);
        assert.deepEqual(object.detector, [0, 0, 0, 0]);
        assert.deepEqual([object.label, object.component, object.class], ['person', 7, 1]);
      }
    });

    it('does not start a tracker without its library, and puts nothing on the bus', async () => {
      const config = await written(inference({ url: 'nowhere:1' }));
      const control = await scripted('real_visits_a');
      await using driven = drive(
        `${mux(768, 432)} ! ${infer(config)} ! nvtracker ll-lib-file=/no/such.so ! ${out} ${source('real_visits_a')}`,
        { control },
      );
      assert.equal(await driven.ended, 0);
      assert.equal(driven.started(), false);
      assert.deepEqual(driven.errors, []);
    });
  });
});
