import type { ReloadView } from '../core/control.ts';
import { type Command, noPositionals, parse } from './command.ts';
import { sessionHelp, sessionOptions, withDaemon } from './session.ts';
import { dateTime } from './text.ts';

export const reload: Command = {
  help: `Makes the running daemon read its configuration again and says what changed.
What has failed (a camera, a worker) is tried again at once, also when nothing changed. The daemon watches
the file as well: what it has taken by itself, or at SIGHUP, since a reload was last asked for is said as
already taken.

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
      const { taken } = result;
      if (taken !== undefined)
        io.out(`already taken at ${dateTime(taken.at, io.timeZone)}: ${taken.changes.map(changeText).join(', ')}`);
      for (const change of result.changes) io.out(changeText(change));
      if (result.needsDaemonRestart.length > 0)
        io.say(`waits for a restart of the daemon: ${result.needsDaemonRestart.join(', ')}`);
      io.out(result.state);
    }
    return result.state === 'refused' ? 78 : 0;
  },
};

function changeText({ path, reload: costs }: ReloadView['changes'][number]): string {
  return `${path} (${costs})`;
}
