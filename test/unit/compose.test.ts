import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { configSchema } from '../../src/config/schema.ts';
import { parseTritonUrl } from '../../src/core/triton-url.ts';
import { dependenciesOf, networksOf, readCompose, servicesOf } from '../support/compose.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');

describe('compose.yaml', () => {
  const file = readCompose();
  const { services, networks, volumes } = file;
  const config = configSchema.parse(parse(read('docker/sightline.yaml')));
  const tritons = ['gpu', 'cpu'].map((profile) => ({ profile, name: `triton-${profile}`, renderer: `render-${profile}` }));

  it('starts Triton on a GPU, a broker and Sightline unless told otherwise', () => {
    const [, profile] = /^COMPOSE_PROFILES=(.*)$/m.exec(read('.env')) ?? [];
    assert.equal(profile, 'gpu');
    assert.deepEqual(servicesOf(file, profile), ['sightline', 'broker', 'render-gpu', 'triton-gpu']);
    assert.deepEqual(services['triton-gpu']?.deploy?.resources.reservations.devices, [
      { driver: 'nvidia', count: 1, capabilities: ['gpu'] },
    ]);
  });

  it('asks for no GPU in profile cpu', () => {
    const names = servicesOf(file, 'cpu');
    assert.deepEqual(names, ['sightline', 'broker', 'render-cpu', 'triton-cpu']);
    for (const name of names) assert.equal(services[name]?.deploy, undefined, name);
  });

  it('starts Sightline and the broker alone without a profile', () => {
    assert.deepEqual(servicesOf(file), ['sightline', 'broker']);
  });

  it('says of the pages where it publishes them', () => {
    const [port] = services['sightline']?.ports ?? [];
    assert.equal(config.http.publicUrl, `http://${port?.replace(/:\d+$/, '')}`);
  });

  it('lets no service wait for one that its profile leaves out', () => {
    for (const profile of [undefined, 'gpu', 'cpu']) {
      const names = servicesOf(file, profile);
      for (const name of names) {
        const service = services[name];
        assert.ok(service);
        for (const [other] of dependenciesOf(service)) assert.ok(names.includes(other), `${name} waits for ${other}`);
      }
    }
  });

  for (const { profile, name, renderer } of tritons) {
    it(`serves in profile ${profile} what was rendered for it`, () => {
      const [triton, render] = [services[name], services[renderer]];
      assert.ok(triton && render);
      const [, , folder = '', ...rest] = render.command ?? [];
      assert.deepEqual(render.command, ['triton', 'render', folder, '--hardware', profile]);
      assert.equal(rest.length, 2);
      assert.ok(triton.command?.includes(`--model-repository=${folder}`));
      const mounted = render.volumes?.find((mount) => folder.startsWith(`${mount.split(':')[1]}/`));
      assert.ok(mounted, folder);
      assert.ok(triton.volumes?.includes(`${mounted}:ro`), 'the server cannot write to it');
      // A volume takes the owner of the folder that the image has there, and the renderer has no rights but its own.
      assert.match(read('Dockerfile'), new RegExp(`chown -R 10001:10001 .*${mounted.split(':')[1]} `));
      assert.equal(dependenciesOf(triton).get(renderer), 'service_completed_successfully');
    });

    it(`is reached in profile ${profile} at the address of the configuration, and by nobody else`, () => {
      const triton = services[name];
      assert.ok(triton && services['sightline']);
      assert.equal(config.inference.engine, 'triton');
      const [network, aliases] = [...networksOf(triton)][0] ?? [];
      assert.deepEqual(
        config.inference.url.map((url) => parseTritonUrl(url).host),
        aliases,
      );
      assert.ok(network !== undefined && networksOf(triton).size === 1);
      assert.equal(networks[network]?.internal, true);
      const inside = Object.keys(services).filter((other) => {
        const service = services[other];
        return service !== undefined && networksOf(service).has(network);
      });
      assert.deepEqual(inside, ['sightline', 'triton-gpu', 'triton-cpu']);
    });
  }

  it('names one stock image of a release for both, and another one where the environment says so', () => {
    const images = (env?: Record<string, string>) => tritons.map(({ name }) => readCompose(env).services[name]?.image);
    const [gpu, cpu] = images();
    assert.match(gpu ?? '', /^nvcr\.io\/nvidia\/tritonserver:\d\d\.\d\d-py3$/);
    assert.equal(cpu, gpu);
    assert.deepEqual(images({ TRITON_IMAGE: 'mirror/triton' }), ['mirror/triton', 'mirror/triton']);
  });

  it('builds its image once, whatever is started, and asks no registry for it', () => {
    const ours = Object.entries(services).filter(([, { image }]) => image === 'sightline');
    assert.deepEqual(
      ours.map(([name, { build, pull_policy }]) => [name, build ?? pull_policy]),
      [
        ['sightline', '.'],
        ['render-gpu', 'never'],
        ['render-cpu', 'never'],
      ],
    );
    for (const profile of [undefined, 'gpu', 'cpu']) assert.ok(servicesOf(file, profile).includes('sightline'));
  });

  it('mounts files that are there, and volumes that it declares', () => {
    for (const [name, service] of Object.entries(services)) {
      for (const mount of service.volumes ?? []) {
        const [source = ''] = mount.split(':');
        if (source.startsWith('.')) assert.ok(existsSync(join(root, source)), `${name} mounts ${source}`);
        else assert.ok(source in volumes, `${name} uses volume ${source}`);
      }
    }
  });

  it('starts with a configuration that holds, for the broker beside it', () => {
    const { hostname } = new URL(config.mqtt.url);
    assert.ok(hostname in services, `${config.mqtt.url} is no service of compose.yaml`);
    assert.match(read('Dockerfile'), new RegExp(`mkdir -p ${config.dataDir} `));
  });

  it('publishes Sightline on loopback, and nothing else', () => {
    const published = Object.entries(services).flatMap(([name, { ports = [] }]) => ports.map((port) => [name, port]));
    assert.deepEqual(published, [['sightline', '127.0.0.1:8080:8080']]);
  });

  it('gives nobody new privileges, and a root to write on and capabilities to the broker alone', () => {
    for (const [name, { security_opt, read_only, cap_drop }] of Object.entries(services)) {
      assert.deepEqual(security_opt, ['no-new-privileges:true'], name);
      if (name !== 'broker') assert.deepEqual([read_only, cap_drop], [true, ['ALL']], name);
    }
  });
});

describe('.dockerignore', () => {
  it('lets everything through that the Dockerfiles copy, and no weights', () => {
    const lines = read('.dockerignore').split('\n');
    const files = ['Dockerfile', 'deepstream/Dockerfile', 'deepstream/Dockerfile.standin'];
    const copied = files.flatMap((file) =>
      [...read(file).matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, list = '']) => list.split(' ')),
    );
    assert.ok(copied.length > 12);
    for (const path of copied)
      assert.ok(
        lines.some((line) => line === `!${path}` || path.startsWith(`${line.slice(1)}/`)),
        `${path} is left out`,
      );
    assert.ok(lines.includes('model_repository/*/*/*.onnx*'));
  });
});
