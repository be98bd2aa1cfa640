import { resolve } from 'node:path';
import { type Command, onlyPositional, parse } from './command.ts';
import { count } from './text.ts';

export const check: Command = {
  help: `Says everything that is wrong with a configuration file, each issue as file:line:column path: message.

Usage: sightline check FILE

Exit codes: 0 it will run (warnings are said), 78 it will not.`,
  run: async (args, io, services) => {
    const { positionals } = parse(args, {});
    const file = onlyPositional(positionals, 'FILE');
    const { warnings, cameras, lists, rules } = await services.check(resolve(file));
    for (const warning of warnings) io.say(`warning: ${warning}`);
    io.out(`${file} is fine: ${count(cameras, 'camera')}, ${count(lists, 'list')}, ${count(rules, 'rule')}`);
    return 0;
  },
};
