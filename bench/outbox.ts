import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, fdatasyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connectAsync, MqttClient } from 'mqtt';
import { type AlertWriter, createAlertWriter } from '../src/alerts/writer.ts';
import { configSchema } from '../src/config/schema.ts';
import { systemClock } from '../src/core/clock.ts';
import type { Context } from '../src/core/context.ts';
import { collectSeldom } from '../src/core/heap.ts';
import { createLogger } from '../src/core/log.ts';
import { createMetrics } from '../src/core/metrics.ts';
import type { Store } from '../src/core/store.ts';
import { startOutputs } from '../src/outputs/outputs.ts';
import { startStore } from '../src/store/store.ts';
import { type Broker, hasMosquitto, startBroker } from '../test/support/broker.ts';
import { missingTool } from '../test/support/data.ts';
import { alertEvent } from '../test/support/outbox.ts';
import { exampleCommit, exampleEpisode } from '../test/support/store.ts';
import { until } from '../test/support/until.ts';
import { cpuMs, createStopwatch, type Load, openLoop, type Times, waitedMs } from './outbox/load.ts';
import { publishFigures } from './publish/publish.ts';
import { quantile } from './support/quantile.ts';
import { machine } from './support/table.ts';

const usage = `usage: node bench/outbox.ts [--seconds N] [--rate N] [--cameras N] [--picture BYTES] [--parts alone,load,bare] [--quick] [--publish]

Alerts through the durable outbox: from the call that commits a decision to the broker's PUBACK, with the real store on disk, the real
outputs and a real mosquitto, beside a bare client that publishes the same bytes on the same schedule. Prints a table, writes
bench/results/outbox.json. Exit 1 when a message is lost or a target is missed.

  --seconds  of the load (default: 60)
  --rate     alerts a second (default: 500)
  --cameras  they come from; the order within one is kept, so that each has one message under way (default: 32)
  --picture  bytes of the JPEG in every alert (default: 16384)
  --directory  where the store lies (default: the folder for temporary files)
  --parts    what to measure: alone, load, bare (the yardstick beside each); default: all
  --quick    5 s of load
  --publish  also write bench/outbox.last.json; not with --quick`;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    rate: { type: 'string', default: '500' },
    cameras: { type: 'string', default: '32' },
    picture: { type: 'string', default: '16384' },
    directory: { type: 'string', default: tmpdir() },
    parts: { type: 'string', default: 'alone,load,bare' },
    quick: { type: 'boolean', default: false },
    publish: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const root = join(import.meta.dirname, '..');
const targets = { loadP99Ms: 50, aloneP50Ms: 3 } as const;
const patienceMs = 120_000;
const aloneGapMs = 20;

function whole(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} takes a whole number from 1 on, not ${text}`);
  return value;
}

const parts = values.parts.split(',');
const settings = {
  seconds: whole(values.seconds ?? (values.quick ? '5' : '60'), 'seconds'),
  rate: whole(values.rate, 'rate'),
  cameras: whole(values.cameras, 'cameras'),
  pictureBytes: whole(values.picture, 'picture'),
  alone: values.quick ? 100 : 400,
};

const began = performance.now();
function progress(text: string): void {
  process.stderr.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${text}\n`);
}

interface Measured extends Times {
  readonly what: string;
  readonly payloadBytes: number;
  /** Sent and not with the consumer. */
  readonly lost: number;
  /** With the consumer more than once. */
  readonly repeats: number;
  /** What the disk took right before to make one picture durable, median. */
  readonly diskMs: number;
  /** What this process waited per message for a processor, all threads: on a machine that is its own, next to nothing. */
  readonly waitedMs: number;
}

/** The outputs' own client, overheard: PUBACK ends the publishing of a message, which begins with the alert's id. */
let heard: (id: string, payloadBytes: number) => void = () => {};
const publishing = MqttClient.prototype.publish;
MqttClient.prototype.publish = function publish(this: MqttClient, ...args: unknown[]) {
  const [topic, payload, , done] = args;
  if (typeof topic === 'string' && topic.includes('/alerts/') && payload instanceof Buffer && typeof done === 'function') {
    const id = /"id":"([^"]+)"/.exec(payload.subarray(0, 100).toString('latin1'))?.[1] ?? '';
    args[3] = (...answer: unknown[]) => {
      heard(id, payload.length);
      done(...answer);
    };
  }
  return Reflect.apply(publishing, this, args);
};

interface Consumer extends AsyncDisposable {
  /** Since the last time. */
  count(): Promise<{ readonly messages: number; readonly different: number }>;
}

