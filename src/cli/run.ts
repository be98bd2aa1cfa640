import { type Command, parse } from './command.ts';
import { configArgument } from './session.ts';

export const run: Command = {
  help: `Watches the cameras of a configuration file and sends alerts until it is told to stop.

Usage: sightline run [--once] [FILE]

  FILE     the configuration (default $SIGHTLINE_CONFIG or sightline.yaml)
  --once   ends when every camera has come to its end (for files that do not loop) or has failed

Logs go to stderr, JSON lines (readable when stderr is a terminal).
SIGHUP or a change of the file reloads the configuration; a file with issues changes nothing.
What has failed is tried again every few minutes, and at once by SIGHUP and sightline reload.
SIGINT or SIGTERM finishes what is under way within 8 seconds; a second one ends at once.

Exit codes: 0 stopped when told to or all played, 1 could not go on or --once and a camera failed (it is named),
78 wrong configuration.`,
  run: async (args, io, services) => {
    const { positionals, values } = parse(args, { once: { type: 'boolean' } });
    const failed = await services.runDaemon(configArgument(positionals, io), { once: values.once ?? false });
    for (const { camera, reason } of failed) io.say(`camera ${camera} failed: ${reason}`);
    return failed.length === 0 ? 0 : 1;
  },
};
