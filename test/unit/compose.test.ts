import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { configSchema } from '../../src/config/schema.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');

describe('compose.yaml', () => {
  const { services, volumes } = parse(read('compose.yaml'));

  it('mounts files that are there, and volumes that it declares', () => {
    for (const [name, service] of Object.entries<{ volumes?: string[] }>(services)) {
      for (const mount of service.volumes ?? []) {
        const [source = ''] = mount.split(':');
        if (source.startsWith('.')) assert.ok(existsSync(join(root, source)), `${name} mounts ${source}`);
        else assert.ok(source in volumes, `${name} uses volume ${source}`);
      }
    }
  });

  it('starts with a configuration that holds, for the broker beside it', () => {
    const config = configSchema.parse(parse(read('docker/sightline.yaml')));
    const { hostname } = new URL(config.mqtt.url);
    assert.ok(hostname in services, `${config.mqtt.url} is no service of compose.yaml`);
    assert.match(read('Dockerfile'), new RegExp(`mkdir -p ${config.dataDir} `));
  });

  it('publishes on loopback only', () => {
    for (const port of services.sightline.ports) assert.match(port, /^127\.0\.0\.1:/);
    assert.equal(services.broker.ports, undefined);
  });
});

describe('.dockerignore', () => {
  it('lets everything through that the Dockerfile copies, and no weights', () => {
    const lines = read('.dockerignore').split('\n');
    const copied = [...read('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, list = '']) => list.split(' '));
    assert.ok(copied.length > 8);
    for (const path of copied) assert.ok(lines.includes(`!${path}`), `${path} is left out`);
    assert.ok(lines.includes('model_repository/*/*/*.onnx*'));
  });
});
