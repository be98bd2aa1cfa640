import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { lookInContainers } from '../../src/composition/doctor-container.ts';
import type { DeepStreamConfig } from '../../src/config/schema.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { Finding } from '../../src/core/doctor.ts';
import { checkInContainer } from '../../src/workers/container-check.ts';
import { createDockerEngine } from '../../src/workers/docker-engine.ts';
import { runProgram } from '../support/cli.ts';
import { buildWorkerImage, containerSettings } from '../support/container-world.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { buildImage, docker, type Image, missingEngine } from '../support/docker.ts';
import { privateEngine } from '../support/private-engine.ts';
import { missingStandin } from '../support/standin.ts';
import { buildStandinImage } from '../support/standin-image.ts';
import { until } from '../support/until.ts';

/** `sightline doctor --first-hour` and the container that it starts, on a real engine: the stand-in's image, worse ones, and an engine that goes away. */

const skip = missingEngine() || missingStandin();
const noPrivate = skip || missingTool(process.getuid?.() === 0, 'root, to start a Docker engine');
const socket = '/var/run/docker.sock';
const user = { uid: 10_001, gid: 10_001 };
const signal = new AbortController().signal;
const inside = ['program in the container', 'figures of the GPU', 'elements', 'plugins', 'parsers', 'tracker'];

/** Containers of doctors on the machine's engine, running or not. */
const left = async () =>
  (await docker('ps', '--all', '--quiet', '--filter', 'label=io.sightline.owner=doctor')).split('\n').filter(Boolean);

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** An image on top of another, or of the machine's base. */
async function imageOf(lines: readonly string[], files: Readonly<Record<string, string>> = {}): Promise<Image> {
  await using directory = await temporaryDirectory();
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory.path, name), text, { mode: 0o755 });
  const file = join(directory.path, 'Dockerfile');
  await writeFile(file, ['ARG BASE=debian:bookworm-slim', ...lines].join('\n'));
  return await buildImage({ file, context: directory.path });
}

/** One that begins a check and never ends it. */
const slow = async () =>
  await imageOf(['FROM ${BASE}', 'COPY sightline-bridge /usr/local/bin/', 'RUN mkdir -m 1777 -p /var/cache/cuda'], {
    'sightline-bridge': `#!/bin/sh\necho '{"check":"crops","begins":true}'\nexec sleep 600\n`,
  });

async function firstHour(
  image: string,
  more = '',
): Promise<{ readonly code: number | null; readonly found: readonly Finding[] }> {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'site.yaml');
  await mkdir(join(directory.path, 'data'));
  await writeFile(
    file,
    `dataDir: ./data
mqtt: { enabled: false }
media: { enabled: false }
http: { enabled: false }
deepstream: { image: "${image}", gpuAccess: none, memoryMegabytes: 1024${more} }
`,
  );
  const { code, stdout } = await runProgram(['doctor', '--first-hour', '--json', file]);
  const lines = stdout.split('\n').filter(Boolean);
  return { code, found: lines.map((line) => JSON.parse(line) as Finding) };
}

const verdicts = (found: readonly Finding[]) => Object.fromEntries(found.map(({ subject, verdict }) => [subject, verdict]));
const seenOf = (found: readonly Finding[], subject: string) => found.find((finding) => finding.subject === subject)?.seen ?? '';

