import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { type Frame, type Object as SeenObject, SourceState } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { iou } from '../../src/software-worker/geometry.ts';
import { dataPath, readDataJson } from '../support/data.ts';
import { missingModels, realRepository } from '../support/repository.ts';
import {
  cameraConfig,
  detectConfig,
  inferenceConfig,
  startTestDaemon,
  startWorkerProcess,
  untilEnded,
  untilState,
} from '../support/software-worker.ts';
import { until } from '../support/until.ts';

const skip = missingModels(
  'centerface',
  'yolox_nano',
  'clips/real_tilt_m.mp4',
  'clips/synth_shots_a.mp4',
  'clips/real_visits_a.mp4',
  'clips/real_classroom.mp4',
);
const clip = dataPath('clips/real_tilt_m.mp4');

interface Truth {
  readonly frames: readonly {
    readonly faces?: readonly { readonly box: readonly [number, number, number, number]; readonly visible?: number }[];
    readonly persons?: readonly { readonly box: readonly [number, number, number, number] }[];
  }[];
}

function boxes(list: readonly { readonly box: readonly [number, number, number, number] }[] | undefined) {
  return (list ?? []).map(({ box: [left, top, width, height] }) => ({ left, top, width, height }));
}

/** Share of the objects of one label that lie on a true box, and of the true boxes that were found, in frames that were looked at. */
function agreement(frames: readonly Frame[], truth: Truth, label: 'face' | 'person') {
  let found = 0;
  let objects = 0;
  let right = 0;
  let wanted = 0;
  for (const frame of frames.filter(({ predicted }) => !predicted)) {
    const real = boxes(
      label === 'face' ? truth.frames[Number(frame.sequence)]?.faces : truth.frames[Number(frame.sequence)]?.persons,
    );
    const seen = frame.objects
      .filter((object) => object.label === label)
      .flatMap(({ box }) => (box === undefined ? [] : [box]));
    objects += seen.length;
    right += seen.filter((box) => real.some((other) => iou(box, other) > 0.5)).length;
    wanted += real.length;
    found += real.filter((box) => seen.some((other) => iou(box, other) > 0.5)).length;
  }
  return { precision: right / objects, recall: found / wanted, objects };
}

/** What two runs of one file must have in common: everything but the clocks of the machine. */
function essence(frames: readonly Frame[]) {
  return frames.map(({ sequence, pts, predicted, objects, endedTracks }) => ({
    sequence,
    pts,
    predicted,
    endedTracks,
    objects: objects.map(({ crop, ...object }) => ({
      ...object,
      crop: crop === undefined ? undefined : { ...crop, jpeg: crop.jpeg.length },
    })),
  }));
}

