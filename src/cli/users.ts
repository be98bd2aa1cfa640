import { type Permission, permissions, type Role, roles } from '../core/access.ts';
import type { Control } from '../core/control.ts';
import type { TokenView, UserView } from '../core/users.ts';
import { type Command, type CommandIo, noPositionals, onlyPositional, parse, present, usage } from './command.ts';
import { sessionHelp, sessionOptions, withDaemon, withStore } from './session.ts';
import { dateTime, parseExpiry, table } from './text.ts';

export const users: Command = {
  help: `Shows and changes who may log in to pages and API, and read streams.

Usage: sightline users list
       sightline users add USER --role ROLE [--cameras NAMES] [--pictures] [--no-password]
       sightline users remove USER
       sightline users passwd USER
       sightline users stream-password USER [--remove]
       sightline users tokens
       sightline users token NAME --scopes SCOPES [--cameras NAMES] [--expires WHEN]
       sightline users token NAME --remove
       sightline users setup-link

  add              ROLE is viewer (video, alerts), operator (answers alerts, enrols) or admin (everything)
  remove           their sessions, streams and the tokens they made end; the last admin stays
  passwd           gives another password; their sessions and streams end
  stream-password  makes a password for RTSP and shows it this once; the one before ends
  tokens           the tokens for programs, without their secrets
  token            makes one for the HTTP API and shows it this once; removed, what goes on with it ends
  setup-link       a new link that makes the first admin, while there is no user; the one before ends

Passwords are typed, or piped in as one line: sightline users passwd USER < FILE. They are never arguments.

      --cameras NAMES  only these cameras, separated by commas
      --pictures       may see the photos of the watchlist
      --no-password    cannot log in by one: a trusted proxy lets them in (docs/access.md)
      --scopes SCOPES  what a token may do, separated by commas: live,alerts.read; all of them: docs/access.md
      --expires WHEN   a token ends then: after 30d, or at "2026-12-31 00:00"
      --remove         takes the stream password, or the token, away
${sessionHelp}`,
  run: async (args, io, services) => {
    const { values, positionals } = parse(args, {
      ...sessionOptions,
      role: { type: 'string' },
      cameras: { type: 'string' },
      pictures: { type: 'boolean' },
      'no-password': { type: 'boolean' },
      remove: { type: 'boolean' },
      scopes: { type: 'string' },
      expires: { type: 'string' },
    });
    const [verb, ...rest] = positionals;
    const actor = io.user;
    const print = (value: unknown, line: string) => io.out(values.json === true ? JSON.stringify(value) : line);
    const use = <T>(action: (control: Control) => Promise<T>) => withStore(values, io, services, action);
    switch (verb) {
      case 'list': {
        noPositionals(rest);
        const { users: all } = await use((control) => control.call('users.list', {}, io.signal));
        if (values.json === true) for (const user of all) print(user, '');
        else for (const line of table(all.map((user) => row(user, io)))) io.out(line);
        if (all.length === 0)
          io.say('there are no users; "sightline users setup-link" or "sightline users add" makes the first');
        return 0;
      }
      case 'add': {
        const user = onlyPositional(rest, 'USER');
        const role = roleOf(values.role);
        const cameras = camerasOf(values.cameras);
        const password = values['no-password'] === true ? undefined : await io.newSecret(`password of ${user}`);
        const request = { user, role, cameras, pictures: values.pictures === true, actor, ...present({ password }) };
        const added = await use((control) => control.call('users.add', request, io.signal));
        print(added, `${user} is ${role}`);
        return 0;
      }
      case 'remove': {
        const user = onlyPositional(rest, 'USER');
        const removed = await use((control) => control.call('users.remove', { user, actor }, io.signal));
        const { tokens } = removed;
        print(
          removed,
          `${user} is removed${tokens.length === 0 ? '' : `, with the tokens of their making: ${tokens.join(', ')}`}`,
        );
        return 0;
      }
      case 'passwd': {
        const user = onlyPositional(rest, 'USER');
        const password = await io.newSecret(`new password of ${user}`);
        const changed = await use((control) => control.call('users.passwd', { user, password, actor }, io.signal));
        print(changed, `${user} has another password`);
        return 0;
      }
      case 'stream-password': {
        const user = onlyPositional(rest, 'USER');
        const remove = values.remove === true;
        const made = await use((control) => control.call('users.streamPassword', { user, remove, actor }, io.signal));
        print(made, made.password ?? `${user} has no password for streams`);
        return 0;
      }
      case 'tokens': {
        noPositionals(rest);
        const { tokens } = await use((control) => control.call('users.tokens', {}, io.signal));
        if (values.json === true) for (const token of tokens) print(token, '');
        else for (const line of table(tokens.map((token) => tokenRow(token, io)))) io.out(line);
        if (tokens.length === 0) io.say('there are no tokens');
        return 0;
      }
      case 'token': {
        const name = onlyPositional(rest, 'NAME');
        if (values.remove === true) {
          const removed = await use((control) => control.call('users.removeToken', { name, actor }, io.signal));
          print(removed, `the token ${name} is removed`);
          return 0;
        }
        const scopes = scopesOf(values.scopes);
        const expiresAt = values.expires === undefined ? undefined : endOf(values.expires, io);
        const request = { name, scopes, cameras: camerasOf(values.cameras), actor, ...present({ expiresAt }) };
        const made = await use((control) => control.call('users.addToken', request, io.signal));
        print(made, made.token);
        return 0;
      }
      case 'setup-link': {
        noPositionals(rest);
        const made = await withDaemon(values, io, services, (control) => control.call('users.setupLink', { actor }, io.signal));
        print(made, made.link);
        return 0;
      }
      default: {
        const verbs = 'list, add, remove, passwd, stream-password, tokens, token or setup-link';
        throw usage(verb === undefined ? `users needs one of ${verbs}` : `users has no ${verb}; expected ${verbs}`);
      }
    }
  },
};

