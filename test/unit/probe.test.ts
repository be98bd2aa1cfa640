import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import type { DetectorFigures, FaceFigures, StreamFigures } from '../../src/core/probe.ts';
import { quantile } from '../../src/core/quantile.ts';
import type { Detection, FrameMeta, Quality } from '../../src/core/types.ts';
import { type CameraStats, type StreamStats, WorkerStats } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import { advisedFps, cameraYaml } from '../../src/probe/camera-yaml.ts';
import { createFaceTally, type FaceRules } from '../../src/probe/face-tally.ts';
import { createFrameTally } from '../../src/probe/frame-tally.ts';
import { createObservation } from '../../src/probe/observation.ts';
import { withRemedy } from '../../src/probe/remedies.ts';
import { judge } from '../../src/probe/verdict.ts';

const rules: FaceRules = {
  minFaceHeightPx: 24,
  isUsable: ({ overall }) => overall >= 0.1,
  worst: ({ sharpness }) => (sharpness < 10 ? 'blurred' : 'small'),
};

function face(trackId: number, heightPx: number, quality: Partial<Quality> = {}): Detection {
  const box = { left: 0, top: 0, width: heightPx, height: heightPx };
  const measures = { heightPx, sharpness: 40, rollDegrees: 0, yaw: 0, visible: 1, score: 0.9, overall: 0.5, ...quality };
  const crop = { jpeg: new Uint8Array(1), rect: box, width: 1, height: 1, box, quality: measures };
  return { trackId, label: 'face', model: 'm', score: 0.9, box, ...(heightPx < rules.minFaceHeightPx ? {} : { crop }) };
}

/** Frame `n` of 25 a second that arrived `lateMs` after its time. */
function frame(n: number, more: Partial<FrameMeta> & { readonly lateMs?: number } = {}): FrameMeta {
  const { lateMs = 0, ...fields } = more;
  return {
    camera: 'probe',
    epoch: 1,
    sequence: n,
    time: {
      pts: BigInt(n) * 3600n,
      timeBase: { numerator: 1, denominator: 90_000 },
      receivedMonoMs: 5000 + 40 * n + lateMs,
      cameraTimeMs: 0,
      cameraTimeSource: 'arrival',
      eventTimeMs: 0,
    },
    width: 1920,
    height: 1080,
    predicted: false,
    detections: [],
    endedTracks: [],
    stages: { receivedMs: 5000 + 40 * n + lateMs, bridgedMs: 5001 + 40 * n + lateMs },
    ...fields,
  };
}

const stream: StreamFigures = {
  live: true,
  transport: 'tcp',
  codec: 'h264',
  width: 1920,
  height: 1080,
  decode: 'software',
  mediaMs: 60_000,
  frames: 1500,
  fps: 25,
  declaredFps: 25,
  kbitPerSecond: 4000,
  keyFrames: { count: 31, meanIntervalMs: 2000, longestIntervalMs: 2000 },
  bFrames: { depth: 0, delayMs: 0 },
  lostFrames: 0,
  skipped: 0,
  undecodable: 0,
  interruptions: 0,
  newTimeLines: 0,
  arrival: { jitterMs: 5, longestGapMs: 60 },
  clock: { senderReports: true, aheadMs: -40, jumps: 0 },
};
const detector: DetectorFigures = { model: 'centerface', fps: 5, looks: 300, missed: 0, msPerLook: 70 };
const noFlaws = { too_small: 0, small: 0, blurred: 0, turned: 0, tilted: 0, cut_off: 0, uncertain: 0 };
const faces: FaceFigures = {
  looks: 200,
  tracks: 10,
  briefTracks: 0,
  heightPx: { p10: 50, median: 70, p90: 100 },
  bestHeightPx: 90,
  histogram: [],
  usableLooks: 190,
  usableTracks: 9,
  flaws: { ...noFlaws, small: 10 },
};