async function startConsumer(broker: Broker, filter: string): Promise<Consumer> {
  const child = fork(join(import.meta.dirname, 'outbox/subscriber.ts'), [broker.url, filter]);
  await once(child, 'message');
  return {
    count: async () => {
      child.send('count');
      const [answer] = await once(child, 'message');
      return answer;
    },
    [Symbol.asyncDispose]: async () => {
      const exited = once(child, 'exit');
      child.send('stop');
      await exited;
    },
  };
}

interface Bench {
  readonly directory: string;
  readonly consumer: Consumer;
  readonly store: Store;
  readonly writer: AlertWriter;
  /** Alerts that the store did not take. */
  readonly unstored: () => number;
}

const picture = Buffer.alloc(settings.pictureBytes, 'jpeg');

/** Decides, stores and publishes one alert after the plan; the time of each runs from when it was due. */
async function throughOutbox(bench: Bench, what: string, load: Load | 'alone', withPicture: boolean): Promise<Measured> {
  const { store, writer, consumer } = bench;
  const watch = createStopwatch();
  let payloadBytes = 0;
  const sent = new Map<string, number>();
  heard = (id, bytes) => {
    payloadBytes = bytes;
    const n = sent.get(id);
    if (n !== undefined) watch.end(n);
  };
  function decide(n: number, dueMs: number): void {
    watch.begin(n, dueMs);
    // As the daemon's: of no order, so that every index is touched anywhere.
    const id = randomUUID();
    sent.set(id, n);
    const event = alertEvent({
      id,
      camera: `camera-${n % settings.cameras}`,
      receivedMs: systemClock.mono() - 112,
      alert: { episodeId: id },
      ...(withPicture ? { snapshot: picture } : {}),
    });
    writer.add(exampleCommit({ events: [event], episodes: [exampleEpisode({ id })], cooldowns: [{ key: id, at: n }] }));
  }
  const disk = diskMs(bench.directory, settings.pictureBytes);
  await consumer.count();
  const cpu = cpuMs();
  const waited = waitedMs();
  const count = load === 'alone' ? settings.alone : load.count;
  if (load === 'alone') {
    for (let n = 0; n < count; n += 1) {
      const answered = watch.next();
      decide(n, performance.now());
      await answered;
      await wait(aloneGapMs);
    }
  } else {
    await openLoop(load, decide);
    await until('everything is acknowledged', () => watch.answered + bench.unstored() >= count, patienceMs);
  }
  const used = cpuMs() - cpu;
  const waitedEach = (waitedMs() - waited) / count;
  await until('the outbox is empty', async () => (await store.outbox.counts()).waiting === 0, patienceMs);
  await wait(500);
  const { messages, different } = await consumer.count();
  return {
    what,
    ...watch.times(used),
    payloadBytes,
    lost: count - different,
    repeats: messages - different,
    diskMs: disk,
    waitedMs: waitedEach,
  };
}

/** The yardstick: mqtt.js alone, the same bytes, the same schedule. */
async function bare(broker: Broker, what: string, load: Load | 'alone', payloadBytes: number): Promise<Measured> {
  const client = await connectAsync(broker.url, { protocolVersion: 5 });
  const watch = createStopwatch();
  const payload = Buffer.alloc(payloadBytes, 'x');
  const send = async (n: number, dueMs: number) => {
    watch.begin(n, dueMs);
    await client.publishAsync(`bare/v1/alerts/camera-${n % settings.cameras}`, payload, { qos: 1 });
    watch.end(n);
  };
  const cpu = cpuMs();
  const waited = waitedMs();
  const count = load === 'alone' ? settings.alone : load.count;
  if (load === 'alone') {
    for (let n = 0; n < count; n += 1) {
      await send(n, performance.now());
      await wait(aloneGapMs);
    }
  } else {
    await openLoop(load, (n, dueMs) => void send(n, dueMs));
    await until('everything is acknowledged', () => watch.answered === count, patienceMs);
  }
  const used = cpuMs() - cpu;
  const waitedEach = (waitedMs() - waited) / count;
  await client.endAsync();
  return { what, ...watch.times(used), payloadBytes, lost: 0, repeats: 0, diskMs: Number.NaN, waitedMs: waitedEach };
}

/** What the disk takes to append so many bytes durably, median of many. */
function diskMs(directory: string, bytes: number): number {
  const file = join(directory, 'yardstick');
  const fd = openSync(file, 'w');
  const block = Buffer.alloc(bytes, 1);
  const took = Array.from({ length: 50 }, (_, at) => {
    const start = performance.now();
    writeSync(fd, block, 0, block.length, at * block.length);
    fdatasyncSync(fd);
    return performance.now() - start;
  });
  closeSync(fd);
  rmSync(file);
  return quantile(took, 0.5);
}

