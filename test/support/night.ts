import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { type Broker, type BrokerOptions, type Listener, listen, startBroker } from './broker.ts';
import { alertsIn, createWorkplace, cutClip, type LogLine, patience, type RunningDaemon, type Workplace } from './daemon.ts';
import { endedThreadsModule, endThread } from './ended-threads.ts';
import { moveClock, movedClockModule } from './moved-clock.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { until } from './until.ts';

/**
 * A house for faults: one daemon with two cameras, each with a worker of its own. Ada walks past `lobby` every three seconds and Ben
 * past `yard`, and each time is one alert. The broker is behind a proxy, the data on a small disk where one can be mounted.
 */
export interface Night extends AsyncDisposable {
  readonly broker: Broker;
  readonly proxy: TcpProxy;
  readonly listener: Listener;
  readonly place: Workplace;
  /** The reason, where none can be mounted. */
  readonly disk: SmallDisk | string;
  start(): Promise<void>;
  readonly daemon: RunningDaemon;
  /** Ends a thread of the daemon. */
  endThread(name: 'store' | 'vectors' | 'inference'): Promise<void>;
  /** Sets the wall clock of the daemon and its workers off by so much. */
  moveClock(ms: number): void;
  /** Parts that are not ready, with their reasons. */
  troubles(): Promise<readonly string[]>;
  /** Waits until a part is not ready for a reason. */
  trouble(pattern: RegExp): Promise<string>;
  /** Waits until all parts are ready. */
  healed(): Promise<void>;
  /** Ids of the alerts that were opened and told, in order, each once. */
  opened(name?: 'ada' | 'ben'): readonly string[];
  /** Waits for alerts of both that nobody was told of before. */
  bothAgain(): Promise<void>;
  /** Ids of the alerts in history. */
  history(): Promise<readonly string[]>;
  /** What has been logged since the last call must not have flooded: fails unless each complaint came once a second at most. */
  assertCalm(): void;
}

export async function startNight(options: BrokerOptions = {}): Promise<Night> {
  const stack = new AsyncDisposableStack();
  try {
    return await build(options, stack);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function build(options: BrokerOptions, stack: AsyncDisposableStack): Promise<Night> {
  const broker = stack.use(await startBroker(options));
  const proxy = stack.use(await startTcpProxy(broker.port));
  const listener = stack.use(await listen(broker.port));
  const place = stack.use(await createWorkplace());
  const disk = mountSmallDisk(place.dataDir, 48 * 1024 * 1024);
  if (typeof disk !== 'string') stack.use(disk);
  const clockFile = join(place.directory, 'clock');
  const orders = join(place.directory, 'thread-to-end');
  moveClock(clockFile, 0);
  const camera = { loop: true, realtime: true, motion: { enabled: false }, crops: { refresh: '300ms' } };
  place.configure({
    mqtt: { url: `mqtt://localhost:${proxy.port}`, snapshot: 'off' },
    lists: { watch: {} },
    alerting: { leaveAfter: '1s' },
    cameras: {
      lobby: { ...camera, source: cutClip(place.directory, 'ada', 0, 34), group: 'inside' },
      yard: { ...camera, source: cutClip(place.directory, 'ben', 62, 97), group: 'outside' },
    },
  });
  await place.enrol('watch', 'ada', 'ben');

  let running: RunningDaemon | undefined;
  let read = 0;
  const daemon = (): RunningDaemon => {
    assert.ok(running, 'started');
    return running;
  };

  async function troubles(): Promise<readonly string[]> {
    const response = await fetch(daemon().url('/readyz'));
    const { ready, parts } = (await response.json()) as {
      readonly ready: boolean;
      readonly parts: readonly { readonly name: string; readonly ready: boolean; readonly reason?: string }[];
    };
    const found = parts.flatMap((part) => (part.ready ? [] : [`${part.name}: ${part.reason}`]));
    assert.deepEqual([response.status, ready], found.length === 0 ? [200, true] : [503, false]);
    return found;
  }

  function opened(name?: string): readonly string[] {
    const alerts = alertsIn(listener).filter(({ state, entry }) => state === 'opened' && (!name || entry?.name === name));
    return [...new Set(alerts.map(({ id }) => id))];
  }

  return {
    broker,
    proxy,
    listener,
    place,
    disk,
    get daemon() {
      return daemon();
    },
    start: async () => {
      running = await place.start({
        env: {
          NODE_OPTIONS: `--import=${endedThreadsModule} --import=${movedClockModule}`,
          SIGHTLINE_TEST_THREAD_TO_END: orders,
          SIGHTLINE_TEST_CLOCK: clockFile,
        },
      });
    },
    endThread: (name) => endThread(daemon().pid, orders, name),
    moveClock: (ms) => moveClock(clockFile, ms),
    troubles,
    trouble: (pattern) =>
      until(
        `a part that is not ready: ${pattern}`,
        async () => (await troubles()).find((text) => pattern.test(text)),
        patience,
      ).catch((error: unknown) => assert.fail(`${String(error)}\n${daemon().stderr().slice(-4000)}`)),
    healed: async () => {
      let last: readonly string[] = [];
      await until(
        'all parts are ready',
        async () => {
          last = await troubles();
          return last.length === 0;
        },
        patience,
      ).catch((error: unknown) => assert.fail(`${String(error)}: ${last.join('; ')}`));
    },
    opened,
    bothAgain: async () => {
      const before = { ada: opened('ada').length, ben: opened('ben').length };
      const again = () => opened('ada').length > before.ada && opened('ben').length > before.ben;
      await until('alerts of both', again, patience);
    },
    history: async () => {
      const ids: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await place.ask('alerts.list', cursor === undefined ? {} : { cursor });
        ids.push(...page.alerts.map(({ id }) => id));
        cursor = page.cursor;
      } while (cursor !== undefined);
      return ids;
    },
    assertCalm: () => {
      const lines = daemon().lines();
      assertCalm(lines.slice(read));
      read = lines.length;
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

/** What is said twice within a second at the border of two, is said once a second. */
const borderMs = 1000;

function assertCalm(lines: readonly LogLine[]): void {
  const complaints = Map.groupBy(
    lines.filter(({ level }) => level === 'warn' || level === 'error'),
    (line) => `${line.msg} ${String(line['worker'] ?? '')} ${String(line['camera'] ?? '')}`,
  );
  for (const [what, said] of complaints) {
    const times = said.map((line) => Date.parse(String(line['time'])));
    for (const [index, time] of times.entries()) {
      const third = times[index + 2];
      assert.ok(third === undefined || third - time >= borderMs, `"${what}" is said too often: ${JSON.stringify(said)}`);
    }
  }
}

/** No file, socket or pipe more than the process has open now. */
export function limitDescriptors(pid: number, most: number): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${most}:`]);
}

/** So many processes that do nothing but work. */
export function busyProcesses(count: number): Disposable {
  const started = Array.from({ length: count }, () => spawn(process.execPath, ['-e', 'while (true);'], { stdio: 'ignore' }));
  return { [Symbol.dispose]: () => void started.map((child) => child.kill('SIGKILL')) };
}
