import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type CameraConfig, configSchema } from '../../src/config/schema.ts';
import { type Assignment, assignCameras } from '../../src/workers/assignment.ts';
import { ContainerFiles, parseAssignment } from '../../src/workers/container-files.ts';
import { exitOf } from '../../src/workers/container-life.ts';
import { type ContainerPlan, containerBody, labels, ownedName } from '../../src/workers/container-spec.ts';
import { deviceGroups, groupsOf } from '../../src/workers/device-groups.ts';
import { engineError } from '../../src/workers/docker-engine.ts';
import { PullMeter } from '../../src/workers/engine-streams.ts';
import { desiredWorkers } from '../../src/workers/plan.ts';
import { chooseSettings, isServersFault } from '../../src/workers/settings-choice.ts';
import { temporaryDirectory } from '../support/directory.ts';

function cameras(settings: Readonly<Record<string, object>>): Readonly<Record<string, CameraConfig>> {
  const given = Object.fromEntries(
    Object.entries(settings).map(([id, more]) => [id, { source: `rtsp://10.0.0.1/${id}`, runtime: 'deepstream', ...more }]),
  );
  return configSchema.parse({ cameras: given }).cameras;
}

const many = (count: number, more: object = {}) =>
  cameras(Object.fromEntries(Array.from({ length: count }, (_, i) => [`cam${String(i).padStart(3, '0')}`, more])));
const nobody: Assignment = new Map();
const settings = { gpus: ['0', '1'], camerasPerContainer: 4 };
const shape = (assignment: Assignment) =>
  Object.fromEntries([...assignment].map(([worker, { gpu, cameras: own }]) => [worker, `${gpu}: ${own.join(' ')}`]));

describe('files of containers', () => {
  it('are given to their user, and nothing that a link leads to', {
    skip: process.getuid?.() === 0 ? false : 'only root gives',
  }, async () => {
    await using directory = await temporaryDirectory();
    const [victim, run] = [join(directory.path, 'victim'), join(directory.path, 'run')];
    await writeFile(victim, '');
    await mkdir(run);
    await symlink(victim, join(run, 'link'));
    await symlink(join(directory.path, 'nothing'), join(run, 'dangling'));
    const user = { uid: 10_001, gid: 10_001 };
    await new ContainerFiles(directory.path).write('deepstream-main', new Map([['a', '']]), 'token', user);
    assert.equal((await stat(victim)).uid, 0);
    for (const given of ['run', 'deepstream/deepstream-main/a', 'deepstream/deepstream-main/token'])
      assert.equal((await stat(join(directory.path, given))).uid, user.uid);
  });
});

