import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createPlace, findDemos, removeDeadDemos } from '../../src/demo/place.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';

const skip = existsSync('/proc/self/ns/pid') ? false : 'there is no /proc here';

/** The folder of a demo of this process, its owner file changed; what a start finds and removes then. */
async function foundAfter(change: (owner: Record<string, unknown>) => void, proc = '/proc') {
  await using directory = await temporaryDirectory();
  using ctx = testContext();
  const world = { root: directory.path, uid: process.getuid?.(), proc };
  await using _place = await createPlace({ keep: undefined, scene: '/scene' }, world, ctx);
  const [folder = ''] = readdirSync(directory.path);
  const file = join(directory.path, folder, 'owner.json');
  const owner: Record<string, unknown> = JSON.parse(readFileSync(file, 'utf8'));
  change(owner);
  writeFileSync(file, JSON.stringify(owner));
  const demos = await findDemos(world);
  const removed = await removeDeadDemos(world);
  return { found: demos.map(({ alive }) => (alive ? 'alive' : 'unknown')), removed: removed.length };
}

describe('the folder of a demo', { skip }, () => {
  it('is of a demo that runs as long as its process does', async () =>
    assert.deepEqual(await foundAfter(() => {}), { found: ['alive'], removed: 0 }));

  it('is removed when its number is of another process or the machine has been started since', async () => {
    for (const change of [{ startTicks: 1 }, { bootId: 'another' }, { pid: 4_194_305 }])
      assert.deepEqual(await foundAfter((owner) => Object.assign(owner, change)), { found: [], removed: 1 });
  });

  it('stays where its process cannot be seen: in another namespace, or none is named', async () => {
    const other = { pidNamespace: 'pid:[1]', startTicks: 1 };
    assert.deepEqual(await foundAfter((owner) => Object.assign(owner, other)), { found: ['unknown'], removed: 0 });
    const older = (owner: Record<string, unknown>) => {
      delete owner['pidNamespace'];
      owner['startTicks'] = 1;
    };
    assert.deepEqual(await foundAfter(older), { found: ['unknown'], removed: 0 });
  });

  it('where the system tells nothing of its processes is removed once nobody has that number', async () => {
    assert.deepEqual(await foundAfter(() => {}, '/nowhere'), { found: ['unknown'], removed: 0 });
    const gone = (owner: Record<string, unknown>) => Object.assign(owner, { pid: 4_194_305 });
    assert.deepEqual(await foundAfter(gone, '/nowhere'), { found: [], removed: 1 });
  });
});
