import { setTimeout as wait } from 'node:timers/promises';
import { CameraTimeSource, type Frame, type Object as WireObject } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { type BridgeClient, connectBridge, protocolVersion } from '../../src/software-worker/bridge-client.ts';
import { testContext } from '../../test/support/context.ts';
import { cameraName, camerasOf, type Load, token, workerName } from './load.ts';

/**
 * The workers of the bench in one process: says Hello on one connection per worker, asks for epochs and sends frames as cameras do, each
 * at its own moments. Objects live ten seconds; on frames without detection they are predictions.
 */

const lifeSeconds = 10;

const load = JSON.parse(process.argv[2] ?? '') as Load;
using ctx = testContext();
const epochs = new Map<string, number>();
const clients: BridgeClient[] = [];
let unsent = 0;

for (let worker = 0; worker < load.workers; worker += 1) {
  const client: BridgeClient = await connectBridge(
    {
      socketPath: load.socketPath,
      hello: { protocolVersion, worker: workerName(worker), token, runtime: 'software', capabilities: [], pid: process.pid },
      onCommand: (command) => {
        if (command.$case === 'ping') client.send({ $case: 'pong', value: { id: command.value.id } });
        if (command.$case === 'epoch') epochs.set(command.value.camera, command.value.epoch);
      },
      onDropped: (frames) => {
        unsent += frames.length;
      },
    },
    ctx,
  );
  clients.push(client);
  for (const camera of camerasOf(load, worker)) client.send({ $case: 'epochRequest', value: { camera: cameraName(camera) } });
}
while (epochs.size < load.cameras) await wait(10);

function object(camera: number, place: number, sequence: number, detected: boolean): WireObject {
  const life = lifeSeconds * load.fps;
  const [left, top] = [40 + ((camera * 131 + place * 311 + sequence * 3) % 1000), 60 + ((camera * 53 + place * 97) % 400)];
  const face = place === 0;
  const [width, height] = face ? [70, 90] : [120, 260];
  return {
    trackId: 1 + place + load.objects * Math.floor((sequence + camera * 7) / life),
    label: face ? 'face' : 'person',
    model: face ? 'centerface' : 'yolox_nano',
    score: 0.9,
    box: { left: left + 0.5, top: top + 0.25, width, height },
    landmarks:
      face && detected ? [20, 40, 50, 40, 35, 60, 22, 75, 48, 75].map((value, at) => value + (at % 2 === 0 ? left : top)) : [],
    personTrackId: 0,
    crop: undefined,
  };
}

function frame(camera: number, sequence: number): Frame {
  const life = lifeSeconds * load.fps;
  const nowUs = BigInt(Math.round(ctx.clock.mono() * 1000));
  const detected = (sequence + camera) % load.detectEvery === 0;
  const age = sequence + camera * 7;
  const born = sequence > 0 && age % life === 0;
  return {
    camera: cameraName(camera),
    epoch: epochs.get(cameraName(camera)) ?? 0,
    sequence: BigInt(sequence),
    pts: BigInt(Math.round((sequence * 90_000) / load.fps)),
    timeBaseNum: 1,
    timeBaseDen: 90_000,
    receivedMonoUs: nowUs,
    cameraTimeUs: BigInt(ctx.clock.now()) * 1000n,
    cameraTimeSource: CameraTimeSource.RTCP,
    width: 1280,
    height: 720,
    predicted: !detected,
    objects: Array.from({ length: load.objects }, (_, place) => object(camera, place, sequence, detected)),
    decodedMonoUs: nowUs,
    detectedMonoUs: detected ? nowUs : 0n,
    sentMonoUs: 0n,
    endedTracks: born ? Array.from({ length: load.objects }, (_, place) => 1 + place + load.objects * (age / life - 1)) : [],
    live: true,
  };
}

const began = ctx.clock.mono();
const sent = new Array<number>(load.cameras).fill(0);
let total = 0;
while (ctx.clock.mono() - began < load.seconds * 1000) {
  const elapsed = (ctx.clock.mono() - began) / 1000;
  for (let camera = 0; camera < load.cameras; camera += 1) {
    const phase = camera / load.cameras;
    for (let due = Math.floor(elapsed * load.fps + phase); (sent[camera] ?? 0) < due; total += 1) {
      const sequence = sent[camera] ?? 0;
      clients[camera % load.workers]?.sendFrame(frame(camera, sequence));
      sent[camera] = sequence + 1;
    }
  }
  await wait(4); // as the yardstick's sender
}
await Promise.all(clients.map((client) => client.flushed()));
process.send?.({ sent: total, unsent });
await new Promise((resolve) => process.once('message', resolve));
await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
process.disconnect();
