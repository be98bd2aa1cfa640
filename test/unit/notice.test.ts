import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const root = join(import.meta.dirname, '../..');
const notice = readFileSync(join(root, 'NOTICE'), 'utf8');
const read = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'));
/** Packages of npm's early years have a list, which the lock file leaves out. */
const olderField = (path: string): string | undefined => read(join(path, 'package.json')).licenses?.[0]?.type;
const plain = (licence: string) => licence.replace(/^\((.*)\)$/, '$1');

/** Licences that ask for no more than being named. */
const permissive =
  /^(MIT|ISC|0BSD|BlueOak-1\.0\.0|Unlicense|Apache-2\.0|BSD-[23]-Clause|Apache-2\.0 AND BSD-3-Clause|.*\bOR MIT\b.*|MIT OR .*)$/;

describe('NOTICE', () => {
  const { dependencies, optionalDependencies } = read('package.json');
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    it(`names ${name} with the licence that its package states`, () => {
      const { license } = read(`node_modules/${name}/package.json`);
      const line = notice.split('\n').find((text) => text.startsWith(`  ${name} `));
      assert.ok(line, `no line for ${name}`);
      const said = line.slice(2 + name.length).trim();
      assert.ok(said.startsWith(`${plain(license)}  `), `${name} is ${license}, NOTICE says: ${said}`);
    });
  }

  it('names every package that comes along under a licence that is not permissive', () => {
    const { packages } = read('package-lock.json');
    for (const [path, entry] of Object.entries<{ dev?: boolean; devOptional?: boolean; license?: string }>(packages)) {
      if (path === '' || entry.dev === true || entry.devOptional === true || !existsSync(join(root, path))) continue;
      const name = path.replace(/^.*node_modules\//, '');
      const licence = plain(entry.license ?? olderField(path) ?? 'none stated');
      if (permissive.test(licence) || name === '@shinyoshiaki/jspack') continue; // states none; its LICENSE file is BSD-3-Clause
      const named = notice.split('\n').some((line) => {
        const [pattern = '', ...terms] = line.trim().split(/\s+/);
        const prefix = pattern.endsWith('*') ? pattern.slice(0, -1) : undefined;
        return (prefix === undefined ? pattern === name : name.startsWith(prefix)) && terms.join(' ').startsWith(licence);
      });
      assert.ok(named, `${name} is under ${licence} and NOTICE does not say so`);
    }
  });

  it('names the terms of the video library', () => {
    assert.match(notice, /@seydx\/node-av-\*[^@]*GNU General Public License, version 3/s);
  });
});
