import { resolve } from 'node:path';
import { type Command, onlyPositional, parse } from './command.ts';

export const run: Command = {
  help: `Watches the cameras of a configuration file and sends alerts until it is told to stop.

Usage: sightline run [--once] FILE

  --once   ends when every camera has come to its end: for files that do not loop

Logs go to stderr, JSON lines (readable when stderr is a terminal).
SIGHUP or a change of the file reloads the configuration; a file with issues changes nothing.
SIGINT or SIGTERM finishes what is under way within 8 seconds; a second one ends at once.

Exit codes: 0 stopped when told to, 1 could not go on, 78 wrong configuration.`,
  run: async (args, _io, services) => {
    const { positionals, values } = parse(args, { once: { type: 'boolean' } });
    await services.runDaemon(resolve(onlyPositional(positionals, 'FILE')), { once: values.once ?? false });
    return 0;
  },
};
