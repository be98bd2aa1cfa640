import { createFrameDecoder } from '../../src/bridge/decode.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { FrameMeta } from '../../src/core/types.ts';
import {
  cameraConfig,
  detectConfig,
  inferenceConfig,
  startTestDaemon,
  startWorkerProcess,
  untilEnded,
} from '../../test/support/software-worker.ts';

export interface WatchOptions {
  readonly repository: string;
  readonly detector: string;
  readonly kind: 'face' | 'body';
}

/** Frames a second that are looked at: the default of a camera. */
export const detectFps = 5;
/** Far below what a camera compares by default: the smallest are measured too. */
const leastHeight = { face: 12, body: 40 } as const;

/** A busy machine must not open a file a second time. */
const patienceMs = 300_000;

/**
 * Plays a file through the real software worker, as the daemon starts it, and gives the frames that were detected on: crops cut, warped
 * and compressed as always. No motion gate, and no track is ever decided, so that every detection of at least 12 px (bodies 40) has a crop.
 */
export async function watchFile(file: string, { repository, detector, kind }: WatchOptions): Promise<readonly FrameMeta[]> {
  const camera = cameraConfig('clip', file, {
    detect: [detectConfig(detector, { fps: detectFps, classes: kind === 'body' ? ['person'] : [] })],
    crops: {
      faces: kind === 'face',
      bodies: kind === 'body',
      minFaceHeight: leastHeight.face,
      minBodyHeight: leastHeight.body,
      refreshMs: 0,
      betterBy: 0,
      jpegQuality: 0,
      maxSide: 0,
    },
    openTimeoutMs: patienceMs,
    silenceTimeoutMs: patienceMs,
  });
  await using daemon = await startTestDaemon({ cameras: [camera], inference: inferenceConfig(repository) });
  await using worker = startWorkerProcess(daemon.socketPath);
  const ended = untilEnded(daemon, 'clip', 600_000);
  const frames = await Promise.race([ended, worker.failed]);
  if (daemon.epochs.get('clip') !== 1) throw new Error(`${file} was opened ${daemon.epochs.get('clip')} times`);
  const decoder = createFrameDecoder(systemClock);
  return frames.flatMap((wire) => {
    const decoded = decoder.decode(wire);
    if ('refused' in decoded) throw new Error(`a frame of ${file} is refused: ${decoded.refused}`);
    return decoded.frame.predicted ? [] : [decoded.frame];
  });
}