function roleOf(text: string | undefined): Role {
  const role = roles.find((known) => known === text);
  if (role !== undefined) return role;
  throw usage(`${text === undefined ? '--role is missing' : `--role ${text} is none`}; expected ${roles.join(', ')}`);
}

function camerasOf(text: string | undefined): 'all' | string[] {
  return text === undefined ? 'all' : text.split(',').map((name) => name.trim());
}

function endOf(text: string, io: CommandIo): number {
  const now = io.clock.now();
  const at = parseExpiry(text, now, io.timeZone);
  if (at > now) return at;
  throw usage(`--expires ${text} is past; give a time that is to come`);
}

function scopesOf(text: string | undefined): Permission[] {
  if (text === undefined) throw usage(`--scopes is missing; expected some of ${permissions.join(', ')}`);
  return text.split(',').map((written) => {
    const scope = permissions.find((known) => known === written.trim());
    if (scope === undefined) throw usage(`--scopes ${written} is none; expected some of ${permissions.join(', ')}`);
    return scope;
  });
}

function tokenRow({ name, scopes, cameras, createdBy, expiresAt, lastUsedAt }: TokenView, io: CommandIo): readonly string[] {
  return [
    name,
    scopes.join(','),
    cameras === 'all' ? 'all cameras' : cameras.join(',') || 'no camera',
    `of ${createdBy}`,
    [
      ...(expiresAt === undefined ? [] : [`until ${dateTime(expiresAt, io.timeZone)}`]),
      ...(lastUsedAt === undefined ? [] : [`used ${dateTime(lastUsedAt, io.timeZone)}`]),
    ].join(', '),
  ];
}

function row(user: UserView, io: CommandIo): readonly string[] {
  return [
    user.user,
    user.role,
    user.cameras === 'all' ? 'all cameras' : user.cameras.join(',') || 'no camera',
    [
      ...(user.disabled ? ['disabled'] : []),
      ...(user.pictures ? ['pictures'] : []),
      ...(user.password ? [] : ['no password']),
      ...(user.streamPassword ? ['stream password'] : []),
    ].join(', '),
    user.lastSeenAt === undefined ? '' : `seen ${dateTime(user.lastSeenAt, io.timeZone)}`,
  ];
}
