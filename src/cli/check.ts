import { type Command, parse } from './command.ts';
import { configArgument } from './session.ts';
import { count } from './text.ts';

export const check: Command = {
  help: `Says everything that is wrong with a configuration file, each issue as file:line:column path: message.

Usage: sightline check [FILE]

  FILE   the configuration (default $SIGHTLINE_CONFIG or sightline.yaml)

Exit codes: 0 it will run (warnings are said), 78 it will not.`,
  run: async (args, io, services) => {
    const { positionals } = parse(args, {});
    const file = configArgument(positionals, io);
    const { warnings, cameras, lists, rules } = await services.check(file);
    for (const warning of warnings) io.say(`warning: ${warning}`);
    io.out(`${positionals[0] ?? file} is fine: ${count(cameras, 'camera')}, ${count(lists, 'list')}, ${count(rules, 'rule')}`);
    return 0;
  },
};
