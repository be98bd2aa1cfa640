import type { Finding, Verdict } from '../core/doctor.ts';
import { type Command, numberOption, parse } from './command.ts';
import { oneLine } from './printable.ts';
import { configIfAny } from './session.ts';
import { count } from './text.ts';

const defaultTimeoutS = 5;

export const doctor: Command = {
  help: `Looks whether this machine can do what a configuration asks of it, and says what to do where it cannot. Changes nothing.

Usage: sightline doctor [FILE] [options]

  FILE                  the configuration (default $SIGHTLINE_CONFIG or sightline.yaml where there is one)
      --first-hour      a new machine with a GPU: walks everything that DeepStream needs, whether a camera asks for it or not,
                        and starts a container that looks whether image and card have what the program in it needs, and is
                        removed again
      --timeout SECONDS for each answer over a network (default ${defaultTimeoutS})
      --json            one JSON object a line instead of text

Looks at memory, disk, clock, ports, models or Triton servers, the MQTT broker, every camera's address, and for cameras with runtime deepstream at
the GPU, its driver, Docker and the image.

Exit codes: 0 nothing fails (warnings are said), 1 something does.`,
  run: async (args, io, services) => {
    const { values, positionals } = parse(args, {
      'first-hour': { type: 'boolean' },
      timeout: { type: 'string' },
      json: { type: 'boolean' },
    });
    const timeoutS = numberOption(values.timeout, 'timeout', { min: 0.1, max: 600 }) ?? defaultTimeoutS;
    const config = configIfAny(positionals, io);
    if (config === undefined) io.say('no configuration file: only what any configuration needs is looked at');
    const counts: Record<Verdict, number> = { pass: 0, warn: 0, fail: 0, skip: 0 };
    const examine = await services.doctor();
    const request = {
      firstHour: values['first-hour'] === true,
      timeoutMs: 1000 * timeoutS,
      onProgress: (words: string) => io.say(words),
      ...(config === undefined ? {} : { config }),
    };
    for await (const finding of examine(request, io.signal)) {
      counts[finding.verdict] += 1;
      if (values.json === true) io.out(JSON.stringify(finding));
      else for (const line of linesOf(finding)) io.out(line);
    }
    if (values.json !== true)
      io.out(
        counts.fail === 0
          ? `nothing fails${counts.warn === 0 ? '' : `; ${count(counts.warn, 'warning')}`}`
          : `${count(counts.fail, 'check fails', 'checks fail')}${counts.warn === 0 ? '' : `, ${count(counts.warn, 'warning')}`}`,
      );
    return counts.fail === 0 ? 0 : 1;
  },
};

function linesOf({ subject, verdict, seen, remedy }: Finding): readonly string[] {
  return [
    oneLine(`${verdict.toUpperCase().padEnd(4)}  ${subject}: ${seen}`),
    ...(remedy === undefined ? [] : [`      → ${remedy}`]),
  ];
}