describe('the first hour of a GPU machine', { skip }, () => {
  let standin: Image | undefined;
  before(
    async () => {
      standin = await buildStandinImage();
    },
    { timeout: 600_000 },
  );
  after(async () => {
    await standin?.[Symbol.asyncDispose]();
    assert.deepEqual(await left(), [], 'no container is left behind');
  });

  it('finds in a container what the image has', async () => {
    const { found } = await firstHour(standin?.name ?? '');
    const of = verdicts(found);
    for (const subject of [...inside, 'codec of annotated video', 'crops'])
      assert.equal(of[subject], 'pass', `${subject}: ${seenOf(found, subject)}`);
    // The stand-in decodes on the processor.
    for (const subject of ['codec H.264', 'codec H.265']) assert.equal(of[subject], 'warn', seenOf(found, subject));
    assert.deepEqual(await left(), []);
  });

  it('names what an image lacks, for each GPU', async () => {
    const plugins =
      '/opt/sightline/lib/gstreamer-1.0/libgstnvstandinenc.so /usr/lib/*/gstreamer-1.0/libgstx264.so /usr/lib/*/gstreamer-1.0/libgstopenh264.so';
    await using image = await imageOf(
      [
        `FROM ${standin?.name}`,
        'USER 0:0',
        `RUN rm ${plugins}`,
        'COPY standin.json /run/sightline/standin.json',
        'RUN chmod a+r /run/sightline/standin.json',
      ],
      { 'standin.json': '{"gpu": {"initError": 9}}' },
    );
    const { code, found } = await firstHour(image.name, ', gpus: ["0", "1"]');
    assert.equal(code, 1);
    const of = verdicts(found);
    for (const gpu of ['0', '1']) {
      assert.equal(of[`codec of annotated video (GPU ${gpu})`], 'fail');
      assert.equal(of[`figures of the GPU (GPU ${gpu})`], 'warn');
      assert.equal(of[`crops (GPU ${gpu})`], 'pass');
    }
    assert.match(seenOf(found, 'codec of annotated video (GPU 0)'), /there is no nvv4l2h264enc; there is no openh264enc/);
    assert.match(seenOf(found, 'figures of the GPU (GPU 1)'), /Driver Not Loaded/);
  });

  it('says of an image without the program, or with another, what it is', async () => {
    await using empty = await imageOf(['FROM ${BASE}']);
    const without = await firstHour(empty.name);
    assert.match(seenOf(without.found, 'program in the container'), /does not hold the program sightline-bridge/);
    assert.equal(verdicts(without.found)['program in the container'], 'fail');
    await using other = await buildWorkerImage();
    const withOther = await firstHour(other.name);
    assert.match(seenOf(withOther.found, 'program in the container'), /^its check ended with exit code/);
    const missing = await firstHour('sightline/is-not-here:1');
    assert.equal(verdicts(missing.found)['program in the container'], 'skip');
    assert.ok(
      [...without.found, ...withOther.found].every(({ verdict, remedy }) => verdict !== 'fail' || remedy !== undefined),
    );
  });

  it('removes a container that is not done in time, and one that nobody waits for any more', async () => {
    await using image = await slow();
    const engine = await createDockerEngine({ socketPath: socket, clock: systemClock });
    const settings = containerSettings(image.name);
    const check = (limitMs: number, stop: AbortSignal) =>
      checkInContainer(engine, { settings, gpu: '0', user, groups: [], limitMs }, systemClock, stop);
    const said = await all(check(3000, signal));
    assert.deepEqual(
      said.map((one) => (typeof one === 'string' ? 'line' : one.late)),
      ['line', true],
    );
    assert.deepEqual(await left(), []);

    const stop = new AbortController();
    await assert.rejects(async () => {
      for await (const one of check(600_000, stop.signal)) if (typeof one === 'string') setImmediate(() => stop.abort());
    }, /abort/i);
    assert.deepEqual(await left(), []);
  });
});

describe('the first hour, while the engine goes away', { skip: noPrivate }, () => {
  it('says so, and the next one removes what was left behind', { timeout: 300_000 }, async () => {
    await using image = await slow();
    await using engine = await privateEngine();
    await engine.load(image.name);
    await using directory = await temporaryDirectory();
    const settings: DeepStreamConfig = containerSettings(image.name, { socket: engine.socket });
    const found: Finding[] = [];
    const look = async () => {
      const asked = lookInContainers({ settings, dataDir: directory.path, onProgress: () => {} }, systemClock, signal);
      for await (const finding of asked) found.push(finding);
    };
    const ids = async () => (await engine.docker('ps', '--all', '--quiet')).split('\n').filter(Boolean);
    const looking = look();
    await until('a container runs', async () => (await ids()).length === 1, 60_000);
    // Its containers go first: either that is told, or that the engine does not answer any more.
    await engine.stop();
    await looking;
    assert.deepEqual(
      found.map(({ subject, verdict }) => [subject, verdict]),
      [['program in the container', 'fail']],
    );
    assert.match(found[0]?.seen ?? '', /Docker engine|ended with exit code 1\d\d/);
    await engine.start();
    // As one that was killed leaves it.
    await engine.docker('run', '--label', 'io.sightline.owner=doctor', '--network', 'none', image.name, 'true');
    assert.ok((await ids()).length > 0);
    const client = await createDockerEngine({ socketPath: engine.socket, clock: systemClock });
    // It is another's until a check of this length would be over for sure.
    const none = async () => {
      await all(checkInContainer(client, { settings, gpu: '0', user, groups: [], limitMs: 1000 }, systemClock, signal));
      return (await ids()).length === 0;
    };
    await until('it is removed', none, 120_000);
  });
});
