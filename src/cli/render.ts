import { type Command, parse, usage } from './command.ts';
import { configArgument } from './session.ts';

export const render: Command = {
  help: `Prints the files that DeepStream containers are started with.

Usage: sightline render [FILE] [--camera NAME]

  FILE              the configuration (default $SIGHTLINE_CONFIG or sightline.yaml)
      --camera NAME only those of the container that has this camera (default: of all)

The configuration is checked first. What is printed is what the daemon would write below its data directory before a start; addresses and
passwords of cameras are in none of these files. docs/decisions/deepstream-container.md says what each is for.

Exit codes: 0 printed, 2 no such camera, 78 wrong configuration.`,
  run: async (args, io, services) => {
    const { values, positionals } = parse(args, { camera: { type: 'string' } });
    const containers = await services.renderContainers(configArgument(positionals, io));
    const { camera } = values;
    const wanted = camera === undefined ? containers : containers.filter(({ cameras }) => cameras.includes(camera));
    if (wanted.length === 0) {
      const there = containers.flatMap(({ cameras }) => cameras);
      throw usage(
        there.length === 0
          ? 'no camera that is enabled has runtime: deepstream'
          : `no container has a camera ${camera}; there are ${there.join(', ')}`,
      );
    }
    for (const { worker, files } of wanted) {
      for (const [name, text] of files) {
        io.out(`==> ${worker}/${name} <==`);
        for (const line of text.trimEnd().split('\n')) io.out(line);
        io.out('');
      }
    }
    return 0;
  },
};