describe('assignment of cameras to containers', () => {
  it('knows no container whose name is none of ours', () => {
    const names = [
      '../x',
      'deepstream-main./../../x',
      'deepstream-a/b',
      'deepstream-main.0',
      'deepstream-main.1e9',
      'main',
      '',
    ];
    const text = JSON.stringify(
      Object.fromEntries([...names, 'deepstream-main.7'].map((name) => [name, { gpu: '0', cameras: [] }])),
    );
    assert.deepEqual([...parseAssignment(text).keys()], ['deepstream-main.7']);
  });

  it('fills no more containers than are needed, evenly, each on the GPU with the fewest cameras', () => {
    const assigned = assignCameras(
      cameras({ a: {}, b: {}, c: {}, d: {}, e: {}, f: { group: 'yard' }, g: { runtime: 'software' }, h: { enabled: false } }),
      settings,
      nobody,
    );
    assert.deepEqual(shape(assigned), {
      'deepstream-main': '0: a b c',
      'deepstream-main.2': '1: d e',
      'deepstream-yard': '1: f',
    });
  });

  it('leaves everybody where they are when a camera goes', () => {
    const before = assignCameras(many(8), settings, nobody);
    const { cam001: _gone, ...rest } = many(8);
    const after = assignCameras(rest, settings, before);
    assert.deepEqual(shape(after), {
      'deepstream-main': '0: cam000 cam002 cam003',
      'deepstream-main.2': '1: cam004 cam005 cam006 cam007',
    });
  });

  it('puts new cameras where somebody left, then where there is most room, and opens another container only after that', () => {
    const before = parseAssignment(
      '{"deepstream-main":{"gpu":"0","cameras":["a","b"]},"deepstream-main.2":{"gpu":"1","cameras":["c","d","gone"]}}',
    );
    const one = cameras({ a: {}, b: {}, c: {}, d: {}, new1: {} });
    assert.deepEqual(shape(assignCameras(one, settings, before)), {
      'deepstream-main': '0: a b',
      'deepstream-main.2': '1: c d new1',
    });
    const more = cameras({ a: {}, b: {}, c: {}, d: {}, new1: {}, new2: {}, new3: {}, new4: {}, new5: {} });
    assert.deepEqual(shape(assignCameras(more, settings, before)), {
      'deepstream-main': '0: a b new3 new4',
      'deepstream-main.2': '1: c d new1 new2',
      'deepstream-main.3': '0: new5',
    });
  });

  it('moves the cameras of a GPU that is not to be used any more, and those beyond a limit that was lowered', () => {
    const before = assignCameras(many(8), settings, nobody);
    assert.deepEqual(
      [...assignCameras(many(8), { ...settings, gpus: ['1'] }, before).values()].map(({ gpu }) => gpu),
      ['1', '1'],
    );
    const narrow = assignCameras(many(8), { ...settings, camerasPerContainer: 3 }, before);
    assert.deepEqual(shape(narrow), {
      'deepstream-main': '0: cam000 cam001 cam002',
      'deepstream-main.2': '1: cam004 cam005 cam006',
      'deepstream-main.3': '0: cam003 cam007',
    });
  });

  it('has every camera once, keeps to its limits and comes to rest, whatever was before', () => {
    const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
    const group = fc.constantFrom('main', 'yard');
    const config = fc.dictionary(id, fc.record({ group, enabled: fc.boolean() }));
    const limit = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(config, config, limit, (first, second, camerasPerContainer) => {
        const given = { gpus: ['0', '1', '2'], camerasPerContainer };
        const before = assignCameras(cameras(first), given, nobody);
        const after = assignCameras(cameras(second), given, before);
        const placed = [...after.values()].flatMap((container) => container.cameras);
        assert.deepEqual(
          placed.toSorted(),
          Object.keys(second)
            .filter((name) => second[name]?.enabled)
            .toSorted(),
        );
        for (const container of after.values()) assert.ok(container.cameras.length <= camerasPerContainer);
        assert.deepEqual(assignCameras(cameras(second), given, after), after);
        // Who was in one container and stays in the group stays in one container.
        for (const [worker, { cameras: own }] of before) {
          const stay = own.filter((name) => second[name]?.enabled && second[name].group === first[name]?.group);
          for (const name of stay) assert.ok(after.get(worker)?.cameras.includes(name), `${name} was moved`);
        }
      }),
    );
  });

  it('gives each worker its cameras and its GPU', () => {
    const own = many(6);
    const workers = desiredWorkers(own, assignCameras(own, settings, nobody));
    assert.deepEqual(
      workers.map(({ worker, gpu, cameras: has }) => [worker, gpu, has.size]),
      [
        ['deepstream-main', '0', 3],
        ['deepstream-main.2', '1', 3],
      ],
    );
  });

  it('is read as far as it can be', () => {
    assert.deepEqual(parseAssignment('{"deepstream-main":{"gpu":"0","came'), nobody);
    assert.deepEqual(parseAssignment('[1]'), nobody);
    assert.deepEqual(parseAssignment('null'), nobody);
    assert.deepEqual(
      shape(
        parseAssignment(
          '{"deepstream-w":{"gpu":"0","cameras":["a",1]},"deepstream-x":{"gpu":3,"cameras":[]},"deepstream-y":4}',
        ),
      ),
      {
        'deepstream-w': '0: a',
      },
    );
  });
});