describe('probe - statistics', () => {
  it('takes quantiles by nearest rank, and none of nothing', () => {
    assert.equal(quantile([], 0.5), undefined);
    assert.deepEqual(
      [0, 0.1, 0.5, 0.9, 1].map((share) => quantile([5, 1, 4, 2, 3, 10, 9, 8, 7, 6], share)),
      [1, 1, 5, 9, 10],
    );
  });
});

describe('probe - faces', () => {
  it('counts looks by height, what is usable, and why the others are not', () => {
    const tally = createFaceTally(rules);
    tally.see(frame(0, { detections: [face(1, 20), face(2, 60), face(3, 30, { overall: 0.01, sharpness: 3 })] }));
    tally.see(frame(5, { detections: [face(2, 100), face(3, 40, { overall: 0.01 }), face(4, 60)] }));
    tally.see(frame(6, { predicted: true, detections: [face(2, 200)] }));
    tally.see(frame(10, { detections: [{ ...face(9, 300), label: 'person' }] }));
    const figures = tally.figures();
    assert.deepEqual([figures.looks, figures.tracks, figures.briefTracks], [6, 4, 2]);
    assert.deepEqual(figures.heightPx, { p10: 20, median: 40, p90: 100 });
    assert.equal(figures.bestHeightPx, 40);
    assert.deepEqual([figures.usableLooks, figures.usableTracks], [3, 1]);
    assert.deepEqual(figures.flaws, { ...noFlaws, too_small: 1, blurred: 1, small: 1 });
    assert.deepEqual(
      figures.histogram.map(({ fromPx, toPx, looks }) => [fromPx, toPx, looks]),
      [
        [0, 24, 1],
        [24, 40, 1],
        [40, 55, 1],
        [55, 80, 2],
        [80, 120, 1],
        [120, undefined, 0],
      ],
    );
  });

  it('tells tracks of one number apart when they are of two epochs', () => {
    const tally = createFaceTally(rules);
    tally.see(frame(0, { detections: [face(1, 60)] }));
    tally.see(frame(1, { epoch: 2, detections: [face(1, 60)] }));
    assert.equal(tally.figures().tracks, 2);
  });

  it('does not let the last step of the histogram lie below the least height', () => {
    const tally = createFaceTally({ ...rules, minFaceHeightPx: 90 });
    assert.deepEqual(
      tally.figures().histogram.map(({ fromPx }) => fromPx),
      [0, 90, 120],
    );
  });
});

describe('probe - frames', () => {
  const seen = (all: readonly FrameMeta[], skipped = 0) => {
    const tally = createFrameTally();
    for (const each of all) tally.see(each);
    return tally.figures(skipped);
  };
  const steady = Array.from({ length: 101 }, (_, n) => frame(n));

  it('measures the rate by media time', () => {
    const figures = seen(steady);
    assert.deepEqual([figures.frames, figures.mediaMs, figures.lostFrames], [101, 4000, 0]);
    assert.equal(Math.round((figures.fps ?? 0) * 1000), 25_000);
  });

  it('counts gaps in the time stamps, but not what the bridge did not take', () => {
    const without = (...gone: number[]) => steady.filter(({ sequence }) => !gone.includes(sequence));
    const renumbered = without(50, 51, 80).map((each, sequence) => ({ ...each, sequence }));
    assert.equal(seen(renumbered).lostFrames, 3);
    assert.equal(seen(without(50, 51, 80)).lostFrames, 0);
  });

  it('takes frames that this machine did not decode neither for losses nor for a lower rate', () => {
    const decoded = steady.filter((_, n) => n < 30 || n >= 60).map((each, sequence) => ({ ...each, sequence }));
    const figures = seen(decoded, 30);
    assert.deepEqual([figures.lostFrames, Math.round(figures.fps ?? 0)], [0, 25]);
    assert.equal(seen(decoded, 28).lostFrames, 2);
  });

  it('does not count losses where the rate varies', () => {
    const times = steady.map((_, n) => n + (n % 2) * 0.9);
    const uneven = times.map((n, sequence) => ({
      ...frame(sequence),
      time: { ...frame(0).time, pts: BigInt(Math.round(n * 3600)) },
    }));
    assert.equal(seen(uneven).lostFrames, undefined);
  });

  it('measures how evenly frames arrive once the burst at the begin is over', () => {
    const figures = seen(steady.map((_, n) => frame(n, { lateMs: n < 20 ? 800 - 40 * n : n % 10 === 0 ? 120 : 0 })));
    assert.equal(figures.arrival?.jitterMs, 120);
    assert.equal(figures.arrival?.longestGapMs, 160);
  });

  it('begins anew with each epoch', () => {
    const again = steady.map((each) => ({ ...each, epoch: 2, time: { ...each.time, pts: each.time.pts + 9_000_000n } }));
    const figures = seen([...steady, ...again]);
    assert.deepEqual([figures.epochs, figures.mediaMs, figures.lostFrames], [2, 8000, 0]);
  });
});

