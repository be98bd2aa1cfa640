import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { freePort } from '../test/support/port.ts';
import { buildMediaBench, byteStream, type Measured, measure, missingMediaBench } from './media/yardstick.ts';
import { progress, publish } from './support/table.ts';

const usage = `usage: node bench/media.ts [--readers 1,20,100] [--seconds 20] [--server FILE]

What the RTSP server costs and delays: a camera of 1280 x 720, 25 frames and 2 Mbit/s a second, whose pictures carry the moment they
were sent, readers over TCP (../shared/peer/media_bench.go), and between them the server in a process of its own. Beside it the floor:
the same readers on the camera itself. Then the wait of a new reader for its first picture where key frames are ten seconds apart.
Prints a table, writes bench/results/media.json.

  --server   program to measure instead of bench/media/server.ts: called with the camera's address, says "ready URL", and the process to
             measure where it is another, ends at SIGTERM; bench/media/whole.ts is daemon, worker and media door`;

const { values } = parseArgs({
  options: {
    readers: { type: 'string', default: '1,20,100' },
    seconds: { type: 'string', default: '20' },
    server: { type: 'string', default: join(import.meta.dirname, 'media/server.ts') },
    help: { type: 'boolean' },
  },
});

/** Processor seconds a minute by number of readers; delay over the floor, and wait for the first picture, in ms. */
const targets = {
  cpu: new Map([1, 20, 100].map((readers, at) => [readers, [1, 2, 5.6][at] ?? 0])),
  p50: 2,
  p99: 15,
  first: 150,
};

interface Server extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

async function startServer(camera: number): Promise<Server> {
  const child: ChildProcess = spawn(process.execPath, [values.server, `rtsp://127.0.0.1:${camera}/cam`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  if (child.stdout === null) throw new Error('the server has no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url, pid = child.pid] = /^ready (\S+)(?: (\d+))?/.exec(line) ?? [];
    if (url === undefined) continue;
    return {
      url,
      pid: Number(pid),
      async [Symbol.asyncDispose]() {
        child.kill('SIGTERM');
        await ended;
      },
    };
  }
  throw new Error(`${values.server} ended without being ready`);
}

async function measureOurs(file: string, readers: readonly number[], seconds: number): Promise<readonly Measured[]> {
  const camera = await freePort();
  await using server = await startServer(camera);
  return await measure({ file, camera, readers, seconds, server, each: say('ours') });
}

const say = (whose: string) => (measured: Measured) =>
  progress(
    `${whose}, ${measured.readers} readers: ${measured.cpuSecondsPer60.toFixed(2)} s, delay ${measured.delayMs.p50.toFixed(2)} ms`,
  );

const missing = missingMediaBench();
if (values.help) console.log(usage);
else if (missing !== false) progress(`nothing is measured: ${missing}`);
else {
  buildMediaBench();
  const readers = values.readers.split(',').map(Number);
  const seconds = Number(values.seconds);
  const film = byteStream(1);
  const floor = await measure({ file: film, camera: await freePort(), readers, seconds, each: say('floor') });
  const ours = await measureOurs(film, readers, seconds);
  // The camera begins to send at a key frame: the server has one after the first step, which is not counted.
  const [, ...first] = await measureOurs(byteStream(10), [1, 1, 20], 8);
  const rows = ours.map((measured, at) => {
    const { delayMs: least = measured.delayMs } = floor[at] ?? {};
    const { delayMs, cpuSecondsPer60, units, expected, failed } = measured;
    const added = { p50: delayMs.p50 - least.p50, p99: delayMs.p99 - least.p99 };
    const cpu = targets.cpu.get(measured.readers);
    // The bench's clock and the camera's do not begin at one moment: one picture a reader may be this side or that.
    const lost = Math.max(0, expected - units - measured.readers);
    const reached = cpuSecondsPer60 <= (cpu ?? Infinity) && added.p50 <= targets.p50 && added.p99 <= targets.p99;
    return [
      `passthrough, ${measured.readers} readers`,
      cpuSecondsPer60.toFixed(2),
      `${least.p50.toFixed(2)} / ${least.p99.toFixed(1)}`,
      `${delayMs.p50.toFixed(2)} / ${delayMs.p99.toFixed(1)}`,
      `${lost} of ${expected}`,
      measured.rssMb.toFixed(0),
      `<= ${cpu ?? '?'} s, + ${targets.p50} / ${targets.p99} ms, none lost: ${reached && lost === 0 && failed === 0 ? 'reached' : 'missed'}`,
    ];
  });
  for (const { readers: count, firstKeyMs, failed } of first) {
    const reached = firstKeyMs.max <= targets.first && failed === 0;
    rows.push([
      `PLAY to the first picture, key frames 10 s apart, ${count} readers`,
      '',
      '',
      `${firstKeyMs.p50.toFixed(0)} / ${firstKeyMs.max.toFixed(0)} (max)`,
      '',
      '',
      `<= ${targets.first} ms: ${reached ? 'reached' : 'missed'}`,
    ]);
  }
  publish({
    name: 'media',
    title: 'RTSP passthrough, 720p25, 2 Mbit/s, TCP',
    columns: ['what', 'CPU s / 60 s', 'floor p50 / p99 ms', 'delay p50 / p99 ms', 'lost', 'RSS MB', 'target'],
    rows,
    notes: [
      'processor time is the server process with its threads, and takes in the stream from the camera too',
      'the wait begins with the connection, so it has OPTIONS, DESCRIBE and SETUP in it',
    ],
    figures: { floor, ours, first },
  });
}