describe('the Triton server of a container', () => {
  const servers = (...ready: readonly [boolean, ...boolean[]]) => {
    const [first, ...others] = ready.map((isReady, at) => ({
      server: 'abc'[at] ?? '',
      isReady,
      files: new Map<string, string>(),
    }));
    assert.ok(first !== undefined);
    return [first, ...others] as const;
  };
  const chosen = (...given: Parameters<typeof chooseSettings>) => chooseSettings(...given).server;

  it('is the first that is ready, and not the one that failed it where there is another', () => {
    assert.equal(chosen(servers(true, true)), 'a');
    assert.equal(chosen(servers(false, true, true)), 'b');
    assert.equal(chosen(servers(true, true, true), 'a'), 'b');
    assert.equal(chosen(servers(true, true, true), 'b'), 'a');
    assert.equal(chosen(servers(true, false, true), 'a'), 'c');
    assert.equal(chosen(servers(true, false), 'a'), 'a');
  });

  it('is another one after an end that a server may have caused: a request that failed, or none that came back', () => {
    assert.deepEqual([69, 71, 0, 70, 75, 78, 137, undefined].filter(isServersFault), [69, 71]);
  });

  it('is the first of all while nothing is known of any, or the next one', () => {
    assert.equal(chosen(servers(false, false)), 'a');
    assert.equal(chosen(servers(false, false), 'a'), 'b');
    assert.equal(chosen(servers(false), 'a'), 'a');
  });
});

const plan: ContainerPlan = {
  owner: '0f1e2d3c-0000-4000-8000-000000000000',
  worker: 'deepstream-main',
  version: '0.2.0',
  settings: { ...configSchema.parse({}).deepstream, cpus: 2.5 },
  imageId: 'sha256:1111',
  gpu: 'GPU-6a1f',
  groups: [],
  user: { uid: 1000, gid: 1000 },
  folders: { run: '/data/run', settings: '/data/deepstream/deepstream-main' },
  films: [{ inside: '/films/lobby.mp4', host: '/srv/films/lobby.mp4' }],
  files: new Map([['container.json', '{}']]),
};

describe('a container as data', () => {
  it('is the body that is written down', async () => {
    const golden = join(import.meta.dirname, '../fixtures/containers/create.json');
    const { [labels.config]: config, ...others } = containerBody(plan).Labels;
    assert.match(config ?? '', /^[0-9a-f]{64}$/);
    assert.deepEqual({ ...containerBody(plan), Labels: others }, JSON.parse(await readFile(golden, 'utf8')));
    assert.equal(ownedName(plan.owner, plan.worker), 'sightline-0f1e2d3c-deepstream-main');
  });

  it('asks for the card as the machine gives it', () => {
    const { gpu } = plan;
    const by = (gpuAccess: 'request' | 'runtime' | 'none') =>
      containerBody({ ...plan, settings: { ...plan.settings, gpuAccess } });
    assert.deepEqual(by('request').HostConfig.DeviceRequests?.[0]?.DeviceIDs, [gpu]);
    assert.equal(by('runtime').HostConfig.Runtime, 'nvidia');
    assert.ok(by('runtime').Env.includes(`NVIDIA_VISIBLE_DEVICES=${gpu}`));
    assert.equal(by('runtime').HostConfig.DeviceRequests, undefined);
    assert.doesNotMatch(JSON.stringify(by('none')), /nvidia|GPU-/i);
  });

  it('is in the groups that have the devices of a Jetson, by number, and in no others', async () => {
    assert.equal(containerBody(plan).HostConfig.GroupAdd, undefined);
    assert.deepEqual(containerBody({ ...plan, groups: [44, 104] }).HostConfig.GroupAdd, ['44', '104']);
    const mode = (permissions: number) => 0o020_000 | permissions;
    assert.deepEqual(
      groupsOf([
        { gid: 104, mode: mode(0o660) },
        { gid: 44, mode: mode(0o660) },
        { gid: 44, mode: mode(0o664) },
        // Root's, everybody's, and one that its group may only read.
        { gid: 0, mode: mode(0o660) },
        { gid: 7, mode: mode(0o666) },
        { gid: 8, mode: mode(0o640) },
      ]),
      [44, 104],
    );
    await using folder = await temporaryDirectory();
    assert.deepEqual(await deviceGroups(folder.path), []);
    await mkdir(join(folder.path, 'dri'));
    for (const name of ['nvmap', 'nvhost-ctrl', 'null', 'dri/renderD128', 'dri/card0']) {
      await writeFile(join(folder.path, name), '');
      await chmod(join(folder.path, name), 0o660);
    }
    const { gid } = await stat(join(folder.path, 'nvmap'));
    assert.deepEqual(await deviceGroups(folder.path), gid === 0 ? [] : [gid]);
  });

  it('has another hash for whatever would make it another container, and for nothing else', () => {
    const hash = (more: Partial<ContainerPlan>) => containerBody({ ...plan, ...more }).Labels[labels.config];
    const same = hash({});
    assert.equal(hash({ version: '0.3.0' }), same);
    assert.equal(hash({ files: new Map(plan.files) }), same);
    for (const other of [
      { imageId: 'sha256:2222' },
      { gpu: '1' },
      { groups: [44] },
      { user: { uid: 1001, gid: 1000 } },
      { files: new Map([['container.json', '{ }']]) },
      { settings: { ...plan.settings, memoryMegabytes: 1024 } },
      { films: [] },
    ])
      assert.notEqual(hash(other), same, JSON.stringify(other));
  });
});

