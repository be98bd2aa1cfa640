import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { it } from 'node:test';
import { behindLookup } from '../../src/core/descriptors.ts';

it('a name nobody knows stays so, and other errors are not looked behind', () => {
  const unknownName = Object.assign(new Error('getaddrinfo ENOTFOUND broker'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' });
  const errors = [unknownName, Object.assign(new Error('refused'), { code: 'ECONNREFUSED', syscall: 'connect' }), 'no error'];
  for (const error of errors) assert.equal(behindLookup(error), error);
});

it('a lookup that failed while no descriptor is left says so, and another error does not', () => {
  const program = `
    import { openSync } from 'node:fs';
    import { behindLookup } from ${JSON.stringify(new URL('../../src/core/descriptors.ts', import.meta.url).href)};
    try { for (;;) openSync('/dev/null'); } catch {}
    const failed = (syscall) => behindLookup(Object.assign(new Error('it failed'), { code: 'EBUSY', syscall })).code;
    process.stdout.write([failed('getaddrinfo'), failed('connect')].join());`;
  const run = ['-c', 'ulimit -n 64; exec "$0" --input-type=module -e "$1"', process.execPath, program];
  assert.equal(execFileSync('sh', run, { encoding: 'utf8' }), 'EMFILE,EBUSY');
});
