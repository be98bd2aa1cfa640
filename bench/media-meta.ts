import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startMediaDoor } from '../src/composition/media-door.ts';
import { systemClock } from '../src/core/clock.ts';
import { writeTicket } from '../src/core/tickets.ts';
import { testContext } from '../test/support/context.ts';
import { temporaryDirectory } from '../test/support/directory.ts';
import type { Received, Subscribers } from './media-meta/subscribers.ts';
import { cpuSeconds } from './support/processes.ts';
import { progress, publish } from './support/table.ts';

const usage = `usage: node bench/media-meta.ts [--subscribers 1,100] [--fps 25] [--boxes 3] [--seconds 30]

What metadata costs the media door: one camera's frames to many WebSocket subscribers, one of whom stops reading. The door is the real
process; the frames come over the channel from this one, as from the daemon; the subscribers are in a process of their own. Delay: from
the daemon's call to the subscriber's message. Prints a table, writes bench/results/media-meta.json.`;

const { values } = parseArgs({
  options: {
    subscribers: { type: 'string', default: '1,100' },
    fps: { type: 'string', default: '25' },
    boxes: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '30' },
    help: { type: 'boolean' },
  },
});

const targetShare = 0.15;
const camera = 'lobby';

async function message<T>(child: ChildProcess): Promise<T> {
  const gone = once(child, 'exit').then(([code]) => {
    throw new Error(`the subscribers ended with ${code}`);
  });
  const [said] = await Promise.race([once(child, 'message'), gone]);
  return said as T;
}

interface Measured extends Received {
  readonly subscribers: number;
  readonly sent: number;
  readonly seconds: number;
  readonly cpuShare: number;
  readonly rssMb: number;
}

async function measure(count: number): Promise<Measured> {
  await using directory = await temporaryDirectory();
  using ctx = testContext();
  const ticketKey = Buffer.alloc(32, 1);
  await using door = await startMediaDoor(
    {
      settings: {
        mediaSocket: join(directory.path, 'media.sock'),
        rtsp: undefined,
        ring: { seconds: 60, bytes: 2 ** 26 },
        ticketKey,
        logLevel: 'warn',
      },
      onWant: () => {},
      onClip: () => {},
    },
    ctx,
  );
  door.cameras([{ camera, masked: false, revision: '' }]);
  const server = createServer();
  server.on('upgrade', (request, socket, head) => door.live(request, socket, head));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const principal = { user: 'bench', role: 'viewer', cameras: 'all', pictures: false, via: 'session' } as const;
  const wanted: Subscribers = {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/live`,
    ticket: writeTicket(principal, ticketKey, systemClock).ticket,
    camera,
    // One more, who stops reading.
    count: count + 1,
  };
  const subscribers = fork(join(import.meta.dirname, 'media-meta/subscribers.ts'), [JSON.stringify(wanted)]);
  await message(subscribers);

  const boxes = Array.from({ length: Number(values.boxes) }, (_, track) => ({
    track,
    label: 'person',
    box: [0.1 + track / 10, 0.2, 0.05, 0.25] as [number, number, number, number],
    score: 0.87,
    match: { entryId: 'e1c5', name: 'Grace Example', list: 'banned', kind: 'face' as const, similarity: 0.62 },
    colour: '#e69f00',
    decided: true,
  }));
  let sent = 0;
  const send = () => {
    const time = performance.timeOrigin + performance.now();
    door.overlay({ camera, epoch: 1, pts90k: BigInt(sent * 3600), time, predicted: false, boxes });
    sent += 1;
  };
  const pace = 1000 / Number(values.fps);
  const run = async (seconds: number) => {
    const began = performance.now();
    for (let index = 0; index < seconds * Number(values.fps); index++) {
      const due = began + index * pace - performance.now();
      if (due > 0) await new Promise((resolve) => setTimeout(resolve, due));
      send();
    }
  };
  // Its code is compiled, and the epoch has begun.
  await run(5);
  subscribers.send('begin');
  await new Promise((resolve) => setTimeout(resolve, 200));
  const pid = door.pid ?? 0;
  const before = { cpu: cpuSeconds(pid), sent, at: performance.now() };
  await run(Number(values.seconds));
  const seconds = (performance.now() - before.at) / 1000;
  const cpuShare = (cpuSeconds(pid) - before.cpu) / seconds;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  subscribers.send('end');
  const received = await message<Received>(subscribers);
  const rssMb = (door.stats?.rssBytes ?? 0) / 1e6;
  subscribers.send('exit');
  await once(subscribers, 'exit');
  server.close();
  return { ...received, subscribers: count, sent: sent - before.sent, seconds, cpuShare, rssMb };
}

if (values.help) console.log(usage);
else {
  const runs: Measured[] = [];
  for (const count of values.subscribers.split(',').map(Number)) {
    runs.push(await measure(count));
    progress(`${count} subscribers and a stalled one measured`);
  }
  publish({
    name: 'media-meta',
    title: 'Metadata to subscribers of the live feed',
    columns: ['subscribers', 'frames/s', 'CPU of a core', 'delay p50 / p99 / max ms', 'lost', 'memory MB', 'target'],
    rows: runs.map(({ subscribers, sent, seconds, cpuShare, delayMs, fewest, rssMb }) => [
      `${subscribers} + 1 stalled`,
      `${subscribers} x ${(sent / seconds).toFixed(1)}`,
      `${(100 * cpuShare).toFixed(1)} %`,
      `${delayMs.p50.toFixed(1)} / ${delayMs.p99.toFixed(1)} / ${delayMs.max.toFixed(1)}`,
      `${sent - fewest}`,
      rssMb.toFixed(0),
      `<= ${100 * targetShare} %, none lost: ${cpuShare <= targetShare && fewest === sent ? 'reached' : 'missed'}`,
    ]),
    notes: [`${values.boxes} boxes a frame; lost: of the subscriber that lost most, the stalled one aside`],
    figures: { runs },
  });
}
