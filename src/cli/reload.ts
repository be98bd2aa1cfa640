import { type Command, noPositionals, parse } from './command.ts';
import { sessionHelp, sessionOptions, withDaemon } from './session.ts';

export const reload: Command = {
  help: `Makes the running daemon read its configuration again and says what changed.
What has failed (a camera, a worker) is tried again at once, also when nothing changed.

Usage: sightline reload

${sessionHelp}

Exit codes: 0 applied or unchanged, 78 refused: the old configuration stays.`,
  run: async (args, io, services) => {
    const { values, positionals } = parse(args, sessionOptions);
    noPositionals(positionals);
    const result = await withDaemon(values, io, services, (control) => control.call('config.reload', {}, io.signal));
    if (values.json === true) io.out(JSON.stringify(result));
    else {
      for (const issue of result.issues) io.say(issue);
      for (const { path, reload: costs } of result.changes) io.out(`${path} (${costs})`);
      if (result.needsDaemonRestart.length > 0)
        io.say(`waits for a restart of the daemon: ${result.needsDaemonRestart.join(', ')}`);
      io.out(result.state);
    }
    return result.state === 'refused' ? 78 : 0;
  },
};