describe('probe - observation', () => {
  const wire: StreamStats = {
    units: 100n,
    bytes: 500_000n,
    mediaMs: 4000,
    keyFrames: 3n,
    keySpanMs: 4000,
    longestKeyIntervalMs: 2000,
    reorderUnits: 2,
    undecodable: 1n,
    declaredFps: 25,
    senderClock: true,
    senderAheadMs: -20,
    live: true,
  };
  function stats(more: Partial<StreamStats> = {}) {
    const camera: CameraStats = {
      camera: 'probe',
      framesDecoded: 100n,
      framesDetected: 20n,
      framesGated: 0n,
      framesDropped: 2n,
      batchesDropped: 0n,
      crops: 0n,
      fps: 25,
      stream: { ...wire, ...more },
      videoDropped: 0n,
      annotatedDropped: 0n,
      unitsSkipped: 0n,
      cropsRefused: 0n,
      objectsLeftOut: 0n,
    };
    const model = { model: 'm', requests: 20n, failures: 0n, computeMsTotal: 1000, failing: '', fallback: false };
    return { ...WorkerStats.create(), cameras: [camera], models: [model] };
  }
  const observe = (transport: 'tcp' | 'file' = 'tcp') =>
    createObservation({ seconds: 2, transport, detector: { model: 'm', fps: 5 }, rules });
  const live = { state: 'live', since: 0, codec: 'h264', width: 640, height: 360, decode: 'software' } as const;
  const away = { state: 'away', since: 0, reason: 'opening failed' } as const;

  it('watches a camera for its time by the clock of this machine', () => {
    const observation = observe();
    observation.state({ state: 'connecting', since: 0 }, '');
    assert.equal(observation.end(100_000), undefined);
    assert.equal(observation.begun, false);
    observation.state(live, '');
    observation.frame(frame(0));
    observation.stats(stats());
    assert.equal(observation.begun, true);
    assert.equal(observation.end(5001 + 1999), undefined);
    assert.equal(observation.end(5001 + 2000), 'enough');
  });

  it('plays a file for its time in media, or to its end and the last report after that', () => {
    const observation = observe('file');
    observation.state(live, '');
    observation.stats(stats({ live: false }));
    for (let n = 0; n <= 49; n += 1) observation.frame(frame(n));
    assert.equal(observation.end(1e9), undefined);
    observation.frame(frame(50));
    assert.equal(observation.end(0), 'enough');
    observation.frame(frame(51));
    assert.equal(observation.streamFigures().frames, 51);

    const short = observe('file');
    short.state(live, '');
    short.frame(frame(0));
    short.stats(stats({ live: false }));
    short.state({ state: 'ended', since: 0, reason: '' }, 'source.ended');
    assert.equal(short.end(1e9), undefined);
    short.stats(stats({ live: false }));
    assert.equal(short.end(0), 'enough');
  });

  it('does not wait for the rest of a film that broke off', () => {
    const observation = observe('file');
    observation.state(live, '');
    observation.frame(frame(0));
    observation.stats(stats({ live: false }));
    observation.state(away, 'source.unreachable');
    assert.equal(observation.end(1e9), undefined);
    observation.stats(stats({ live: false }));
    assert.equal(observation.end(0), 'enough');
    assert.equal(observation.streamFigures().interruptions, 1);
  });

  it('fails with the first reason why there is no video, and says whether anything came', () => {
    const observation = observe();
    observation.stats(stats());
    observation.state(away, 'source.timeout');
    assert.deepEqual(observation.end(0), { code: 'source.timeout', reason: 'opening failed', units: 100 });
    const unknown = observe();
    unknown.state(away, 'something else');
    assert.deepEqual(unknown.end(0), { code: 'source.failed', reason: 'opening failed', units: 0 });
  });

  it('goes on when a camera that was live breaks off, and counts it once', () => {
    const observation = observe();
    observation.state(live, '');
    observation.frame(frame(0));
    observation.stats(stats());
    observation.state(away, 'source.ended');
    observation.state(away, 'source.unreachable');
    observation.state(live, '');
    observation.frame(frame(1, { epoch: 2 }));
    assert.equal(observation.end(6000), undefined);
    const { interruptions, newTimeLines } = observation.streamFigures();
    assert.deepEqual([interruptions, newTimeLines], [1, 0]);
  });

  it('gives figures of the stream, of the detector and of the clock with its jumps', () => {
    const observation = observe();
    observation.state(live, '');
    for (let n = 0; n < 50; n += 1) observation.frame(frame(n));
    for (const senderAheadMs of [-20, -30, -25, 3200, 3190, 3210]) observation.stats(stats({ senderAheadMs }));
    const figures = observation.streamFigures();
    assert.equal(figures.kbitPerSecond, 1000);
    assert.deepEqual(figures.keyFrames, { count: 3, meanIntervalMs: 2000, longestIntervalMs: 2000 });
    assert.equal(figures.bFrames.depth, 2);
    assert.equal(Math.round(figures.bFrames.delayMs), 80);
    assert.deepEqual(figures.clock, { senderReports: true, aheadMs: 3200, jumps: 1 });
    assert.deepEqual(observation.detectorFigures(), { model: 'm', fps: 5, looks: 20, missed: 0, msPerLook: 50 });
    observation.frame(frame(51));
    observation.stats({ ...stats(), cameras: stats().cameras.map((camera) => ({ ...camera, framesDropped: 5n })) });
    assert.equal(observation.detectorFigures()?.missed, 3);
  });

  it('has no clock of what is no camera', () => {
    const observation = observe('file');
    observation.state(live, '');
    observation.frame(frame(0));
    observation.stats(stats({ live: false }));
    assert.equal(observation.streamFigures().clock, undefined);
    assert.equal(observation.streamFigures().arrival, undefined);
  });
});

