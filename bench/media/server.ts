import { systemClock } from '../../src/core/clock.ts';
import { createLogger } from '../../src/core/log.ts';
import { createMetrics } from '../../src/core/metrics.ts';
import { startRtspServer } from '../../src/media/rtsp-server.ts';
import { createVideoStream } from '../../src/media/video-stream.ts';
import { pull } from './pull.ts';

/** `server.ts CAMERA-URL`: the RTSP server alone in a process, fed with that camera's units. Prints `ready URL`; SIGTERM ends it. */
const [camera = ''] = process.argv.slice(2);
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
const log = createLogger({ level: 'warn', destination: process.stderr });
const ctx = { log, clock: systemClock, metrics: createMetrics(), signal: stop.signal };
const stream = createVideoStream({ name: 'cam' }, ctx);
await using server = await startRtspServer({ host: '127.0.0.1', port: 0, find: () => stream }, ctx);
console.log(`ready ${server.url('cam')}`);
await pull(camera, stream, stop.signal);
