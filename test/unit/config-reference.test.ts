import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { referenceFiles } from '../../src/config/reference.ts';
import { type SettingNode, settingTree } from '../../src/config/settings.ts';
import { configOf } from '../support/config.ts';

const root = join(import.meta.dirname, '../..');
const example = readFileSync(join(root, 'config/sightline.example.yaml'), 'utf8');

for (const { path, text } of referenceFiles()) {
  test(`${path} is what the schema says (otherwise run: make gen)`, () => {
    assert.equal(readFileSync(join(root, path), 'utf8'), text);
  });
}

test('the example file says the same as an empty one', () => {
  assert.deepEqual(configOf(example).config, configOf('').config);
});

test('the example with every setting switched on loads, and what has a default has it there', () => {
  const full = example
    .split('\n')
    .filter((line) => !/^\s*#passwordFile:/.test(line)) // stands instead of password
    .map((line) => line.replace(/^(\s*)#(?! )/, '$1'))
    .join('\n');
  const env = { CAM_USER: 'u', CAM_PASSWORD: 'p', MQTT_PASSWORD: 'm' };
  const { config } = configOf(full, { env });
  const least = configOf(
    'http: { tls: { certFile: x, keyFile: x }, trustedProxy: { addresses: [x], secretFile: x } }\n' +
      'media: { rtsp: { tls: { certFile: x, keyFile: x } } }\nlists: { banned: {} }\ncameras: { lobby: { source: x } }\nalerts: [{ name: x, when: { schedule: [{}] } }]',
  ).config;

  const differing: string[] = [];
  function compare(node: SettingNode, shown: unknown, wanted: unknown, path: string): void {
    if (node.kind === 'section' || node.kind === 'map') {
      for (const [key, value] of Object.entries(shown as Record<string, unknown>)) {
        const child = node.kind === 'section' ? node.fields.get(key) : node.item;
        if (child !== undefined) compare(child, value, (wanted as Record<string, unknown>)[key], `${path}.${key}`);
      }
    } else if (node.kind === 'list' && node.item.kind === 'section') {
      for (const [index, value] of (shown as unknown[]).entries())
        compare(node.item, value, (wanted as unknown[])[index], `${path}[${index}]`);
    } else if (node.defaultValue !== undefined && JSON.stringify(shown) !== JSON.stringify(wanted)) differing.push(path);
  }
  compare(settingTree(), config, least, '');
  assert.deepEqual(differing, []);
});

test('every setting of the schema stands in the example, the documentation and the JSON schema', () => {
  const documentation = readFileSync(join(root, 'docs/configuration.md'), 'utf8');
  const schema = readFileSync(join(root, 'config/schema.json'), 'utf8');
  const missing: string[] = [];
  function look(node: SettingNode): void {
    if (node.kind === 'section') {
      for (const [key, field] of node.fields) {
        if (!new RegExp(`^\\s*#?${key}:`, 'm').test(example)) missing.push(`example ${key}`);
        if (field.isSetting && !documentation.includes(`| \`${key}\` |`)) missing.push(`documentation ${key}`);
        if (!schema.includes(`"${key}": {`)) missing.push(`schema ${key}`);
        look(field);
      }
    } else if (node.kind === 'map' || node.kind === 'list') look(node.item);
  }
  look(settingTree());
  assert.deepEqual(missing, []);
});