describe('probe - verdict', () => {
  const codes = (more: Partial<StreamFigures>) =>
    judge({ stream: { ...stream, ...more }, detector, faces }).findings.map(({ code }) => code);
  const texts = (more: Partial<StreamFigures>) =>
    judge({ stream: { ...stream, ...more }, detector, faces }).findings.map(({ text }) => text);
  const summary = (more: Partial<FaceFigures>, of: Partial<StreamFigures> = {}) => {
    const verdict = judge({ stream: { ...stream, ...of }, detector, faces: { ...faces, ...more } });
    return `${verdict.faces}: ${verdict.summary}`;
  };

  it('has nothing to say against a good camera', () => {
    assert.deepEqual(judge({ stream, detector, faces }), { faces: 'good', summary: 'good for faces', findings: [] });
  });

  it('says in words what is wrong with a stream and what would help', () => {
    const said: readonly [Partial<StreamFigures>, RegExp][] = [
      [{ keyFrames: { count: 7, longestIntervalMs: 10_000 } }, /^key frames 10\.0 s apart: start-up slow/],
      [{ clock: { senderReports: true, aheadMs: -3200, jumps: 0 } }, /^clock off by 3\.2 s: arrival time will be used/],
      [{ clock: { senderReports: true, aheadMs: 800, jumps: 0 } }, /^clock off by 800 ms: times of alerts/],
      [{ clock: { senderReports: true, aheadMs: 0, jumps: 2 } }, /clock was set twice/],
      [{ clock: { senderReports: false } }, /^no sender reports .*arrival time will be used/],
      [{ bFrames: { depth: 2, delayMs: 80 } }, /^B-frames add 80 ms: switch them off/],
      [{ width: 480, height: 270 }, /480 x 270.*use the main stream/],
      [{ fps: 3 }, /^only 3\.0 frames a second/],
      [{ fps: 12 }, /^12\.0 frames a second come of 25\.0 declared/],
      [{ interruptions: 1 }, /^the stream broke off once/],
      [{ newTimeLines: 3 }, /^time stamps began anew 3 times/],
      [{ lostFrames: 50 }, /^50 frames did not come \(3\.2 %\): look at network/],
      [{ lostFrames: 50, transport: 'udp' }, /use transport tcp/],
      [{ undecodable: 4 }, /^4 parts/],
      [
        { skipped: 500 },
        /^500 frames were not decoded \(25 %\): this machine was too slow for this stream, or busy; decode on hardware/,
      ],
      [{ arrival: { jitterMs: 300, longestGapMs: 900 } }, /up to 300 ms late/],
    ];
    for (const [more, expected] of said) {
      const found = texts(more);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0] ?? '', expected);
    }
  });

  it('does not ask of a file what only a camera can change', () => {
    const { arrival: _arrival, clock: _clock, ...file } = stream;
    const measured = {
      stream: { ...file, live: false, newTimeLines: 1, keyFrames: { count: 1, longestIntervalMs: 60_000 } },
      detector,
      faces,
    };
    assert.deepEqual(judge(measured).findings, []);
  });

  it('stays silent just inside the limits', () => {
    assert.deepEqual(codes({ keyFrames: { count: 16, longestIntervalMs: 4000 }, lostFrames: 3, fps: 20 }), []);
  });

  it('judges faces by how many tracks are usable and how high they are', () => {
    assert.equal(summary({ usableTracks: 7 }), 'good: good for faces');
    assert.match(
      summary({ bestHeightPx: 40 }),
      /^fair: fair for faces: at best 40 px high, 55 px and more are safer; faces too small/,
    );
    assert.match(summary({ usableTracks: 4 }), /^fair: fair for faces, 40 % can be compared; faces too small: move closer/);
    assert.match(summary({ usableTracks: 1 }), /^poor: faces too small: move closer, zoom in or narrow the view$/);
    assert.match(summary({ usableTracks: 1 }, { width: 640 }), /use the main stream$/);
  });

  it('names the commonest flaw; what is too small to compare counts with what is small', () => {
    assert.match(
      summary({ usableTracks: 1, flaws: { ...noFlaws, blurred: 30, small: 10 } }),
      /^poor: faces blurred: more light/,
    );
    assert.match(
      summary({ usableTracks: 1, flaws: { ...noFlaws, blurred: 30, small: 10, too_small: 25 } }),
      /^poor: faces too small/,
    );
    assert.match(summary({ usableTracks: 1, flaws: { ...noFlaws, turned: 30 } }), /^poor: faces turned away/);
  });

  it('does not hold single looks at the edges against a camera, unless most are', () => {
    assert.equal(summary({ tracks: 10, briefTracks: 4, usableTracks: 5 }), 'good: good for faces');
    assert.match(summary({ tracks: 10, briefTracks: 9, usableTracks: 1 }), /^poor: faces seen too briefly/);
  });

  it('says so when nobody was seen or nobody could look', () => {
    const { heightPx: _heights, bestHeightPx: _best, ...none } = faces;
    const nobody = judge({
      stream,
      detector,
      faces: { ...none, looks: 0, tracks: 0, usableLooks: 0, usableTracks: 0, flaws: noFlaws },
    });
    assert.equal(nobody.faces, 'unknown');
    assert.match(nobody.summary, /no face came into view: probe again while somebody walks/);
    const blind = judge({ stream, noDetector: 'no face detector is here: get one' });
    assert.deepEqual(blind.findings, [{ code: 'no_detector', severity: 'warning', text: 'no face detector is here: get one' }]);
    assert.deepEqual([blind.faces, blind.summary], ['unknown', 'nobody looked for faces']);
  });

  it('says when the detector does not work or cannot keep up', () => {
    const broken = judge({ stream, detector: { ...detector, failing: 'bad weights' }, faces });
    assert.deepEqual([broken.faces, broken.findings[0]?.code], ['unknown', 'detector_failing']);
    const slow = judge({ stream, detector: { ...detector, looks: 60, missed: 240 }, faces });
    assert.match(slow.findings[0]?.text ?? '', /^80 % of the looks at 5 a second were missed/);
  });
});

