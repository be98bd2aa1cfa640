import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiRoutes } from '../../src/http/api/routes.ts';
import { alertView, rejectedAlert } from '../../src/http/api/schemas.ts';
import { createWorkplace, patience } from '../support/daemon.ts';
import { fixturePath } from '../support/fixtures.ts';
import { Person } from '../support/login.ts';
import { until } from '../support/until.ts';

/** The API of a daemon that watches: its answers are what the documents say, and a crop of its own makes a negative example. */

test('an operator sets the daemon up, reads what it says of itself, and says "not this person" of an alert', async () => {
  await using place = await createWorkplace({
    lists: { banned: {} },
    cameras: { lobby: { source: fixturePath('clips/lobby.mp4'), realtime: true, loop: true } },
  });
  await place.enrol('banned', 'ada');
  await using daemon = await place.start();
  const said = await until('the set-up link', () => daemon.lines().find(({ link }) => link !== undefined), patience);
  const ada = new Person(daemon.url(''));
  const token = String(said['link']).split('#')[1];
  const made = await ada.ask('POST', '/api/v1/setup', { token, user: 'ada', password: 'a horse that is correct' });
  assert.equal(made.status, 201, made.text);
  const first = await until('an alert', async () => (await ada.ask('GET', '/api/v1/alerts')).value.items[0], patience);
  const alert = alertView.parse(first);

  for (const { method, path, answers } of apiRoutes) {
    const schema = answers[200]?.json;
    if (method !== 'GET' || schema === undefined || /\{|why|clip/.test(path)) continue;
    const answer = await ada.ask('GET', path);
    assert.equal(answer.status, 200, `${path}: ${answer.text}`);
    assert.deepEqual(schema.safeParse(answer.value).error?.issues, undefined, path);
  }
  for (const picture of ['snapshot', 'reference']) {
    const answer = await ada.ask('GET', `/api/v1/alerts/${alert.id}/${picture}`);
    assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'image/jpeg'], picture);
  }
  const rejected = await ada.ask('POST', `/api/v1/alerts/${alert.id}/reject`, { negative: true });
  const { state, negative } = rejectedAlert.parse(rejected.value);
  assert.equal(state, 'rejected');
  const { value } = await ada.ask('GET', `/api/v1/watchlist/${alert.entry?.id}`);
  const added = value.references.find(({ id }: { readonly id: string }) => id === negative?.referenceId);
  assert.equal(added?.negative, true, rejected.text);
  await daemon.stop();
});
