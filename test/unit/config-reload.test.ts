import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffConfig, effectiveConfig } from '../../src/config/reload.ts';
import { type SettingNode, settingTree } from '../../src/config/settings.ts';
import { configOf } from '../support/config.ts';

const base = `
lists: { banned: {} }
cameras:
  lobby: { source: a.mp4 }
  gate: { source: b.mp4, zones: { door: [[0, 0], [1, 0], [1, 1]] } }
alerts: [{ name: r }]
`;
const diff = (old: string, next: string) => diffConfig(configOf(old).config, configOf(next).config);
const changed = (from: string, to: string) => diff(base, base.replace(from, to));

function* leaves(node: SettingNode, path: string): Generator<[string, SettingNode]> {
  if (node.kind === 'section') for (const [key, field] of node.fields) yield* leaves(field, `${path}.${key}`);
  else if (node.kind === 'map' || node.kind === 'list') yield* leaves(node.item, `${path}[]`);
  else yield [path, node];
}

test('every setting has a reload class and a sentence', () => {
  const all = [...leaves(settingTree(), '')];
  assert.ok(all.length > 80);
  assert.deepEqual(
    all.filter(([, node]) => node.reload === undefined).map(([path]) => path),
    [],
  );
  function* described(node: SettingNode, path: string): Generator<string> {
    if (node.kind === 'section') {
      for (const [key, field] of node.fields) {
        if (field.description === undefined || !/\.$|\)$/.test(field.description)) yield `${path}.${key}`;
        yield* described(field, `${path}.${key}`);
      }
    } else if (node.kind === 'map' || node.kind === 'list') yield* described(node.item, path);
  }
  assert.deepEqual([...described(settingTree(), '')], []);
});

test('the same text changes nothing, nor does a default that is written down', () => {
  assert.deepEqual(diff(base, base).changes, []);
  assert.deepEqual(diff(base, `logLevel: info\n${base}`).changes, []);
});

test('a change carries its path and class, never its value', () => {
  assert.deepEqual(changed('source: a.mp4', 'source: a.mp4, detect: [{ model: centerface, fps: 10 }]').changes, [
    { path: 'cameras.lobby.detect[0].fps', reload: 'camera' },
  ]);
  assert.deepEqual(diff('mqtt: { password: old }', 'mqtt: { password: hunter2 }'), {
    changes: [{ path: 'mqtt.password', reload: 'daemon' }],
    cameras: { added: [], removed: [], changed: [] },
    needsDaemonRestart: ['mqtt.password'],
  });
});

test('cameras that came and went are named, and those that changed with their dearest class', () => {
  const next = base
    .replace('lobby: { source: a.mp4 }', 'hall: { source: c.mp4 }')
    .replace('source: b.mp4', 'source: d.mp4, group: other, zones: {}')
    .replace(', zones: { door: [[0, 0], [1, 0], [1, 1]] } }', ' }');
  assert.deepEqual(diff(base, next).cameras, {
    added: ['hall'],
    removed: ['lobby'],
    changed: [{ camera: 'gate', reload: 'worker' }],
  });
});

test('zones, rules and lists change live', () => {
  const live = (from: string, to: string) => changed(from, to).changes.map(({ path, reload }) => `${path} ${reload}`);
  assert.deepEqual(live('[1, 1]', '[0, 1]'), ['cameras.gate.zones.door[2] live']);
  assert.deepEqual(live('[{ name: r }]', '[{ name: r }, { name: s }]'), ['alerts live']);
  assert.deepEqual(live('banned: {}', 'banned: {}, staff: { kind: ignore }'), ['lists.staff live']);
  assert.deepEqual(changed('[1, 1]', '[0, 1]').cameras.changed, [{ camera: 'gate', reload: 'live' }]);
});

test('settings that need a restart of the daemon keep their old value until then', () => {
  const old = configOf('dataDir: /a\nmqtt: { topK: 3, username: u }').config;
  const next = configOf('dataDir: /b\nlogLevel: warn\nmqtt: { topK: 5, password: p }').config;
  const effective = effectiveConfig(old, next);
  assert.equal(effective.dataDir, '/a');
  assert.equal(effective.logLevel, 'warn');
  assert.equal(effective.mqtt.topK, 5);
  assert.equal(effective.mqtt.username, 'u');
  assert.equal('password' in effective.mqtt, false);
  assert.deepEqual(diffConfig(effective, next).needsDaemonRestart, ['dataDir', 'mqtt.username', 'mqtt.password']);
});