describe('probe - configuration', () => {
  const advice = {
    name: 'door',
    source: 'rtsp://${CAM_USER}:${CAM_PASSWORD}@10.0.0.21/s?a=1&b=2',
    stream,
    fps: 5,
    detector,
    model: 'centerface',
  };
  const load = (text: string, name = 'door') =>
    loadConfig(text, {
      file: '/etc/sightline.yaml',
      env: { CAM_USER: 'u', CAM_PASSWORD: 'p' },
      readFile: () => {
        throw new Error('no file is read');
      },
    }).config.cameras[name];

  it('gives a camera that the configuration takes', () => {
    const camera = load(cameraYaml(advice));
    assert.equal(camera?.source, 'rtsp://u:p@10.0.0.21/s?a=1&b=2');
    assert.deepEqual([camera?.detect[0]?.model, camera?.detect[0]?.fps], ['centerface', 5]);
    assert.deepEqual([camera?.transport, camera?.silenceTimeout], ['tcp', 10_000]);
  });

  it('carries what the stream needs: its transport, and patience where key frames are rare', () => {
    const rare = { ...stream, transport: 'udp' as const, keyFrames: { count: 3, longestIntervalMs: 12_000 } };
    const camera = load(cameraYaml({ ...advice, stream: rare }));
    assert.deepEqual([camera?.transport, camera?.silenceTimeout], ['udp', 24_000]);
    const never = { ...stream, keyFrames: { count: 1, longestIntervalMs: 590_000 } };
    assert.equal(load(cameraYaml({ ...advice, stream: never }))?.silenceTimeout, 600_000);
  });

  it('quotes what YAML would read otherwise', () => {
    for (const source of ['/films/a: b #1.mp4', "/films/it's.mp4", '/films/{x}.mp4'])
      assert.equal(load(cameraYaml({ ...advice, source }))?.source, source);
    for (const name of ['null', 'true', '2024', '1e3']) assert.ok(load(cameraYaml({ ...advice, name }), name), name);
  });

  it('asks for no more looks than this machine can take or than frames come', () => {
    assert.equal(advisedFps({ stream, fps: 5, detector }), 5);
    assert.equal(advisedFps({ stream, fps: 5, detector: { ...detector, msPerLook: 300 } }), 2);
    assert.equal(advisedFps({ stream, fps: 5, detector: { ...detector, msPerLook: 2000 } }), 0.4);
    assert.equal(advisedFps({ stream: { ...stream, fps: 2.9 }, fps: 5, detector }), 3);
    assert.equal(advisedFps({ stream, fps: 5 }), 5);
  });
});

describe('probe - failures', () => {
  it('says what would help', () => {
    const help = (code: 'source.auth' | 'source.format' | 'source.timeout' | 'source.unsupported', units = 0) =>
      withRemedy({ code, reason: 'it failed', units }, 'tcp');
    assert.match(help('source.auth'), /^it failed; mend user and password.*\$\{CAM_USER\}:\$\{CAM_PASSWORD\}@/);
    assert.match(help('source.timeout'), /--transport udp/);
    assert.match(help('source.timeout', 300), /video arrives \(300 units\) but no key frame/);
    assert.equal(help('source.unsupported'), 'it failed');
    assert.match(withRemedy({ code: 'source.unreachable', reason: 'x', units: 0 }, 'file'), /check the path/);
    assert.match(withRemedy({ code: 'source.format', reason: 'x', units: 0 }, 'http'), /web page/);
  });
});