describe('a software worker playing files at full speed', { skip }, () => {
  test('reports every frame with its time stamp, detections where the ground truth has them, and the same in every run', async () => {
    await using repository = await realRepository();
    const clips = ['real_tilt_m', 'synth_shots_a', 'real_visits_a'] as const;
    const runs: ReadonlyMap<string, readonly Frame[]>[] = [];
    for (let round = 0; round < 2; round += 1) {
      await using daemon = await startTestDaemon({
        cameras: clips.slice(0, round === 0 ? 3 : 1).map((clip) =>
          cameraConfig(clip, dataPath(`clips/${clip}.mp4`), {
            detect:
              clip === 'real_visits_a'
                ? [detectConfig('yolox_nano', { fps: 0.5, classes: ['person'], minScore: 0.4 })]
                : [detectConfig('centerface', { fps: 2 })],
            motion: { enabled: true, threshold: 6, keepMs: 3000, refreshMs: 1000, refreshEmptyMs: 2000 },
          }),
        ),
        inference: inferenceConfig(repository.directory),
      });
      await using worker = startWorkerProcess(daemon.socketPath);
      const ended = Promise.all(daemon.configured.map(async (camera) => [camera, await untilEnded(daemon, camera)] as const));
      runs.push(new Map(await Promise.race([ended, worker.failed])));
    }
    for (const clip of clips) {
      const frames = runs[0]?.get(clip) ?? [];
      const truth = readDataJson(`clips/${clip}.gt.json`) as Truth & { readonly fps: number };
      assert.equal(frames.length, truth.frames.length, `${clip}: every frame`);
      frames.forEach((frame, index) => {
        assert.equal(Number(frame.sequence), index, `${clip}: in order`);
        const seconds = (Number(frame.pts) * frame.timeBaseNum) / frame.timeBaseDen;
        assert.ok(Math.abs(seconds - index / truth.fps) < 0.002, `${clip}: frame ${index} is stamped ${seconds} s`);
        assert.equal(frame.detectedMonoUs === 0n, frame.predicted);
        assert.ok(frame.sentMonoUs >= frame.decodedMonoUs && frame.decodedMonoUs >= frame.receivedMonoUs);
      });
    }
    const faces = agreement(runs[0]?.get('synth_shots_a') ?? [], readDataJson('clips/synth_shots_a.gt.json') as Truth, 'face');
    assert.ok(faces.precision > 0.95 && faces.recall > 0.95 && faces.objects > 40, JSON.stringify(faces));
    const persons = agreement(
      runs[0]?.get('real_visits_a') ?? [],
      readDataJson('clips/real_visits_a.gt.json') as Truth,
      'person',
    );
    assert.ok(persons.precision > 0.9 && persons.recall > 0.9 && persons.objects > 15, JSON.stringify(persons));
    const first = runs[0]?.get('real_tilt_m') ?? [];
    assert.deepEqual(essence(runs[1]?.get('real_tilt_m') ?? []), essence(first));
  });

  test('keeps masked parts black in what detectors see and in every crop', async () => {
    await using repository = await realRepository();
    const motion = { enabled: true, threshold: 6, keepMs: 500, refreshMs: 1000, refreshEmptyMs: 1000 };
    const forehead = { points: [0, 0.22, 1, 0.22, 1, 0.26, 0, 0.26] };
    await using daemon = await startTestDaemon({
      cameras: [
        cameraConfig('strip', clip, { masks: [forehead], detect: [detectConfig('centerface', { fps: 3 })] }),
        cameraConfig('all', clip, { masks: [{ points: [0, 0, 1, 0, 1, 1, 0, 1] }], motion }),
      ],
      inference: inferenceConfig(repository.directory),
    });
    await using worker = startWorkerProcess(daemon.socketPath);
    const [strip, all] = await Promise.race([
      Promise.all(['strip', 'all'].map((camera) => untilEnded(daemon, camera))),
      worker.failed,
    ]);
    assert.equal(all?.length, 111);
    assert.ok(all?.every(({ objects }) => objects.length === 0));
    assert.ok((all?.filter(({ predicted }) => !predicted).length ?? 0) <= 13, 'what moves behind a mask wakes nobody');
    const crops = (strip ?? []).flatMap(({ objects }) => objects.flatMap(({ crop }) => (crop === undefined ? [] : [crop])));
    assert.ok(crops.length > 20);
    let masked = 0;
    for (const { jpeg, rect } of crops) {
      const { data, info } = await sharp(jpeg).greyscale().raw().toBuffer({ resolveWithObject: true });
      const rowMean = (y: number) =>
        data.subarray(y * info.width, (y + 1) * info.width).reduce((sum, value) => sum + value, 0) / info.width;
      // Two rows inside the edges of the strip, where JPEG does not smear.
      const from = 0.22 * 360 + 2 - (rect?.top ?? 0);
      const to = 0.26 * 360 - 2 - (rect?.top ?? 0);
      for (let y = Math.max(0, Math.ceil(from)); y < Math.min(info.height, to); y += 1) {
        masked += 1;
        assert.ok(rowMean(y) < 12, `row ${y} of a crop at ${rect?.top} has mean ${rowMean(y)}`);
      }
      assert.ok(rowMean(info.height - 1 - Math.floor(info.height / 4)) > 12, 'the rest of the crop is there');
    }
    assert.ok(masked > 100);
  });

  test('runs several detectors at their own pace and joins faces to their persons', async () => {
    await using repository = await realRepository();
    await using daemon = await startTestDaemon({
      cameras: [
        cameraConfig('both', dataPath('clips/real_headpose_m.mp4'), {
          detect: [
            detectConfig('centerface', { fps: 2 }),
            detectConfig('yolox_nano', { fps: 1, classes: ['person'], minSize: 100 }),
          ],
        }),
        cameraConfig('chairs', dataPath('clips/real_classroom.mp4'), {
          detect: [detectConfig('yolox_nano', { fps: 0.5, classes: ['chair'], minScore: 0.3 })],
        }),
        cameraConfig('tall', clip, { detect: [detectConfig('centerface', { fps: 1, minSize: 400 })] }),
      ],
      inference: inferenceConfig(repository.directory),
    });
    await using worker = startWorkerProcess(daemon.socketPath);
    const [both = [], chairs = [], tall = []] = await Promise.race([
      Promise.all(daemon.configured.map((camera) => untilEnded(daemon, camera))),
      worker.failed,
    ]);
    const by = (frames: readonly Frame[], label: string) =>
      frames.filter(({ predicted, objects }) => !predicted && objects.some((object) => object.label === label));
    const seconds = 123 / 12;
    const faces = by(both, 'face');
    const persons = by(both, 'person');
    assert.ok(Math.abs(faces.length - 2 * seconds) < 4, `${faces.length} frames with faces`);
    assert.ok(Math.abs(persons.length - seconds) < 4, `${persons.length} frames with persons`);
    const person = new Set(
      persons.flatMap(({ objects }) => objects.filter(({ label }) => label === 'person').map(({ trackId }) => trackId)),
    );
    const joined = faces.flatMap(({ objects }) =>
      objects.filter(({ label, personTrackId }) => label === 'face' && person.has(personTrackId)),
    );
    assert.ok(joined.length > faces.length * 0.8, `${joined.length} of ${faces.length} faces belong to a person`);
    assert.ok(
      person.has(both[0]?.objects.find(({ label }) => label === 'face')?.personTrackId ?? 0),
      'from the first frame on',
    );
    const every = (frames: readonly Frame[], check: (object: SeenObject) => boolean) =>
      frames.filter(({ predicted }) => !predicted).every(({ objects }) => objects.every(check));
    assert.ok(chairs.some(({ objects }) => objects.length > 0));
    assert.ok(
      every(chairs, ({ label, score, crop }) => label === 'chair' && score >= 0.3 && crop === undefined),
      'chairs are not compared',
    );
    assert.ok(
      tall.every(({ objects }) => objects.length === 0),
      'no face is that tall',
    );
  });
});

