import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { CommandIo } from '../../src/cli/command.ts';
import { createControlClient } from '../../src/cli/control-client.ts';
import { readNewSecret, type SecretSource } from '../../src/cli/secret-input.ts';
import { createUserHandlers } from '../../src/composition/user-handlers.ts';
import { isSightlineError } from '../../src/core/errors.ts';
import { startAccounts } from '../../src/http/auth/accounts.ts';
import { startStore } from '../../src/store/store.ts';
import { runCommand, scriptedDaemon } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { emptyStatus } from '../support/status.ts';

test('users are added, listed, given passwords and removed by command', async () => {
  using ctx = testContext();
  await using directory = await temporaryDirectory();
  await using store = await startStore({ directory: directory.path }, ctx);
  await using accounts = await startAccounts(store, ctx);
  const revoked: string[] = [];
  accounts.onRevoke((user) => revoked.push(user));
  await using daemon = await scriptedDaemon({
    status: async () => emptyStatus,
    ...createUserHandlers({ accounts, pages: () => 'https://cam.example:8443' }),
  });
  const users = (args: readonly string[], io: Partial<CommandIo> = {}) =>
    runCommand(
      ['users', ...args, '--data', daemon.path],
      { connect: async () => createControlClient(`${daemon.path}/control.sock`) },
      io,
    );
  const typed = (secret: string) => ({ newSecret: async () => secret });

  const empty = await users(['list']);
  assert.deepEqual([empty.out, empty.said.length], [[], 1]);
  const link = await users(['setup-link']);
  assert.match(link.out[0] ?? '', /^https:\/\/cam\.example:8443\/setup#[\w-]{43}$/);
  const ada = await users(['add', 'ada', '--role', 'admin'], typed('a horse that is correct'));
  assert.deepEqual([ada.error, ada.code, ada.out], [undefined, 0, ['ada is admin']]);
  assert.equal(
    (await users(['add', 'ci', '--role', 'viewer', '--cameras', 'lobby, gate', '--pictures', '--no-password'])).code,
    0,
  );
  assert.deepEqual((await users(['list'])).out, [
    'ada  admin   all cameras',
    'ci   viewer  lobby,gate   pictures, no password',
  ]);
  const [listed] = (await users(['list', '--json'])).out;
  assert.deepEqual([JSON.parse(listed ?? '').user, /hash|ha1/i.test(listed ?? '')], ['ada', false]);
  const stream = await users(['stream-password', 'ci']);
  assert.match(stream.out[0] ?? '', /^[a-km-np-z2-9]{24}$/);
  assert.deepEqual((await users(['stream-password', 'ci', '--remove'])).out, ['ci has no password for streams']);
  assert.equal((await users(['passwd', 'ci'], typed('another horse'))).code, 0);
  assert.equal(await accounts.checkPassword('ci', 'another horse'), true);
  assert.deepEqual(revoked, ['ci', 'ci']);

  const refused = [
    await users(['setup-link']),
    await users(['add', 'Ada', '--role', 'viewer'], typed('a horse that is correct')),
    await users(['add', 'bo', '--role', 'viewer'], typed('short')),
    await users(['add', 'bo', '--role', 'owner']),
    await users(['add', 'bo']),
    await users(['remove', 'ada']),
    await users(['remove', 'nobody']),
    await users(['frobnicate']),
  ];
  assert.deepEqual(
    refused.map(({ error }) => (isSightlineError(error) ? error.code : error)),
    ['user.exists', 'user.exists', 'user.refused', 'cli.usage', 'cli.usage', 'user.refused', 'user.unknown', 'cli.usage'],
  );
  const home = ['token', 'door', '--scopes', 'live, alerts.read', '--cameras', 'lobby', '--expires', '30d'];
  const [token = ''] = (await users(home)).out;
  assert.match(token, /^sl_[\w-]{43}$/);
  assert.deepEqual([...(accounts.listTokens()[0]?.scopes ?? [])], ['live', 'alerts.read']);
  assert.ok(accounts.tokens.use(token, Date.now()) !== undefined, 'it lets in');
  assert.match((await users(['tokens'])).out[0] ?? '', /^door {2}live,alerts\.read {2}lobby {2}of operator {2}until /);
  assert.doesNotMatch((await users(['tokens', '--json'])).out.join(), /hash|sl_/);
  assert.deepEqual((await users(['token', 'door', '--remove'])).out, ['the token door is removed']);
  assert.equal(accounts.tokens.use(token, Date.now()), undefined);
  const wrong = [
    await users(['token', 'door', '--remove']),
    await users(['token', 'door']),
    await users(['token', 'door', '--scopes', 'live,everything']),
    await users(['token', 'door', '--scopes', 'live', '--expires', '2001-01-01 00:00']),
  ];
  assert.deepEqual(
    wrong.map(({ error }) => (isSightlineError(error) ? error.code : error)),
    ['user.unknown', 'cli.usage', 'cli.usage', 'cli.usage'],
  );

  for (const name of ['home', 'bell'])
    await accounts.addToken({ name, scopes: ['live'], cameras: 'all' }, { user: 'ci', via: 'control' });
  assert.deepEqual((await users(['remove', 'ci'])).out, ['ci is removed, with the tokens of their making: bell, home']);
  assert.deepEqual(accounts.listTokens(), []);
  const rows = (await store.audit.list(100))
    .toReversed()
    .map(({ actor, action, subject, details }) => [actor, details['via'], action, subject]);
  assert.deepEqual(
    rows.map((row) => row.join(' ')),
    [
      'operator control setup.link first user',
      'operator control user.add ada',
      'operator control user.add ci',
      'operator control user.stream_password ci',
      'operator control user.stream_password_remove ci',
      'operator control user.password ci',
      'operator control token.add door',
      'operator control token.remove door',
      'ci control token.add home',
      'ci control token.add bell',
      'operator control user.remove ci',
      'operator control token.remove bell',
      'operator control token.remove home',
    ],
  );
});

test('a password is typed twice without being shown, or piped in as a line', async () => {
  const signal = new AbortController().signal;
  const piped = (text: string) => {
    const input = new PassThrough();
    input.end(text);
    return readNewSecret(input, () => {}, 'password', signal);
  };
  assert.equal(await piped('correct horse\r\nmore'), 'correct horse');
  assert.equal(await piped('correct horse'), 'correct horse');
  await assert.rejects(piped(''), { code: 'cli.usage', message: /no password came on standard input/ });

  const atTerminal = async (...lines: readonly string[]) => {
    const input = new PassThrough();
    const modes: boolean[] = [];
    const terminal: SecretSource = Object.assign(input, { isTTY: true, setRawMode: (raw: boolean) => modes.push(raw) });
    let shown = '';
    let next = 0;
    const write = (text: string) => {
      shown += text;
      if (text.endsWith(': ')) setImmediate(() => input.write(lines[next++] ?? '\x04'));
    };
    try {
      return { secret: await readNewSecret(terminal, write, 'password', signal), shown, modes };
    } finally {
      assert.equal(modes.at(-1), false, 'the terminal is as it was');
    }
  };
  const typed = await atTerminal('corrx\x7fect hörse\r', 'wrong\x15correct hörse\r');
  assert.deepEqual([typed.secret, typed.shown, typed.modes.length], ['correct hörse', 'password: \npassword, again: \n', 4]);
  await assert.rejects(atTerminal('one secret\r', 'another\r'), { code: 'cli.usage', message: /not the same/ });
  await assert.rejects(atTerminal('\r'), { code: 'cli.usage' });
  await assert.rejects(atTerminal('half\x03'), { name: 'AbortError' });
});
