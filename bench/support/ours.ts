import { mkdirSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ConfigInput } from '../../src/config/schema.ts';
import { startBroker } from '../../test/support/broker.ts';
import { enrollable, readManifest } from '../../test/support/clips.ts';
import { type CameraInput, createWorkplace, type RunningDaemon } from '../../test/support/daemon.ts';
import { dataPath } from '../../test/support/data.ts';
import { realRepository } from '../../test/support/repository.ts';
import { cpuSeconds, familyOf } from './processes.ts';

/** The program as its users run it, on the real models, everybody of the test data enrolled, alerts to a real broker. */
export interface Ours extends AsyncDisposable {
  readonly daemon: RunningDaemon;
  /** The daemon first, then its workers and the media door. */
  pids(): readonly number[];
  /** Processor time of each process so far, in seconds. */
  cpu(): ReadonlyMap<number, number>;
  metrics(): Promise<Samples>;
}

export interface Samples {
  /** Sum over all series of a metric whose labels include these; 0 when there is none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
}

export interface OursOptions {
  readonly cameras: Readonly<Record<string, CameraInput>>;
  readonly more?: ConfigInput;
}

const models = { face: 'face_embed', appearance: 'person_embed', enrolment: 'centerface', enrolmentBody: 'yolox_nano' };

export async function startOurs({ cameras, more = {} }: OursOptions): Promise<Ours> {
  await using making = new AsyncDisposableStack();
  const repository = making.use(await realRepository());
  const broker = making.use(await startBroker());
  const config: ConfigInput = {
    inference: { repository: repository.directory },
    mqtt: { url: broker.url },
    models,
    lists: { watch: {} },
    ...more,
  };
  const place = making.use(await createWorkplace(config));
  const folder = join(place.directory, 'photos');
  const { people } = readManifest();
  for (const id of enrollable()) {
    mkdirSync(join(folder, id), { recursive: true });
    for (const photo of people[id]?.enrol ?? []) symlinkSync(dataPath(photo), join(folder, id, basename(photo)));
  }
  await place.succeed('enroll', '--list', 'watch', folder);
  place.configure({ ...config, cameras });
  // As bin/sightline and the container's image start it.
  const daemon = making.use(
    await place.start({ env: { MALLOC_ARENA_MAX: '2', NODE_OPTIONS: '--max-semi-space-size=4 --disable-sigusr1' } }),
  );
  const parts = making.move();
  const pids = () => familyOf(daemon.pid);
  return {
    daemon,
    pids,
    cpu: () => new Map(pids().map((pid) => [pid, cpuSeconds(pid)])),
    metrics: async () => samplesOf(await (await fetch(daemon.url('/metrics'))).text()),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

export function samplesOf(text: string): Samples {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return {
    sum: (name, labels = {}) => {
      const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
      return lines
        .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
        .filter((line) => wanted.every((label) => line.includes(label)))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
    },
  };
}

/** What a run took since `before`, in seconds: of the daemon and of its other processes. */
export function spent(
  ours: Ours,
  before: ReadonlyMap<number, number>,
): { readonly daemonS: number; readonly workersS: number } {
  let workersS = 0;
  for (const [pid, seconds] of ours.cpu()) if (pid !== ours.daemon.pid) workersS += seconds - (before.get(pid) ?? 0);
  return { daemonS: cpuSeconds(ours.daemon.pid) - (before.get(ours.daemon.pid) ?? 0), workersS };
}