describe('a software worker and its daemon', { skip }, () => {
  test('cameras come, change and go on their own; labels, pings and drain are answered', async () => {
    await using repository = await realRepository();
    const inference = inferenceConfig(repository.directory);
    const loop = { realtime: true, loop: true };
    const plain = cameraConfig('first', clip, loop);
    // A better picture of somebody known is no reason for a crop here, time alone is.
    const first = { ...plain, crops: plain.crops && { ...plain.crops, betterBy: 2 } };
    const second = cameraConfig('second', clip, { ...loop, detect: [detectConfig('centerface', { fps: 2 })] });
    await using daemon = await startTestDaemon({ cameras: [first, second], inference });
    await using worker = startWorkerProcess(daemon.socketPath);
    const frames = (camera: string) => daemon.frames.filter((frame) => frame.camera === camera);
    const wait = <T>(what: string, check: () => T | undefined | false) => Promise.race([until(what, check), worker.failed]);
    await wait('both to play', () =>
      ['first', 'second'].every((camera) => frames(camera).some(({ sequence }) => sequence > 5n)),
    );
    assert.deepEqual(
      [daemon.hello?.worker, daemon.hello?.token, daemon.hello?.runtime, daemon.hello?.pid],
      ['main', 'a token of the test', 'software', worker.child.pid],
    );
    daemon.send({ $case: 'ping', value: { id: 7n } });
    await wait('the answer to a ping', () => daemon.pongs.includes(7n));

    // What has been decided gives a crop only every two seconds.
    const labelled = new Set<string>();
    const label = (epoch: number, trackId: number) => {
      if (labelled.has(`${epoch}/${trackId}`)) return;
      labelled.add(`${epoch}/${trackId}`);
      const labels = [{ trackId, decided: true, text: '', colour: '', score: 0 }];
      daemon.send({ $case: 'labels', value: { camera: 'first', epoch, labels } });
    };
    const looks = () => frames('first').filter(({ predicted, objects }) => !predicted && objects.length > 0);
    const spared = () => looks().filter(({ objects }) => objects.every(({ crop }) => crop === undefined));
    await wait('ten looks without a crop', () => {
      for (const { epoch, objects } of frames('first')) for (const { trackId } of objects) label(epoch, trackId);
      return spared().length >= 10;
    });
    const crops = looks().flatMap(({ epoch, sequence, objects, ...frame }) => {
      const seconds = (Number(frame.pts) * frame.timeBaseNum) / frame.timeBaseDen;
      return objects.flatMap(({ trackId, crop }) =>
        crop === undefined ? [] : [{ track: `${epoch}/${trackId}`, sequence, seconds }],
      );
    });
    for (const [at, { track, sequence, seconds }] of crops.entries()) {
      const before = crops.slice(0, at).findLast((crop) => crop.track === track);
      // Once one look was spared the label has come.
      const isKnown = spared().some(
        (look) =>
          before !== undefined &&
          look.epoch === Number(track.split('/')[0]) &&
          look.sequence < sequence &&
          look.sequence > before.sequence,
      );
      if (isKnown)
        assert.ok(seconds - (before?.seconds ?? 0) >= 2, `a crop ${seconds - (before?.seconds ?? 0)} s after the one before`);
    }

    const untouched = frames('first').at(-1)?.epoch;
    const secondBefore = daemon.epochs.get('second') ?? 1;
    daemon.send({
      $case: 'configure',
      value: { cameras: [first, { ...second, revision: '2', detect: [] }, cameraConfig('third', '/nowhere.mp4')], inference },
    });
    // The first frame of an epoch is looked at where there is a detector.
    await wait('the changed camera to be opened again, and not looked at', () => {
      const epoch = frames('second').at(-1)?.epoch ?? 0;
      const own = frames('second').filter((frame) => frame.epoch === epoch);
      return epoch > secondBefore && own.length > 3 && own.every(({ predicted }) => predicted);
    });
    assert.equal((await untilState(daemon, 'third', SourceState.AWAY)).code, 'source.unreachable');
    daemon.send({ $case: 'configure', value: { cameras: [first], inference } });
    const gone = await wait('the removed camera to fall silent', () => {
      const stats = daemon.stats.at(-1);
      return stats?.cameras.length === 1 && stats.cameras[0]?.camera === 'first' && frames('second').length;
    });
    await wait(
      'the untouched camera to go on',
      () => (frames('first').at(-1)?.sequence ?? 0n) > 60n || frames('first').at(-1)?.epoch !== untouched,
    );
    assert.equal(frames('second').length, gone);
    await wait(
      'a first frame of each epoch',
      () => frames('first').filter(({ sequence }) => sequence === 0n).length === daemon.epochs.get('first'),
    );
    assert.equal(daemon.statuses.filter(({ camera, state }) => camera === 'first' && state === SourceState.AWAY).length, 0);

    const stats = daemon.stats.at(-1);
    assert.ok(
      (stats?.rssBytes ?? 0n) > 0n && (stats?.models.find(({ model }) => model === 'centerface')?.requests ?? 0n) > 10n,
    );
    daemon.send({ $case: 'drain', value: {} });
    assert.equal(await worker.exit, 0);
    await daemon.untilDrained();
    const of = (epoch: number) => frames('first').filter((frame) => frame.epoch === epoch);
    for (const epoch of [1, daemon.epochs.get('first') ?? 1]) {
      assert.deepEqual(
        of(epoch).map(({ sequence }) => Number(sequence)),
        [...of(epoch).keys()],
        'nothing is missing before the drain',
      );
    }
  });

  test('a daemon that is gone ends the worker, whatever its sources are doing', async () => {
    await using repository = await realRepository();
    await using daemon = await startTestDaemon({
      cameras: [
        cameraConfig('paced', clip, { realtime: true, loop: true }),
        cameraConfig('full', dataPath('clips/real_visits_a.mp4')),
      ],
      inference: inferenceConfig(repository.directory),
    });
    await using worker = startWorkerProcess(daemon.socketPath);
    await Promise.race([
      until('the first frames', () => new Set(daemon.frames.map(({ camera }) => camera)).size === 2),
      worker.failed,
    ]);
    daemon.vanish();
    assert.equal(await worker.exit, 1);
    assert.match(worker.output, /bridge ended/);
  });

  test('settings that cannot work end it with 78 and the reason', async () => {
    await using repository = await realRepository();
    const inference = inferenceConfig(repository.directory);
    const cases = [
      { env: { SIGHTLINE_TOKEN: '' }, configure: { cameras: [], inference }, reason: /SIGHTLINE_TOKEN is not set/ },
      { env: {}, configure: { cameras: [], inference: undefined }, reason: /no inference engine/ },
      {
        env: {},
        configure: { cameras: [], inference: { ...inference, engine: 'abacus' } },
        reason: /abacus is not known to this worker; embedded and triton are/,
      },
      {
        env: {},
        configure: { cameras: [], inference },
        protocolVersion: 2,
        reason: /the daemon speaks protocol 2, this worker 1/,
      },
    ];
    await Promise.all(
      cases.map(async ({ env, configure, protocolVersion, reason }) => {
        await using daemon = await startTestDaemon(configure, protocolVersion === undefined ? {} : { protocolVersion });
        await using worker = startWorkerProcess(daemon.socketPath, env);
        assert.equal(await worker.exit, 78, worker.output);
        const said = () => `${worker.output}${daemon.logs.map(({ message, fieldsJson }) => `${message} ${fieldsJson}`).join()}`;
        await until(String(reason), () => reason.test(said()));
      }),
    );
    await using worker = startWorkerProcess('/nowhere/bridge.sock');
    assert.equal(await worker.exit, 1);
    assert.match(worker.output, /the daemon does not listen on the bridge/);
  });
});