async function measure(): Promise<readonly Measured[]> {
  const directory = mkdtempSync(join(values.directory, 'sightline-outbox-'));
  const controller = new AbortController();
  const ctx: Context = {
    log: createLogger({ level: 'warn', destination: process.stderr }),
    clock: systemClock,
    metrics: createMetrics(),
    signal: controller.signal,
  };
  try {
    await using broker = await startBroker({ settings: ['log_type error'] });
    await using consumer = await startConsumer(broker, 'sightline/v1/alerts/+');
    await using store = await startStore({ directory }, ctx);
    const config = configSchema.parse({ mqtt: { url: broker.url } });
    await using outputs = await startOutputs(config, { outbox: store.outbox, version: '0.0.0' }, ctx);
    await until('the broker is connected', () => outputs.states().get('mqtt')?.state === 'connected');
    let unstored = 0;
    await using writer = createAlertWriter(
      {
        store: store.alerts,
        publish: {
          stored: (_events, rows) => outputs.notify(rows),
          unstored: (events) => {
            unstored += events.length;
          },
        },
        outputs: () => outputs.names,
        dropped: () => {
          unstored += 1;
        },
      },
      ctx,
    );
    const bench: Bench = { directory, consumer, store, writer, unstored: () => unstored };
    const load: Load = { perSecond: settings.rate, count: settings.rate * settings.seconds };
    const short: Load = { perSecond: 100, count: 200 };
    await throughOutbox(bench, 'warm-up', short, true);
    const rows: Measured[] = [];
    const note = (row: Measured) => {
      rows.push(row);
      progress(`${row.what}: p50 ${row.p50.toFixed(2)} ms, p99 ${row.p99.toFixed(2)} ms`);
      return row;
    };
    for (const withPicture of [true, false]) {
      const kind = withPicture ? 'with a picture' : 'without a picture';
      for (const part of ['alone', 'load'] as const) {
        if (!parts.includes(part)) continue;
        const what = part === 'alone' ? 'one alone' : `${settings.rate} a second`;
        const plan = part === 'alone' ? part : load;
        const own = note(await throughOutbox(bench, `${what}, ${kind}`, plan, withPicture));
        if (parts.includes('bare')) note(await bare(broker, '  bare client, the same bytes', plan, own.payloadBytes));
      }
    }
    return rows;
  } finally {
    controller.abort();
    rmSync(directory, { recursive: true, force: true });
  }
}

function tableOf(rows: readonly Measured[]): string {
  const columns = [
    'commit to PUBACK, ms',
    'messages',
    'bytes',
    'p50',
    'p90',
    'p99',
    'max',
    'CPU ms each',
    'waited for CPU',
    'disk ms',
    'lost',
    'repeats',
  ];
  const cells = rows.map((row) => [
    row.what,
    String(row.count),
    String(row.payloadBytes),
    ...[row.p50, row.p90, row.p99, row.max, row.cpuMs, row.waitedMs].map((value) => value.toFixed(2)),
    ...(row.what.startsWith(' ') ? ['', '', ''] : [row.diskMs.toFixed(2), String(row.lost), String(row.repeats)]),
  ]);
  const widths = columns.map((name, at) => Math.max(name.length, ...cells.map((row) => row[at]?.length ?? 0)));
  return [columns, ...cells]
    .map((row) => row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  '))
    .join('\n');
}

function complaintsOf(rows: readonly Measured[]): readonly string[] {
  return rows
    .filter(({ what }) => !what.startsWith(' '))
    .flatMap(({ what, lost, p50, p99 }) => [
      ...(lost > 0 ? [`${what}: ${lost} lost`] : []),
      ...(what.startsWith('one') && p50 > targets.aloneP50Ms ? [`${what}: p50 ${p50.toFixed(2)} ms`] : []),
      ...(!what.startsWith('one') && p99 > targets.loadP99Ms ? [`${what}: p99 ${p99.toFixed(2)} ms`] : []),
    ]);
}

if (values.help) console.log(usage);
else {
  const missing = missingTool(hasMosquitto, 'mosquitto');
  if (missing !== false) console.log(`the outbox is not measured: ${missing}`);
  else {
    // As the daemon does.
    collectSeldom();
    const rows = await measure();
    const figures = { date: new Date().toISOString().slice(0, 10), machine: machine(), settings, targets, rows };
    const results = join(root, 'bench/results');
    mkdirSync(results, { recursive: true });
    writeFileSync(join(results, 'outbox.json'), `${JSON.stringify(figures, undefined, 2)}\n`);
    console.log(`${figures.date}, ${figures.machine}\n\n${tableOf(rows)}`);
    const complaints = complaintsOf(rows);
    for (const complaint of complaints) console.log(`NOT REACHED: ${complaint}`);
    if (complaints.length > 0) process.exitCode = 1;
    if (values.publish && !values.quick) publishFigures('outbox', figures);
  }
}
