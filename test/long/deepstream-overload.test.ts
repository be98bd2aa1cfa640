import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { Frame } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { dataPath, missingData } from '../support/data.ts';
import { changeControl, startRenderedApp } from '../support/deepstream-app.ts';
import { startTestDoor } from '../support/media-door.ts';
import { missingRtspCamera, startRtspCamera } from '../support/rtsp-camera.ts';
import { cameraConfig, detectConfig, startTestDaemon, type TestDaemon } from '../support/software-worker.ts';
import { buildStandin, missingStandin } from '../support/standin.ts';
import { until } from '../support/until.ts';

/** The program in a DeepStream container with more to do than detectors or decoder can: what is left out, and what is said. */

/** Ten frames a second, a key picture every second, 72 seconds. */
const clip = 'real_visits_a';
const camera = 'lobby';
const lookedWords =
  /^(\d+\.\d+) of (\d+\.\d+) frames a second are looked at: card, Triton or processor have no time for more; .* would help$/;
const decodedWords = /(\d+\.\d+) of (\d+\.\d+) frames a second are decoded: there is no time for more; .* would help/;
const unclocked = 5;
const patience = 180_000;
const skip = missingStandin() || missingData(`clips/${clip}.mp4`, `clips/${clip}.gt.json`) || missingRtspCamera();

/** How late each frame of the epoch is where nothing more happens to it in the container, beside the one that was never late. */
function delaysMs(frames: readonly Frame[]): readonly number[] {
  const arrivals = frames.map(({ receivedMonoUs, pts }) => Number(receivedMonoUs - pts / 1000n));
  const soonest = Math.min(...arrivals);
  return frames.map(({ detectedMonoUs, receivedMonoUs, pts }) => {
    const doneUs = detectedMonoUs === 0n ? receivedMonoUs : detectedMonoUs;
    return (Number(doneUs - pts / 1000n) - soonest) / 1000;
  });
}

async function startOverloadable() {
  const stack = new AsyncDisposableStack();
  try {
    const source = stack.use(await startRtspCamera(dataPath(`clips/${clip}.mp4`)));
    const detect = [detectConfig('persons'), detectConfig('faces')];
    const daemon = stack.use(
      await startTestDaemon({ cameras: [cameraConfig(camera, source.url, { detect })], inference: undefined }),
    );
    const door = stack.use(await startTestDoor());
    const { app, directory } = stack.use(
      await startRenderedApp({
        ...{ bridge: daemon.socketPath, media: door.socketPath, cameras: [camera], script: { [camera]: clip } },
        mux: { width: 640, height: 360 },
      }),
    );
    const during = async <T>(what: string, check: () => T | undefined | false) =>
      await Promise.race([until(what, check, patience), app.failed]);
    await during('pictures', () => daemon.frames.length > 20);
    const all = stack.move();
    return { daemon, door, directory, during, [Symbol.asyncDispose]: () => all.disposeAsync() };
  } finally {
    await stack.disposeAsync();
  }
}

const reason = (daemon: TestDaemon) => daemon.statuses.at(-1)?.reason ?? '';
const counters = (daemon: TestDaemon) => daemon.stats.at(-1)?.cameras[0];

/** All that came of it so far, decoded or not; of what came before its first picture the place on the clock may not be known. */
async function untilWhole({ daemon, door, during }: Awaited<ReturnType<typeof startOverloadable>>): Promise<void> {
  const came = Number(counters(daemon)?.stream?.units);
  await during(`all of ${came} units`, () => door.units(camera, 'clean').length >= came - unclocked);
}

/** Frames of the next seconds of media. */
async function framesOf(seconds: number, { daemon, during }: Awaited<ReturnType<typeof startOverloadable>>) {
  const from = daemon.frames.length;
  const first = daemon.frames.at(-1)?.pts ?? 0n;
  await during(`${seconds} seconds more`, () => Number((daemon.frames.at(-1)?.pts ?? 0n) - first) / 1e9 > seconds);
  return delaysMs(daemon.frames).slice(from);
}

describe('a DeepStream camera with more to do than there is time for, on the stand-in', { skip }, () => {
  before(async () => {
    await buildStandin();
  });

  it('is looked at less often where detectors are slow, late by little, and says so until it is over', async () => {
    await using place = await startOverloadable();
    const { daemon, directory, during } = place;
    const script = join(directory, 'script.json');
    await changeControl(directory, { inference: { script, requestMs: 700 } });
    const [words, fps, due] = await during('it says that it is late', () => lookedWords.exec(reason(daemon)) ?? false);
    assert.ok(Number(fps) < 0.9 * Number(due) && Number(due) <= 6, words);
    assert.equal(daemon.statuses.at(-1)?.code, 'camera.late');
    const delays = await framesOf(10, place);
    // Two looks one after the other are 1.4 s; with every queue of the pipeline full they were seven seconds, and more by half a second each second.
    assert.ok(Math.max(...delays) < 4000, `late by ${delays.map((ms) => ms.toFixed(0))} ms`);
    assert.ok(Number(counters(daemon)?.framesDropped) > 50, `${counters(daemon)?.framesDropped} frames left out`);
    await untilWhole(place);
    await changeControl(directory, { inference: { script } });
    await during('it says no more', () => reason(daemon) === '' && daemon.statuses.at(-1)?.code === '');
  });

  it('is late while nothing comes through the detectors, not only once something does', async () => {
    await using place = await startOverloadable();
    const { daemon, directory, during } = place;
    const script = join(directory, 'script.json');
    // Ten seconds are judged.
    await framesOf(12, place);
    await changeControl(directory, { inference: { script, requestMs: 4000 } });
    await during('it says that it is late', () => lookedWords.test(reason(daemon)));
    const latest = Math.max(...delaysMs(daemon.frames));
    assert.ok(latest < 3000, `a frame that is late by ${latest.toFixed(0)} ms came before the words`);
    await changeControl(directory, { inference: { script } });
    await framesOf(1, place);
  });

  it('is decoded in part where the decoder is slow, late by little, and its video is whole', async () => {
    await using place = await startOverloadable();
    const { daemon, directory, during } = place;
    await changeControl(directory, { sources: { 0: { decodeMs: 200 } } });
    const [words, fps, due] = await during('it says that it is late', () => decodedWords.exec(reason(daemon)) ?? false);
    assert.ok(Number(fps) < Number(due), words);
    assert.equal(daemon.statuses.at(-1)?.code, 'camera.late');
    const delays = await framesOf(20, place);
    // With all decoded it would be half a second more each second.
    assert.ok(Math.max(...delays) < 4000, `late by ${delays.map((ms) => ms.toFixed(0))} ms`);
    const skipped = Number(counters(daemon)?.unitsSkipped);
    assert.ok(skipped > 50, `${skipped} units skipped`);
    await untilWhole(place);
  });
});
