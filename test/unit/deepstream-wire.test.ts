import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { MessageSplitter } from '../../src/core/framing.ts';
import { CameraTimeSource, SourceState, WorkerMessage } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { MediaMessage, Variant } from '../../src/gen/sightline/media/v1/media.ts';

/**
 * Messages of the C++ program (deepstream/app) and the daemon's decoder. test/fixtures/bridge/*.bin are what deepstream/build/app/tests/wire_samples
 * wrote; test/integration/deepstream-rules.test.ts holds them to what it writes now.
 */

const root = resolve(import.meta.dirname, '../..');

function sample(name: string): Uint8Array {
  const bytes = readFileSync(join(root, 'test/fixtures/bridge', `${name}.bin`));
  const [message, ...rest] = new MessageSplitter().push(bytes);
  assert.ok(message !== undefined && rest.length === 0, 'one message in a file');
  return message;
}

function worker(name: string) {
  return WorkerMessage.decode(sample(name)).message;
}

function media(name: string) {
  return MediaMessage.decode(sample(name)).message;
}

const points = [110, 120, 130, 120, 120, 130, 112, 140, 128, 140];

describe('messages of the DeepStream program', () => {
  it('are read as hello, status, stats and the small ones', () => {
    assert.deepEqual(worker('hello'), {
      $case: 'hello',
      value: {
        ...{ protocolVersion: 1, worker: 'deepstream-main', token: 'secret', runtime: 'deepstream' },
        ...{ capabilities: ['h264', 'h265', 'rtsp', 'file'], pid: 17 },
      },
    });
    assert.deepEqual(worker('status'), {
      $case: 'status',
      value: {
        ...{ camera: 'lobby', epoch: 7, state: SourceState.AWAY, reason: 'no frame for 10 s', code: 'source.timeout' },
        ...{ codec: 'h264', width: 1920, height: 1080, decode: 'nvdec', retryInMs: 5000, fps: 25, otherCodes: ['camera.late'] },
      },
    });
    const stats = worker('stats');
    assert.ok(stats?.$case === 'stats');
    assert.equal(stats.value.rssBytes, 123_456_789n);
    assert.equal(stats.value.cpuSeconds, 1.5);
    const [camera] = stats.value.cameras;
    assert.deepEqual(
      [camera?.framesDecoded, camera?.framesDetected, camera?.framesDropped, camera?.batchesDropped, camera?.crops],
      [100n, 20n, 6n, 3n, 5n],
    );
    assert.equal(camera?.fps, 24.5);
    assert.deepEqual([camera?.videoDropped, camera?.annotatedDropped], [2n, 1n]);
    const failing = 'an output holds a value that is not finite, or a class below 0';
    assert.deepEqual(stats.value.models, [
      { model: 'centerface', requests: 40n, failures: 9n, computeMsTotal: 0, failing, fallback: false },
    ]);
    assert.deepEqual([camera?.cropsRefused, camera?.objectsLeftOut, camera?.unitsSkipped], [7n, 8n, 9n]);
    assert.deepEqual([camera?.stream?.units, camera?.stream?.bytes, camera?.stream?.keyFrames], [101n, 65_536n, 4n]);
    assert.deepEqual([camera?.stream?.mediaMs, camera?.stream?.keySpanMs], [4000, 3000]);
    assert.deepEqual([camera?.stream?.longestKeyIntervalMs, camera?.stream?.reorderUnits], [1200, 2]);
    assert.equal(camera?.stream?.declaredFps, 25);
    assert.deepEqual([camera?.stream?.live, camera?.stream?.senderClock], [true, true]);
    assert.deepEqual(stats.value.gpu, {
      ...{ uuid: 'GPU-57a4d1a0', name: 'Stand-in', utilizationPercent: 37, decoderPercent: 0, encoderPercent: undefined },
      ...{ memoryUsedBytes: 3n << 30n, memoryBytes: 24n << 30n, celsius: 61 },
    });
    assert.deepEqual(worker('log'), {
      $case: 'log',
      value: { level: 'warn', message: 'camera away', fieldsJson: '{"camera":"lobby"}' },
    });
    assert.deepEqual(worker('pong'), { $case: 'pong', value: { id: 300n } });
    assert.deepEqual(worker('drained'), { $case: 'drained', value: {} });
    assert.deepEqual(worker('epoch-request'), { $case: 'epochRequest', value: { camera: 'lobby' } });
  });

  it('are read as frames, with the epoch and the moment that they left with', () => {
    const message = worker('frames');
    assert.ok(message?.$case === 'frames');
    assert.deepEqual(
      message.value.frames.map(({ epoch, sentMonoUs }) => [epoch, sentMonoUs]),
      [
        [7, 1_000_004n],
        [8, 1_000_004n],
      ],
    );
    const [frame] = message.value.frames;
    assert.ok(frame !== undefined);
    const { objects, ...rest } = frame;
    assert.deepEqual(rest, {
      ...{ camera: 'lobby', epoch: 7, sequence: 300n, pts: 12_345_678_901n, timeBaseNum: 1, timeBaseDen: 1_000_000_000 },
      ...{ receivedMonoUs: 1_000_001n, cameraTimeUs: 1_800_000_000_000_000n, cameraTimeSource: CameraTimeSource.RTCP },
      ...{ width: 1920, height: 1080, predicted: false, decodedMonoUs: 1_000_002n, detectedMonoUs: 1_000_003n },
      ...{ sentMonoUs: 1_000_004n, endedTracks: [3, 4], live: true },
    });
    assert.deepEqual(objects[0], {
      ...{ trackId: 1, label: 'face', model: 'centerface', score: 0.875, landmarks: points, personTrackId: 2 },
      box: { left: 100, top: 100, width: 40, height: 52 },
      crop: {
        ...{ width: 32, height: 36, landmarks: points },
        jpeg: Buffer.from('\xff\xd8jpeg', 'latin1'),
        rect: { left: 90, top: 92, width: 64, height: 72 },
        box: { left: 5, top: 4, width: 20, height: 26 },
        quality: {
          ...{ heightPx: 52, sharpness: 35.5, rollDegrees: -3.25, yaw: 0.125, visible: 1, score: 0.875, overall: 0.5 },
        },
      },
    });
    assert.deepEqual([objects[1]?.label, objects[1]?.crop, objects[1]?.landmarks], ['person', undefined, []]);
  });

  it('are read by the media door', () => {
    assert.deepEqual(media('media-hello'), {
      $case: 'hello',
      value: { protocolVersion: 1, worker: 'deepstream-main', token: 'secret' },
    });
    assert.deepEqual(media('format'), {
      $case: 'format',
      value: {
        ...{ camera: 'lobby', epoch: 7, variant: Variant.CLEAN, codec: 'h264', width: 1920, height: 1080, revision: 'r1' },
        parameterSets: Buffer.from('sets'),
      },
    });
    assert.deepEqual(media('unit'), {
      $case: 'unit',
      value: {
        ...{ camera: 'lobby', epoch: 7, variant: Variant.CLEAN, key: true, pts: -3600n, dts: -3601n },
        ...{ captureTimeUs: 1_800_000_000_000_000n, receivedMonoUs: 1_000_001n, data: Buffer.from('unit') },
      },
    });
  });
});

