import { readFileSync } from 'node:fs';
import { createWorkplace, readProcess } from '../../test/support/daemon.ts';

/**
 * `whole.ts CAMERA-URL`: the whole program as a server for `bench/media.ts --server`: daemon, software worker with a tiny detector, media
 * door. Prints `ready URL PID` with the door's process; SIGTERM ends it.
 */
const [camera = ''] = process.argv.slice(2);
const stopped = new Promise<void>((resolve) => process.once('SIGTERM', () => resolve()));
await using place = await createWorkplace({
  cameras: { cam: { source: camera } },
  media: { rtsp: { port: 0, open: true } },
});
const daemon = await place.start();
const children = readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/children`, 'utf8').trim().split(' ');
const door = children.find((pid) => readProcess(pid, 'cmdline').includes('media/main.ts')) ?? 'nowhere';
console.log(`ready rtsp://127.0.0.1:${String(daemon.said('media door ready')?.['rtspPort'])}/cam ${door}`);
await stopped;