describe('the engine', () => {
  const said = (statusCode: number, message: string) => Object.assign(new Error(message), { statusCode, json: { message } });
  const failed = (code: string) => Object.assign(new Error(code), { code });

  it('is quoted, and known by what it says', () => {
    const code = (error: unknown) => engineError(error, '/run/docker.sock').code;
    assert.equal(code(failed('ENOENT')), 'container.engine');
    assert.equal(code(failed('EACCES')), 'container.engine');
    assert.equal(code(failed('ECONNRESET')), 'container.engine');
    // Texts of Docker 20.10 and 28.
    assert.equal(code(said(500, 'could not select device driver "nvidia" with capabilities: [[gpu]]')), 'container.gpu');
    assert.equal(code(said(400, 'Unknown runtime specified nvidia')), 'container.gpu');
    assert.equal(code(said(400, 'unknown or invalid runtime name: nvidia')), 'container.gpu');
    assert.equal(code(said(404, 'No such image: sightline/deepstream:latest')), 'container.image');
    assert.equal(code(said(400, 'exec: "sightline-bridge": executable file not found in $PATH: unknown')), 'container.image');
    assert.equal(code(said(409, 'Conflict. The container name "/x" is already in use by container "y".')), 'container.refused');
    assert.match(engineError(said(400, 'range of\nCPUs'), '/s').message, /^the Docker engine says no: range of CPUs$/);
  });

  it('counts what it pulls, each layer once', () => {
    const meter = new PullMeter();
    const event = (id: string, current: number, total: number) => meter.see({ id, progressDetail: { current, total } });
    event('a', 10, 100);
    assert.deepEqual(event('b', 50, 300), { doneBytes: 60, totalBytes: 400 });
    event('a', 100, 100);
    // Unpacking counts from the beginning.
    assert.deepEqual(event('a', 5, 100), { doneBytes: 150, totalBytes: 400 });
    for (const odd of [{}, { id: 'c', progressDetail: {} }, { status: 'Pull complete', id: 'b' }])
      assert.deepEqual(meter.see(odd), { doneBytes: 150, totalBytes: 400 });
  });

  it('says by a code above 128 which signal ended a container', () => {
    const ended = (exitCode: number, outOfMemory = false) => exitOf({ exitCode, outOfMemory }, 512, 'no room');
    assert.deepEqual(ended(139), { code: 139, signal: 'SIGSEGV', lastWords: 'no room' });
    assert.deepEqual(ended(70), { code: 70, signal: undefined, lastWords: 'no room' });
    assert.match(ended(137, true).cause?.reason ?? '', /more than its 512 MB/);
  });

  it('says of an image without the program that it is the image', () => {
    const { cause } = exitOf({ exitCode: 127, outOfMemory: false }, 512, undefined);
    assert.equal(cause?.code, 'container.image');
    assert.match(cause?.reason ?? '', /^the image does not hold the program sightline-bridge/);
  });
});