describe('field numbers of the DeepStream program', () => {
  const written = readFileSync(join(root, 'deepstream/app/wire.h'), 'utf8');
  const declared = new Map<string, Map<string, string>>();
  for (const name of ['bridge', 'media']) {
    const text = readFileSync(join(root, `proto/sightline/${name}/v1/${name}.proto`), 'utf8').replaceAll(/\/\/.*/g, '');
    for (const [, kind, type = '', body = ''] of text.matchAll(/(message|enum) (\w+) \{((?:[^{}]|\{[^{}]*\})*)\}/g)) {
      const fields = new Map<string, string>();
      const prefix = `${type.replaceAll(/(?!^)([A-Z])/g, '_$1').toUpperCase()}_`;
      for (const [, field = '', number = ''] of body.matchAll(/(\w+) = (\d+)(?: \[[^\]]*\])?;/g))
        fields.set(kind === 'enum' ? field.replace(prefix, '').toLowerCase() : field, number);
      declared.set(type, fields);
    }
  }
  const enums = [...written.matchAll(/enum class (\w+) : [\w:]+ \{([^}]*)\}/g)];

  it('are those of every message it writes or reads', () => {
    assert.ok(enums.length > 20, `${enums.length} enums`);
    for (const [, name = '', body = ''] of enums) {
      const fields = new Map([...body.matchAll(/(\w+) = (\d+)/g)].map(([, field = '', number = '']) => [field, number]));
      assert.deepEqual(fields, declared.get(name), name);
    }
  });
});
