import { type Command, noPositionals, parse, usage } from './command.ts';
import { oneLine } from './printable.ts';
import { sessionHelp, sessionOptions, withStore } from './session.ts';
import { parseSpan, parseTime } from './text.ts';

export const why: Command = {
  help: `Explains why nobody was told about somebody in view: matches that did not alert, tracks that never matched.

When the camera gave no pictures is said too, for the time in which the daemon has been running.

Usage: sightline why --camera NAME --at TIME [--within SPAN]

      --camera NAME   camera in the configuration
      --at TIME       14:03, 14:03:05, "2026-11-21 14:03" or 2026-11-21T14:03:05Z
      --within SPAN   how far before and after to look (default 1m)
${sessionHelp}

Example: sightline why --camera lobby --at 14:03`,
  run: async (args, io, services) => {
    const { values, positionals } = parse(args, {
      ...sessionOptions,
      camera: { type: 'string' },
      at: { type: 'string' },
      within: { type: 'string', default: '1m' },
    });
    noPositionals(positionals);
    const { camera, at, within } = values;
    if (camera === undefined || at === undefined) throw usage('--camera and --at are needed');
    const question = {
      camera,
      at: parseTime(at, io.clock.now(), io.timeZone),
      windowMs: parseSpan(within, 'within'),
      timeZone: io.timeZone,
    };
    const { lines } = await withStore(values, io, services, (control) => control.call('why', question, io.signal));
    if (values.json === true) io.out(JSON.stringify({ lines }));
    else for (const line of lines) io.out(oneLine(line));
    return 0;
  },
};
