import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { temporaryDirectory } from '../support/directory.ts';
import { buildStandin, missingStandin, parserLibrary, standinBuild, trackerLibrary } from '../support/standin.ts';

/** What `sightline-bridge --check` says of an image; src/doctor/container-findings.ts makes findings of it. */

interface Answer {
  readonly ok: boolean;
  readonly seen: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

interface Line extends Partial<Answer> {
  readonly check?: string;
  readonly begins?: true;
  readonly done?: true;
}

const elements = join(standinBuild, 'standin/elements');
const multiarch = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
const installed = `/usr/lib/${multiarch}/gstreamer-1.0`;
const all = ['coreelements', 'app', 'rtsp', 'rtpmanager', 'videoparsersbad', 'videoconvertscale', 'libav', 'x264', 'openh264'];

interface Image {
  readonly control?: object;
  readonly without?: readonly string[];
  readonly broken?: string;
  readonly files?: readonly [parsers: string, tracker: string];
}

/** The check in an image with these plugins. */
async function checked(directory: string, { control = {}, without = [], broken, files }: Image = {}) {
  const plugins = join(directory, 'plugins');
  await mkdir(plugins);
  const paths = [
    ...all.map((name) => join(installed, `libgst${name}.so`)),
    ...['nvstandin', 'nvstandinenc'].map((name) => join(elements, `libgst${name}.so`)),
  ].filter((path) => !without.some((name) => path.endsWith(`/libgst${name}.so`)));
  for (const path of paths) await symlink(path, join(plugins, path.slice(path.lastIndexOf('/') + 1)));
  if (broken !== undefined) await writeFile(join(plugins, broken), 'no library');
  await writeFile(join(directory, 'control.json'), JSON.stringify(control));
  const env = {
    PATH: process.env['PATH'],
    GST_PLUGIN_PATH: '',
    GST_PLUGIN_SYSTEM_PATH: plugins,
    GST_REGISTRY: join(directory, 'registry.bin'),
    LD_LIBRARY_PATH: ['nvml', 'nvds'].map((name) => join(standinBuild, 'standin', name)).join(':'),
    SIGHTLINE_STANDIN: join(directory, 'control.json'),
  };
  const program = join(standinBuild, 'app/sightline-bridge');
  const { stdout } = await promisify(execFile)(program, ['--check', ...(files ?? [parserLibrary, trackerLibrary])], { env });
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  assert.deepEqual(lines.at(-1), { done: true });
  return new Map(
    lines.flatMap(({ check, begins, ok, seen = '', facts = {} }) =>
      check === undefined || begins ? [] : [[check, { ok: ok === true, seen, facts }]],
    ),
  );
}

describe('the check of the program in a DeepStream container', { skip: missingStandin() }, () => {
  before(() => buildStandin(), { timeout: 600_000 });

  it('finds all there in an image that has it', async () => {
    await using directory = await temporaryDirectory();
    const found = await checked(directory.path);
    assert.deepEqual(
      [...found].map(([name, { ok, seen }]) => `${name}: ${ok ? 'ok' : seen}`),
      [
        ...['program', 'driver', 'elements', 'plugins', 'parsers', 'tracker', 'decoder-h264', 'decoder-h265'],
        ...['encoder-hardware', 'encoder-software', 'crops'],
      ].map((name) => `${name}: ok`),
    );
    assert.deepEqual(found.get('program')?.facts, { protocol: 1, deepstream: '9.1' });
    assert.deepEqual(found.get('driver')?.facts, { driver: '595.58.03' });
    assert.deepEqual(found.get('decoder-h265')?.facts, { element: 'avdec_h265', hardware: false });
    assert.match(found.get('encoder-hardware')?.seen ?? '', /nvv4l2h264enc/);
  });

  it('names what an image lacks, and what its card refuses', async () => {
    await using directory = await temporaryDirectory();
    const found = await checked(directory.path, {
      without: ['nvstandinenc', 'x264', 'openh264', 'libav'],
      broken: 'libgstbroken.so',
      control: { gpu: { initError: 9 }, crops: { refuse: true } },
      files: ['/nowhere/libbridge_infer.so', parserLibrary],
    });
    const seen = (name: string) => (found.get(name)?.ok === false ? found.get(name)?.seen : undefined);
    assert.equal(seen('driver'), 'nvmlInit: Driver Not Loaded');
    assert.equal(seen('elements'), undefined, 'encoders have checks of their own');
    assert.match(seen('plugins') ?? '', /^GStreamer cannot load \S+\/libgstbroken\.so$/);
    assert.match(seen('parsers') ?? '', /\/nowhere\/libbridge_infer\.so: cannot open/);
    assert.match(seen('tracker') ?? '', /has no NvMOT_Init, NvMOT_DeInit, NvMOT_Process$/);
    assert.equal(seen('decoder-h264'), 'no decoder is there');
    assert.equal(seen('encoder-hardware'), 'there is no nvv4l2h264enc');
    assert.equal(seen('encoder-software'), 'there is no openh264enc');
    assert.equal(seen('crops'), 'a crop was asked for and no JPEG came');
  });

  it('names elements that are not there, and the error of an encoder that does not start', async () => {
    await using directory = await temporaryDirectory();
    const found = await checked(directory.path, { without: ['nvstandin', 'rtsp'], control: { encoder: { fail: true } } });
    const elementsSeen = found.get('elements')?.seen ?? '';
    for (const name of [
      'nvurisrcbin',
      'nvstreammux',
      'nvinferserver',
      'nvtracker',
      'nvstreamdemux',
      'nvvideoconvert',
      'nvdsosd',
    ])
      assert.ok(elementsSeen.includes(`no ${name}`), elementsSeen);
    assert.equal(found.get('encoder-software')?.ok, true);
    assert.match(found.get('encoder-hardware')?.seen ?? '', /^nvv4l2h264enc: no element "nvvideoconvert"$/);
  });
});
