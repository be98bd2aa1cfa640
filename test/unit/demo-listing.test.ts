import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createControlClient } from '../../src/cli/control-client.ts';
import type { EntryView, ReferenceSummary } from '../../src/core/control.ts';
import { SightlineError } from '../../src/core/errors.ts';
import { listMember } from '../../src/demo/listing.ts';
import type { Scene } from '../../src/demo/scene.ts';
import { scriptedDaemon } from '../support/cli.ts';

const photos = ['1.png', '2.png', '3.png'];

function reference(id: string, source: string, addedAt: number): ReferenceSummary {
  const box = { left: 0, top: 0, width: 1, height: 1 };
  return { id, entryId: 'e', negative: false, space: 's', box, quality: 1, accepted: false, source, addedAt };
}

/** Lists kofi where `before` is there already; gives what was answered, and the sources there afterwards. */
async function listing(
  before: readonly ReferenceSummary[],
  options: { readonly refuse?: boolean; readonly meanwhile?: ReferenceSummary } = {},
) {
  let references = before;
  const entry = {
    id: 'e',
    name: 'kofi',
    list: 'watched',
    kind: 'face',
    notes: '',
    reason: '',
    addedBy: 'me',
    addedAt: 1,
  } as const;
  const view = (): readonly EntryView[] => (references.length === 0 ? [] : [{ entry, references }]);
  const enrolled: string[] = [];
  await using daemon = await scriptedDaemon({
    'watchlist.list': async () => ({ entries: view() }),
    'watchlist.enrol': async ({ source }) => {
      if (options.refuse) throw new SightlineError('photo.refused', 'too dark');
      if (enrolled.length === 0 && options.meanwhile !== undefined) references = [...references, options.meanwhile];
      enrolled.push(source);
      const added = reference(`own-${source}`, source, 1000 + enrolled.length);
      references = [...references, added];
      return { entry, reference: added, warnings: [] };
    },
    'watchlist.removeReference': async ({ referenceId }) => {
      references = references.filter(({ id }) => id !== referenceId);
      return { removed: referenceId };
    },
  });
  for (const photo of photos) writeFileSync(join(daemon.path, photo), photo);
  const scene: Scene = {
    directory: daemon.path,
    film: '',
    cast: [],
    template: undefined,
    photos: async () => photos.map((photo) => join(daemon.path, photo)),
  };
  const control = createControlClient(join(daemon.path, 'control.sock'));
  const who = { name: 'kofi', list: 'watched', actor: 'me' };
  const outcome = await listMember(control, scene, who, new AbortController().signal);
  return { outcome, enrolled, ids: references.map(({ id }) => id) };
}

describe('listing a member of the cast', () => {
  it('enrols every photo', async () => {
    const { outcome, enrolled } = await listing([]);
    assert.deepEqual([outcome, enrolled], ['listed', photos]);
  });

  it('finishes an enrolment that broke off, and then has nothing to do', async () => {
    const half = await listing([reference('a', '1.png', 1)]);
    assert.deepEqual([half.outcome, half.enrolled], ['listed', ['2.png', '3.png']]);
    const whole = await listing(photos.map((photo) => reference(photo, photo, 1)));
    assert.deepEqual([whole.outcome, whole.enrolled], ['present', []]);
  });

  it('leaves of what another terminal enrolled meanwhile the first', async () => {
    const { ids } = await listing([], { meanwhile: reference('theirs', '2.png', 1) });
    assert.deepEqual(ids.toSorted(), ['own-1.png', 'own-3.png', 'theirs']);
  });

  it('does without photos that are refused as long as one is there', async () => {
    assert.equal((await listing([reference('a', '1.png', 1)], { refuse: true })).outcome, 'present');
    await assert.rejects(listing([], { refuse: true }), { code: 'photo.refused', message: 'no photo of kofi was taken' });
  });
});
